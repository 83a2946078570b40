//! Signatures in the form that TLS wants.

use x509_cert::der::Encode as _;
use x509_cert::der::asn1::UintRef;

/// `Ecdsa-Sig-Value` (RFC 3279, 2.2.3) of `r || s`, which cards and modules answer; `None` if the halves are not of one length.
pub(crate) fn ecdsa_der(signature: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(signature.len() / 2).filter(|(r, s)| r.len() == s.len() && !r.is_empty())?;
    let numbers = vec![UintRef::new(r).ok()?, UintRef::new(s).ok()?];
    numbers.to_der().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_their_zeros_and_stay_positive() {
        assert_eq!(ecdsa_der(&[0, 1, 0x80, 0]).unwrap(), [0x30, 8, 2, 1, 1, 2, 3, 0, 0x80, 0]);
        assert_eq!(ecdsa_der(&[0, 0, 0, 5]).unwrap(), [0x30, 6, 2, 1, 0, 2, 1, 5]);
        assert_eq!(ecdsa_der(&[1, 2, 3]), None);
        assert_eq!(ecdsa_der(&[]), None);
    }
}
