//! The PINs of a card and their reference octets (ISO 7816-4, 11.5.1: `P2` of VERIFY).

use core::fmt;
use core::ops::RangeInclusive;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Profile;

/// One of the card's PINs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PinRef {
    /// PIN1: authentication and decryption.
    Pin1,
    /// PIN2: qualified signatures.
    Pin2,
    /// PUK: unblocks the other two.
    Puk,
}

impl PinRef {
    /// Every PIN.
    pub const ALL: [Self; 3] = [Self::Pin1, Self::Pin2, Self::Puk];

    /// Octets of a PIN in a command: its digits in ASCII, then [`Profile::pin_padding`].
    pub const BLOCK_LEN: usize = 12;

    /// How many digits it may have.
    #[must_use]
    pub const fn digits(self) -> RangeInclusive<usize> {
        match self {
            Self::Pin1 => 4..=12,
            Self::Pin2 => 5..=12,
            Self::Puk => 8..=12,
        }
    }

    /// Its reference octet in `profile`.
    #[must_use]
    pub const fn reference(self, profile: Profile) -> u8 {
        match (profile, self) {
            (Profile::Esteid2018V1, Self::Pin1) => 0x01,
            (Profile::Esteid2018V1, Self::Pin2) => 0x85,
            (Profile::Esteid2018V1, Self::Puk) => 0x02,
            (Profile::Esteid2025, Self::Pin1) => 0x81,
            (Profile::Esteid2025, Self::Pin2) => 0x82,
            (Profile::Esteid2025, Self::Puk) => 0x83,
        }
    }

    /// The PIN that `reference` means in `profile`.
    #[must_use]
    pub fn from_reference(profile: Profile, reference: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|pin| pin.reference(profile) == reference)
    }
}

/// Tries that a PIN has when it was last right.
pub const MAX_TRIES: u8 = 3;

/// A PIN in the form that the card compares: its digits in ASCII, then `FF` up to twelve octets. Wiped when dropped.
///
/// Any twelve octets can be a block, so that a wrong one can cost a try; [`is_valid_for`](Self::is_valid_for) tells whether they are a PIN.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PinBlock([u8; PinRef::BLOCK_LEN]);

impl PinBlock {
    /// The block of a PIN of these digits; `None` if they are no digits, none or more than twelve.
    #[must_use]
    pub fn new(digits: &[u8]) -> Option<Self> {
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut block = Self([PADDING; PinRef::BLOCK_LEN]);
        block.0.get_mut(..digits.len())?.copy_from_slice(digits);
        Some(block)
    }

    /// The block that came in a command of `profile`.
    ///
    /// `00` and `FF` trade places if that profile pads with `00`: nothing else may equal a PIN of either profile.
    #[must_use]
    pub fn from_octets(octets: &[u8; PinRef::BLOCK_LEN], profile: Profile) -> Self {
        let mut block = Self(*octets);
        block.repad(profile);
        block
    }

    /// Writes the block as a command of `profile` carries it into `octets`, which the caller wipes.
    pub fn emit(&self, octets: &mut [u8; PinRef::BLOCK_LEN], profile: Profile) {
        octets.copy_from_slice(&self.0);
        swap_padding(octets, profile);
    }

    /// Whether this is a PIN that `pin` may be changed to: enough digits, then padding alone.
    #[must_use]
    pub fn is_valid_for(&self, pin: PinRef) -> bool {
        let digits = self.0.iter().take_while(|octet| octet.is_ascii_digit()).count();
        pin.digits().contains(&digits) && self.0.iter().skip(digits).all(|octet| *octet == PADDING)
    }

    /// The octets, for whatever compares or seals them. Whoever calls this answers for what becomes of them.
    #[must_use]
    pub const fn expose(&self) -> &[u8; PinRef::BLOCK_LEN] {
        &self.0
    }

    fn repad(&mut self, profile: Profile) {
        swap_padding(&mut self.0, profile);
    }
}

const PADDING: u8 = 0xFF;

fn swap_padding(octets: &mut [u8; PinRef::BLOCK_LEN], profile: Profile) {
    let padding = profile.pin_padding();
    for octet in octets.iter_mut() {
        if *octet == padding {
            *octet = PADDING;
        } else if *octet == PADDING {
            *octet = padding;
        }
    }
}

impl fmt::Debug for PinBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinBlock(..)")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn references_lead_back() {
        for profile in Profile::ALL {
            for pin in PinRef::ALL {
                assert_eq!(PinRef::from_reference(profile, pin.reference(profile)), Some(pin));
            }
        }
        assert_eq!(PinRef::from_reference(Profile::Esteid2018V1, 0x82), None);
        assert_eq!(PinRef::from_reference(Profile::Esteid2025, 0x01), None);
    }

    #[test]
    fn each_profile_pads_in_its_own_way() {
        let block = PinBlock::new(b"1234").unwrap();
        for (profile, octets) in [
            (Profile::Esteid2018V1, b"1234\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
            (Profile::Esteid2025, b"1234\x00\x00\x00\x00\x00\x00\x00\x00"),
        ] {
            let mut emitted = [0; PinRef::BLOCK_LEN];
            block.emit(&mut emitted, profile);
            assert_eq!(&emitted, octets);
            assert_eq!(PinBlock::from_octets(octets, profile).expose(), block.expose());
        }
        assert_ne!(PinBlock::from_octets(b"1234\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", Profile::Esteid2025).expose(), block.expose());
        assert_ne!(PinBlock::from_octets(b"1234\x00\x00\x00\x00\x00\x00\x00\x00", Profile::Esteid2018V1).expose(), block.expose());
    }

    #[test]
    fn length_and_digits_make_a_pin() {
        for (digits, valid) in
            [("1234", [true, false, false]), ("12345", [true, true, false]), ("12345678", [true; 3]), ("123", [false; 3])]
        {
            let block = PinBlock::new(digits.as_bytes()).unwrap();
            assert_eq!(PinRef::ALL.map(|pin| block.is_valid_for(pin)), valid, "{digits}");
        }
        assert!(PinBlock::new(b"123456789012").unwrap().is_valid_for(PinRef::Puk));
        for octets in [b"1234\xFF5678\xFF\xFF\xFF", b"12345678\x00\xFF\xFF\xFF", b"1234567A\xFF\xFF\xFF\xFF"] {
            assert!(!PinBlock::from_octets(octets, Profile::Esteid2018V1).is_valid_for(PinRef::Pin1));
        }
        assert!(PinBlock::new(b"").is_none() && PinBlock::new(b"1234567890123").is_none() && PinBlock::new(b"12a4").is_none());
    }

    #[test]
    fn debug_shows_no_digit() {
        assert_eq!(std::format!("{:?}", PinBlock::new(b"1234").unwrap()), "PinBlock(..)");
    }
}
