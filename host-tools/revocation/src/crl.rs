//! Revocation lists (RFC 5280, section 5): what is looked at where no responder answers.

use std::sync::{Arc, PoisonError, RwLock};

use der::asn1::AnyRef;
use der::{Decode as _, SliceReader, Tag, Tagged as _};
use rustls_pki_types::{CertificateRevocationListDer, UnixTime};
use webpki::{
    CertRevocationList, Error, ExpirationPolicy, OwnedCertRevocationList, RevocationCheckDepth, RevocationOptions,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_cert::time::Time;

use crate::service::Denied;

/// Revocation lists, which can be replaced while they are in use: share them by [`Arc`].
#[derive(Debug, Default)]
pub struct Crls(RwLock<Arc<[List]>>);

/// A list, and when its time is over.
#[derive(Debug)]
struct List {
    list: CertRevocationList<'static>,
    next_update: UnixTime,
}

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

    /// Until when each list holds, in the order given. After that it counts only against those who are on it.
    #[must_use]
    pub fn next_updates(&self) -> Vec<UnixTime> {
        self.lists().iter().map(|one| one.next_update).collect()
    }

    fn lists(&self) -> Arc<[List]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the lists of `issuer` say of a certificate at `now`, if there is one that holds; `verify` verifies the certificate with these options.
    ///
    /// An authority may have changed its key and kept its name; so each list is looked at for itself. That a certificate is revoked is believed of a list
    /// whose time is over, too.
    pub(crate) fn look_up(
        &self,
        issuer: &[u8],
        now: UnixTime,
        verify: impl Fn(RevocationOptions<'_>) -> Result<(), Error>,
    ) -> Option<Result<(), Denied>> {
        let mut found = None;
        for List { list, next_update } in self.lists().iter().filter(|one| one.list.issuer() == issuer) {
            let lists = [list];
            let options = RevocationOptionsBuilder::new(&lists)
                .ok()?
                .with_depth(RevocationCheckDepth::EndEntity)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Ignore)
                .build();
            match verify(options) {
                Err(Error::CertRevoked) => return Some(Err(Denied::Revoked)),
                Ok(()) if now < *next_update => found = Some(Ok(())),
                Ok(()) | Err(_) => {}
            }
        }
        found
    }
}

fn parse(lists: &[CertificateRevocationListDer<'_>]) -> Result<Arc<[List]>, CrlError> {
    let parse = |octets: &CertificateRevocationListDer<'_>| {
        let list = OwnedCertRevocationList::from_der(octets)?.into();
        let next_update = next_update(octets).map_err(|_| Error::BadDer)?;
        Ok(List { list, next_update })
    };
    let parse = |(place, list)| parse(list).map_err(|cause| CrlError { place, cause });
    lists.iter().enumerate().map(parse).collect()
}

/// RFC 5280, 5.1 "CRL Fields". Only as far as that is read: a list may have a million entries.
fn next_update(list: &[u8]) -> Result<UnixTime, der::Error> {
    let signed = AnyRef::from_der(list)?;
    let certified = AnyRef::decode(&mut SliceReader::new(signed.value())?)?;
    let mut fields = SliceReader::new(certified.value())?;
    let first = AnyRef::decode(&mut fields)?;
    if first.tag() == Tag::Integer {
        // That was the version; now the algorithm.
        AnyRef::decode(&mut fields)?;
    }
    let _issuer = AnyRef::decode(&mut fields)?;
    let _this_update = Time::decode(&mut fields)?;
    Ok(UnixTime::since_unix_epoch(Time::decode(&mut fields)?.to_unix_duration()))
}
