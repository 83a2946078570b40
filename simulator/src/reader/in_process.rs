//! A reader in the same process: no daemon, no root.

use token_fw::Icc;
use token_proto::{Atr, Reader};
use zeroize::Zeroizing;

use super::{Response, carry_out};
use crate::hw::Clock;

/// A reader with `I` in it, as a host meets one over PC/SC. The card gets power at the first [`reset`](Reader::reset).
#[derive(Debug)]
pub struct InProcess<I: Icc, C> {
    icc: I,
    clock: C,
    has_power: bool,
}

impl<I: Icc, C: Clock> InProcess<I, C> {
    /// Puts `icc` into a reader whose time is `clock`'s.
    pub const fn new(icc: I, clock: C) -> Self {
        Self { icc, clock, has_power: false }
    }

    /// The card, for a test that looks behind the scenes.
    pub const fn icc(&mut self) -> &mut I {
        &mut self.icc
    }

    /// Takes the card's power away and the card out.
    pub fn into_icc(mut self) -> I {
        self.icc.power_off();
        self.icc
    }
}

/// What this reader refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A command was sent before the first reset.
    #[error("the card has no power: reset it first")]
    NoPower,
    /// The response is longer than the place for it.
    #[error("the response has {needed} octets, more than there is room for")]
    ResponseTooLong {
        /// Octets of the response.
        needed: usize,
    },
}

impl<I: Icc, C: Clock> Reader for InProcess<I, C> {
    type Error = Refused;

    fn reset(&mut self) -> Result<Atr, Refused> {
        if self.has_power {
            self.icc.power_off();
        }
        self.has_power = true;
        Ok(self.icc.power_on())
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, Refused> {
        if !self.has_power {
            return Err(Refused::NoPower);
        }
        let mut answer = Zeroizing::new(Response::new());
        carry_out(&mut self.icc, &self.clock, command, &mut *answer, || true);
        let needed = answer.len();
        let place = response.get_mut(..needed).ok_or(Refused::ResponseTooLong { needed })?;
        place.copy_from_slice(&answer);
        Ok(needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hw::ManualClock;
    use crate::reader::test_card::{self, TestCard};

    fn reader() -> (InProcess<TestCard, ManualClock>, ManualClock) {
        let clock = ManualClock::default();
        (InProcess::new(TestCard::default(), clock.clone()), clock)
    }

    #[test]
    fn card_has_no_power_before_the_first_reset() {
        let (mut reader, _) = reader();
        assert_eq!(reader.transmit(b"\x00\xA4\x00\x00", &mut [0; 8]), Err(Refused::NoPower));
        assert_eq!(reader.reset().unwrap().octets(), test_card::ATR);
        assert_eq!(reader.transmit(b"\x00\xA4\x00\x00", &mut [0; 8]), Ok(6));
    }

    #[test]
    fn reset_takes_the_power_away_in_between() {
        let (mut reader, _) = reader();
        reader.reset().unwrap();
        reader.reset().unwrap();
        assert_eq!(reader.icc().powered, [true, false, true]);
        assert_eq!(reader.into_icc().powered, [true, false, true, false]);
    }

    #[test]
    fn waits_for_the_person_as_long_as_the_card_does() {
        let (mut reader, clock) = reader();
        reader.reset().unwrap();
        let mut response = [0; 8];
        assert_eq!(reader.transmit(&test_card::WAIT, &mut response), Ok(2));
        assert_eq!(response[..2], [0x69, 0x85]);
        assert!(clock.now().as_ms() >= test_card::PATIENCE_MS);
    }

    #[test]
    fn response_that_does_not_fit_is_an_error() {
        let (mut reader, _) = reader();
        reader.reset().unwrap();
        assert_eq!(reader.transmit(b"\x00\xA4\x00\x00", &mut [0; 5]), Err(Refused::ResponseTooLong { needed: 6 }));
    }
}
