//! The applications on the card. Each has its commands in four steps: syntax (`command`), access (one table beside it), state, work (`exec`).

pub(crate) mod cdoc2;
pub(crate) mod esteid;
mod pins;

use heapless::VecView;
use iso7816::Status;

use crate::card::{AdministratorError, Card, Fault, KeyError, PinError};
use crate::platform::Platform;

/// What a command that succeeded has still to wait for before its response may leave the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// Nothing.
    Now,
    /// A touch.
    AfterTouch,
}

/// Whether the commands of a chain make one (ISO 7816-4, 5.1.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chaining {
    /// The command is never chained.
    Never,
    /// The data of the whole chain is collected for the last command.
    Collected,
    /// Each command of the chain is carried out as it comes.
    Streamed,
}

/// Appends `octets` to the data of a response.
fn append(response: &mut VecView<u8>, octets: &[u8]) -> Result<(), Status> {
    response.extend_from_slice(octets).map_err(|_| Status::NotEnoughMemory)
}

/// Appends `len` random octets to the data of a response.
fn append_random<P: Platform>(card: &mut Card<P>, response: &mut VecView<u8>, len: usize) -> Result<(), Status> {
    let start = response.len();
    let end = start.saturating_add(len);
    response.resize(end, 0).map_err(|_| Status::NotEnoughMemory)?;
    card.random(response.get_mut(start..).unwrap_or(&mut [])).map_err(fault_status)
}

/// The card's own failure: nothing that the host sent.
const fn fault_status(fault: Fault) -> Status {
    match fault {
        Fault::Flash | Fault::Corrupt => Status::MemoryFailure,
        Fault::Capacity => Status::NotEnoughMemory,
        Fault::Random => Status::UnspecifiedNonpersistentExecutionError,
        Fault::Blank | Fault::Personalised => Status::ConditionsOfUseNotSatisfied,
        Fault::Invalid => Status::IncorrectDataParameter,
    }
}

/// Why a PIN did not do. ISO 7816-4, 11.6.6: `63Cx` counts the tries left.
const fn pin_status(error: PinError) -> Status {
    match error {
        PinError::Wrong { left } => Status::RemainingRetries(left),
        PinError::Blocked => Status::OperationBlocked,
        PinError::Invalid => Status::IncorrectDataParameter,
        PinError::NotAllowed => Status::SecurityStatusNotSatisfied,
        PinError::Fault(fault) => fault_status(fault),
    }
}

const fn key_status(error: KeyError) -> Status {
    match error {
        KeyError::NoKey => Status::KeyReferenceNotFound,
        KeyError::NotAllowed | KeyError::Point => Status::IncorrectDataParameter,
        KeyError::Fault(fault) => fault_status(fault),
    }
}

const fn administrator_status(error: AdministratorError) -> Status {
    match error {
        AdministratorError::Wrong => Status::VerificationFailed,
        AdministratorError::Fault(fault) => fault_status(fault),
    }
}
