//! Command and response APDUs (ISO 7816-4, 5.1; ISO 7816-3, 12.1).

use core::fmt;

use iso7816::Status;

/// Bit of CLA: more commands of the chain follow (ISO 7816-4, 5.1.1.1).
pub const CHAINED: u8 = 0x10;

/// The octets are no APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer than the four octets of a header, or than the two of a status word.
    NoHeader,
    /// Lc and Le do not fit the number of octets.
    Length,
}

/// The buffer is too short for the command, or its data or Le are too long for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// A command APDU. `Debug` shows the length of the data only: it may be a PIN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// Class.
    pub cla: u8,
    /// Instruction.
    pub ins: u8,
    /// First parameter.
    pub p1: u8,
    /// Second parameter.
    pub p2: u8,
    /// Data field: at most 65 535 octets.
    pub data: &'a [u8],
    /// Octets of data that are expected at most, 256 and 65 536 for "all there are"; 0 where Le is absent.
    pub le: usize,
}

impl<'a> Command<'a> {
    /// A command with neither data nor Le.
    #[must_use]
    pub const fn new(cla: u8, ins: u8, p1: u8, p2: u8) -> Self {
        Self { cla, ins, p1, p2, data: &[], le: 0 }
    }

    /// The command, with this data.
    #[must_use]
    pub const fn with_data(self, data: &'a [u8]) -> Self {
        Self { data, ..self }
    }

    /// The command, with this Le.
    #[must_use]
    pub const fn with_le(self, le: usize) -> Self {
        Self { le, ..self }
    }

    /// The command, as one that others of its chain follow.
    #[must_use]
    pub const fn chained(self) -> Self {
        Self { cla: self.cla | CHAINED, ..self }
    }

    /// Reads a command from all of `octets`. A sole Lc of zero is an Le of 256: what T=0 makes of a command without data.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let (&[cla, ins, p1, p2], body) = octets.split_first_chunk().ok_or(Malformed::NoHeader)?;
        let (data, le) = lengths(body).ok_or(Malformed::Length)?;
        Ok(Self { cla, ins, p1, p2, data, le })
    }

    /// Octets that [`emit`](Self::emit) writes.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        let extended = self.is_extended();
        let lc: usize = match (self.data.is_empty(), extended) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 3,
        };
        let le = match (self.le, extended, self.data.is_empty()) {
            (0, _, _) => 0,
            (_, false, _) => 1,
            (_, true, false) => 2,
            (_, true, true) => 3,
        };
        self.data.len().saturating_add(4).saturating_add(lc).saturating_add(le)
    }

    /// Writes the command at the start of `buffer`, in short form if that can hold it, and answers the octets.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn emit<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b mut [u8], TooLong> {
        let (octets, _) = buffer.split_at_mut_checked(self.encoded_len()).ok_or(TooLong)?;
        let extended = self.is_extended();
        let mut rest = put(octets, &[self.cla, self.ins, self.p1, self.p2])?;
        let lc = u16::try_from(self.data.len()).map_err(|_| TooLong)?.to_be_bytes();
        match (lc, extended) {
            ([0, 0], _) => {}
            ([_, lc], false) => rest = put(rest, &[lc])?,
            ([high, low], true) => rest = put(rest, &[0, high, low])?,
        }
        rest = put(rest, self.data)?;
        let [high, low] = match self.le {
            0 => return Ok(octets),
            65_536 => [0, 0],
            le => u16::try_from(le).map_err(|_| TooLong)?.to_be_bytes(),
        };
        if !extended {
            put(rest, &[low])?;
        } else if self.data.is_empty() {
            put(rest, &[0, high, low])?;
        } else {
            put(rest, &[high, low])?;
        }
        Ok(octets)
    }

    const fn is_extended(&self) -> bool {
        self.data.len() > 255 || self.le > 256
    }
}

fn put<'b>(octets: &'b mut [u8], value: &[u8]) -> Result<&'b mut [u8], TooLong> {
    let (place, rest) = octets.split_at_mut_checked(value.len()).ok_or(TooLong)?;
    place.copy_from_slice(value);
    Ok(rest)
}

/// Data and Le of what follows the header.
fn lengths(body: &[u8]) -> Option<(&[u8], usize)> {
    let or = |value: usize, all: usize| if value == 0 { all } else { value };
    match *body {
        [] => Some((&[], 0)),
        [le] => Some((&[], or(usize::from(le), 256))),
        [0, high, low] => Some((&[], or(usize::from(u16::from_be_bytes([high, low])), 65_536))),
        [0, high, low, ref rest @ ..] => {
            let lc = usize::from(u16::from_be_bytes([high, low]));
            let (data, le) = rest.split_at_checked(lc).filter(|_| lc != 0)?;
            match *le {
                [] => Some((data, 0)),
                [high, low] => Some((data, or(usize::from(u16::from_be_bytes([high, low])), 65_536))),
                _ => None,
            }
        }
        [lc, ref rest @ ..] => {
            let (data, le) = rest.split_at_checked(usize::from(lc)).filter(|_| lc != 0)?;
            match *le {
                [] => Some((data, 0)),
                [le] => Some((data, or(usize::from(le), 256))),
                _ => None,
            }
        }
    }
}

impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cla, ins, p1, p2, data, le } = self;
        write!(f, "Command({cla:02X} {ins:02X} {p1:02X} {p2:02X}, {} octets of data, le {le})", data.len())
    }
}

/// A response APDU. `Debug` shows the length of the data only: it may be a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    /// Data field.
    pub data: &'a [u8],
    /// SW1 and SW2.
    pub status: Status,
}

impl<'a> Response<'a> {
    /// Splits `octets` into data and status word.
    ///
    /// # Errors
    /// [`Malformed::NoHeader`]: fewer than two octets.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let (data, status) = octets.split_last_chunk().ok_or(Malformed::NoHeader)?;
        Ok(Self { data, status: Status::from_u16(u16::from_be_bytes(*status)) })
    }
}

impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({} octets of data, {:04X})", self.data.len(), self.status.to_u16())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::{format, vec::Vec};

    const HEADER: Command<'_> = Command::new(0x00, 0xB0, 0x01, 0x02);

    #[test]
    fn each_case_has_its_form() {
        let long = [0xAA; 256];
        let mut extended = Vec::from(*b"\x00\xB0\x01\x02\x00\x01\x00");
        extended.extend(long);
        let mut both = extended.clone();
        both.extend(b"\x00\x00");
        for (command, octets) in [
            (HEADER, &b"\x00\xB0\x01\x02"[..]),
            (HEADER.with_le(1), b"\x00\xB0\x01\x02\x01"),
            (HEADER.with_le(256), b"\x00\xB0\x01\x02\x00"),
            (HEADER.with_data(b"\x3F\x00"), b"\x00\xB0\x01\x02\x02\x3F\x00"),
            (HEADER.with_data(b"\x3F\x00").with_le(256), b"\x00\xB0\x01\x02\x02\x3F\x00\x00"),
            (HEADER.with_le(257), b"\x00\xB0\x01\x02\x00\x01\x01"),
            (HEADER.with_le(65_536), b"\x00\xB0\x01\x02\x00\x00\x00"),
            (HEADER.with_data(b"\x3F\x00").with_le(257), b"\x00\xB0\x01\x02\x00\x00\x02\x3F\x00\x01\x01"),
            (HEADER.with_data(&long), &extended),
            (HEADER.with_data(&long).with_le(65_536), &both),
        ] {
            let mut buffer = [0; 270];
            assert_eq!(command.encoded_len(), octets.len());
            assert_eq!(command.emit(&mut buffer).unwrap(), octets);
            assert_eq!(command.emit(&mut buffer[..octets.len() - 1]), Err(TooLong));
            assert_eq!(Command::parse(octets), Ok(command));
        }
    }

    #[test]
    fn lengths_that_do_not_fit_are_malformed() {
        for octets in [
            &b"\x00\xB0\x00\x00\x02\x3F"[..],
            b"\x00\xB0\x00\x00\x02\x3F\x00\x00\x00",
            b"\x00\xB0\x00\x00\x00\x00",
            b"\x00\xB0\x00\x00\x00\x00\x00\x00",
            b"\x00\xB0\x00\x00\x00\x00\x01\xAA\x00",
        ] {
            assert_eq!(Command::parse(octets), Err(Malformed::Length), "{octets:02X?}");
        }
        assert_eq!(Command::parse(b"\x00\xB0\x00"), Err(Malformed::NoHeader));
    }

    #[test]
    fn what_no_command_can_say_is_refused() {
        let mut buffer = std::vec![0; 70_000];
        let data = std::vec![0; 65_536];
        assert_eq!(HEADER.with_data(&data).emit(&mut buffer), Err(TooLong));
        assert!(HEADER.with_data(&data[1..]).emit(&mut buffer).is_ok());
        assert_eq!(HEADER.with_le(65_537).emit(&mut buffer), Err(TooLong));
    }

    #[test]
    fn responses_end_with_their_status() {
        assert_eq!(Response::parse(b"\xAA\x90\x00"), Ok(Response { data: b"\xAA", status: Status::Success }));
        assert_eq!(Response::parse(b"\x63\xC2"), Ok(Response { data: b"", status: Status::RemainingRetries(2) }));
        assert_eq!(Response::parse(b"\x90"), Err(Malformed::NoHeader));
    }

    #[test]
    fn debug_shows_no_data() {
        assert_eq!(format!("{:?}", HEADER.with_data(b"1234")), "Command(00 B0 01 02, 4 octets of data, le 0)");
        assert_eq!(format!("{:?}", Response::parse(b"1234\x90\x00").unwrap()), "Response(4 octets of data, 9000)");
    }

    proptest! {
        #[test]
        fn another_reader_reads_the_same(octets in proptest::collection::vec(prop_oneof![Just(0_u8), 0..8_u8, any::<u8>()], 0..24)) {
            // CLA FF, which no command may have, is refused there at once, here by whoever looks at classes
            prop_assume!(octets.first() != Some(&0xFF));
            match (iso7816::command::CommandView::try_from(&octets[..]), Command::parse(&octets)) {
                (Ok(theirs), Ok(ours)) => {
                    prop_assert_eq!(theirs.data(), ours.data);
                    prop_assert_eq!(theirs.expected(), ours.le);
                    prop_assert_eq!([theirs.class().into_inner(), theirs.instruction().into(), theirs.p1, theirs.p2], [ours.cla, ours.ins, ours.p1, ours.p2]);
                }
                // an extended Lc of zero, which the standard does not have
                (Ok(theirs), Err(Malformed::Length)) => prop_assert!(theirs.extended && theirs.data().is_empty()),
                (theirs, ours) => prop_assert!(theirs.is_err() && ours.is_err(), "{ours:?}"),
            }
        }

        #[test]
        fn what_is_written_is_read(header: [u8; 4], data in proptest::collection::vec(any::<u8>(), 0..300), le in 0..=65_536_usize) {
            let [cla, ins, p1, p2] = header;
            let command = Command { cla, ins, p1, p2, data: &data, le };
            let mut buffer = [0; 320];
            prop_assert_eq!(Command::parse(command.emit(&mut buffer).unwrap()), Ok(command));
        }
    }
}
