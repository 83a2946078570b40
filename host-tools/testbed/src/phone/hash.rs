//! Hashes that are to be signed, the codes that are displayed for them, and their signatures.

use aws_lc_rs::digest::{self, Digest, SHA256, SHA384, SHA512, digest};
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding};
use base64ct::{Base64, Encoding as _};
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::DecodePrivateKey as _;

use crate::{Algorithm, Error, Identity};

/// The octets of a hash, as many as its function gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hash {
    kind: Kind,
    octets: Vec<u8>,
}

/// SHA-2, which both services know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sha256,
    Sha384,
    Sha512,
}

/// Names of the services, which are the same in both.
const NAMES: [(&str, Kind); 3] = [("SHA256", Kind::Sha256), ("SHA384", Kind::Sha384), ("SHA512", Kind::Sha512)];

impl Kind {
    const fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &SHA256,
            Self::Sha384 => &SHA384,
            Self::Sha512 => &SHA512,
        }
    }

    const fn pkcs1(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Sha256 => &RSA_PKCS1_SHA256,
            Self::Sha384 => &RSA_PKCS1_SHA384,
            Self::Sha512 => &RSA_PKCS1_SHA512,
        }
    }
}

impl Hash {
    /// What `hash` and `hashType` of a request mean.
    ///
    /// # Errors
    /// What is wrong, for whoever has written the request.
    pub(super) fn parse(hash: &str, hash_type: &str) -> Result<Self, &'static str> {
        let kind = NAMES.into_iter().find(|(name, _)| *name == hash_type).ok_or("hashType is not SHA256, SHA384 or SHA512")?.1;
        let octets = Base64::decode_vec(hash).map_err(|_| "hash is not base64")?;
        if octets.len() != kind.algorithm().output_len() {
            return Err("the length of hash does not fit hashType");
        }
        Ok(Self { kind, octets })
    }

    /// `SHA256`, and so on.
    pub(super) fn name(&self) -> &'static str {
        NAMES.into_iter().find(|(_, kind)| *kind == self.kind).map_or("", |(name, _)| name)
    }

    /// The code of Smart-ID. Smart-ID RP API 2.0, "Computing the verification code": by SHA-256, whatever made the hash.
    pub(super) fn smart_id_code(&self) -> String {
        let twice = digest(&SHA256, &self.octets);
        let last = twice.as_ref().iter().rev().zip([1, 256]).map(|(octet, place)| u32::from(*octet) * place);
        format!("{:04}", last.sum::<u32>() % 10_000)
    }

    /// The code of Mobile-ID. Mobile-ID REST API, "Verification code calculation algorithm": six bits from the beginning, seven from the end.
    pub(super) fn mobile_id_code(&self) -> String {
        let end = |octet: Option<&u8>| octet.copied().map_or(0, u32::from);
        format!("{:04}", end(self.octets.first()) / 4 * 128 + end(self.octets.last()) % 128)
    }

    /// The signature of `identity`: RSASSA-PKCS1-v1_5, or `r || s` of ECDSA.
    ///
    /// # Errors
    /// The key is of another kind than RSA or P-256, or cannot sign.
    pub(super) fn sign(&self, identity: &Identity) -> Result<Vec<u8>, Error> {
        match identity.algorithm() {
            Algorithm::Rsa => {
                let key = RsaKeyPair::from_pkcs8(identity.key()).map_err(|_| Error::Key)?;
                let hash = Digest::import_less_safe(&self.octets, self.kind.algorithm()).map_err(|_| Error::Key)?;
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign_digest(self.kind.pkcs1(), &hash, &mut signature).map_err(|_| Error::Key)?;
                Ok(signature)
            }
            Algorithm::P256 => {
                let key = SigningKey::from_pkcs8_der(identity.key()).map_err(|_| Error::Key)?;
                let signature: Signature = key.sign_prehash(&self.octets).map_err(|_| Error::Key)?;
                Ok(signature.to_bytes().to_vec())
            }
            Algorithm::P384 | Algorithm::P521 => Err(Error::Key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(octets: &[u8]) -> Hash {
        Hash { kind: Kind::Sha256, octets: octets.to_vec() }
    }

    #[test]
    fn codes_are_those_of_the_documentation() {
        // The example of Mobile-ID's, which has 20 octets.
        let example = b"\x2f\x66\x5f\x6a\x69\x99\xe0\xef\x07\x52\xe0\x0e\xc9\xf4\x53\xad\xf5\x9d\x8c\xb6";
        assert_eq!(hash(example).mobile_id_code(), "1462");
        assert_eq!(hash(&[0x03, 0x80]).mobile_id_code(), "0000");
        assert_eq!(hash(&[0xFF; 32]).mobile_id_code(), "8191");
        // SHA-256 of nothing ends in B855, that of "abc" in 15AD.
        assert_eq!(hash(b"").smart_id_code(), "7189");
        assert_eq!(hash(b"abc").smart_id_code(), "5549");
    }

    #[test]
    fn hash_has_the_length_of_its_kind() {
        for (name, len) in [("SHA256", 32), ("SHA384", 48), ("SHA512", 64)] {
            let hash = Hash::parse(&Base64::encode_string(&vec![7; len]), name).unwrap();
            assert_eq!((hash.name(), hash.octets.len()), (name, len));
            for other in [0, 20, len - 1, len + 1] {
                assert!(Hash::parse(&Base64::encode_string(&vec![7; other]), name).is_err(), "{name} {other}");
            }
        }
        let good = Base64::encode_string(&[7; 32]);
        for (hash, name) in [(&*good, "SHA1"), (&good, "sha256"), (&good, "SHA-256"), (&good, ""), (&good[1..], "SHA256")] {
            assert!(Hash::parse(hash, name).is_err(), "{hash} {name}");
        }
        assert!(Hash::parse(good.trim_end_matches('='), "SHA256").is_err());
    }
}
