//! A reader in which things go wrong as planned.

use std::fmt;

use token_proto::{Atr, Reader};

use crate::hw::Clock;

/// What goes wrong with one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The card is pulled out before the command reaches it.
    RemovedBefore,
    /// The card is pulled out when it has carried out the command; the host never learns of it.
    RemovedAfter,
    /// So many milliseconds pass before the response.
    Delayed(u64),
    /// The response has only so many octets.
    Truncated(usize),
    /// These octets follow the response.
    Extended(Vec<u8>),
    /// The octet at `at` of the response is changed where `mask` has bits; a shorter response stays as it is.
    Corrupted {
        /// Counted from 0.
        at: usize,
        /// Bits that change.
        mask: u8,
    },
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed<E> {
    /// The card is out of the reader.
    Removed,
    /// The response, made longer, does not fit.
    ResponseTooLong,
    /// The reader within failed by itself.
    Reader(E),
}

impl<E: fmt::Display> fmt::Display for Failed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed => f.write_str("the card was removed"),
            Self::ResponseTooLong => f.write_str("the response is longer than there is room for"),
            Self::Reader(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Failed<E> {}

/// A reader with planned faults around another.
#[derive(Debug)]
pub struct Faulty<R, C> {
    reader: R,
    clock: C,
    plan: Vec<(u64, Fault)>,
    sent: u64,
    is_removed: bool,
}

impl<R: Reader, C: Clock> Faulty<R, C> {
    /// Around `reader`, with nothing planned yet; delays pass on `clock`.
    pub const fn new(reader: R, clock: C) -> Self {
        Self { reader, clock, plan: Vec::new(), sent: 0, is_removed: false }
    }

    /// Plans `fault` for the command of this number, counted from 0 over all resets. Several for one command happen in the order in which
    /// they were planned.
    #[must_use]
    pub fn with(mut self, command: u64, fault: Fault) -> Self {
        self.plan.push((command, fault));
        self
    }

    /// Puts the card back; the host still has to reset it.
    pub const fn insert(&mut self) {
        self.is_removed = false;
    }

    /// How many commands were sent, those that got lost included.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// The reader within.
    pub const fn inner(&mut self) -> &mut R {
        &mut self.reader
    }
}

impl<R: Reader, C: Clock> Reader for Faulty<R, C> {
    type Error = Failed<R::Error>;

    fn reset(&mut self) -> Result<Atr, Self::Error> {
        if self.is_removed {
            return Err(Failed::Removed);
        }
        self.reader.reset().map_err(Failed::Reader)
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, Self::Error> {
        if self.is_removed {
            return Err(Failed::Removed);
        }
        let number = self.sent;
        self.sent += 1;
        let faults: Vec<Fault> = self.plan.extract_if(.., |(command, _)| *command == number).map(|(_, fault)| fault).collect();
        if faults.contains(&Fault::RemovedBefore) {
            self.is_removed = true;
            return Err(Failed::Removed);
        }
        let mut len = self.reader.transmit(command, response).map_err(Failed::Reader)?;
        for fault in faults {
            match fault {
                Fault::RemovedBefore | Fault::RemovedAfter => {
                    self.is_removed = true;
                    response[..len].fill(0);
                    return Err(Failed::Removed);
                }
                Fault::Delayed(ms) => self.clock.wait_ms(ms),
                Fault::Truncated(short) => len = len.min(short),
                Fault::Extended(octets) => {
                    response.get_mut(len..len + octets.len()).ok_or(Failed::ResponseTooLong)?.copy_from_slice(&octets);
                    len += octets.len();
                }
                Fault::Corrupted { at, mask } => {
                    if let Some(octet) = response[..len].get_mut(at) {
                        *octet ^= mask;
                    }
                }
            }
        }
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hw::ManualClock;
    use crate::reader::InProcess;
    use crate::reader::test_card::TestCard;

    type Card = Faulty<InProcess<TestCard, ManualClock>, ManualClock>;

    fn reader() -> (Card, ManualClock) {
        let clock = ManualClock::default();
        let mut reader = Faulty::new(InProcess::new(TestCard::default(), clock.clone()), clock.clone());
        reader.reset().unwrap();
        (reader, clock)
    }

    /// The response to the command "abcd", which the card repeats.
    fn send(reader: &mut Card) -> Result<Vec<u8>, Failed<super::super::Refused>> {
        let mut response = [0; 8];
        let len = reader.transmit(b"abcd", &mut response)?;
        Ok(response[..len].to_vec())
    }

    #[test]
    fn without_a_plan_nothing_goes_wrong() {
        assert_eq!(send(&mut reader().0).unwrap(), b"abcd\x90\x00");
    }

    #[test]
    fn removed_card_comes_back_only_when_inserted_and_reset() {
        for (fault, carried_out) in [(Fault::RemovedBefore, 1), (Fault::RemovedAfter, 2)] {
            let mut reader = reader().0.with(1, fault);
            send(&mut reader).unwrap();
            assert_eq!(send(&mut reader), Err(Failed::Removed));
            assert_eq!(send(&mut reader), Err(Failed::Removed));
            assert_eq!(reader.reset(), Err(Failed::Removed));
            reader.insert();
            reader.reset().unwrap();
            assert_eq!(reader.inner().icc().commands.len(), carried_out);
            send(&mut reader).unwrap();
            assert_eq!(reader.sent(), 3);
        }
    }

    #[test]
    fn responses_change_as_planned_and_once() {
        let (reader, clock) = reader();
        let mut reader = reader
            .with(0, Fault::Truncated(1))
            .with(1, Fault::Extended(b"xy".to_vec()))
            .with(2, Fault::Corrupted { at: 4, mask: 0x01 })
            .with(2, Fault::Corrupted { at: 600, mask: 0x01 })
            .with(3, Fault::Extended(b"xyz".to_vec()))
            .with(4, Fault::Delayed(700));
        assert_eq!(send(&mut reader).unwrap(), b"a");
        assert_eq!(send(&mut reader).unwrap(), b"abcd\x90\x00xy");
        assert_eq!(send(&mut reader).unwrap(), b"abcd\x91\x00");
        assert_eq!(send(&mut reader), Err(Failed::ResponseTooLong));
        assert_eq!(clock.now().as_ms(), 0);
        assert_eq!(send(&mut reader).unwrap(), b"abcd\x90\x00");
        assert_eq!(clock.now().as_ms(), 700);
    }
}
