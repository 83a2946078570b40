//! A card for these tests, with class 80.

use heapless::VecView;
use token_fw::{Icc, Instant, Progress};
use token_proto::Atr;

/// Its answer to reset: T=1 only, with its check octet.
pub(crate) const ATR: &[u8] = b"\x3B\xDB\x96\x00\x80\xB1\xFE\x45\x1F\x83\x00\x12\x23\x3F\x53\x65\x49\x44\x0F\x90\x00\xF1";

/// Answers the command's data.
pub(crate) const ECHO: u8 = 0x10;
/// Answers P1-P2 octets, each the low octet of its place.
pub(crate) const READ: u8 = 0x12;
/// Verifies, which lasts until power or reset.
pub(crate) const VERIFY: u8 = 0x20;
/// 9000 if verified, else 6982.
pub(crate) const IS_VERIFIED: u8 = 0x22;
/// Waits P1-P2 milliseconds, then 9000.
pub(crate) const WAIT: u8 = 0x57;

#[derive(Debug, Default)]
pub(crate) struct Card {
    is_verified: bool,
    waits_until: Option<Instant>,
}

impl Icc for Card {
    fn power_on(&mut self) -> Atr {
        *self = Self::default();
        Atr::new(ATR).unwrap()
    }

    fn power_off(&mut self) {
        *self = Self::default();
    }

    fn command(&mut self, now: Instant, command: &[u8], response: &mut VecView<u8>) -> Progress {
        let [0x80, ins, p1, p2, body @ ..] = command else {
            response.extend_from_slice(b"\x6E\x00").unwrap();
            return Progress::Done;
        };
        let number = u16::from_be_bytes([*p1, *p2]);
        let status = match *ins {
            ECHO => {
                response.extend_from_slice(data(body)).unwrap();
                [0x90, 0x00]
            }
            READ => {
                response.extend((0..number).map(|at| at.to_be_bytes()[1]));
                [0x90, 0x00]
            }
            VERIFY => {
                self.is_verified = true;
                [0x90, 0x00]
            }
            IS_VERIFIED if self.is_verified => [0x90, 0x00],
            IS_VERIFIED => [0x69, 0x82],
            WAIT => {
                self.waits_until = Some(Instant::from_ms(now.as_ms() + u64::from(number)));
                return Progress::Waiting;
            }
            _ => [0x6D, 0x00],
        };
        response.extend_from_slice(&status).unwrap();
        Progress::Done
    }

    fn resume(&mut self, now: Instant, response: &mut VecView<u8>) -> Progress {
        if self.waits_until.is_some_and(|until| now < until) {
            return Progress::Waiting;
        }
        response.extend_from_slice(b"\x90\x00").unwrap();
        Progress::Done
    }
}

/// The data of a command with extended length, or nothing.
fn data(body: &[u8]) -> &[u8] {
    match body {
        [0, high, low, rest @ ..] if !rest.is_empty() => &rest[..u16::from_be_bytes([*high, *low]).into()],
        _ => &[],
    }
}
