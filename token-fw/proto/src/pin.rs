//! The PINs of a card and their reference octets (ISO 7816-4, 11.5.1: `P2` of VERIFY).

use core::ops::RangeInclusive;

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

#[cfg(test)]
mod tests {
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
}
