//! A card that does as its commands say, and holds its reader to what [`Icc`] promises.

use heapless::VecView;
use token_fw::{Icc, Instant, Progress};
use token_proto::{Atr, MAX_RESPONSE_LEN};

/// `RESPONSE_OF len(2)`: a response of so many octets.
pub(crate) const RESPONSE_OF: u8 = 0xA0;
/// `WAIT ms(2)`: waits for so long, then a response as to any command.
pub(crate) const WAIT: u8 = 0xA1;
/// `VERIFY`: verifies a PIN.
pub(crate) const VERIFY: u8 = 0xA2;
/// `TRIES`: `9000` if the PIN is verified, `6982` if it is not.
pub(crate) const TRIES: u8 = 0xA3;

/// The card. Any other command is answered by its own octets, backwards, and `9000`.
#[derive(Default)]
pub(crate) struct Card {
    power: Option<Power>,
    /// Commands begun.
    pub commands: usize,
}

#[derive(Default)]
struct Power {
    verified: bool,
    waiting: Option<(Instant, Vec<u8>)>,
}

impl Card {
    /// The octets of its answer to reset.
    pub(crate) const ATR: [u8; 5] = [0x3B, 0x81, 0x80, 0x01, 0x2A];

    /// Whether it has power.
    pub(crate) fn is_powered(&self) -> bool {
        self.power.is_some()
    }

    /// Whether it waits.
    pub(crate) fn is_waiting(&self) -> bool {
        self.power.as_ref().is_some_and(|power| power.waiting.is_some())
    }
}

impl Power {
    fn answer(&mut self, command: &[u8]) -> Vec<u8> {
        match *command {
            [RESPONSE_OF, high, low] => {
                let len = usize::from(u16::from_be_bytes([high, low]));
                (0..len.clamp(2, MAX_RESPONSE_LEN)).map(|i| i as u8).collect()
            }
            [VERIFY] => {
                self.verified = true;
                vec![0x90, 0x00]
            }
            [TRIES] if self.verified => vec![0x90, 0x00],
            [TRIES] => vec![0x69, 0x82],
            _ => command.iter().rev().copied().chain([0x90, 0x00]).take(MAX_RESPONSE_LEN).collect(),
        }
    }
}

impl Icc for Card {
    fn power_on(&mut self) -> Atr {
        self.power = Some(Power::default());
        Atr::new(&Self::ATR).unwrap()
    }

    fn power_off(&mut self) {
        self.power = None;
    }

    fn command(&mut self, now: Instant, command: &[u8], response: &mut VecView<u8>) -> Progress {
        let power = self.power.as_mut().expect("power");
        assert!(power.waiting.is_none(), "a command while one waits");
        assert!(response.is_empty(), "the response is lent empty");
        self.commands += 1;
        if let [WAIT, high, low] = *command {
            power.waiting = Some((now.after_ms(u16::from_be_bytes([high, low]).into()), command.to_vec()));
            return Progress::Waiting;
        }
        let answer = power.answer(command);
        response.extend_from_slice(&answer).unwrap();
        Progress::Done
    }

    fn resume(&mut self, now: Instant, response: &mut VecView<u8>) -> Progress {
        let power = self.power.as_mut().expect("power");
        let (end, command) = power.waiting.take().expect("a command that waits");
        if now < end {
            power.waiting = Some((end, command));
            return Progress::Waiting;
        }
        assert!(response.is_empty(), "the response is lent empty");
        let answer = power.answer(&command);
        response.extend_from_slice(&answer).unwrap();
        Progress::Done
    }
}
