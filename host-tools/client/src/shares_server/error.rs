//! What can go wrong with shares, sorted by who must act.

use cdoc2::UnlockError;
use cdoc2::core::key::KEY_LEN;
use cdoc2_api::{id, recipient_id};
use cdoc2_auth_token::{MAX_AUDIENCES, base_url, issue};

use crate::config::Unlisted;
use crate::{auth, https};

/// Why the shares of a record could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sender has made a record that nobody can use.
    #[error("the container's list of key shares is not sound: {0}")]
    Unsound(#[from] Unsound),
    /// The configuration does not list a server. Nothing was sent to any of them.
    #[error(transparent)]
    Unknown(#[from] Unlisted),
    /// A server did not do its part.
    #[error("the shares server {server}: {reason}")]
    Server {
        /// Its address, as the configuration has it.
        server: String,
        /// Why not.
        reason: Reason,
    },
    /// The person, or what signs for them, has not signed.
    #[error(transparent)]
    Signer(#[from] auth::Error),
    /// There is no token for what was to be signed.
    #[error("no authentication token can be made: {0}")]
    Token(#[from] issue::Error),
    /// Whoever runs the program gave up while servers were asked.
    #[error("given up")]
    Cancelled,
    /// The container, or the key that the shares gave.
    #[error(transparent)]
    Container(#[from] cdoc2::Error),
}

/// What is wrong with the shares of a record, before anybody is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// Whose they are is not an id of a recipient.
    #[error("{0}")]
    Recipient(recipient_id::Malformed),
    /// One share alone opens the container for its server, and none for everybody.
    #[error("a key has 2 to {MAX_AUDIENCES} shares, and this one has {0}")]
    Count(usize),
    /// A server's address is none.
    #[error("{0}")]
    Server(base_url::Malformed),
    /// A share's id is none.
    #[error("{0}")]
    ShareId(id::Malformed),
    /// An address, or an id, is not UTF-8.
    #[error("a text in it is not UTF-8")]
    Text,
    /// One server could put these two together.
    #[error("two of the shares are on one server, {0}")]
    SameServer(String),
    /// Ids come from random generators: one that two servers gave is a copy.
    #[error("two of the shares have the same id")]
    SameShareId,
}

/// Why a shares server did not do what was wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It cannot be talked to, or not about this.
    #[error(transparent)]
    Https(#[from] https::Error),
    /// It has no such share to give a nonce for (404).
    #[error("the share is missing or has expired; the container cannot be decrypted any more")]
    Missing,
    /// It gives no nonce (401, 403).
    #[error("it gives nonces only to who has a session token of an authentication server, which is not known here")]
    NoSession,
    /// It does not believe who signed (401, 403; 404 too, where it has given a nonce for the share). It does not say why.
    #[error("it refuses the authentication: the share is somebody else's, or your certificate is not believed, or revoked")]
    Refused,
    /// The share that it gave is for another person than the record says.
    #[error("it has given a share that is somebody else's")]
    OtherRecipient,
    /// The share that it gave is of another length than a KEK.
    #[error("it has given a share of {0} octets, where {KEY_LEN} are wanted")]
    Length(usize),
    /// It keeps nothing for whom it would be for.
    #[error("nobody could fetch the shares: {0}")]
    Recipient(recipient_id::Malformed),
    /// It gave an id that was given before, by it or by another server: ids are random, and two servers that give the same are one.
    #[error("it has given the share an id that another share has already")]
    SameShareId,
}

impl Error {
    /// Whether the same person could have more luck at once: with new nonces, and another signature.
    #[must_use]
    pub fn may_be_tried_again(&self) -> bool {
        match self {
            Self::Server { reason, .. } => reason.is_passing(),
            Self::Signer(error) => error.may_be_tried_again(),
            Self::Unsound(_) | Self::Unknown(_) | Self::Token(_) | Self::Cancelled | Self::Container(_) => false,
        }
    }
}

impl Reason {
    /// Whether it may be gone at the next attempt (UC.Client.04, extension 12a "because a request timed out").
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Https(reason) if reason.is_passing())
    }

    /// How much it says beside what other servers say: that a share is gone settles everything, and what passes settles nothing.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Missing => 2,
            reason if reason.is_passing() => 0,
            _ => 1,
        }
    }
}

impl From<cdoc2::core::Error> for Error {
    fn from(error: cdoc2::core::Error) -> Self {
        Self::Container(error.into())
    }
}

impl UnlockError for Error {
    fn about_record(&self) -> Option<&cdoc2::Error> {
        match self {
            Self::Container(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{EndState, Service};

    fn server(reason: Reason) -> Error {
        Error::Server { server: "https://css.example".to_owned(), reason }
    }

    #[test]
    fn a_share_that_is_gone_settles_everything() {
        let error = server(Reason::Missing);
        assert!(error.to_string().ends_with("the container cannot be decrypted any more"), "{error}");
        let timed_out = || Reason::Https(https::Error::TimedOut { host: "css.example:443".to_owned() });
        let mut weights = [Reason::Missing, Reason::Refused, timed_out()].map(|reason| reason.weight());
        weights.reverse();
        assert!(weights.is_sorted_by(|one, other| one < other));
    }

    #[test]
    fn what_passes_may_be_tried_again() {
        for (error, expected) in [
            (server(https::Error::TimedOut { host: String::new() }.into()), true),
            (server(https::Error::Connect { host: String::new(), reason: String::new() }.into()), true),
            (server(https::Error::Busy(None).into()), true),
            (server(https::Error::Status(500).into()), false),
            (server(Reason::Missing), false),
            (server(Reason::Refused), false),
            (auth::Error::Ended { service: Service::SmartId, state: EndState::WrongCode }.into(), true),
            (auth::Error::Cancelled.into(), false),
            (Error::Cancelled, false),
            (cdoc2::Error::Rejected.into(), false),
        ] {
            assert_eq!(error.may_be_tried_again(), expected, "{error}");
        }
    }
}
