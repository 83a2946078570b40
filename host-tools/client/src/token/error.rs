//! What can go wrong with a card, in words for the person who holds it.

use cdoc2::{UnlockError, keys};
use token_proto::{Atr, PinRef, Status};

use super::{Fault, PinProblem};

/// Why a card did not do what was wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The card, or the way to it, failed. Whether the card has carried out the last command is unknown.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The card is none of those that are known here.
    #[error("the card is not an Estonian ID-card and has no CDOC2 applet (its answer to reset is {atr:?})")]
    UnknownCard {
        /// What it answered to its reset.
        atr: Atr,
    },
    /// The card's CDOC2 applet speaks a version of its protocol that is not known here.
    #[error("the card's CDOC2 applet is of version {}.{}, which is not known", version >> 8, version & 0xFF)]
    UnknownVersion {
        /// The version: its major number in the high octet.
        version: u16,
    },
    /// The token has no PINs and no keys yet.
    #[error("the token is blank: it has no keys yet")]
    BlankToken,
    /// The card refused a command.
    #[error("the card refused {command} with status {:04X}", status.to_u16())]
    Status {
        /// Which command.
        command: &'static str,
        /// What it said.
        status: Status,
    },
    /// What the card answered breaks its own rules.
    #[error("the card answered nonsense: {0}")]
    Nonsense(&'static str),
    /// The certificate on the card cannot be used.
    #[error("the certificate on the card cannot be used: {0}")]
    Certificate(keys::Error),
    /// The card has no such PIN.
    #[error("the card has no {}", pin_name(*.0))]
    NoSuchPin(PinRef),
    /// What was typed can be no PIN. The card was not asked.
    #[error(transparent)]
    Unfit(#[from] PinProblem),
    /// The PIN is not the right one, and one try less is left.
    #[error("wrong {}; {}", pin_name(*pin), tries(*tries_left))]
    WrongPin {
        /// Which one.
        pin: PinRef,
        /// Tries that are left, if the card said so.
        tries_left: Option<u8>,
    },
    /// The PIN was typed wrong too often.
    #[error("the {} is blocked: it was typed wrong too often", pin_name(*.0))]
    Blocked(PinRef),
    /// One try is left, and the caller has not consented to use it.
    #[error("one try is left for the {name}: if it is wrong, the {name} is blocked", name = pin_name(*.0))]
    LastTry(PinRef),
    /// Whoever was asked for the PIN did not give it.
    #[error("the {} was not given", pin_name(*.0))]
    NotGiven(PinRef),
    /// The card refused the new PIN.
    #[error("the card does not take this {} as the new one", pin_name(*.0))]
    UnfitNew(PinRef),
    /// Nobody touched the token in time.
    #[error("the token was not touched in time")]
    NotTouched,
    /// It is not the card, but the container.
    #[error(transparent)]
    Container(#[from] cdoc2::Error),
}

/// What people call it: "PIN1", "PIN2" or "PUK".
#[must_use]
pub const fn pin_name(pin: PinRef) -> &'static str {
    match pin {
        PinRef::Pin1 => "PIN1",
        PinRef::Pin2 => "PIN2",
        PinRef::Puk => "PUK",
    }
}

fn tries(left: Option<u8>) -> String {
    match left {
        None => "the card does not say how many tries are left".to_owned(),
        Some(1) => "one try is left".to_owned(),
        Some(left) => format!("{left} tries are left"),
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
