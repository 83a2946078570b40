//! Server certificates against those that are pinned.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::BasicConstraints;

/// Why a server's certificate is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPinned {
    /// It is neither pinned nor issued by a pinned authority.
    #[error("its certificate is neither one of the pinned ones nor issued by a pinned authority")]
    Unknown,
    /// A pinned authority issued it, for another name.
    #[error("its certificate is for another name than {name:?}")]
    Name {
        /// The name in the address.
        name: String,
    },
    /// It was valid once.
    #[error("its certificate has expired")]
    Expired,
    /// It will be valid.
    #[error("its certificate is not valid yet")]
    NotYetValid,
    /// It cannot be understood.
    #[error("its certificate is not sound")]
    Unsound,
}

impl From<NotPinned> for Error {
    fn from(reason: NotPinned) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(reason))))
    }
}

/// The certificates that a server may show, and the authorities among them.
pub(crate) struct Pins {
    certificates: Vec<CertificateDer<'static>>,
    authorities: RootCertStore,
    provider: Arc<CryptoProvider>,
    /// Until when the certificate is valid that was taken last.
    taken: Mutex<Option<SystemTime>>,
}

impl Pins {
    /// A pin that is no authority's never vouches for another certificate.
    pub(crate) fn new(pins: &[CertificateDer<'static>], provider: Arc<CryptoProvider>) -> Self {
        let mut authorities = RootCertStore::empty();
        authorities.add_parsable_certificates(pins.iter().filter(|pin| is_authority(pin)).cloned());
        Self { certificates: pins.to_vec(), authorities, provider, taken: Mutex::default() }
    }

    /// Until when the certificate is valid that was taken last.
    pub(crate) fn taken(&self) -> Option<SystemTime> {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), NotPinned> {
        let parsed = Certificate::from_der(end_entity).map_err(|_| NotPinned::Unsound)?;
        let validity = parsed.tbs_certificate().validity();
        let moment = UNIX_EPOCH + Duration::from_secs(now.as_secs());
        let by_date = if moment < validity.not_before.to_system_time() {
            Err(NotPinned::NotYetValid)
        } else if moment > validity.not_after.to_system_time() {
            Err(NotPinned::Expired)
        } else {
            Ok(())
        };
        // Whoever has the key of a pinned certificate is the server, whatever name the certificate has.
        if self.certificates.iter().any(|pin| pin == end_entity) {
            return by_date;
        }
        let certificate = ParsedCertificate::try_from(end_entity).map_err(|_| NotPinned::Unsound)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.authorities, intermediates, now, algorithms).map_err(
            |error| match error {
                Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                    NotPinned::Expired
                }
                Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
                    NotPinned::NotYetValid
                }
                _ => NotPinned::Unknown,
            },
        )?;
        verify_server_name(&certificate, server_name).map_err(|_| NotPinned::Name { name: server_name.to_str().into_owned() })?;
        by_date
    }
}

/// Until when the certificate in `der` is valid.
pub(crate) fn not_after(der: &[u8]) -> Option<SystemTime> {
    Some(Certificate::from_der(der).ok()?.tbs_certificate().validity().not_after.to_system_time())
}

/// Whether the certificate in `der` is an authority's.
pub(crate) fn is_authority(der: &[u8]) -> bool {
    let Ok(certificate) = Certificate::from_der(der) else { return false };
    matches!(certificate.tbs_certificate().get_extension::<BasicConstraints>(), Ok(Some((_, constraints))) if constraints.ca)
}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pins").field("certificates", &self.certificates.len()).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Pins {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, server_name, now)?;
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = not_after(end_entity);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
