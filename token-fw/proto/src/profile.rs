//! Which generation of the Estonian ID-card a token looks like.

use crate::Atr;

/// A card profile: it decides the answer to reset, the files, and the references and padding of PINs and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The card of 2018, first version (IDEMIA Cosmo 8).
    Esteid2018V1,
    /// The card of 2025 (Thales).
    Esteid2025,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 2] = [Self::Esteid2018V1, Self::Esteid2025];

    /// The answer to reset. Host software tells the profiles apart by it alone, and compares every octet.
    #[must_use]
    pub const fn atr(self) -> Atr {
        match self {
            Self::Esteid2018V1 => ATR_2018_V1,
            Self::Esteid2025 => ATR_2025,
        }
    }

    /// The octet that fills a PIN up to [`PinRef::BLOCK_LEN`](crate::PinRef::BLOCK_LEN) octets.
    #[must_use]
    pub const fn pin_padding(self) -> u8 {
        match self {
            Self::Esteid2018V1 => 0xFF,
            Self::Esteid2025 => 0x00,
        }
    }
}

const ATR_2018_V1: Atr =
    Atr::new(b"\x3B\xDB\x96\x00\x80\xB1\xFE\x45\x1F\x83\x00\x12\x23\x3F\x53\x65\x49\x44\x0F\x90\x00\xF1").unwrap();

const ATR_2025: Atr =
    Atr::new(b"\x3B\xFF\x96\x00\x00\x80\x31\xFE\x43\x80\x31\xB8\x53\x65\x49\x44\x64\xB0\x85\x05\x10\x12\x23\x3F\x1D").unwrap();

#[cfg(test)]
mod tests {
    use super::*;

    /// ISO 7816-3, 8.2.5: the exclusive or of T0 to TCK is zero.
    #[test]
    fn check_octets_are_right() {
        for profile in Profile::ALL {
            assert_eq!(profile.atr().octets()[1..].iter().fold(0, |sum, octet| sum ^ octet), 0, "{profile:?}");
        }
    }
}
