//! Signature algorithms of tokens, and the keys that they fit. Source: RFC 7518, "Cryptographic Algorithms for Digital Signatures and MACs".

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use der::Decode as _;
use der::asn1::ObjectIdentifier;
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// RFC 5480, 2.1.1; RFC 8017, appendix C.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 5480, 2.1.1.1.
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// `alg` of a token's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: Mobile-ID.
    Es256,
    /// ECDSA on P-384 with SHA-384: the Estonian ID-card.
    Es384,
    /// RSASSA-PKCS1-v1_5 with SHA-256: Smart-ID.
    Rs256,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256, and a salt of 32 octets.
    Ps256,
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// The token's algorithm is none for a key of this kind.
    #[error("the token's algorithm does not fit the key of the certificate")]
    Algorithm,
    /// Not this key's, not over these octets, or not of the algorithm's form; or an RSA key of fewer than 2048 or more than 8192 bits.
    #[error("the token is not signed by the key of the certificate")]
    Signature,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Es256, Self::Es384, Self::Rs256, Self::Ps256];

    /// As it is written in a header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    /// The one of this name, and no other: neither `none` nor one with a shared secret is known.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// What a signer signs, if it takes digests: SHA-256 or SHA-384 of `signing_input`.
    #[must_use]
    pub fn digest(self, signing_input: &[u8]) -> Vec<u8> {
        let hash = match self {
            Self::Es256 | Self::Rs256 | Self::Ps256 => &digest::SHA256,
            Self::Es384 => &digest::SHA384,
        };
        digest(hash, signing_input).as_ref().to_vec()
    }

    /// The algorithms that the key in a DER `SubjectPublicKeyInfo` may sign with, the usual one first; none for a key of another kind.
    #[must_use]
    pub fn of_public_key(public_key_info: &[u8]) -> &'static [Self] {
        SubjectPublicKeyInfoRef::from_der(public_key_info).map_or(&[], |info| of_key(&info))
    }

    /// Octets of a signature: of r and s together, or, with RSA, of the moduli that [`Self::verify`] takes.
    pub(crate) fn has_signature_len(self, len: usize) -> bool {
        match self {
            Self::Es256 => len == 64,
            Self::Es384 => len == 96,
            Self::Rs256 | Self::Ps256 => (256..=1024).contains(&len),
        }
    }

    /// Checks a signature over `signing_input`: r and s, each as long as the curve's order, for ECDSA.
    ///
    /// # Errors
    /// [`Unverified`].
    pub fn verify(self, public_key_info: &[u8], signing_input: &[u8], signature: &[u8]) -> Result<(), Unverified> {
        let info = SubjectPublicKeyInfoRef::from_der(public_key_info).map_err(|_| Unverified::Algorithm)?;
        if !of_key(&info).contains(&self) {
            return Err(Unverified::Algorithm);
        }
        let key = info.subject_public_key.as_bytes().ok_or(Unverified::Algorithm)?;
        UnparsedPublicKey::new(self.verification(), key).verify(signing_input, signature).map_err(|_| Unverified::Signature)
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Es256 => &ECDSA_P256_SHA256_FIXED,
            Self::Es384 => &ECDSA_P384_SHA384_FIXED,
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
        }
    }
}

fn of_key(info: &SubjectPublicKeyInfoRef<'_>) -> &'static [Algorithm] {
    let parameter = || info.algorithm.parameters.and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok());
    match info.algorithm.oid {
        EC => match parameter() {
            Some(P256) => &[Algorithm::Es256],
            Some(P384) => &[Algorithm::Es384],
            _ => &[],
        },
        RSA => &[Algorithm::Rs256, Algorithm::Ps256],
        _ => &[],
    }
}
