//! What can go wrong with one directory, and with all of them.

use std::io;
use std::time::Duration;

/// Why a directory gave no answer that can be used. None of the texts holds what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or the connection broke.
    #[error("cannot be reached: {0}")]
    Connection(io::Error),
    /// It took too long.
    #[error("gave no answer within {} seconds", .0.as_secs_f32())]
    TimedOut(Duration),
    /// Its certificate is not one that the configured authorities vouch for, or is for another name.
    #[error("has a TLS certificate that is not trusted: {0}")]
    Untrusted(rustls::Error),
    /// Both sides could not agree on TLS.
    #[error("TLS failed: {0}")]
    Tls(io::Error),
    /// It does not do StartTLS. Nothing is ever asked without TLS.
    #[error("refuses StartTLS (result code {code}), and nothing is asked without TLS")]
    StartTlsRefused {
        /// `resultCode` (RFC 4511, 4.1.9).
        code: u32,
    },
    /// It does not let the client in without a name.
    #[error("refuses an anonymous bind (result code {code})")]
    BindRefused {
        /// `resultCode` (RFC 4511, 4.1.9).
        code: u32,
    },
    /// It does not answer the search.
    #[error("refuses the search (result code {code}{})", named(*.code))]
    SearchRefused {
        /// `resultCode` (RFC 4511, 4.1.9).
        code: u32,
    },
    /// It answers something that is not LDAP, or not an answer to what was asked.
    #[error("answers something that is not LDAP")]
    Malformed,
    /// It answers too much.
    #[error("answers more than anybody's certificates take")]
    TooLong,
    /// It closed the connection before it had answered.
    #[error("closed the connection before it had answered")]
    Closed,
}

/// Result codes that a wrong configuration, or a busy directory, leads to (RFC 4511, appendix A).
fn named(code: u32) -> &'static str {
    match code {
        3 => ", time limit exceeded",
        11 => ", administrative limit exceeded",
        32 => ", no such object: base may be wrong",
        34 => ", base is not a distinguished name",
        49 | 50 => ", access denied",
        51 => ", busy",
        52 => ", unavailable",
        53 => ", unwilling to perform",
        _ => "",
    }
}

/// A directory that gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("the directory \"{directory}\" {error}")]
pub struct Failure {
    /// Its name in the configuration.
    pub directory: String,
    /// Why.
    pub error: Error,
}

/// Why nothing is known of whoever was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// No directory is configured, or none that may be asked this.
    #[error("no directory is configured that can be asked this")]
    NoDirectory,
    /// Not one gave an answer.
    #[error("{}", failures(.0))]
    AllFailed(Vec<Failure>),
    /// The system lets no socket or no thread be made.
    #[error("the network cannot be used: {0}")]
    System(io::Error),
}

fn failures(failures: &[Failure]) -> String {
    failures.iter().map(Failure::to_string).collect::<Vec<_>>().join("; ")
}
