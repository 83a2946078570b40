//! PINs: verifiers and tries.
//!
//! ```text
//! K_pin    = HKDF-SHA-256(salt = "token-fw card", ikm = root key, info = "pin", 32)
//! verifier = HMAC-SHA-256(K_pin, slot || block padded with FF)
//! record   = tries left || most tries || verifier (32)
//! ```
//! The verifier and the tries are one record, so that no cut parts them. A try is written down as used before the PIN is compared; if
//! that cannot be written, there is no comparison.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use token_proto::PinRef;
use token_proto::pin::{MAX_TRIES, PinBlock};
use zeroize::Zeroizing;

use super::seal::{Purpose, derive};
use super::slot::Slot;
use super::store::Log;
use super::{Card, Fault, PinError};
use crate::Platform;
use crate::platform::ROOT_KEY_LEN;

const VERIFIER_LEN: usize = 32;

/// Octets of a PIN's record.
pub(super) const RECORD_LEN: usize = 2 + VERIFIER_LEN;

/// Tries of a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// Wrong tries that it still bears; 0: blocked.
    pub left: u8,
    /// What `left` is after the right one.
    pub most: u8,
}

/// Proof that a PIN was right. Whoever holds it decides how long it is worth something; it does not outlive a factory reset.
#[derive(Debug, PartialEq, Eq)]
pub struct PinVerified(PinRef);

impl PinVerified {
    /// Which PIN.
    #[must_use]
    pub const fn pin(&self) -> PinRef {
        self.0
    }
}

/// What the store has of a PIN.
struct Record {
    tries: Tries,
    verifier: Zeroizing<[u8; VERIFIER_LEN]>,
}

impl Record {
    fn parse(octets: &[u8]) -> Option<Self> {
        let (&[left, most], verifier) = octets.split_first_chunk()?;
        let verifier: &[u8; VERIFIER_LEN] = verifier.try_into().ok()?;
        (left <= most).then(|| Self { tries: Tries { left, most }, verifier: Zeroizing::new(*verifier) })
    }
}

/// The MAC that is the verifier of `block` for `pin`, not yet finished.
fn verifier(root_key: &[u8; ROOT_KEY_LEN], pin: PinRef, block: &PinBlock) -> Result<Hmac<Sha256>, Fault> {
    let key = derive(root_key, Purpose::Pin)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_ref()).map_err(|_| Fault::Corrupt)?;
    mac.update(&[Slot::pin(pin).number()]);
    mac.update(block.expose());
    Ok(mac)
}

impl<P: Platform> Card<P> {
    /// The tries of `pin`.
    ///
    /// # Errors
    /// [`Fault::Blank`], or the card failed.
    pub fn tries(&mut self, pin: PinRef) -> Result<Tries, Fault> {
        Ok(self.pin_record(pin)?.tries)
    }

    /// Compares `block` with `pin` (VERIFY). All tries are back if it is right.
    ///
    /// # Errors
    /// [`PinError::Wrong`] used a try; [`PinError::Blocked`]; the card failed, which may have used a try.
    pub fn verify(&mut self, pin: PinRef, block: &PinBlock) -> Result<PinVerified, PinError> {
        let record = self.compare(pin, block)?;
        self.put_pin(pin, record.tries.most, record.tries.most, &record.verifier)?;
        Ok(PinVerified(pin))
    }

    /// Makes `new` the value of `pin` if `old` is its value (CHANGE REFERENCE DATA). All tries are back then.
    ///
    /// # Errors
    /// [`PinError::Invalid`], before anything else; then as [`verify`](Self::verify) for `old`.
    pub fn change(&mut self, pin: PinRef, old: &PinBlock, new: &PinBlock) -> Result<(), PinError> {
        if !new.is_valid_for(pin) {
            return Err(PinError::Invalid);
        }
        let record = self.compare(pin, old)?;
        Ok(self.set_pin(pin, new, record.tries.most)?)
    }

    /// Makes `new` the value of `pin`, with all its tries, whatever it was (RESET RETRY COUNTER).
    ///
    /// # Errors
    /// [`PinError::NotAllowed`]: `puk` is not of the PUK, or `pin` is the PUK. [`PinError::Invalid`]; the card failed.
    pub fn unblock(&mut self, puk: &PinVerified, pin: PinRef, new: &PinBlock) -> Result<(), PinError> {
        if puk.pin() != PinRef::Puk || pin == PinRef::Puk {
            return Err(PinError::NotAllowed);
        }
        if !new.is_valid_for(pin) {
            return Err(PinError::Invalid);
        }
        let tries = self.tries(pin)?;
        Ok(self.set_pin(pin, new, tries.most)?)
    }

    /// Uses a try and compares. The try is given back by whoever writes the record next.
    fn compare(&mut self, pin: PinRef, block: &PinBlock) -> Result<Record, PinError> {
        let record = self.pin_record(pin)?;
        let left = record.tries.left.checked_sub(1).ok_or(PinError::Blocked)?;
        self.put_pin(pin, left, record.tries.most, &record.verifier)?;
        verifier(self.platform.root_key(), pin, block)?
            .verify_slice(record.verifier.as_ref())
            .map_err(|_| PinError::Wrong { left })?;
        Ok(record)
    }

    fn pin_record(&mut self, pin: PinRef) -> Result<Record, Fault> {
        self.personalised()?;
        let record =
            self.load(Slot::pin(pin)).map(|found| found.and_then(|found| Record::parse(self.scratch.plaintext(found.len))));
        self.scratch.wipe();
        record?.ok_or(Fault::Corrupt)
    }

    fn set_pin(&mut self, pin: PinRef, block: &PinBlock, most: u8) -> Result<(), Fault> {
        let verifier = finished(verifier(self.platform.root_key(), pin, block)?);
        self.put_pin(pin, most, most, &verifier)
    }

    fn put_pin(&mut self, pin: PinRef, left: u8, most: u8, verifier: &[u8; VERIFIER_LEN]) -> Result<(), Fault> {
        self.put(Slot::pin(pin), &[&[left, most], verifier]).map(|_| ())
    }

    /// Writes `pin` into `log` for the first time.
    pub(super) fn put_first_pin(&mut self, log: &mut Log, pin: PinRef, block: &PinBlock) -> Result<(), Fault> {
        if !block.is_valid_for(pin) {
            return Err(Fault::Invalid);
        }
        let verifier = finished(verifier(self.platform.root_key(), pin, block)?);
        self.put_into(log, Slot::pin(pin), &[&[MAX_TRIES, MAX_TRIES], verifier.as_ref()]).map(|_| ())
    }
}

fn finished(mac: Hmac<Sha256>) -> Zeroizing<[u8; VERIFIER_LEN]> {
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hmac from the formulas at the top; the root key is 00 01 .. 1F.
    #[test]
    fn verifier_is_what_others_compute() {
        let root_key = core::array::from_fn(|index| u8::try_from(index).unwrap());
        let verifier = finished(verifier(&root_key, PinRef::Pin1, &PinBlock::new(b"1234").unwrap()).unwrap());
        assert_eq!(
            *verifier,
            [
                0xF8, 0xEC, 0xA5, 0x50, 0x4F, 0xB1, 0xBF, 0x51, 0x94, 0x43, 0xC6, 0x69, 0x6E, 0x45, 0xB9, 0xA4, 0x52, 0xDB, 0xA7,
                0x4E, 0xF0, 0xDE, 0x2E, 0xE3, 0xD5, 0xA2, 0x66, 0x8C, 0xA7, 0xB2, 0x75, 0x5B
            ]
        );
    }

    #[test]
    fn record_with_more_tries_than_most_is_none() {
        let record = |left, len: usize| {
            let mut octets = [0; 40];
            octets[..2].copy_from_slice(&[left, 3]);
            Record::parse(&octets[..2 + len]).is_some()
        };
        assert!(record(3, 32) && record(0, 32));
        assert!(!record(4, 32) && !record(3, 31) && !record(3, 33));
    }
}
