//! The card that persists: PINs, keys, certificates and personal data in NOR flash.
//!
//! A [`Card`] knows no APDU and no session. It answers what is true of the card, and gives proofs, [`PinVerified`] and [`Administrator`],
//! to whoever brings the right PIN or the right response. Everything in the flash is sealed under the device's root key. A power cut at
//! any moment leaves each change either made or not; a change that was acknowledged is made.
//!
//! - `store`, `layout`: the log in the flash. `seal`: what its records look like from outside.
//! - `pin`, `key`, `object`, `administrator`, `personalise`: what the records mean.

mod administrator;
mod fault;
mod key;
mod layout;
mod object;
mod personalise;
mod pin;
mod seal;
mod slot;
mod store;

use core::fmt;

use rand_core::TryRng as _;
use token_proto::{KeyRef, Profile};

pub use cdoc2_nostd::Curve;

pub use administrator::{ADMINISTRATOR_KEY_LEN, Administrator, CHALLENGE_LEN};
pub use fault::{AdministratorError, Fault, KeyError, PinError};
pub use key::{KeyInfo, KeySource, MAX_POINT_LEN};
pub use object::{DOCUMENT_NUMBER_LEN, MAX_CERTIFICATE_LEN, MAX_PERSONAL_DATA_LEN};
pub use personalise::Personalisation;
pub use pin::{PinVerified, Tries};
pub use slot::PERSONAL_DATA_FIELDS;
pub use token_proto::pin::PinBlock;

use crate::Platform;
use key::Stored;
use layout::Header;
use personalise::Holder;
use seal::{Purpose, Scratch, derive};
use slot::Slot;
use store::{Log, Store};

/// A card over a board.
pub struct Card<P: Platform> {
    platform: P,
    store: Store,
    scratch: Scratch,
    holder: Option<Holder>,
    keys: [Option<Stored>; KeyRef::ALL.len()],
}

/// A record in the scratch buffer.
struct Loaded {
    len: usize,
    sequence: u32,
}

impl<P: Platform> Card<P> {
    /// Opens the card in the flash of `platform`, and finishes what a power cut interrupted. A blank flash is a blank card.
    ///
    /// Half of the flash has to hold everything at its longest, and 2 KiB more: some 12 KiB where a word has 4 octets. More is good for
    /// the flash's life, and 64 KiB in all will do for every flash.
    ///
    /// # Errors
    /// [`Fault::Capacity`]: the flash is too small. The flash failed, or is not as a card left it: [`Fault::Corrupt`], also if the root key is another.
    pub fn new(mut platform: P) -> Result<Self, Fault> {
        let store = Store::open(platform.flash())?;
        let mut card = Self { platform, store, scratch: Scratch::new(), holder: None, keys: [None; KeyRef::ALL.len()] };
        card.refresh()?;
        Ok(card)
    }

    /// The board.
    pub fn platform(&mut self) -> &mut P {
        &mut self.platform
    }

    /// Gives the board back.
    pub fn into_platform(self) -> P {
        self.platform
    }

    /// Whether it is a person's card, and not a blank one.
    #[must_use]
    pub fn is_personalised(&self) -> bool {
        self.holder.is_some()
    }

    /// What the card looks like; the profile of 2018 while it is blank.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.holder.map_or(Profile::Esteid2018V1, |holder| holder.profile)
    }

    /// Fills `out` with random octets.
    ///
    /// # Errors
    /// [`Fault::Random`].
    pub fn random(&mut self, out: &mut [u8]) -> Result<(), Fault> {
        self.platform.rng().try_fill_bytes(out).map_err(|_| Fault::Random)
    }

    fn personalised(&self) -> Result<(), Fault> {
        if self.is_personalised() { Ok(()) } else { Err(Fault::Blank) }
    }

    /// Reads again what is kept in memory.
    fn refresh(&mut self) -> Result<(), Fault> {
        self.holder = None;
        if let Some(found) = self.load(Slot::HOLDER)? {
            self.holder = Some(Holder::parse(self.scratch.plaintext(found.len)).ok_or(Fault::Corrupt)?);
        } else if !self.store.is_empty() {
            return Err(Fault::Corrupt);
        }
        for key in KeyRef::ALL {
            let stored = self.read_key(key)?;
            if let Some(place) = self.keys.get_mut(place(key)) {
                *place = stored;
            }
        }
        Ok(())
    }

    fn stored_key(&self, key: KeyRef) -> Option<Stored> {
        self.keys.get(place(key)).copied().flatten()
    }

    fn remember_key(&mut self, key: KeyRef, stored: Stored) {
        if let Some(place) = self.keys.get_mut(place(key)) {
            *place = Some(stored);
        }
    }

    /// Opens the record of `slot` in the scratch buffer.
    fn load(&mut self, slot: Slot) -> Result<Option<Loaded>, Fault> {
        let Some(header) = self.store.read(self.platform.flash(), slot, &mut self.scratch)? else { return Ok(None) };
        let key = derive(self.platform.root_key(), Purpose::Seal)?;
        let len = usize::from(header.len);
        self.scratch.open(&key, &header.bound(), len)?;
        Ok(Some(Loaded { len, sequence: header.sequence }))
    }

    /// Makes `parts`, one after another, the record of `slot`, and answers its sequence number.
    fn put(&mut self, slot: Slot, parts: &[&[u8]]) -> Result<u32, Fault> {
        let header = self.seal(slot, self.store.next_sequence()?, parts)?;
        self.store.append(self.platform.flash(), &header, &self.scratch)?;
        Ok(header.sequence)
    }

    /// As [`put`](Self::put), in a log that is not yet in use.
    fn put_into(&mut self, log: &mut Log, slot: Slot, parts: &[&[u8]]) -> Result<(), Fault> {
        let header = self.seal(slot, log.next_sequence()?, parts)?;
        log.append(self.platform.flash(), &header, &self.scratch)
    }

    fn seal(&mut self, slot: Slot, sequence: u32, parts: &[&[u8]]) -> Result<Header, Fault> {
        let len = self.scratch.fill(parts)?;
        if len > slot.max_len() {
            self.scratch.wipe();
            return Err(Fault::Invalid);
        }
        let header = Header { slot, len: u16::try_from(len).map_err(|_| Fault::Invalid)?, sequence };
        let sealed = derive(self.platform.root_key(), Purpose::Seal)
            .and_then(|key| self.scratch.seal(&key, self.platform.rng(), &header.bound(), len));
        if sealed.is_err() {
            self.scratch.wipe();
        }
        sealed.map(|()| header)
    }
}

/// Where `key` is in a table of all.
const fn place(key: KeyRef) -> usize {
    match key {
        KeyRef::Authentication => 0,
        KeyRef::Signature => 1,
        KeyRef::Cdoc2 => 2,
    }
}

impl<P: Platform> fmt::Debug for Card<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card").field("personalised", &self.is_personalised()).finish_non_exhaustive()
    }
}
