//! Nonces of shares servers: what a recipient signs, so that the signature is good for one share, once, and soon.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Characters of the shortest nonce (`minLength`).
pub const MIN_LEN: usize = 12;
/// Characters of the longest nonce that a server gives by the interface (`maxLength`).
pub const MAX_LEN: usize = 16;
/// Characters of the longest nonce that a client takes: the specification's own examples have 40.
pub const MAX_TAKEN_LEN: usize = 64;

/// A server's nonce. Whoever has it, and the recipient's signature over it, has the share: it is not shown.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Nonce(String);

/// `NonceResponse`: what `POST /key-shares/{shareId}/nonce` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonceResponse {
    /// The nonce.
    pub nonce: Nonce,
}

/// Text that is no nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a nonce has {MIN_LEN} to {MAX_TAKEN_LEN} letters, digits, hyphens and underscores")]
pub struct Malformed;

impl Nonce {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Nonce {
    type Err = Malformed;

    /// Characters of base64url only: it becomes part of an address.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let fits = (MIN_LEN..=MAX_TAKEN_LEN).contains(&text.len());
        let sound = text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet));
        if fits && sound { Ok(Self(text.to_owned())) } else { Err(Malformed) }
    }
}

impl TryFrom<String> for Nonce {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_fit_into_an_address() {
        for text in ["59b314d4815f21f73a0b9168cecbd5773cc694b6", "AZaz09-_AZaz09-_", "123456789012"] {
            assert_eq!(text.parse::<Nonce>().unwrap().as_str(), text);
        }
        for text in ["", "12345678901", "1234567890&a=b", "1234567890%2F", "õõõõõõõõõõõõ", &"a".repeat(65)] {
            assert_eq!(text.parse::<Nonce>(), Err(Malformed), "{text}");
        }
        assert!(serde_json::from_str::<NonceResponse>(r#"{"nonce":"1234567890&a=b"}"#).is_err());
        assert_eq!(format!("{:?}", "123456789012".parse::<Nonce>().unwrap()), "Nonce");
    }
}
