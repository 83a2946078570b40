//! A card for the readers' own tests: it answers a command with the command itself and 9000.

use heapless::VecView;
use token_fw::{Icc, Instant, Progress};
use token_proto::Atr;

/// Its answer to reset.
pub(crate) const ATR: &[u8] = b"\x3B\x80\x01\x81";

/// The command on which it waits for its person, in vain.
pub(crate) const WAIT: [u8; 4] = [0x80, 0x57, 0x00, 0x00];

/// How long it waits.
pub(crate) const PATIENCE_MS: u64 = 15_000;

#[derive(Debug, Default)]
pub(crate) struct TestCard {
    /// Every time the power went on or off.
    pub(crate) powered: Vec<bool>,
    /// Every command.
    pub(crate) commands: Vec<Vec<u8>>,
    waiting_since: Option<Instant>,
}

impl Icc for TestCard {
    fn power_on(&mut self) -> Atr {
        self.powered.push(true);
        self.waiting_since = None;
        Atr::new(ATR).unwrap()
    }

    fn power_off(&mut self) {
        self.powered.push(false);
        self.waiting_since = None;
    }

    fn command(&mut self, now: Instant, command: &[u8], response: &mut VecView<u8>) -> Progress {
        self.commands.push(command.to_vec());
        if command == WAIT {
            self.waiting_since = Some(now);
            return Progress::Waiting;
        }
        // One that does not fit is not answered at all.
        if response.extend_from_slice(command).is_ok() {
            response.extend_from_slice(b"\x90\x00").unwrap();
        }
        Progress::Done
    }

    fn resume(&mut self, now: Instant, response: &mut VecView<u8>) -> Progress {
        let since = self.waiting_since.expect("resumed without a command");
        if now.ms_since(since) < PATIENCE_MS {
            return Progress::Waiting;
        }
        response.extend_from_slice(b"\x69\x85").unwrap();
        Progress::Done
    }
}

/// A card that refuses everything.
#[derive(Debug)]
pub(crate) struct Mute;

impl Icc for Mute {
    fn power_on(&mut self) -> Atr {
        Atr::new(ATR).unwrap()
    }

    fn power_off(&mut self) {}

    fn command(&mut self, _: Instant, _: &[u8], response: &mut VecView<u8>) -> Progress {
        response.extend_from_slice(b"\x6D\x00").unwrap();
        Progress::Done
    }

    fn resume(&mut self, _: Instant, _: &mut VecView<u8>) -> Progress {
        Progress::Done
    }
}
