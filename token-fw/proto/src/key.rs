//! The private keys of a card and their reference octets.

use crate::Profile;

/// One of the card's private keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyRef {
    /// Authentication and ECDH, after PIN1. secp384r1.
    Authentication,
    /// Qualified signatures, after PIN2. secp384r1.
    Signature,
    /// Decapsulation of CDOC2 only, after PIN1. Any curve of CDOC2.
    Cdoc2,
}

impl KeyRef {
    /// Every key.
    pub const ALL: [Self; 3] = [Self::Authentication, Self::Signature, Self::Cdoc2];

    /// Its reference octet in the CDOC2 application, and in the ID-card of 2018 as far as that has it.
    #[must_use]
    pub const fn reference(self) -> u8 {
        match self {
            Self::Authentication => 0x81,
            Self::Signature => 0x9F,
            Self::Cdoc2 => 0x83,
        }
    }

    /// The key that `reference` means there.
    #[must_use]
    pub fn from_reference(reference: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.reference() == reference)
    }

    /// The key that `reference` means in the ID-card application of `profile`.
    #[must_use]
    pub const fn from_esteid_reference(profile: Profile, reference: u8) -> Option<Self> {
        match (profile, reference) {
            (Profile::Esteid2018V1, 0x81) | (Profile::Esteid2025, 0x01) => Some(Self::Authentication),
            (Profile::Esteid2018V1, 0x9F) | (Profile::Esteid2025, 0x05) => Some(Self::Signature),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_back() {
        for key in KeyRef::ALL {
            assert_eq!(KeyRef::from_reference(key.reference()), Some(key));
        }
        assert_eq!(KeyRef::from_reference(0x82), None);
    }

    #[test]
    fn id_card_has_two_keys() {
        assert_eq!(KeyRef::from_esteid_reference(Profile::Esteid2018V1, 0x9F), Some(KeyRef::Signature));
        assert_eq!(KeyRef::from_esteid_reference(Profile::Esteid2025, 0x05), Some(KeyRef::Signature));
        assert_eq!(KeyRef::from_esteid_reference(Profile::Esteid2018V1, 0x83), None);
        assert_eq!(KeyRef::from_esteid_reference(Profile::Esteid2025, 0x81), None);
    }
}
