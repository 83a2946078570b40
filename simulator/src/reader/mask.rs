//! What of a conversation nobody but host and card may see.

use std::fmt;
use std::ops::Range;

use token_proto::apdu::Command;
use token_proto::{cdoc2, ins};

/// Stands for every octet that is hidden.
const HIDDEN: u8 = b'*';

/// An APDU to be shown: in the place of each secret octet stands an asterisk.
#[derive(Clone, PartialEq, Eq)]
pub struct Masked {
    octets: Vec<u8>,
    hidden: Range<usize>,
}

impl Masked {
    fn new(octets: &[u8], hidden: Range<usize>) -> Self {
        let mut octets = octets.to_vec();
        octets[hidden.clone()].fill(HIDDEN);
        Self { octets, hidden }
    }

    /// The octets, with asterisks where they are hidden.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The first `count` octets in hexadecimal digits, with two asterisks for each that is hidden.
    #[must_use]
    pub fn to_hex(&self, count: usize) -> String {
        let digits = |(at, octet): (usize, &u8)| if self.hidden.contains(&at) { "**".into() } else { format!("{octet:02X}") };
        self.octets.iter().enumerate().take(count).map(digits).collect()
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex(usize::MAX))
    }
}

/// Hides PINs in commands, and shared secrets and CEKs in responses, GET RESPONSE included.
#[derive(Debug, Default)]
pub(super) struct Mask {
    response_is_secret: bool,
}

impl Mask {
    /// `command`, as it may be shown.
    pub(super) fn command(&mut self, command: &[u8]) -> Masked {
        let &[cla, instruction, p1, p2, ..] = command else { return Masked::new(command, 0..0) };
        if instruction != ins::GET_RESPONSE {
            self.response_is_secret = gives_secret(cla, instruction, p1, p2);
        }
        // The lowest bit says only whether the data are TLV (ISO 7816-4, 5.4.2).
        let carries_pin = [ins::VERIFY, ins::CHANGE_REFERENCE_DATA, ins::RESET_RETRY_COUNTER].contains(&(instruction & !1));
        if !carries_pin {
            return Masked::new(command, 0..0);
        }
        // Where the lengths are wrong nobody knows where a PIN begins.
        let hidden = Command::parse(command).map_or(4..command.len(), |parsed| {
            let start = if command.get(4) == Some(&0) { 7 } else { 5 };
            if parsed.data.is_empty() { 0..0 } else { start..start + parsed.data.len() }
        });
        Masked::new(command, hidden)
    }

    /// `response`, as it may be shown: the one to the command before.
    pub(super) fn response(&self, response: &[u8]) -> Masked {
        let data_len = if response.len() < 2 { response.len() } else { response.len() - 2 };
        Masked::new(response, if self.response_is_secret { 0..data_len } else { 0..0 })
    }
}

/// DECAPSULATE answers a CEK; PSO, which has the same instruction octet, a shared secret unless it signs or hashes.
const fn gives_secret(cla: u8, instruction: u8, p1: u8, p2: u8) -> bool {
    let is_public = matches!((p1, p2), (0x9E, _) | (0x90, 0xA0));
    instruction & !1 == ins::PERFORM_SECURITY_OPERATION && (cla & cdoc2::CLA != 0 || !is_public)
}

const _: () = assert!(cdoc2::instruction::DECAPSULATE == ins::PERFORM_SECURITY_OPERATION);

#[cfg(test)]
mod tests {
    use super::*;

    fn command(octets: &[u8]) -> String {
        Mask::default().command(octets).to_hex(usize::MAX)
    }

    fn response_to(commands: &[&[u8]], response: &[u8]) -> String {
        let mut mask = Mask::default();
        for octets in commands {
            mask.command(octets);
        }
        mask.response(response).to_hex(usize::MAX)
    }

    #[test]
    fn pins_are_hidden_and_only_they() {
        assert_eq!(command(b"\x00\x20\x00\x01\x041234"), "0020000104********");
        assert_eq!(command(b"\x00\x20\x00\x01\x041234\x00"), "0020000104********00");
        assert_eq!(command(b"\x00\x24\x00\x01\x0812345678"), "0024000108****************");
        assert_eq!(command(b"\x00\x2C\x02\x01\x041234"), "002C020104********");
        assert_eq!(command(b"\x00\x20\x00\x01\x00\x00\x041234"), "00200001000004********");
        assert_eq!(command(b"\x10\x20\x00\x01\x041234"), "1020000104********");
        assert_eq!(command(b"\x00\x21\x00\x01\x041234"), "0021000104********");
        assert_eq!(command(b"\x00\x20\x00\x01"), "00200001");
        assert_eq!(command(b"\x00\xA4\x00\x0C\x02\x3F\x00"), "00A4000C023F00");
    }

    #[test]
    fn malformed_pin_command_hides_all_behind_its_header() {
        assert_eq!(command(b"\x00\x20\x00\x01\x061234"), "00200001**********");
        assert_eq!(command(b"\x00\x20\x00\x011234"), "00200001********");
        assert_eq!(command(b"\x00\x20\x00"), "002000");
    }

    #[test]
    fn no_octet_of_a_pin_is_left_behind_the_mask() {
        let masked = Mask::default().command(b"\x00\x20\x00\x01\x041234");
        assert_eq!(masked.octets(), b"\x00\x20\x00\x01\x04****");
        assert_eq!(format!("{masked:?}"), "0020000104********");
    }

    #[test]
    fn secret_answers_are_hidden_however_they_are_fetched() {
        let decipher: &[u8] = b"\x00\x2A\x80\x86\x01\x00";
        let decapsulate: &[u8] = b"\x80\x2A\x00\x81\x01\x00\x00";
        let get_response: &[u8] = b"\x00\xC0\x00\x00\x30";
        assert_eq!(response_to(&[decipher], b"secret\x90\x00"), "************9000");
        assert_eq!(response_to(&[decapsulate], b"key\x90\x00"), "******9000");
        assert_eq!(response_to(&[decapsulate, get_response, get_response], b"key\x61\x01"), "******6101");
        assert_eq!(response_to(&[decipher], b"s"), "**");
        assert_eq!(response_to(&[b"\x80\x2A\x9E\x81\x01\x00"], b"key\x90\x00"), "******9000");
    }

    #[test]
    fn other_answers_are_shown() {
        let sign: &[u8] = b"\x00\x2A\x9E\x9A\x01\x00";
        assert_eq!(response_to(&[sign], b"\x01\x02\x90\x00"), "01029000");
        assert_eq!(response_to(&[b"\x00\x2A\x80\x86\x01\x00", sign], b"\x01\x90\x00"), "019000");
        assert_eq!(response_to(&[], b"\x6D\x00"), "6D00");
        assert_eq!(response_to(&[], b""), "");
    }
}
