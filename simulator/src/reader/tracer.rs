//! A conversation with a card as lines of text.

use std::fmt;
use std::io::Write;

use iso7816::Status;
use token_proto::apdu::{Command, Response};
use token_proto::{Atr, aid, cdoc2, ins};

use super::mask::Masked;
use super::watch::Observer;

/// Octets of an APDU that are shown at most.
const SHOWN: usize = 40;

/// Writes each command and each response as a line: its octets, and what they mean. PINs, shared secrets and CEKs are asterisks.
///
/// A line that cannot be written is lost; the conversation goes on.
#[derive(Debug)]
pub struct Tracer<W> {
    out: W,
    /// The last command was VERIFY without a PIN, which asks how many tries are left (ISO 7816-4, 11.6.6).
    asks_for_tries: bool,
}

impl<W: Write> Tracer<W> {
    /// Writes to `out`.
    pub const fn new(out: W) -> Self {
        Self { out, asks_for_tries: false }
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn line(&mut self, direction: &str, octets: &str, meaning: &dyn fmt::Display) {
        let _ = writeln!(self.out, "{direction} {octets}  {meaning}");
        let _ = self.out.flush();
    }
}

impl<W: Write> Observer for Tracer<W> {
    fn power_on(&mut self, atr: &Atr) {
        self.line("<-", &format!("{atr:?}"), &"answer to reset");
    }

    fn power_off(&mut self) {
        let _ = writeln!(self.out, "   power off");
    }

    fn command(&mut self, command: &Masked) {
        let parsed = Command::parse(command.octets());
        self.asks_for_tries = parsed.is_ok_and(|command| command.ins == ins::VERIFY && command.data.is_empty());
        self.line("->", &shortened(command), &CommandName(command.octets()));
    }

    fn response(&mut self, response: &Masked) {
        let octets = shortened(response);
        match Response::parse(response.octets()) {
            Ok(parsed) => {
                let meaning = Meaning { status: parsed.status, asks_for_tries: self.asks_for_tries };
                self.line("<-", &octets, &meaning);
            }
            Err(_) => self.line("<-", &octets, &"no status word"),
        }
    }

    fn no_response(&mut self, fault: &dyn fmt::Debug) {
        let _ = writeln!(self.out, "<- no response: {fault:?}");
    }
}

/// Long data end with dots and the number of octets; the status word at the end of a response stays.
fn shortened(apdu: &Masked) -> String {
    let len = apdu.octets().len();
    if len <= SHOWN {
        return apdu.to_hex(len);
    }
    let end = apdu.octets().last_chunk::<2>().map(|[high, low]| format!("{high:02X}{low:02X}")).unwrap_or_default();
    format!("{}...{end} ({len} octets)", apdu.to_hex(SHOWN - 2))
}

/// The name of the command in these octets.
struct CommandName<'a>(&'a [u8]);

impl fmt::Display for CommandName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &[cla, instruction, p1, p2, ..] = self.0 else { return f.write_str("no command") };
        if let Some(name) = cdoc2_name(cla, instruction) {
            f.write_str(name)?;
            write!(f, " {p2:02X}")?;
        } else {
            f.write_str(name(instruction, p1, p2))?;
        }
        let Ok(command) = Command::parse(self.0) else { return f.write_str(", lengths that do not fit") };
        match instruction {
            ins::SELECT => target(f, &command)?,
            ins::READ_BINARY => write!(f, " from {}", u16::from_be_bytes([p1, p2]))?,
            ins::VERIFY | ins::CHANGE_REFERENCE_DATA | ins::RESET_RETRY_COUNTER => write!(f, " {p2:02X}")?,
            _ => {}
        }
        if cla & token_proto::apdu::CHAINED != 0 { f.write_str(", more follows") } else { Ok(()) }
    }
}

fn cdoc2_name(cla: u8, instruction: u8) -> Option<&'static str> {
    use cdoc2::instruction as own;
    if cla & cdoc2::CLA == 0 {
        return None;
    }
    Some(match instruction {
        own::GET_INFO => "GET INFO",
        own::GET_PUBLIC_KEY => "GET PUBLIC KEY",
        own::GET_CERTIFICATE => "GET CERTIFICATE",
        own::PUT_CERTIFICATE => "PUT CERTIFICATE",
        own::FACTORY_RESET => "FACTORY RESET",
        own::DECAPSULATE => "DECAPSULATE",
        _ => return None,
    })
}

const fn name(instruction: u8, p1: u8, p2: u8) -> &'static str {
    match (instruction, p1, p2) {
        (ins::VERIFY, ..) => "VERIFY",
        (ins::CHANGE_REFERENCE_DATA, ..) => "CHANGE REFERENCE DATA",
        (ins::RESET_RETRY_COUNTER, ..) => "RESET RETRY COUNTER",
        (ins::MANAGE_SECURITY_ENVIRONMENT, ..) => "MANAGE SECURITY ENVIRONMENT",
        (ins::PERFORM_SECURITY_OPERATION, 0x80, 0x86) => "PSO DECIPHER",
        (ins::PERFORM_SECURITY_OPERATION, 0x9E, 0x9A) => "PSO COMPUTE DIGITAL SIGNATURE",
        (ins::PERFORM_SECURITY_OPERATION, 0x90, 0xA0) => "PSO HASH",
        (ins::PERFORM_SECURITY_OPERATION, ..) => "PERFORM SECURITY OPERATION",
        (ins::GENERATE_KEY, ..) => "GENERATE KEY",
        (ins::EXTERNAL_AUTHENTICATE, ..) => "EXTERNAL AUTHENTICATE",
        (ins::GET_CHALLENGE, ..) => "GET CHALLENGE",
        (ins::INTERNAL_AUTHENTICATE, ..) => "INTERNAL AUTHENTICATE",
        (ins::SELECT, ..) => "SELECT",
        (ins::READ_BINARY, ..) => "READ BINARY",
        (ins::GET_RESPONSE, ..) => "GET RESPONSE",
        (ins::GET_DATA, ..) => "GET DATA",
        _ => "unknown command",
    }
}

/// What SELECT selects.
fn target(f: &mut fmt::Formatter<'_>, command: &Command<'_>) -> fmt::Result {
    match command.data {
        [] => f.write_str(" master file"),
        aid::ESTEID_MAIN => f.write_str(" ID-card"),
        aid::ESTEID_AUTHENTICATION => f.write_str(" authentication application"),
        aid::ESTEID_SIGNATURE => f.write_str(" signature application"),
        aid::ESTEID_2025 => f.write_str(" ID-card of 2025"),
        aid::CDOC2 => f.write_str(" CDOC2"),
        _ if command.p1 == 0x04 => f.write_str(" unknown application"),
        path => path.chunks(2).try_for_each(|id| {
            f.write_str(" ")?;
            id.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
        }),
    }
}

/// A status word in words (ISO 7816-4, 5.6).
struct Meaning {
    status: Status,
    asks_for_tries: bool,
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.status.to_u16() {
            0x9000 if self.asks_for_tries => "verified already",
            0x9000 => "success",
            0x6100 => return f.write_str("256 octets or more to be fetched"),
            more @ 0x6101..=0x61FF => return write!(f, "{} more octets to be fetched", more & 0xFF),
            0x6282 => "end of file reached",
            0x6300 => "verification failed",
            tries @ 0x63C0..=0x63CF if self.asks_for_tries => return write!(f, "not verified, tries left: {}", tries & 0x0F),
            tries @ 0x63C0..=0x63CF => return write!(f, "verification failed, tries left: {}", tries & 0x0F),
            0x6400 => "execution error",
            0x6581 => "memory failure",
            0x6700 => "wrong length",
            0x6881 => "logical channel not supported",
            0x6882 => "secure messaging not supported",
            0x6883 => "last command of the chain expected",
            0x6884 => "chaining not supported",
            0x6982 => "security status not satisfied",
            0x6983 => "blocked",
            0x6984 => "reference data not usable",
            0x6985 => "conditions of use not satisfied",
            0x6986 => "no file selected",
            0x6A80 => "wrong data",
            0x6A81 => "function not supported",
            0x6A82 => "file or application not found",
            0x6A84 => "not enough memory",
            0x6A86 => "wrong P1 P2",
            0x6A87 => "Lc does not fit P1 P2",
            0x6A88 => "referenced data not found",
            0x6B00 => "offset beyond the end",
            wrong @ 0x6C00..=0x6CFF => return write!(f, "wrong Le, {} octets available", wrong & 0xFF),
            0x6D00 => "unknown instruction",
            0x6E00 => "unknown class",
            0x6F00 => "internal error",
            _ => "other status",
        };
        f.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use token_proto::Reader as _;

    use super::*;
    use crate::hw::ManualClock;
    use crate::reader::mask::Mask;
    use crate::reader::test_card::{self, TestCard};
    use crate::reader::{Fault, Faulty, InProcess, Watched};

    /// The lines of a conversation in which these commands are sent; the card repeats each.
    fn trace(commands: &[&[u8]]) -> Vec<String> {
        let mut reader = Watched::new(InProcess::new(TestCard::default(), ManualClock::default()), Tracer::new(Vec::new()));
        reader.reset().unwrap();
        for command in commands {
            reader.transmit(command, &mut [0; 600]).unwrap();
        }
        String::from_utf8(reader.into_observer().into_inner()).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn conversation_reads_like_this() {
        let select = [b"\x00\xA4\x04\x0C\x07".as_slice(), aid::CDOC2].concat();
        let lines = trace(&[&select, b"\x00\xB0\x01\x02\x00", &test_card::WAIT, b"\x00"]);
        let expected = [
            "<- 3B800181  answer to reset",
            "-> 00A4040C07F043444F433201  SELECT CDOC2",
            "<- 00A4040C07F043444F4332019000  success",
            "-> 00B0010200  READ BINARY from 258",
            "<- 00B00102009000  success",
            "-> 80570000  unknown command",
            "<- 6985  conditions of use not satisfied",
            "-> 00  no command",
            "<- 009000  success",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn question_for_the_tries_is_no_failure() {
        let pin = [&b"\x00\x20\x00\x01\x0C1234"[..], &[0xFF; 8]].concat();
        let says = |command: &[u8], status: &[u8]| {
            let mut tracer = Tracer::new(Vec::new());
            let mut mask = Mask::default();
            tracer.command(&mask.command(command));
            tracer.response(&mask.response(status));
            let text = String::from_utf8(tracer.into_inner()).unwrap();
            text.lines().last().unwrap().to_owned()
        };
        assert_eq!(says(b"\x00\x20\x00\x01", b"\x63\xC3"), "<- 63C3  not verified, tries left: 3");
        assert_eq!(says(b"\x00\x20\x00\x01", b"\x90\x00"), "<- 9000  verified already");
        assert_eq!(says(&pin, b"\x63\xC2"), "<- 63C2  verification failed, tries left: 2");
        assert_eq!(says(&pin, b"\x90\x00"), "<- 9000  success");
    }

    #[test]
    fn pin_is_not_to_be_read_anywhere() {
        for command in [
            &b"\x00\x20\x00\x01\x0C1234\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"[..],
            b"\x00\x24\x00\x01\x081234\xFF\xFF\xFF\xFF",
            b"\x00\x2C\x02\x01\x041234",
            b"\x00\x20\x00\x01\x0C1234",
        ] {
            let mut reader = Watched::new(InProcess::new(test_card::Mute, ManualClock::default()), Tracer::new(Vec::new()));
            reader.reset().unwrap();
            reader.transmit(command, &mut [0; 2]).unwrap();
            let text = String::from_utf8(reader.into_observer().into_inner()).unwrap();
            assert!(text.contains("****") && !text.contains("31323334") && !text.contains("1234 "), "{text}");
        }
    }

    #[test]
    fn shared_secret_is_not_to_be_read() {
        let lines = trace(&[b"\x00\x2A\x80\x86\x02\x5E\xC2", b"\x00\xC0\x00\x00\x02"]);
        assert_eq!(lines[2], "<- **************9000  success");
        assert_eq!(lines[4], "<- **********9000  success");
    }

    #[test]
    fn long_data_are_cut_but_not_the_status() {
        let mut command = b"\x10\x16\x00\x83\xFA".to_vec();
        command.extend([0xAB; 250]);
        command[0] = 0x90;
        let lines = trace(&[&command]);
        assert!(lines[1].ends_with("...ABAB (255 octets)  PUT CERTIFICATE 83, more follows"), "{}", lines[1]);
        assert!(lines[2].ends_with("...9000 (257 octets)  success"), "{}", lines[2]);
    }

    #[test]
    fn lost_response_is_told() {
        let faulty = Faulty::new(InProcess::new(TestCard::default(), ManualClock::default()), ManualClock::default());
        let mut reader = Watched::new(faulty.with(0, Fault::RemovedAfter), Tracer::new(Vec::new()));
        reader.reset().unwrap();
        reader.transmit(b"\x00\x84\x00\x00", &mut [0; 8]).unwrap_err();
        let text = String::from_utf8(reader.into_observer().into_inner()).unwrap();
        assert!(text.ends_with("-> 00840000  GET CHALLENGE\n<- no response: Removed\n"), "{text}");
    }
}
