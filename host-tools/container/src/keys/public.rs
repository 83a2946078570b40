//! Public keys.

use cdoc2_nostd::Curve;
use der::asn1::{BitStringRef, ObjectIdentifier};
use der::{Decode as _, Encode as _};
use x509_cert::spki::{AlgorithmIdentifier, AlgorithmIdentifierRef, SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};

use super::error::name;
use super::format::{self, Format, Wanted};
use super::{EcPublicKey, Error, RsaPublicKey};

/// `id-ecPublicKey` (RFC 5480, 2.1.1).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// The public key of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// On an elliptic curve.
    Ec(EcPublicKey),
    /// RSA.
    Rsa(RsaPublicKey),
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` (RFC 5280) or `RSAPublicKey` (RFC 8017) from PEM or DER.
    ///
    /// Certificates and private keys are refused with advice: the dates of the one should be checked
    /// ([`Certificate::parse`](super::Certificate::parse)), and the other has no business where somebody encrypts.
    ///
    /// # Errors
    /// [`Error::WrongFormat`], [`Error::Several`]: the file holds something else, or several public keys. The others say why
    /// the key cannot be used.
    pub fn parse(octets: &[u8]) -> Result<Self, Error> {
        let block = format::block(octets, Wanted::PublicKey)?;
        if block.format == Format::Pkcs1Public {
            return RsaPublicKey::from_pkcs1(&block.der).map(Self::Rsa);
        }
        let spki = SubjectPublicKeyInfoRef::from_der(&block.der).map_err(|_| Error::Malformed("not a public key"))?;
        Self::from_spki(spki)
    }

    /// The key of a `SubjectPublicKeyInfo`.
    pub(super) fn from_spki(spki: SubjectPublicKeyInfoRef<'_>) -> Result<Self, Error> {
        let octets = spki.subject_public_key.as_bytes().ok_or(Error::Malformed("not a public key"))?;
        match Algorithm::of(&spki.algorithm)? {
            Algorithm::Ec(curve) => EcPublicKey::new(curve, octets).map(Self::Ec),
            Algorithm::Rsa => RsaPublicKey::from_pkcs1(octets).map(Self::Rsa),
        }
    }

    /// The octets of `recipient_public_key` in a capsule: the uncompressed point (`ECCPublicKeyCapsule`), or `RSAPublicKey` in
    /// DER (`RSAPublicKeyCapsule`).
    #[must_use]
    pub fn capsule_octets(&self) -> &[u8] {
        match self {
            Self::Ec(key) => key.point(),
            Self::Rsa(key) => key.pkcs1(),
        }
    }

    /// Whether an `ECCPublicKeyCapsule` with these fields is for this key.
    #[must_use]
    pub fn is_ec_recipient(&self, curve: Curve, recipient_public_key: &[u8]) -> bool {
        matches!(self, Self::Ec(key) if key.curve() == curve && key.point() == recipient_public_key)
    }

    /// Whether an `RSAPublicKeyCapsule` with this field is for this key.
    #[must_use]
    pub fn is_rsa_recipient(&self, recipient_public_key: &[u8]) -> bool {
        matches!(self, Self::Rsa(key) if key.pkcs1() == recipient_public_key)
    }

    /// `SubjectPublicKeyInfo` (RFC 5280) in DER.
    pub(super) fn to_spki(&self) -> Result<Vec<u8>, der::Error> {
        let subject_public_key = BitStringRef::from_bytes(self.capsule_octets())?;
        match self {
            Self::Ec(key) => {
                let algorithm = AlgorithmIdentifier { oid: EC_PUBLIC_KEY, parameters: Some(curve_oid(key.curve())) };
                SubjectPublicKeyInfo { algorithm, subject_public_key }.to_der()
            }
            Self::Rsa(_) => SubjectPublicKeyInfo { algorithm: pkcs1::ALGORITHM_ID, subject_public_key }.to_der(),
        }
    }
}

/// What an `AlgorithmIdentifier` says about a key.
pub(super) enum Algorithm {
    Ec(Curve),
    Rsa,
}

impl Algorithm {
    pub(super) fn of(identifier: &AlgorithmIdentifierRef<'_>) -> Result<Self, Error> {
        match identifier.oid {
            EC_PUBLIC_KEY => {
                let parameters = identifier.parameters.ok_or(Error::Malformed("the key names no curve"))?;
                curve(parameters).map(Self::Ec)
            }
            pkcs1::ALGORITHM_OID => Ok(Self::Rsa),
            other => Err(Error::UnsupportedAlgorithm(name(other))),
        }
    }
}

/// The curve that `ECParameters` (RFC 5480, 2.1.1) name.
pub(super) fn curve(parameters: der::asn1::AnyRef<'_>) -> Result<Curve, Error> {
    let oid = parameters.decode_as::<ObjectIdentifier>().map_err(|_| Error::ExplicitCurve)?;
    Curve::ALL.into_iter().find(|curve| curve_oid(*curve) == oid).ok_or_else(|| Error::UnsupportedCurve(name(oid)))
}

/// RFC 5480, 2.1.1.1.
fn curve_oid(curve: Curve) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(match curve {
        Curve::Secp384r1 => "1.3.132.0.34",
        Curve::Secp256r1 => "1.2.840.10045.3.1.7",
        Curve::Secp521r1 => "1.3.132.0.35",
    })
}
