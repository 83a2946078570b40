//! Whom certificates must come from, and what they must be for; and what the revocation lists of these authorities say. No responder is asked here.

mod memory;

use std::fmt;
use std::sync::Arc;

use der::Decode;
use der::oid::AssociatedOid;
use der::oid::db::rfc6960::ID_PKIX_OCSP;
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyUsage as Purpose, VerifiedPath};
use x509_cert::Certificate;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityInfoAccessSyntax, KeyUsage};

use crate::crl::Crls;
use crate::issuer::{Issuer, sequence};
use crate::service::{Denied, Failure, Question, decided_by_list};
use memory::Memory;

/// Authorities that are trusted with certificates for one purpose: with [`webpki::KeyUsage::client_auth`] those of clients of TLS.
pub struct Authorities<P = Purpose> {
    pub(crate) roots: Arc<RootCertStore>,
    intermediates: Vec<CertificateDer<'static>>,
    purpose: P,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
    lists: Option<Arc<Crls>>,
    memory: Option<Memory>,
    /// The last seconds of the intermediates.
    ends: Vec<UnixTime>,
}

/// Why there are no authorities.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// There is no root.
    #[error("no root certificate is given: no client could be trusted")]
    NoRoots,
    /// A certificate is none.
    #[error("intermediate certificate {place} is malformed: {cause}")]
    Intermediate {
        /// Its place in the list, from 0.
        place: usize,
        /// What is wrong with it.
        cause: webpki::Error,
    },
}

/// Why a certificate is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// No chain leads to a root, or one of the chain is not sound, not valid now, or for other purposes.
    #[error("{0}")]
    Path(#[from] webpki::Error),
    /// It cannot be read.
    #[error("malformed: {0}")]
    Malformed(#[from] der::Error),
    /// Its `keyUsage` does not name `digitalSignature`, or there is none.
    #[error("its key is not for digital signatures")]
    KeyUsage,
}

impl Untrusted {
    /// Its name in metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Path(webpki::Error::UnknownIssuer) => "unknown_issuer",
            Self::Path(webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. }) => "not_valid_now",
            Self::Path(webpki::Error::RequiredEkuNotFoundContext(_)) => "purpose",
            Self::Path(_) => "bad_path",
            Self::Malformed(_) => "malformed",
            Self::KeyUsage => "key_usage",
        }
    }
}

impl<P: ExtendedKeyUsageValidator> Authorities<P> {
    /// Trusts what `roots` have issued for `purpose`, directly or by way of `intermediates`, and checks signatures with `provider`.
    ///
    /// # Errors
    /// There is no root, or an intermediate certificate is malformed.
    pub fn new(
        roots: impl Into<Arc<RootCertStore>>,
        intermediates: Vec<CertificateDer<'static>>,
        purpose: P,
        provider: &CryptoProvider,
    ) -> Result<Self, BuildError> {
        let roots = roots.into();
        if roots.is_empty() {
            return Err(BuildError::NoRoots);
        }
        let mut ends = Vec::new();
        for (place, certificate) in intermediates.iter().enumerate() {
            let malformed = |cause| BuildError::Intermediate { place, cause };
            EndEntityCert::try_from(certificate).map_err(malformed)?;
            let parsed = Certificate::from_der(certificate).map_err(|_| malformed(webpki::Error::BadDer))?;
            ends.push(end(&parsed));
        }
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { roots, intermediates, purpose, algorithms, lists: None, memory: None, ends })
    }

    /// Remembers so many certificates that [`Self::verify`] has trusted, without others being presented, so that it need not check the same signatures
    /// again. It answers the same as without.
    #[must_use]
    pub fn with_memory(mut self, certificates: usize) -> Self {
        self.memory = Some(Memory::new(certificates));
        self
    }

    /// With these revocation lists.
    #[must_use]
    pub fn with_lists(mut self, lists: Arc<Crls>) -> Self {
        self.lists = Some(lists);
        self
    }

    /// Checks chain, dates at `now`, key usage `digitalSignature` and the purpose: what a responder is to be asked about the certificate. Of authorities
    /// between it and the root, `presented` are known, too.
    ///
    /// # Errors
    /// [`Untrusted`].
    pub fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        presented: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Question, Untrusted> {
        let memory = self.memory.as_ref().filter(|_| presented.is_empty());
        if let Some(question) = memory.and_then(|memory| memory.recall(certificate, now)) {
            return Ok(question);
        }
        let end_entity = EndEntityCert::try_from(certificate)?;
        let intermediates = self.intermediates(presented);
        let (parsed, path) = self.path(certificate, &end_entity, &intermediates, now)?;
        let question = question(&parsed, path.intermediate_certificates().next(), &path)?;
        if let Some(memory) = memory {
            // Of the intermediates, whichever it was. Anchors have no dates.
            let ends = self.ends.iter().copied().filter(|end| *end >= now);
            memory.keep(certificate, question.clone(), [now, ends.fold(end(&parsed), UnixTime::min)]);
        }
        Ok(question)
    }

    /// What a revocation list says of a certificate that [`Self::verify`] trusts: what [`Ocsp::check_or`](crate::Ocsp::check_or) takes where no
    /// responder answers. `None`: there is no list of its issuer that holds.
    pub fn listed(
        &self,
        certificate: &CertificateDer<'_>,
        presented: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Option<Result<(), Denied>> {
        let end_entity = EndEntityCert::try_from(certificate).ok()?;
        self.look_up(&end_entity, &self.intermediates(presented), now)
    }

    /// Whether a certificate may be taken that [`Self::verify`] trusts, where there is no OCSP: as a list says, and not without one. Without any lists
    /// nothing is looked up, and all are taken.
    ///
    /// # Errors
    /// It may not.
    pub fn check_lists(
        &self,
        certificate: &CertificateDer<'_>,
        presented: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Denied> {
        self.lists_decide(|| self.listed(certificate, presented, now))
    }

    /// The same, by what was `listed` of a certificate.
    pub(crate) fn lists_decide(&self, listed: impl FnOnce() -> Option<Result<(), Denied>>) -> Result<(), Denied> {
        if self.lists.is_none() {
            return Ok(());
        }
        decided_by_list(listed().unwrap_or(Err(Denied::NoAnswer(Failure::NoList))))
    }

    /// [`Self::listed`], of a certificate that was read already.
    pub(crate) fn look_up(
        &self,
        end_entity: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Option<Result<(), Denied>> {
        self.lists.as_ref()?.look_up(end_entity.issuer(), now, |revocation| {
            let algorithms = self.algorithms.all;
            end_entity
                .verify_for_usage(algorithms, &self.roots.roots, intermediates, now, &self.purpose, Some(revocation), None)
                .map(drop)
        })
    }

    /// All authorities below the roots that are known.
    pub(crate) fn intermediates<'c>(&'c self, presented: &'c [CertificateDer<'_>]) -> Vec<CertificateDer<'c>> {
        presented.iter().chain(&self.intermediates).map(|one| CertificateDer::from(one.as_ref())).collect()
    }

    /// The certificate, and the way from it to a root.
    pub(crate) fn path<'c>(
        &'c self,
        certificate: &CertificateDer<'_>,
        end_entity: &'c EndEntityCert<'_>,
        intermediates: &'c [CertificateDer<'c>],
        now: UnixTime,
    ) -> Result<(Certificate, VerifiedPath<'c>), Untrusted> {
        let path =
            end_entity.verify_for_usage(self.algorithms.all, &self.roots.roots, intermediates, now, &self.purpose, None, None)?;
        let parsed = Certificate::from_der(certificate)?;
        if !extension::<KeyUsage>(&parsed)?.is_some_and(|usage| usage.digital_signature()) {
            return Err(Untrusted::KeyUsage);
        }
        Ok((parsed, path))
    }
}

impl<P> fmt::Debug for Authorities<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorities")
            .field("roots", &self.roots.len())
            .field("intermediates", &self.intermediates.len())
            .finish_non_exhaustive()
    }
}

/// What a responder is asked about `certificate`, which `issuer` issued, or the root at the end of `path`.
pub(crate) fn question(
    certificate: &Certificate,
    issuer: Option<&webpki::Cert<'_>>,
    path: &VerifiedPath<'_>,
) -> Result<Question, der::Error> {
    let issuer = match issuer {
        Some(authority) => Issuer::new(&sequence(authority.subject())?, &authority.subject_public_key_info())?,
        None => Issuer::from_anchor(path.anchor())?,
    };
    let serial = certificate.tbs_certificate().serial_number().clone();
    Ok(Question { issuer, serial, responder: responder(certificate)? })
}

/// The last second in which a certificate is valid.
fn end(certificate: &Certificate) -> UnixTime {
    UnixTime::since_unix_epoch(certificate.tbs_certificate().validity().not_after.to_unix_duration())
}

/// The extension `E` of a certificate.
fn extension<E: for<'c> Decode<'c, Error = der::Error> + AssociatedOid>(
    certificate: &Certificate,
) -> Result<Option<E>, der::Error> {
    let extensions = certificate.tbs_certificate().extensions().map(Vec::as_slice).unwrap_or_default();
    let found = extensions.iter().find(|extension| extension.extn_id == E::OID);
    found.map(|extension| E::from_der(extension.extn_value.as_bytes())).transpose()
}

/// The first OCSP responder over plain HTTP that a certificate names. RFC 5280, 4.2.2.1 "Authority Information Access".
fn responder(certificate: &Certificate) -> Result<Option<String>, der::Error> {
    let Some(access) = extension::<AuthorityInfoAccessSyntax>(certificate)? else { return Ok(None) };
    Ok(access.0.iter().filter(|one| one.access_method == ID_PKIX_OCSP).find_map(|one| match &one.access_location {
        GeneralName::UniformResourceIdentifier(uri) if uri.as_str().starts_with("http://") => Some(uri.as_str().to_owned()),
        _ => None,
    }))
}
