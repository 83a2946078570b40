//! Revocation lists (RFC 5280, section 5): what is looked at where no responder answers.

use std::sync::{Arc, PoisonError, RwLock};

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExpirationPolicy, KeyUsage, OwnedCertRevocationList, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};

use crate::service::Denied;

/// Revocation lists, which can be replaced while they are in use: share them by [`Arc`].
#[derive(Debug, Default)]
pub struct Crls(RwLock<Arc<[CertRevocationList<'static>]>>);

/// A list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("revocation list {place} is malformed or of a kind that is not supported: {cause}")]
pub struct CrlError {
    /// Its place in the order given, from 0.
    pub place: usize,
    /// What is wrong with it.
    pub cause: Error,
}

impl Crls {
    /// These lists. Their signatures and dates are checked when they are looked at.
    ///
    /// # Errors
    /// One of them is malformed, a delta list or an indirect one.
    pub fn new(lists: &[CertificateRevocationListDer<'_>]) -> Result<Self, CrlError> {
        Ok(Self(RwLock::new(parse(lists)?)))
    }

    /// These lists from now on, in place of all others.
    ///
    /// # Errors
    /// As for [`Self::new`]; then the others stay.
    pub fn replace(&self, lists: &[CertificateRevocationListDer<'_>]) -> Result<(), CrlError> {
        let lists = parse(lists)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = lists;
        Ok(())
    }

    /// What a list of the certificate's issuer says of it, if there is one that holds now.
    pub(crate) fn look_up(
        &self,
        certificate: &EndEntityCert<'_>,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
        roots: &[TrustAnchor<'_>],
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Option<Result<(), Denied>> {
        let lists = Arc::clone(&*self.0.read().unwrap_or_else(PoisonError::into_inner));
        let lists: Vec<_> = lists.iter().collect();
        let options = RevocationOptionsBuilder::new(&lists)
            .ok()?
            .with_depth(RevocationCheckDepth::EndEntity)
            .with_status_policy(UnknownStatusPolicy::Deny)
            .with_expiration_policy(ExpirationPolicy::Enforce)
            .build();
        let purpose = KeyUsage::client_auth();
        match certificate.verify_for_usage(algorithms, roots, intermediates, now, purpose, Some(options), None) {
            Ok(_) => Some(Ok(())),
            Err(Error::CertRevoked) => Some(Err(Denied::Revoked)),
            Err(_) => None,
        }
    }
}

fn parse(lists: &[CertificateRevocationListDer<'_>]) -> Result<Arc<[CertRevocationList<'static>]>, CrlError> {
    let parse = |(place, list): (usize, &CertificateRevocationListDer<'_>)| {
        OwnedCertRevocationList::from_der(list).map(CertRevocationList::from).map_err(|cause| CrlError { place, cause })
    };
    lists.iter().enumerate().map(parse).collect()
}
