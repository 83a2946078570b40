//! Commands of the CDOC2 application: the work.

use heapless::VecView;
use iso7816::Status;
use token_proto::cdoc2::{CHALLENGE_LEN, MAX_POINT_LEN};
use token_proto::{KeyRef, PinBlock, PinRef};

use super::command::{Command, PINS};
use super::decapsulate::Decapsulation;
use super::{Authorized, State};
use crate::applets::{Release, administrator_status, append, fault_status, key_status, pins};
use crate::card::Card;
use crate::platform::Platform;

impl Authorized<'_> {
    pub(super) fn exec<P: Platform>(
        self,
        state: &mut State,
        card: &mut Card<P>,
        response: &mut VecView<u8>,
    ) -> Result<Release, Status> {
        let block = |octets| PinBlock::from_octets(octets, PINS);
        let proofs = &mut state.proofs;
        match self.0 {
            Command::GetInfo => super::info(card, response)?,
            Command::GetPublicKey { key } => public_key(card, key, response)?,
            Command::GetCertificate { key } => {
                card.key(key).ok_or(Status::KeyReferenceNotFound)?;
                match card.certificate(key).map_err(fault_status)? {
                    [] => return Err(Status::NotFound),
                    der => append(response, der)?,
                }
            }
            Command::Verify { pin, block: octets } => pins::verify(card, proofs, pin, &block(octets))?,
            Command::QueryPin { pin } => pins::query(card, proofs, pin)?,
            Command::ChangeReferenceData { pin, old, new } => pins::change(card, proofs, pin, &block(old), &block(new))?,
            Command::ResetRetryCounter { new } => pins::reset_retry_counter(card, proofs, PinRef::Pin1, &block(new))?,
            Command::GetChallenge => {
                let mut challenge = [0; CHALLENGE_LEN];
                card.random(&mut challenge).map_err(fault_status)?;
                append(response, &challenge)?;
                state.challenge = Some(challenge);
            }
            Command::ExternalAuthenticate { answer } => {
                state.administrator = None;
                let challenge = state.challenge.take().ok_or(Status::ConditionsOfUseNotSatisfied)?;
                state.administrator = Some(card.check_administrator(&challenge, answer).map_err(administrator_status)?);
            }
            Command::Decapsulate { key, data, is_last } => return decapsulate(state, card, key, data, is_last, response),
            Command::GenerateKey { key, curve, touch } => {
                card.generate_key(key, super::curve_of_core(curve), touch).map_err(key_status)?;
                public_key(card, key, response)?;
            }
            Command::PutCertificate { key, der } => put_certificate(card, key, der)?,
            Command::FactoryReset => {
                card.factory_reset().map_err(fault_status)?;
                *state = State::default();
            }
        }
        Ok(Release::Now)
    }
}

fn decapsulate<P: Platform>(
    state: &mut State,
    card: &mut Card<P>,
    key: KeyRef,
    data: &[u8],
    is_last: bool,
    response: &mut VecView<u8>,
) -> Result<Release, Status> {
    let decapsulation = match &mut state.decapsulation {
        Some(decapsulation) => decapsulation,
        none => none.insert(Decapsulation::new(card, key)?),
    };
    decapsulation.update(card, data)?;
    if !is_last {
        return Ok(Release::Now);
    }
    let cek = state.decapsulation.take().ok_or(Status::ConditionsOfUseNotSatisfied)?.finish()?;
    append(response, cek.expose())?;
    let wants_touch = card.key(key).is_none_or(|info| info.touch);
    Ok(if wants_touch { Release::AfterTouch } else { Release::Now })
}

/// Appends the octet of the curve and the point.
fn public_key<P: Platform>(card: &mut Card<P>, key: KeyRef, response: &mut VecView<u8>) -> Result<(), Status> {
    let curve = card.key(key).ok_or(Status::KeyReferenceNotFound)?.curve;
    let mut point = [0; MAX_POINT_LEN];
    let len = card.public_key(key, &mut point).map_err(key_status)?;
    append(response, &[super::curve(curve).octet()])?;
    append(response, point.get(..len).unwrap_or(&[]))
}

/// Keeps a certificate that is one DER object and has the key's point in it: senders encrypt to what it says, and to any other key nobody
/// could read it.
fn put_certificate<P: Platform>(card: &mut Card<P>, key: KeyRef, der: &[u8]) -> Result<(), Status> {
    let mut point = [0; MAX_POINT_LEN];
    let len = card.public_key(key, &mut point).map_err(key_status)?;
    let point = point.get(..len).filter(|point| !point.is_empty()).ok_or(Status::MemoryFailure)?;
    if !is_sequence(der) || !der.windows(point.len()).any(|octets| octets == point) {
        return Err(Status::IncorrectDataParameter);
    }
    card.put_certificate(key, der).map_err(fault_status)
}

/// Whether `der` is one SEQUENCE and nothing behind it.
fn is_sequence(der: &[u8]) -> bool {
    token_proto::tlv::only(der, 0x30).is_ok()
}
