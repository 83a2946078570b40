//! The places for records, each with a number of its own in the flash.

use token_proto::{KeyRef, PinRef};

use super::{ADMINISTRATOR_KEY_LEN, MAX_PERSONAL_DATA_LEN, key, object, personalise, pin};

/// Personal data fields of a card.
pub const PERSONAL_DATA_FIELDS: u8 = 15;

/// The numbers are part of the stored format: they never change.
const HOLDER: u8 = 0;
const ADMINISTRATOR: u8 = 4;
const FIRST_FIELD: u8 = 11;

/// How many there are.
pub(super) const COUNT: usize = 26;

/// A place in the store that holds one record, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u8);

impl Slot {
    /// Profile and document number. A card that has none is blank.
    pub(super) const HOLDER: Self = Self(HOLDER);

    /// The administrator key.
    pub(super) const ADMINISTRATOR: Self = Self(ADMINISTRATOR);

    /// A PIN's verifier and its tries.
    pub(super) const fn pin(pin: PinRef) -> Self {
        Self(match pin {
            PinRef::Pin1 => 1,
            PinRef::Pin2 => 2,
            PinRef::Puk => 3,
        })
    }

    /// A private key.
    pub(super) const fn key(key: KeyRef) -> Self {
        Self(match key {
            KeyRef::Authentication => 5,
            KeyRef::Signature => 6,
            KeyRef::Cdoc2 => 7,
        })
    }

    /// The certificate of a key.
    pub(super) const fn certificate(key: KeyRef) -> Self {
        Self(match key {
            KeyRef::Authentication => 8,
            KeyRef::Signature => 9,
            KeyRef::Cdoc2 => 10,
        })
    }

    /// Personal data, from field 1 on.
    pub(super) fn field(field: u8) -> Option<Self> {
        let index = field.checked_sub(1).filter(|index| *index < PERSONAL_DATA_FIELDS)?;
        FIRST_FIELD.checked_add(index).map(Self)
    }

    /// The slot with this number.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        (usize::from(number) < COUNT).then_some(Self(number))
    }

    /// Every slot.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map_while(Self::from_number)
    }

    /// Octets of the longest plaintext of its record.
    pub(super) const fn max_len(self) -> usize {
        match self.0 {
            HOLDER => personalise::HOLDER_LEN,
            1..=3 => pin::RECORD_LEN,
            ADMINISTRATOR => ADMINISTRATOR_KEY_LEN,
            5..=7 => key::MAX_RECORD_LEN,
            8..=10 => object::MAX_CERTIFICATE_RECORD_LEN,
            FIRST_FIELD.. => MAX_PERSONAL_DATA_LEN,
        }
    }

    /// Its number in the flash.
    pub(super) const fn number(self) -> u8 {
        self.0
    }

    /// Its place in a table of all.
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_slot() {
        let mut seen = [false; COUNT];
        let fixed = [Slot::HOLDER, Slot::ADMINISTRATOR];
        let pins = PinRef::ALL.map(Slot::pin);
        let keys = KeyRef::ALL.map(Slot::key);
        let certificates = KeyRef::ALL.map(Slot::certificate);
        let fields = (1..=PERSONAL_DATA_FIELDS).map(|field| Slot::field(field).unwrap());
        for slot in fixed.into_iter().chain(pins).chain(keys).chain(certificates).chain(fields) {
            assert!(!core::mem::replace(&mut seen[slot.index()], true));
        }
        assert_eq!(seen, [true; COUNT]);
        assert_eq!(Slot::field(0), None);
        assert_eq!(Slot::field(16), None);
        assert_eq!(Slot::from_number(26), None);
    }
}
