//! PINs and the PUK, as they are typed.

use std::fmt;

use token_proto::{PinBlock, PinRef, Profile};
use zeroize::Zeroizing;

use super::error::pin_name;

/// Why something is no PIN. It is refused here, so that it costs no try of the card's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinProblem {
    /// There is something else than the digits 0 to 9 in it.
    #[error("the {} consists of digits only", pin_name(*.0))]
    NotDigits(PinRef),
    /// It is too short or too long.
    #[error("the {} has {} to {} digits", pin_name(*.0), .0.digits().start(), .0.digits().end())]
    Length(PinRef),
}

/// A PIN or PUK that was typed, wiped when dropped.
pub struct Pin(PinBlock);

impl Pin {
    /// The PIN `pin` in `typed`, ASCII.
    ///
    /// # Errors
    /// It cannot be that PIN.
    pub fn new(pin: PinRef, typed: &[u8]) -> Result<Self, PinProblem> {
        if !typed.iter().all(u8::is_ascii_digit) {
            return Err(PinProblem::NotDigits(pin));
        }
        let block = PinBlock::new(typed).filter(|block| block.is_valid_for(pin));
        block.map(Self).ok_or(PinProblem::Length(pin))
    }

    /// Its octets in a command for a card of `profile`.
    pub(super) fn block(&self, profile: Profile) -> Zeroizing<[u8; PinRef::BLOCK_LEN]> {
        let mut octets = Zeroizing::new([0; PinRef::BLOCK_LEN]);
        self.0.emit(&mut octets, profile);
        octets
    }

    /// Its octets, and those of `other` after them.
    pub(super) fn blocks(&self, other: &Self, profile: Profile) -> Zeroizing<[u8; 2 * PinRef::BLOCK_LEN]> {
        let mut octets = Zeroizing::new([0; 2 * PinRef::BLOCK_LEN]);
        octets[..PinRef::BLOCK_LEN].copy_from_slice(&*self.block(profile));
        octets[PinRef::BLOCK_LEN..].copy_from_slice(&*other.block(profile));
        octets
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pins_make_two_blocks() {
        let [old, new] = [b"1234", b"4321"].map(|typed| Pin::new(PinRef::Pin1, typed).unwrap());
        assert_eq!(*old.blocks(&new, Profile::Esteid2025), *b"1234\0\0\0\0\0\0\0\x004321\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn what_can_be_no_pin_is_refused() {
        let problem = |pin, typed: &[u8]| Pin::new(pin, typed).unwrap_err();
        for typed in [&b""[..], b"123", b"1234567890123"] {
            assert_eq!(problem(PinRef::Pin1, typed), PinProblem::Length(PinRef::Pin1));
        }
        assert_eq!(problem(PinRef::Pin2, b"1234"), PinProblem::Length(PinRef::Pin2));
        assert_eq!(problem(PinRef::Puk, b"1234567"), PinProblem::Length(PinRef::Puk));
        for typed in ["12 4", "12a4", "١٢٣٤", "1234\n"] {
            assert_eq!(problem(PinRef::Pin1, typed.as_bytes()), PinProblem::NotDigits(PinRef::Pin1));
        }
        assert_eq!(PinProblem::Length(PinRef::Puk).to_string(), "the PUK has 8 to 12 digits");
    }

    #[test]
    fn debug_is_mute() {
        assert_eq!(format!("{:?}", Pin::new(PinRef::Pin1, b"1234").unwrap()), "Pin(..)");
    }
}
