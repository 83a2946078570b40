//! What can go wrong with a server, in words for the person who depends on it.

use std::time::Duration;

use cdoc2_api::id;

use crate::config::UnknownServer;
use crate::tls::NotPinned;

/// Why a server did not do what was wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration does not list it.
    #[error("it is not known: {}", .0.remedy())]
    Unknown(UnknownServer),
    /// No connection came about.
    #[error("cannot connect to {host}: {reason}")]
    Connect {
        /// Host and port.
        host: String,
        /// Why not.
        reason: String,
    },
    /// It took too long.
    #[error("{host} did not answer in time")]
    TimedOut {
        /// Host and port.
        host: String,
    },
    /// It is not the server that is meant.
    #[error("{host} is not the server that the configuration means: {reason}")]
    NotPinned {
        /// Host and port.
        host: String,
        /// What is wrong with its certificate.
        reason: NotPinned,
    },
    /// It has no TLS 1.3.
    #[error("{host} does not speak TLS 1.3")]
    NoTls13 {
        /// Host and port.
        host: String,
    },
    /// It does not take the client's certificate.
    #[error("the server refuses your certificate: {0}")]
    Certificate(CertificateRefusal),
    /// There is no certificate to show to it.
    #[error("it gives capsules only to who shows a certificate, and there is none for this key")]
    NoCertificate,
    /// The key cannot sign as TLS 1.3 wants it.
    #[error("the key cannot authenticate to it: {0}")]
    CannotAuthenticate(&'static str),
    /// It refuses what it was asked (400, 413).
    #[error("the server refuses the request{}", because(.0))]
    Refused(String),
    /// It has no such capsule for this key (404). It does not say which of the reasons it is.
    #[error("the server has no such capsule for this key: it has expired, was deleted, or is for another key")]
    NotFound,
    /// It has too much to do (429, 503).
    #[error("the server is too busy or out of order{}", after(*.0))]
    Busy(Option<Duration>),
    /// It answers with another status.
    #[error("the server answers with status {0}")]
    Status(u16),
    /// Its answer is none.
    #[error("the server's answer is not sound: {0}")]
    Nonsense(&'static str),
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
    /// TLS failed in another way.
    #[error("TLS with {host} failed: {reason}")]
    Tls {
        /// Host and port.
        host: String,
        /// How.
        reason: String,
    },
    /// A defect of this program or its libraries.
    #[error("no client can be made: {0}")]
    Internal(String),
}

/// Why a server does not take a client's certificate, as far as its TLS alert tells (RFC 8446, 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRefusal {
    /// The certificate was revoked or suspended.
    #[error("it has been revoked or suspended")]
    Revoked,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// The server does not know who issued it.
    #[error("the server does not know its issuer")]
    UnknownIssuer,
    /// The server has seen none.
    #[error("the server has seen none")]
    Absent,
    /// Anything else.
    #[error("the server does not say why")]
    Unsaid,
}

fn because(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn after(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!(", and wants to be asked again in {} seconds", wait.as_secs()))
}

impl From<UnknownServer> for Error {
    fn from(unknown: UnknownServer) -> Self {
        Self::Unknown(unknown)
    }
}
