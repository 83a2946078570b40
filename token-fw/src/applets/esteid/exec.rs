//! Commands of the ID-card: the work.

use heapless::VecView;
use iso7816::Status;
use token_proto::esteid::{HASH_LEN, MAX_TRIES_LEN, SIGNATURE_LEN, Tries};
use token_proto::{KeyRef, PinBlock, PinRef, Profile};

use super::command::{Command, Target};
use super::files::{Df, File};
use super::{Authorized, State};
use crate::applets::{Release, append, append_random, fault_status, key_status, pin_status, pins};
use crate::card::Card;
use crate::platform::Platform;

impl Authorized<'_> {
    pub(super) fn exec<P: Platform>(
        self,
        state: &mut State,
        card: &mut Card<P>,
        profile: Profile,
        response: &mut VecView<u8>,
    ) -> Result<Release, Status> {
        let block = |octets| PinBlock::from_octets(octets, profile);
        let proofs = &mut state.proofs;
        match self.0 {
            Command::SelectFile { target, with_control_parameters } => {
                let file = state.find(target, profile).ok_or(Status::NotFound)?;
                if with_control_parameters {
                    super::answer(file.control_parameters(card, profile)?, profile, response)?;
                }
                state.enter(file);
            }
            Command::ReadBinary { offset, len } => {
                state.ef.ok_or(Status::CommandNotAllowedNoEf)?.read(card, offset, len, response)?;
            }
            Command::Verify { pin, block: octets } => pins::verify(card, proofs, pin, &block(octets))?,
            Command::QueryPin { pin } => pins::query(card, proofs, pin)?,
            Command::ChangeReferenceData { pin, old, new } => pins::change(card, proofs, pin, &block(old), &block(new))?,
            Command::ResetRetryCounter { pin, new } => pins::reset_retry_counter(card, proofs, pin, &block(new))?,
            Command::ResetRetryCounterWithPuk { pin, puk, new } => {
                let puk = card.verify(PinRef::Puk, &block(puk)).map_err(pin_status)?;
                card.unblock(&puk, pin, &block(new)).map_err(pin_status)?;
            }
            Command::GetTries { pin } => {
                let left = card.tries(pin).map_err(fault_status)?.left;
                let mut octets = [0; MAX_TRIES_LEN];
                let len = Tries { pin, left }.emit(profile, &mut octets).map_err(|_| Status::NotEnoughMemory)?;
                append(response, octets.get(..len).unwrap_or(&[]))?;
            }
            Command::SetEnvironment { environment } => state.environment = Some(environment),
            Command::SetHash { hash } => state.hash = Some(number(hash)),
            Command::InternalAuthenticate { hash } => return sign(card, KeyRef::Authentication, hash, response),
            Command::ComputeDigitalSignature { hash } => return sign(card, KeyRef::Signature, hash, response),
            Command::ComputeDigitalSignatureOfHash => {
                let hash = state.hash.take().ok_or(Status::ConditionsOfUseNotSatisfied)?;
                let environment = state.environment.ok_or(Status::ConditionsOfUseNotSatisfied)?;
                return sign(card, environment.key(), &hash, response);
            }
            Command::Decipher { point } => {
                let shared = card.agree(KeyRef::Authentication, point).map_err(key_status)?;
                append(response, shared.expose())?;
                return Ok(release(card, KeyRef::Authentication));
            }
            Command::GetChallenge { len } => append_random(card, response, len)?,
        }
        Ok(Release::Now)
    }
}

impl State {
    fn find(&self, target: Target<'_>, profile: Profile) -> Option<File> {
        match target {
            Target::Mf => Some(File::Df(Df::Mf)),
            Target::ChildDf(id) => self.df.child(id, profile).filter(|file| matches!(file, File::Df(_))),
            Target::ChildEf(id) => self.df.child(id, profile).filter(|file| matches!(file, File::Ef(..))),
            Target::PathFromMf(path) => Df::Mf.walk(path, profile),
            Target::Path(path) => self.df.walk(path, profile),
        }
    }

    fn enter(&mut self, file: File) {
        (self.df, self.ef) = match file {
            File::Df(df) => (df, None),
            File::Ef(df, ef) => (df, Some(ef)),
        };
    }
}

fn sign<P: Platform>(
    card: &mut Card<P>,
    key: KeyRef,
    hash: &[u8; HASH_LEN],
    response: &mut VecView<u8>,
) -> Result<Release, Status> {
    let mut signature = [0; SIGNATURE_LEN];
    card.sign(key, hash, &mut signature).map_err(key_status)?;
    append(response, &signature)?;
    Ok(release(card, key))
}

fn release<P: Platform>(card: &Card<P>, key: KeyRef) -> Release {
    if card.key(key).is_some_and(|info| info.touch) { Release::AfterTouch } else { Release::Now }
}

/// The number that ECDSA over a curve of 384 bits makes of a hash (FIPS 186-5, 6.4.1): zeros before a shorter one, the first octets of a
/// longer one.
fn number(hash: &[u8]) -> [u8; HASH_LEN] {
    let mut number = [0; HASH_LEN];
    let used = hash.get(..HASH_LEN).unwrap_or(hash);
    for (place, octet) in number.iter_mut().rev().zip(used.iter().rev()) {
        *place = *octet;
    }
    number
}
