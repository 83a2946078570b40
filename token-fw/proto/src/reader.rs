//! A card in a reader, from the host's side.

use core::fmt;

/// A card reader with a card in it, real or virtual.
///
/// One value is one exclusive conversation; whoever holds it sends commands one after another.
pub trait Reader {
    /// What can go wrong between the host and the card. Status words are no errors here.
    type Error: fmt::Debug;

    /// Takes the card's power away and gives it back: every PIN is unverified and nothing is selected afterwards.
    ///
    /// # Errors
    /// No card, or the reader failed.
    fn reset(&mut self) -> Result<Atr, Self::Error>;

    /// Sends the command APDU `command` and writes the response APDU, data and status word, into `response`, whose owner is the caller.
    /// Answers how many octets it has: at least 2, at most [`MAX_RESPONSE_LEN`](crate::MAX_RESPONSE_LEN) from a token of this project.
    ///
    /// # Errors
    /// The card was removed or reset by someone else, the response does not fit, or the reader failed. Whether the card has carried out the
    /// command is then unknown.
    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, Self::Error>;
}

/// Answer to reset (ISO 7816-3, 8.2): at most 33 octets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Atr {
    octets: [u8; Self::MAX_LEN],
    len: usize,
}

impl Atr {
    /// Octets of the longest.
    pub const MAX_LEN: usize = 33;

    /// The answer to reset made of `octets`; `None` if they are too many or none.
    #[must_use]
    pub const fn new(octets: &[u8]) -> Option<Self> {
        if octets.is_empty() || octets.len() > Self::MAX_LEN {
            return None;
        }
        let mut atr = Self { octets: [0; Self::MAX_LEN], len: octets.len() };
        let (head, _) = atr.octets.split_at_mut(octets.len());
        head.copy_from_slice(octets);
        Some(atr)
    }

    /// The octets, TS first.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or(&[])
    }
}

impl fmt::Debug for Atr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.octets().iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

/// Answer to reset of a card of this project that nobody has personalised: the interface octets of the ID-card of 2018, and "CDOC2" as the
/// card issuer's data (ISO 7816-4, 8.1.1.2). No host software takes it for an ID-card.
pub const BLANK_ATR: Atr = Atr::new(b"\x3B\xD7\x96\x00\x80\xB1\xFE\x45\x1F\x83\x80\x55\x43\x44\x4F\x43\x32\xBB").unwrap();

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn shows_its_octets() {
        assert_eq!(std::format!("{:?}", Atr::new(b"\x3B\x00").unwrap()), "3B00");
    }

    /// ISO 7816-3, 8.2.5: the exclusive or of T0 to TCK is zero.
    #[test]
    fn check_octet_of_a_blank_card_is_right() {
        assert_eq!(BLANK_ATR.octets()[1..].iter().fold(0, |sum, octet| sum ^ octet), 0);
    }

    #[test]
    fn none_or_too_many_octets_are_no_answer() {
        assert_eq!(Atr::new(b""), None);
        assert!(Atr::new(&[0x3B; 33]).is_some());
        assert_eq!(Atr::new(&[0x3B; 34]), None);
    }
}
