//! The beginning and the end of a card's life.

use core::fmt;

use token_proto::pin::PinBlock;
use token_proto::{KeyRef, PinRef, Profile};

use super::administrator::ADMINISTRATOR_KEY_LEN;
use super::key::{KeySource, NewKey};
use super::object::{DOCUMENT_NUMBER_LEN, MAX_PERSONAL_DATA_LEN};
use super::slot::{PERSONAL_DATA_FIELDS, Slot};
use super::store::Log;
use super::{Card, Fault, KeyError};
use crate::Platform;

/// What makes a blank card a person's. The caller owns and wipes everything in it.
#[derive(Clone, Copy)]
pub struct Personalisation<'p> {
    /// What the card looks like.
    pub profile: Profile,
    /// The first PIN1.
    pub pin1: &'p PinBlock,
    /// The first PIN2.
    pub pin2: &'p PinBlock,
    /// The first PUK.
    pub puk: &'p PinBlock,
    /// The administrator key.
    pub administrator_key: &'p [u8; ADMINISTRATOR_KEY_LEN],
    /// The document number, capital letters and digits.
    pub document_number: &'p [u8; DOCUMENT_NUMBER_LEN],
    /// Personal data from field 1 on, in UTF-8: at most [`PERSONAL_DATA_FIELDS`] of at most [`MAX_PERSONAL_DATA_LEN`] octets.
    pub personal_data: &'p [&'p [u8]],
    /// The authentication key, if the card is to have one; secp384r1.
    pub authentication_key: Option<KeySource<'p>>,
    /// The signature key, if the card is to have one; secp384r1.
    pub signature_key: Option<KeySource<'p>>,
    /// The CDOC2 key, if the card is to have one.
    pub cdoc2_key: Option<KeySource<'p>>,
}

impl Personalisation<'_> {
    fn sound(&self) -> bool {
        self.document_number.iter().all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit())
            && self.personal_data.len() <= usize::from(PERSONAL_DATA_FIELDS)
            && self.personal_data.iter().all(|field| field.len() <= MAX_PERSONAL_DATA_LEN)
    }

    fn pin(&self, pin: PinRef) -> &PinBlock {
        match pin {
            PinRef::Pin1 => self.pin1,
            PinRef::Pin2 => self.pin2,
            PinRef::Puk => self.puk,
        }
    }

    fn key(&self, key: KeyRef) -> Option<KeySource<'_>> {
        match key {
            KeyRef::Authentication => self.authentication_key,
            KeyRef::Signature => self.signature_key,
            KeyRef::Cdoc2 => self.cdoc2_key,
        }
    }
}

impl fmt::Debug for Personalisation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Personalisation").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// Octets of the holder's record.
pub(super) const HOLDER_LEN: usize = 1 + DOCUMENT_NUMBER_LEN;

/// Whose card it is.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    pub(super) profile: Profile,
    pub(super) document_number: [u8; DOCUMENT_NUMBER_LEN],
}

impl Holder {
    pub(super) fn parse(octets: &[u8]) -> Option<Self> {
        let (&[profile], document_number) = octets.split_first_chunk()?;
        let profile = Profile::ALL.into_iter().find(|known| number(*known) == profile)?;
        Some(Self { profile, document_number: document_number.try_into().ok()? })
    }
}

/// The numbers of profiles in the flash.
const fn number(profile: Profile) -> u8 {
    match profile {
        Profile::Esteid2018V1 => 1,
        Profile::Esteid2025 => 2,
    }
}

impl<P: Platform> Card<P> {
    /// Makes a blank card the card of a person: wholly, or not at all.
    ///
    /// # Errors
    /// [`Fault::Personalised`]; [`Fault::Invalid`]: a PIN, a key, the document number or personal data are not as [`Personalisation`] says;
    /// or the card failed.
    pub fn personalise(&mut self, what: &Personalisation<'_>) -> Result<(), Fault> {
        if self.is_personalised() {
            return Err(Fault::Personalised);
        }
        if !what.sound() {
            return Err(Fault::Invalid);
        }
        let mut log = self.store.begin(self.platform.flash())?;
        let written = self.write_all(&mut log, what);
        self.scratch.wipe();
        written?;
        self.store.replace(self.platform.flash(), log)?;
        self.refresh()
    }

    fn write_all(&mut self, log: &mut Log, what: &Personalisation<'_>) -> Result<(), Fault> {
        for pin in PinRef::ALL {
            self.put_first_pin(log, pin, what.pin(pin))?;
        }
        self.put_into(log, Slot::ADMINISTRATOR, &[what.administrator_key])?;
        for key in KeyRef::ALL {
            if let Some(source) = what.key(key) {
                let new = NewKey::make(key, source, self.platform.rng()).map_err(|error| match error {
                    KeyError::Fault(fault) => fault,
                    KeyError::NoKey | KeyError::NotAllowed | KeyError::Point => Fault::Invalid,
                })?;
                new.store(|parts| self.put_into(log, Slot::key(key), parts))?;
            }
        }
        for (field, data) in (1..).zip(what.personal_data) {
            self.put_into(log, Slot::field(field).ok_or(Fault::Invalid)?, &[data])?;
        }
        self.put_into(log, Slot::HOLDER, &[&[number(what.profile)], what.document_number])?;
        Ok(())
    }

    /// Makes a blank card of it: wholly, or not at all. What was there is erased, if need be when the card is opened the next time.
    ///
    /// # Errors
    /// The card failed.
    pub fn factory_reset(&mut self) -> Result<(), Fault> {
        let log = self.store.begin(self.platform.flash())?;
        self.store.replace(self.platform.flash(), log)?;
        self.refresh()
    }
}
