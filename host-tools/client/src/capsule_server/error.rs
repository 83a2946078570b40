//! What can go wrong with a server, in words for the person who depends on it.

use cdoc2_api::id;

use crate::config::Unlisted;
use crate::https;

/// Why a capsule server did not do what was wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration does not list it.
    #[error("it is not known: {}", .0.remedy())]
    Unknown(Unlisted),
    /// It cannot be talked to, or not about this.
    #[error(transparent)]
    Https(#[from] https::Error),
    /// There is no certificate to show to it.
    #[error("it gives capsules only to who shows a certificate, and there is none for this key")]
    NoCertificate,
    /// The key cannot sign as TLS 1.3 wants it.
    #[error("the key cannot authenticate to it: {0}")]
    CannotAuthenticate(&'static str),
    /// It has no such capsule for this key (404). It does not say which of the reasons it is.
    #[error("the server has no such capsule for this key: it has expired, was deleted, or is for another key")]
    NotFound,
    /// The capsule that it gave is of a kind that is not known here.
    #[error("the server's capsule is of the kind {0:?}, which is not known here")]
    UnknownCapsuleType(String),
    /// The capsule that it gave is not that of the record.
    #[error("the server's capsule does not belong to the record: {0}")]
    Mismatch(&'static str),
    /// It does not take capsules of this kind.
    #[error("it takes no capsules of the kind {0}, says the configuration")]
    CapsuleType(String),
    /// The recipient could not fetch the capsule.
    #[error("the recipient could not fetch the capsule: {0}")]
    Recipient(&'static str),
    /// What the container says of it is not sound.
    #[error("the container names a capsule that cannot exist: {0}")]
    TransactionId(#[from] id::Malformed),
    /// Its id in the container is no text.
    #[error("its id in the container is not text")]
    Id,
}

impl From<Unlisted> for Error {
    fn from(unknown: Unlisted) -> Self {
        Self::Unknown(unknown)
    }
}
