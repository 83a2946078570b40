//! Commands on PINs, which both applications have.

use iso7816::Status;
use token_proto::{PinBlock, PinRef};

use super::{fault_status, pin_status};
use crate::card::{Card, PinError};
use crate::platform::Platform;
use crate::session::Proofs;

/// A PIN as a command carries it.
pub(super) type Block = [u8; PinRef::BLOCK_LEN];

/// The only block in `data`.
pub(super) fn block(data: &[u8]) -> Result<&Block, Status> {
    data.try_into().map_err(|_| Status::WrongLength)
}

/// The two blocks in `data`.
pub(super) fn blocks(data: &[u8]) -> Result<[&Block; 2], Status> {
    match data.as_chunks() {
        ([first, second], []) => Ok([first, second]),
        _ => Err(Status::WrongLength),
    }
}

/// VERIFY (ISO 7816-4, 11.6.6).
pub(super) fn verify<P: Platform>(card: &mut Card<P>, proofs: &mut Proofs, pin: PinRef, block: &PinBlock) -> Result<(), Status> {
    proofs.forget(pin);
    let proof = card.verify(pin, block).map_err(pin_status)?;
    proofs.keep(proof);
    Ok(())
}

/// VERIFY without data: whether the PIN is verified, or else how many tries it has.
pub(super) fn query<P: Platform>(card: &mut Card<P>, proofs: &Proofs, pin: PinRef) -> Result<(), Status> {
    if proofs.of(pin).is_some() {
        return Ok(());
    }
    Err(Status::RemainingRetries(card.tries(pin).map_err(fault_status)?.left))
}

/// CHANGE REFERENCE DATA (ISO 7816-4, 11.6.7). A wrong old PIN ends what its verification allowed.
pub(super) fn change<P: Platform>(
    card: &mut Card<P>,
    proofs: &mut Proofs,
    pin: PinRef,
    old: &PinBlock,
    new: &PinBlock,
) -> Result<(), Status> {
    card.change(pin, old, new).map_err(|error| {
        match error {
            PinError::Wrong { .. } | PinError::Blocked | PinError::Fault(_) => proofs.forget(pin),
            PinError::Invalid | PinError::NotAllowed => {}
        }
        pin_status(error)
    })
}

/// RESET RETRY COUNTER (ISO 7816-4, 11.6.10) after VERIFY of the PUK.
pub(super) fn reset_retry_counter<P: Platform>(
    card: &mut Card<P>,
    proofs: &Proofs,
    pin: PinRef,
    new: &PinBlock,
) -> Result<(), Status> {
    let puk = proofs.of(PinRef::Puk).ok_or(Status::SecurityStatusNotSatisfied)?;
    card.unblock(puk, pin, new).map_err(pin_status)
}
