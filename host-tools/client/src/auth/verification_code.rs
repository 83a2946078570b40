//! The four digits that tie what a terminal shows to what a phone shows.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A verification code, 0000 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationCode(u16);

impl VerificationCode {
    /// The code for a `hash` that Smart-ID is to sign: `SHA-256(hash)`, its last two octets as a number, modulo 10000. Smart-ID RP API 2.0, "Computing
    /// the verification code".
    #[must_use]
    pub fn of_smart_id(hash: &[u8]) -> Self {
        let digest = Sha256::digest(hash);
        Self(u16::from_be_bytes([digest[30], digest[31]]) % 10_000)
    }

    /// The code for a `hash` that Mobile-ID is to sign: its first six bits and its last seven, as a number up to 8191. Mobile-ID REST API,
    /// "Verification code calculation algorithm".
    #[must_use]
    pub fn of_mobile_id(hash: &[u8]) -> Self {
        let (first, last) = (hash.first().copied().unwrap_or(0), hash.last().copied().unwrap_or(0));
        Self(u16::from(first >> 2) << 7 | u16::from(last & 0x7F))
    }
}

/// Always four digits.
impl fmt::Display for VerificationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_mobile_id(hash: &[u8]) -> String {
        VerificationCode::of_mobile_id(hash).to_string()
    }

    #[test]
    fn smart_id_hashes_once_more() {
        // The example in the tests of Smart-ID's own client for Java.
        assert_eq!(VerificationCode::of_smart_id(&[27, 0xBB]).to_string(), "4555");
        // Computed by hand: SHA-256 of nothing ends in B855, which is 47189.
        assert_eq!(VerificationCode::of_smart_id(b"").to_string(), "7189");
    }

    #[test]
    fn mobile_id_takes_both_ends() {
        // The example of the documentation: it has 20 octets.
        let hash = b"\x2f\x66\x5f\x6a\x69\x99\xe0\xef\x07\x52\xe0\x0e\xc9\xf4\x53\xad\xf5\x9d\x8c\xb6";
        assert_eq!(of_mobile_id(hash), "1462");
        assert_eq!(of_mobile_id(&[0xFF; 32]), "8191");
        assert_eq!(of_mobile_id(&[0x03, 0x80]), "0000");
        assert_eq!(of_mobile_id(&[0x00, 0x29]), "0041");
    }
}
