//! Who issued a certificate: all that OCSP needs to know of an authority.

use std::fmt;

use der::asn1::AnyRef;
use der::{Decode as _, Encode as _, Tag, Tagged as _};
use rustls_pki_types::{CertificateDer, Der, TrustAnchor};
use x509_cert::Certificate;
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// An authority: its name and its public key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    name: Vec<u8>,
    public_key_info: Vec<u8>,
}

impl Issuer {
    /// From a DER `Name` and a DER `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// One of them is malformed.
    pub fn new(name: &[u8], public_key_info: &[u8]) -> Result<Self, der::Error> {
        AnyRef::from_der(name)?.tag().assert_eq(Tag::Sequence)?;
        SubjectPublicKeyInfoRef::from_der(public_key_info)?
            .subject_public_key
            .as_bytes()
            .ok_or_else(|| Tag::BitString.value_error())?;
        Ok(Self { name: name.to_vec(), public_key_info: public_key_info.to_vec() })
    }

    /// From the authority's own certificate.
    ///
    /// # Errors
    /// It is malformed.
    pub fn from_certificate(certificate: &CertificateDer<'_>) -> Result<Self, der::Error> {
        let certificate = Certificate::from_der(certificate)?;
        let certified = certificate.tbs_certificate();
        Self::new(&certified.subject().to_der()?, &certified.subject_public_key_info().to_der()?)
    }

    /// From a root.
    ///
    /// # Errors
    /// It is malformed.
    pub fn from_anchor(anchor: &TrustAnchor<'_>) -> Result<Self, der::Error> {
        Self::new(&sequence(&anchor.subject)?, &sequence(&anchor.subject_public_key_info)?)
    }

    /// As what a certificate that it issued itself is checked against.
    #[must_use]
    pub fn to_anchor(&self) -> TrustAnchor<'_> {
        TrustAnchor {
            subject: Der::from_slice(contents(&self.name)),
            subject_public_key_info: Der::from_slice(contents(&self.public_key_info)),
            name_constraints: None,
        }
    }

    /// Its name: a DER `Name`.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Its public key: a DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key_info(&self) -> &[u8] {
        &self.public_key_info
    }

    /// What stands in the `BIT STRING` of its public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        SubjectPublicKeyInfoRef::from_der(&self.public_key_info)
            .ok()
            .and_then(|info| info.subject_public_key.as_bytes())
            .unwrap_or_default()
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match x509_cert::name::Name::from_der(&self.name) {
            Ok(name) => write!(f, "Issuer({name})"),
            Err(_) => f.write_str("Issuer"),
        }
    }
}

/// `contents` as a DER `SEQUENCE`.
pub(crate) fn sequence(contents: &[u8]) -> Result<Vec<u8>, der::Error> {
    AnyRef::new(Tag::Sequence, contents)?.to_der()
}

/// What stands in a DER element that was checked before.
fn contents(element: &[u8]) -> &[u8] {
    AnyRef::from_der(element).map(|any| any.value()).unwrap_or_default()
}
