//! Client certificates for rustls.
//!
//! # Blocking
//! rustls asks for a verdict in a plain function, and a responder may take seconds. On a worker of tokio's multi-thread runtime
//! the function hands the worker's other tasks over ([`tokio::task::block_in_place`]) and waits; on a thread of no runtime it
//! just waits. A current-thread runtime cannot wait: there, whatever is not remembered counts as unanswered, and the policy
//! decides. Each that waits takes a thread of the runtime's blocking pool (512, unless configured otherwise), so no more than
//! [`Builder::max_waiting`] wait at a time; for the others the policy decides at once. Answers that are remembered make nobody
//! wait.

use std::fmt;
use std::sync::Arc;

use der::Decode as _;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use webpki::{EndEntityCert, KeyUsage as Purpose, VerifiedPath};
use x509_cert::Certificate;

pub use crate::authorities::BuildError;
use crate::authorities::{Authorities, Untrusted, question};
use crate::crl::Crls;
use crate::metric;
use crate::ocsp::Status;
use crate::service::{Denied, Failure, Ocsp, Question, decided, verdict};

/// Verifies client certificates: chain, dates, key usage `digitalSignature`, extended key usage `clientAuth` where there is one,
/// then revocation.
pub struct ClientVerifier {
    authorities: Authorities,
    hints: Vec<DistinguishedName>,
    ocsp: Option<Ocsp>,
    ocsp_of_intermediates: bool,
    anonymous: bool,
    waiting: Semaphore,
}

/// A [`ClientVerifier`] that is being made.
#[derive(Debug)]
pub struct Builder {
    roots: Arc<RootCertStore>,
    intermediates: Vec<CertificateDer<'static>>,
    ocsp: Option<Ocsp>,
    crls: Option<Arc<Crls>>,
    ocsp_of_intermediates: bool,
    anonymous: bool,
    max_waiting: usize,
    provider: CryptoProvider,
}

impl Builder {
    /// Authorities below the roots, for clients that do not send them.
    #[must_use]
    pub fn intermediates(mut self, certificates: Vec<CertificateDer<'static>>) -> Self {
        self.intermediates = certificates;
        self
    }

    /// Looks up whether a certificate is revoked.
    #[must_use]
    pub fn ocsp(mut self, ocsp: Ocsp) -> Self {
        self.ocsp = Some(ocsp);
        self
    }

    /// Looks at these lists where no responder answers, before the policy decides; or always, without OCSP: then a client of
    /// whose issuer there is no list that holds is refused.
    #[must_use]
    pub fn crls(mut self, lists: Arc<Crls>) -> Self {
        self.crls = Some(lists);
        self
    }

    /// Looks it up for the authorities below the root, too.
    #[must_use]
    pub const fn ocsp_of_intermediates(mut self) -> Self {
        self.ocsp_of_intermediates = true;
        self
    }

    /// Lets clients without a certificate in: the application has to tell them apart.
    #[must_use]
    pub const fn allow_anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// How many handshakes may wait for a responder at a time; 128, if not set. To be well below the size of the runtime's
    /// blocking pool.
    #[must_use]
    pub const fn max_waiting(mut self, handshakes: usize) -> Self {
        self.max_waiting = handshakes;
        self
    }

    /// The verifier.
    ///
    /// # Errors
    /// There is no root, or an intermediate certificate is malformed.
    pub fn build(self) -> Result<ClientVerifier, BuildError> {
        let mut authorities = Authorities::new(self.roots, self.intermediates, Purpose::client_auth(), &self.provider)?;
        if let Some(lists) = self.crls {
            authorities = authorities.with_lists(lists);
        }
        Ok(ClientVerifier {
            hints: authorities.roots.subjects(),
            authorities,
            ocsp: self.ocsp,
            ocsp_of_intermediates: self.ocsp_of_intermediates,
            anonymous: self.anonymous,
            waiting: Semaphore::new(self.max_waiting),
        })
    }
}

impl ClientVerifier {
    /// A verifier that trusts `roots` and checks signatures with `provider`. It takes no revocation into account until
    /// [`Builder::ocsp`] or [`Builder::crls`] is called.
    #[must_use]
    pub fn builder(roots: impl Into<Arc<RootCertStore>>, provider: &CryptoProvider) -> Builder {
        Builder {
            roots: roots.into(),
            intermediates: Vec::new(),
            ocsp: None,
            crls: None,
            ocsp_of_intermediates: false,
            anonymous: false,
            max_waiting: 128,
            provider: provider.clone(),
        }
    }

    fn verify(&self, certificate: &CertificateDer<'_>, presented: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Rejected> {
        let end_entity = EndEntityCert::try_from(certificate).map_err(Untrusted::from)?;
        let intermediates = self.authorities.intermediates(presented);
        let (parsed, path) = self.authorities.path(certificate, &end_entity, &intermediates, now)?;
        let listed = || self.authorities.look_up(&end_entity, &intermediates, now);
        match &self.ocsp {
            Some(ocsp) => self.check_revocation(ocsp, &parsed, &path, listed),
            None => Ok(self.authorities.lists_decide(listed)?),
        }
    }

    /// From the client's certificate upwards; `listed` is what revocation lists say of it.
    fn check_revocation(
        &self,
        ocsp: &Ocsp,
        client: &Certificate,
        path: &VerifiedPath<'_>,
        listed: impl Fn() -> Option<Result<(), Denied>>,
    ) -> Result<(), Rejected> {
        let authorities: Vec<_> = path.intermediate_certificates().collect();
        let depth = if self.ocsp_of_intermediates { authorities.len() + 1 } else { 1 };
        let mut below = None;
        for place in 0..depth {
            let authority = authorities.get(place).copied();
            let question = question(below.as_ref().unwrap_or(client), authority, path).map_err(Untrusted::from)?;
            match ocsp.recall(&question) {
                Some(decision) => decision?,
                None => match self.wait_for(ocsp, &question) {
                    Ok(status) => decided(verdict(status))?,
                    Err(failure) => ocsp.without_answer(&question, failure, || if place == 0 { listed() } else { None })?,
                },
            }
            let above = authority.map(|authority| Certificate::from_der(&authority.der())).transpose();
            below = above.map_err(Untrusted::from)?;
        }
        Ok(())
    }

    fn wait_for(&self, ocsp: &Ocsp, question: &Question) -> Result<Status, Failure> {
        let _permit = self.waiting.try_acquire().map_err(|_| Failure::Busy)?;
        match Handle::try_current() {
            Err(_) => ocsp.runtime().block_on(ocsp.status(question)),
            Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
                tokio::task::block_in_place(|| handle.block_on(ocsp.status(question)))
            }
            Ok(_) => {
                tracing::error!("OCSP cannot be asked from a current-thread runtime");
                Err(Failure::Internal)
            }
        }
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authorities, ocsp, anonymous, .. } = self;
        f.debug_struct("ClientVerifier")
            .field("authorities", authorities)
            .field("ocsp", &ocsp.is_some())
            .field("anonymous", anonymous)
            .finish_non_exhaustive()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        !self.anonymous
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match self.verify(end_entity, intermediates, now) {
            Ok(()) => {
                metric::certificate("accepted");
                Ok(ClientCertVerified::assertion())
            }
            Err(rejected) => {
                metric::certificate(rejected.name());
                tracing::info!(reason = %rejected, "a client certificate was refused");
                Err(CertificateError::from(rejected).into())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.authorities.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.authorities.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.algorithms.supported_schemes()
    }
}

/// Why a client certificate is refused.
#[derive(Debug, thiserror::Error)]
enum Rejected {
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    #[error(transparent)]
    Revocation(#[from] Denied),
}

impl Rejected {
    /// Its name in metrics.
    fn name(&self) -> &'static str {
        match self {
            Self::Untrusted(untrusted) => untrusted.name(),
            Self::Revocation(denied) => denied.name(),
        }
    }
}

/// The error whose TLS alert tells the client what is wrong.
impl From<Rejected> for CertificateError {
    fn from(rejected: Rejected) -> Self {
        use webpki::Error;

        match rejected {
            Rejected::Untrusted(Untrusted::Malformed(_)) => Self::BadEncoding,
            Rejected::Untrusted(Untrusted::KeyUsage) => Self::InvalidPurpose,
            Rejected::Untrusted(Untrusted::Path(error)) => match error {
                Error::BadDer | Error::BadDerTime | Error::TrailingData(_) => Self::BadEncoding,
                Error::CertNotValidYet { time, not_before } => Self::NotValidYetContext { time, not_before },
                Error::CertExpired { time, not_after } => Self::ExpiredContext { time, not_after },
                Error::InvalidCertValidity => Self::Expired,
                Error::UnknownIssuer => Self::UnknownIssuer,
                Error::InvalidSignatureForPublicKey => Self::BadSignature,
                Error::RequiredEkuNotFoundContext(_) => Self::InvalidPurpose,
                Error::UnsupportedCriticalExtension => Self::UnhandledCriticalExtension,
                other => Self::Other(OtherError(Arc::new(other))),
            },
            Rejected::Revocation(Denied::Revoked) => Self::Revoked,
            // Not `UnknownRevocationStatus`: its alert is `unknown_ca`, as if the authority were at fault.
            Rejected::Revocation(unknown @ Denied::Unknown) => Self::Other(OtherError(Arc::new(unknown))),
            Rejected::Revocation(Denied::NoAnswer(_)) => Self::ApplicationVerificationFailure,
        }
    }
}
