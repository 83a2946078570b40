//! What can go wrong between here and a server, in words for the person who depends on it.

use std::time::Duration;

use crate::tls::NotPinned;

/// Why a request was not answered as it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection came about.
    #[error("cannot connect to {host}: {reason}")]
    Connect {
        /// Host and port.
        host: String,
        /// Why not.
        reason: String,
    },
    /// It ends connections before TLS has begun, as servers do that limit how many an address may begin.
    #[error("{host} ends the connection before TLS has begun: too many were made from here, or it is no server of this kind")]
    Cut {
        /// Host and port.
        host: String,
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
    /// It refuses what it was asked (400, 413).
    #[error("the server refuses the request{}", because(.0))]
    Refused(String),
    /// It has nothing there (404).
    #[error("the server does not have what it is asked for")]
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

impl Error {
    /// Whether it may be gone at the next attempt: nobody answers, or not now.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Cut { .. } | Self::TimedOut { .. } | Self::Busy(_))
    }
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
    /// A signature does not fit: that of its issuer, or that of the connection.
    #[error(
        "a signature does not fit: it was issued by somebody who only has the name of an authority, or the key is not the certificate's"
    )]
    Signature,
    /// It is not sound.
    #[error("it is not sound")]
    Unsound,
    /// It is not for this.
    #[error("it is of a kind, or for a use, that the server does not take")]
    Unsupported,
    /// It may be good, but not now: the server has not heard from its authority whether it is revoked, or lets it in at other times.
    #[error("the server could not find out now whether it is still valid, or does not accept it now")]
    NotNow,
    /// The server has seen none.
    #[error("the server has seen none")]
    Absent,
    /// Anything else; of some servers, that its authority does not know it.
    #[error("the server, or the certificate's authority, does not know it, or does not say why")]
    Unsaid,
}

fn because(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn after(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| match wait.as_secs() {
        1 => ", and wants to be asked again in a second".to_owned(),
        seconds => format!(", and wants to be asked again in {seconds} seconds"),
    })
}
