//! What can go wrong with a signer, in words for the person who signs in.

use cdoc2_auth_token::Algorithm;

use super::{EndState, Service};
use crate::{https, pkcs11, token};

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service ended the session, or began none.
    #[error("{service}: {state}")]
    Ended {
        /// Which service.
        service: Service,
        /// What it says.
        state: EndState,
    },
    /// It cannot be talked to, or does not talk sense.
    #[error("{service}: {reason}")]
    Service {
        /// Which service.
        service: Service,
        /// What is wrong.
        reason: https::Error,
    },
    /// The session has lasted longer than one may.
    #[error("{0} did not come to an end in time")]
    Unfinished(Service),
    /// Whoever runs the program gave up.
    #[error("given up; what is on the phone can be refused, or lapses by itself")]
    Cancelled,
    /// What came back is not to be trusted.
    #[error("the signature is refused: {0}")]
    Untrusted(#[from] Untrusted),
    /// The recipient's id is not one by which the service, or a certificate, knows people.
    #[error("{0}")]
    UnfitPerson(&'static str),
    /// The key can sign in no way that a shares server takes.
    #[error("the key cannot authenticate: {0}")]
    UnfitKey(&'static str),
    /// The card, or the way to it.
    #[error(transparent)]
    Card(#[from] token::Error),
    /// The token behind a PKCS#11 module.
    #[error(transparent)]
    Module(#[from] pkcs11::Error),
}

/// Why an answer is not taken, though it says that all went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// The certificate is none.
    #[error("its certificate is not sound")]
    Certificate,
    /// It is of somebody else. Whose it is, is not said.
    #[error("its certificate is another person's")]
    OtherPerson,
    /// It will be valid.
    #[error("its certificate is not valid yet")]
    NotYetValid,
    /// It was valid.
    #[error("its certificate has expired")]
    Expired,
    /// None of the authorities that the configuration names has issued it.
    #[error("its certificate was issued by none of the configured authorities")]
    Issuer,
    /// It is not for authentication (`keyUsage`, `extKeyUsage`).
    #[error("its certificate is not for authentication")]
    Usage,
    /// It is of a lower level than was asked for.
    #[error("its certificate is of a lower level than QUALIFIED")]
    Level,
    /// It was made with another algorithm than the one that stands in what is signed. Who tries again is told that one.
    #[error("it was made with {}, and another algorithm stands in what was to be signed", .0.name())]
    Algorithm(Algorithm),
    /// It was made with an algorithm that is not known here.
    #[error("it was made with an algorithm that is not known here")]
    UnknownAlgorithm,
    /// The key of its certificate is of a kind or on a curve that the algorithm does not have.
    #[error("the key of its certificate does not fit the algorithm")]
    UnfitKey,
    /// It is not over what was to be signed, or not by the certificate's key.
    #[error("it is not one of the certificate's key over what was to be signed")]
    Signature,
}

impl Error {
    /// Whether the same person could have more luck at once.
    #[must_use]
    pub fn may_be_tried_again(&self) -> bool {
        match self {
            Self::Ended { state, .. } => state.may_be_tried_again(),
            Self::Service { reason, .. } => reason.is_passing(),
            Self::Unfinished(_) | Self::Untrusted(Untrusted::Algorithm(_)) => true,
            Self::Card(error) => matches!(error, token::Error::WrongPin { .. } | token::Error::Fault(_)),
            Self::Module(error) => matches!(error, pkcs11::Error::WrongPin { .. }),
            Self::Cancelled | Self::Untrusted(_) | Self::UnfitPerson(_) | Self::UnfitKey(_) => false,
        }
    }
}
