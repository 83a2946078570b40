//! Which generation of the Estonian ID-card a token looks like.

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

    /// The octet that fills a PIN up to [`PinRef::BLOCK_LEN`](crate::PinRef::BLOCK_LEN) octets.
    #[must_use]
    pub const fn pin_padding(self) -> u8 {
        match self {
            Self::Esteid2018V1 => 0xFF,
            Self::Esteid2025 => 0x00,
        }
    }
}
