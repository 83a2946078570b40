//! What went wrong while somebody signed in, for that person: the exit code, and what to do.

use cdoc2::Error as ContainerError;
use cdoc2_client::auth::{EndState, Error as SignerError, Untrusted};
use cdoc2_client::https;
use cdoc2_client::shares_server::{Error, Reason};

use crate::exit::{Code, Failure};
use crate::unlock::Unlocking;
use crate::{card, pkcs11, servers};

impl Unlocking<'_> {
    /// `by_phone`: what signs is a service, which may be at fault where a key of the person's own would be.
    pub(super) fn sign_in_failure(&self, error: &Error, by_phone: bool) -> Failure {
        match error {
            Error::Container(ContainerError::Rejected) => self
                .about_input(Code::Rejected, text(error))
                .hint("ask the sender for it again; if that does not help either, tell whoever runs the shares servers"),
            Error::Container(error) => self.failure(error),
            Error::Signer(error @ SignerError::Untrusted(Untrusted::Issuer)) => Failure::new(Code::Server, error.to_string())
                .hint("authorities in the configuration says whose certificates are taken; cdoc2 man decrypt describes it"),
            Error::Signer(error @ SignerError::Untrusted(_)) if by_phone => Failure::new(Code::Server, error.to_string()),
            Error::Signer(error) => self.signer_failure(error),
            Error::Unknown(_) => self.about_input(Code::NoRecord, text(error)).hint(servers::GET_ENTRY),
            Error::Unsound(_) => self.about_input(Code::Format, text(error)),
            Error::Server { reason, .. } => {
                let (code, hint) = servers::judged_shares(reason);
                let hint = match reason {
                    Reason::Https(_) if reason.is_passing() => Some("try again; cdoc2 servers check shows how the servers do"),
                    Reason::Https(error) => of_the_way(error),
                    _ => hint,
                };
                with(hint, self.about_input(code, text(error)))
            }
            Error::Token(_) | Error::Cancelled => self.about_input(Code::Io, text(error)),
            _ => self.about_input(Code::Server, text(error)),
        }
    }

    /// What signs has not signed.
    pub(super) fn signer_failure(&self, error: &SignerError) -> Failure {
        let failure = |code| Failure::new(code, error.to_string());
        match error {
            SignerError::Ended { state, .. } if state.is_refusal() => failure(Code::Rejected),
            SignerError::Ended { state, .. } => with(hint(state), failure(Code::Server)),
            SignerError::Service { .. } if error.may_be_tried_again() => failure(Code::Server).hint("try again later"),
            SignerError::Service { reason, .. } => with(of_the_way(reason), failure(Code::Server)),
            SignerError::Unfinished(_) => failure(Code::Server).hint("try again"),
            SignerError::Untrusted(Untrusted::Expired) => {
                failure(Code::Usage).hint("a new certificate of the same person opens it as well")
            }
            SignerError::Untrusted(_) | SignerError::UnfitPerson(_) | SignerError::UnfitKey(_) => failure(Code::Usage),
            SignerError::Card(error) => card::failure("", error),
            SignerError::Module(error) => pkcs11::failure(error),
            _ => failure(Code::Server),
        }
    }
}

/// The error in words. Of a key that shares have given, a wrong one means something else than of one that was typed.
pub(super) fn text(error: &Error) -> String {
    match error {
        Error::Container(ContainerError::Rejected) => {
            "the container is corrupted, or a shares server has given another share than it got: the authentication code of the header does not fit".to_owned()
        }
        error => error.to_string(),
    }
}

fn with(hint: Option<&'static str>, failure: Failure) -> Failure {
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What to do where it is not the server that is meant.
fn of_the_way(error: &https::Error) -> Option<&'static str> {
    match error {
        https::Error::NotPinned { .. } | https::Error::NoTls13 { .. } => servers::hint(error),
        _ => None,
    }
}

fn hint(state: &EndState) -> Option<&'static str> {
    Some(match state {
        EndState::TimedOut | EndState::UnknownSession | EndState::PhoneAbsent | EndState::DeliveryFailed | EndState::SimFailed => {
            "try again"
        }
        EndState::NoAccount | EndState::NotMobileId => {
            "other means of the same person open it as well: --auth smart-id, mobile-id or id-card"
        }
        EndState::UnknownRelyingParty => {
            "cdoc2 man decrypt describes relying_party_uuid and relying_party_name, which the service gives out"
        }
        _ => return None,
    })
}
