//! OCSP (RFC 6960) with the nonce of RFC 8954 and RFC 9654: the messages of both sides.
//!
//! A client makes a [`Request`] and parses a [`Response`]; a responder parses a [`Request`] and makes a response with
//! [`build`]. Nothing here does I/O or asks for the time.
//!
//! Octets that a signature covers are kept as they came, never encoded anew.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use der::asn1::{GeneralizedTime, Null, ObjectIdentifier, OctetString};
use der::oid::db::{rfc5912, rfc6960};
use der::{Decode as _, Encode as _};
use rustls_pki_types::UnixTime;
use x509_cert::ext::Extension;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::issuer::Issuer;

pub mod build;
mod request;
mod response;
mod verify;
mod wire;

pub use request::Request;
pub use response::{Answer, BasicResponse, Refusal, ResponderId, Response, Status};
pub(crate) use verify::plus;
pub use verify::{Fault, NonceRule, Rules, Verified};
pub use x509_cert::ext::pkix::CrlReason;

/// The media type of a request. RFC 6960, A.1 "Request".
pub const REQUEST_TYPE: &str = "application/ocsp-request";
/// The media type of a response. RFC 6960, A.2 "Response".
pub const RESPONSE_TYPE: &str = "application/ocsp-response";

/// The longest message that is parsed, in octets. A response with the responder's certificate has 1 to 5 thousand.
pub const MAX_LEN: usize = 64 * 1024;

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is not what RFC 6960 describes, or is cut short, or something follows it.
    #[error("malformed: {0}")]
    Malformed(#[from] der::Error),
    /// It is longer than [`MAX_LEN`].
    #[error("longer than {MAX_LEN} octets")]
    TooLong,
    /// The response is of another type than id-pkix-ocsp-basic.
    #[error("of a type that is not supported: {0}")]
    Type(ObjectIdentifier),
    /// It has a critical extension that is not known here.
    #[error("has a critical extension that is not supported: {0}")]
    Critical(ObjectIdentifier),
    /// It has the same extension twice.
    #[error("has the same extension twice: {0}")]
    Repeated(ObjectIdentifier),
}

impl From<der::ErrorKind> for ParseError {
    fn from(kind: der::ErrorKind) -> Self {
        Self::Malformed(kind.into())
    }
}

/// How a [`CertId`] names an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// SHA-1: all that the responders of SK know. Collisions do not help against it here: the issuer's name and key are the
    /// asker's own.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Its object identifier.
    #[must_use]
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => rfc5912::ID_SHA_1,
            Self::Sha256 => rfc5912::ID_SHA_256,
            Self::Sha384 => rfc5912::ID_SHA_384,
            Self::Sha512 => rfc5912::ID_SHA_512,
        }
    }

    fn digest(self, octets: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, octets).as_ref().to_vec()
    }
}

/// Which certificate a question or an answer is about. RFC 6960, 4.1.1 "ASN.1 Specification of the OCSP Request".
#[derive(Clone, PartialEq, Eq)]
pub struct CertId {
    hash_algorithm: ObjectIdentifier,
    issuer_name_hash: Vec<u8>,
    issuer_key_hash: Vec<u8>,
    serial: SerialNumber,
}

impl CertId {
    /// The certificate that `issuer` gave the number `serial`.
    #[must_use]
    pub fn new(hash: HashAlgorithm, issuer: &Issuer, serial: &SerialNumber) -> Self {
        Self {
            hash_algorithm: hash.oid(),
            issuer_name_hash: hash.digest(issuer.name()),
            issuer_key_hash: hash.digest(issuer.public_key()),
            serial: serial.clone(),
        }
    }

    /// Whether the certificate is one of `issuer`'s. No, if the hash algorithm is none of [`HashAlgorithm`].
    #[must_use]
    pub fn is_issued_by(&self, issuer: &Issuer) -> bool {
        HashAlgorithm::ALL.into_iter().find(|hash| hash.oid() == self.hash_algorithm).is_some_and(|hash| {
            self.issuer_name_hash == hash.digest(issuer.name()) && self.issuer_key_hash == hash.digest(issuer.public_key())
        })
    }

    /// The certificate's serial number as [`SerialNumber::as_bytes`] gives it: what stands in its DER `INTEGER`.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        self.serial.as_bytes()
    }
}

/// The serial number is left out: it leads to a person.
impl fmt::Debug for CertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertId").field("hash_algorithm", &self.hash_algorithm).finish_non_exhaustive()
    }
}

impl TryFrom<wire::CertId> for CertId {
    type Error = ParseError;

    fn try_from(parsed: wire::CertId) -> Result<Self, ParseError> {
        if let Some(parameters) = &parsed.hash_algorithm.parameters {
            parameters.decode_as::<Null>()?;
        }
        Ok(Self {
            hash_algorithm: parsed.hash_algorithm.oid,
            issuer_name_hash: parsed.issuer_name_hash.into_bytes().into(),
            issuer_key_hash: parsed.issuer_key_hash.into_bytes().into(),
            serial: parsed.serial_number,
        })
    }
}

impl CertId {
    fn to_wire(&self) -> Result<wire::CertId, der::Error> {
        Ok(wire::CertId {
            // NULL where the parameters could be absent: what OpenSSL and Java send, and every responder takes.
            hash_algorithm: AlgorithmIdentifierOwned { oid: self.hash_algorithm, parameters: Some(Null.into()) },
            issuer_name_hash: OctetString::new(self.issuer_name_hash.as_slice())?,
            issuer_key_hash: OctetString::new(self.issuer_key_hash.as_slice())?,
            serial_number: self.serial.clone(),
        })
    }
}

/// What ties a response to its request. RFC 8954, 2.1 "Nonce Extension"; RFC 9654 allows more octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(OctetString);

impl Nonce {
    /// 32 octets, as RFC 9654 recommends and RFC 8954 still allows.
    const LEN: usize = 32;
    /// RFC 9654, 2.1 "Nonce Extension".
    const MAX_LEN: usize = 128;

    /// A new one.
    ///
    /// # Errors
    /// No random numbers.
    pub fn random() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut octets = [0; Self::LEN];
        SystemRandom::new().fill(&mut octets)?;
        Self::new(&octets).map_err(|_| aws_lc_rs::error::Unspecified)
    }

    /// The nonce `octets`.
    ///
    /// # Errors
    /// These are none, or more than 128.
    pub fn new(octets: &[u8]) -> Result<Self, ParseError> {
        if octets.is_empty() || octets.len() > Self::MAX_LEN {
            return Err(der::Tag::OctetString.length_error().into());
        }
        Ok(Self(OctetString::new(octets)?))
    }

    /// Its octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn to_extension(&self) -> Result<Extension, der::Error> {
        Ok(Extension { extn_id: rfc6960::ID_PKIX_OCSP_NONCE, critical: false, extn_value: OctetString::new(self.0.to_der()?)? })
    }
}

/// The nonce among `extensions`; the others are not critical.
fn nonce(extensions: &[Extension]) -> Result<Option<Nonce>, ParseError> {
    let mut found = None;
    for (place, extension) in extensions.iter().enumerate() {
        if extensions.iter().take(place).any(|other| other.extn_id == extension.extn_id) {
            return Err(ParseError::Repeated(extension.extn_id));
        }
        if extension.extn_id == rfc6960::ID_PKIX_OCSP_NONCE {
            found = Some(Nonce::new(OctetString::from_der(extension.extn_value.as_bytes())?.as_bytes())?);
        } else if extension.critical {
            return Err(ParseError::Critical(extension.extn_id));
        }
    }
    Ok(found)
}

fn check_len(octets: &[u8]) -> Result<(), ParseError> {
    if octets.len() > MAX_LEN { Err(ParseError::TooLong) } else { Ok(()) }
}

fn to_wire_time(time: UnixTime) -> Result<GeneralizedTime, der::Error> {
    GeneralizedTime::from_unix_duration(Duration::from_secs(time.as_secs()))
}

fn from_wire_time(time: &GeneralizedTime) -> UnixTime {
    UnixTime::since_unix_epoch(time.to_unix_duration())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension(critical: bool) -> Extension {
        Extension { extn_id: rfc6960::ID_PKIX_OCSP_NOCHECK, critical, extn_value: OctetString::new([5, 0]).unwrap() }
    }

    #[test]
    fn extensions_that_are_not_known_must_not_be_critical() {
        let sent = Nonce::random().unwrap();
        let known = sent.to_extension().unwrap();
        assert_eq!(nonce(&[extension(false), known.clone()]), Ok(Some(sent)));
        assert_eq!(nonce(&[extension(false)]), Ok(None));
        assert_eq!(nonce(&[known, extension(true)]), Err(ParseError::Critical(rfc6960::ID_PKIX_OCSP_NOCHECK)));
    }

    #[test]
    fn extension_must_not_be_there_twice() {
        let known = Nonce::random().unwrap().to_extension().unwrap();
        assert_eq!(nonce(&[known.clone(), known]), Err(ParseError::Repeated(rfc6960::ID_PKIX_OCSP_NONCE)));
        assert!(matches!(nonce(&[extension(false), extension(false)]), Err(ParseError::Repeated(_))));
    }
}
