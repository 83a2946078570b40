//! What a signature must be before it is handed on, whoever made it.

use std::time::SystemTime;

use cdoc2::keys::{Certificate, Validity};
use cdoc2_api::RecipientId;
use cdoc2_auth_token::purpose::Authentication;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error as PathError, anchor_from_trusted_cert};
use x509_cert::der::{Decode as _, Encode as _};

use super::{Algorithm, Signed, Untrusted};
use crate::tls;

/// Whose signature it is to be, and over what.
pub(super) struct Wanted<'a> {
    pub(super) person: &'a RecipientId,
    pub(super) signing_input: &'a [u8],
    pub(super) algorithm: Algorithm,
    /// Who issues people's certificates; none where the person vouches for the key, as for a card.
    pub(super) authorities: Option<&'a [CertificateDer<'static>]>,
}

impl Wanted<'_> {
    /// Whether `signed` is that, now. Revocation is for the servers to look up.
    pub(super) fn check(&self, signed: &Signed) -> Result<(), Untrusted> {
        let certificate = parse(&signed.certificate)?;
        certificate_of(&certificate, self.person)?;
        if let Some(authorities) = self.authorities {
            issued_by(&signed.certificate, authorities)?;
        }
        let key = public_key(&signed.certificate)?;
        if !Algorithm::of_public_key(&key).contains(&self.algorithm) {
            return Err(Untrusted::UnfitKey);
        }
        self.algorithm.verify(&key, self.signing_input, &signed.signature).map_err(|_| Untrusted::Signature)
    }
}

/// `SubjectPublicKeyInfo` of a certificate, both in DER.
pub(super) fn public_key(certificate: &[u8]) -> Result<Vec<u8>, Untrusted> {
    let certificate = x509_cert::Certificate::from_der(certificate).map_err(|_| Untrusted::Certificate)?;
    certificate.tbs_certificate().subject_public_key_info().to_der().map_err(|_| Untrusted::Certificate)
}

/// A certificate in DER and nothing else.
pub(super) fn parse(der: &[u8]) -> Result<Certificate, Untrusted> {
    let certificate = Certificate::parse(der).ok().filter(|certificate| certificate.as_der() == der);
    certificate.ok_or(Untrusted::Certificate)
}

/// Whether the certificate is that of `person`, valid now, and for authentication.
pub(super) fn certificate_of(certificate: &Certificate, person: &RecipientId) -> Result<(), Untrusted> {
    // An id that a company gave is in no certificate.
    if person.semantics_identifier().is_none_or(|identifier| certificate.serial_number() != Some(identifier)) {
        return Err(Untrusted::OtherPerson);
    }
    match certificate.validity_at(SystemTime::now()) {
        Validity::Valid => {}
        Validity::NotYetValid => return Err(Untrusted::NotYetValid),
        Validity::Expired => return Err(Untrusted::Expired),
    }
    if certificate.may_authenticate() { Ok(()) } else { Err(Untrusted::Usage) }
}

/// Whether one of `authorities` has issued it. Each of them is trusted by itself: that an authority above it is listed too is not needed.
fn issued_by(certificate: &[u8], authorities: &[CertificateDer<'static>]) -> Result<(), Untrusted> {
    let certificate = CertificateDer::from(certificate);
    let certificate = EndEntityCert::try_from(&certificate).map_err(|_| Untrusted::Certificate)?;
    let anchors: Vec<_> = authorities.iter().filter_map(|authority| anchor_from_trusted_cert(authority).ok()).collect();
    let algorithms = tls::provider().signature_verification_algorithms.all;
    let path = certificate.verify_for_usage(algorithms, &anchors, &[], UnixTime::now(), Authentication, None, None);
    match path {
        Ok(_) => Ok(()),
        Err(PathError::CertExpired { .. }) => Err(Untrusted::Expired),
        Err(PathError::CertNotValidYet { .. }) => Err(Untrusted::NotYetValid),
        Err(PathError::RequiredEkuNotFoundContext(_)) => Err(Untrusted::Usage),
        Err(_) => Err(Untrusted::Issuer),
    }
}
