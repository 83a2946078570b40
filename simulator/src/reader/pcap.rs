//! A conversation with a card as a file for Wireshark.

use std::fmt;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use token_proto::Atr;

use super::mask::Masked;
use super::watch::Observer;

/// `LINKTYPE_WIRESHARK_UPPER_PDU`: each packet names its dissector, so that Wireshark shows APDUs and answers to reset as such without being
/// told to. The link types for cards (`LINKTYPE_ISO_14443`) are those of radio frames.
const UPPER_PDU: u32 = 252;

/// Octets of a packet that are kept at most; no APDU here is longer.
const SNAP_LEN: u32 = 0x4_0000;

/// Tags of the link type (Wireshark, "Exported PDU").
mod tag {
    pub(super) const END: u16 = 0;
    pub(super) const DISSECTOR: u16 = 12;
    pub(super) const DIRECTION: u16 = 35;
}

/// From the host to the card.
const SENT: u32 = 0;
/// From the card to the host.
const RECEIVED: u32 = 1;

/// Writes each command, response and answer to reset as a packet, PINs, shared secrets and CEKs as asterisks.
pub struct Pcap<W> {
    out: W,
    on_error: Option<Box<dyn FnOnce(io::Error) + Send>>,
}

impl<W: Write> Pcap<W> {
    /// Writes to `out`, the file's header first. After the first packet that cannot be written, `on_error` is told and no other is.
    ///
    /// # Errors
    /// The header cannot be written.
    pub fn new(mut out: W, on_error: impl FnOnce(io::Error) + Send + 'static) -> io::Result<Self> {
        let mut header = Vec::with_capacity(24);
        header.extend(0xA1B2_C3D4_u32.to_le_bytes());
        header.extend([2_u16, 4].map(u16::to_le_bytes).concat());
        header.extend([0, 0, SNAP_LEN, UPPER_PDU].map(u32::to_le_bytes).concat());
        out.write_all(&header)?;
        out.flush()?;
        Ok(Self { out, on_error: Some(Box::new(on_error)) })
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn packet(&mut self, dissector: &str, direction: u32, octets: &[u8]) {
        let mut packet = Vec::with_capacity(octets.len() + 32);
        put(&mut packet, tag::DISSECTOR, dissector.as_bytes());
        put(&mut packet, tag::DIRECTION, &direction.to_be_bytes());
        put(&mut packet, tag::END, &[]);
        packet.extend(octets);

        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let len = u32::try_from(packet.len()).unwrap_or(SNAP_LEN);
        // Seconds in 32 bits last until 2106.
        let seconds = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
        let mut record = [seconds, since.subsec_micros(), len, len].map(u32::to_le_bytes).concat();
        record.extend(packet);
        if self.on_error.is_some()
            && let Err(error) = self.out.write_all(&record).and_then(|()| self.out.flush())
            && let Some(on_error) = self.on_error.take()
        {
            on_error(error);
        }
    }
}

/// Adds a tag with its value, filled up to four octets.
fn put(packet: &mut Vec<u8>, tag: u16, value: &[u8]) {
    let padded_len = value.len().next_multiple_of(4);
    packet.extend(tag.to_be_bytes());
    packet.extend(u16::try_from(padded_len).unwrap_or_default().to_be_bytes());
    packet.extend(value);
    packet.resize(packet.len() + padded_len - value.len(), 0);
}

impl<W: fmt::Debug> fmt::Debug for Pcap<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pcap").field("out", &self.out).finish_non_exhaustive()
    }
}

impl<W: Write> Observer for Pcap<W> {
    fn power_on(&mut self, atr: &Atr) {
        self.packet("iso7816.atr", RECEIVED, atr.octets());
    }

    fn power_off(&mut self) {}

    fn command(&mut self, command: &Masked) {
        self.packet("iso7816", SENT, command.octets());
    }

    fn response(&mut self, response: &Masked) {
        self.packet("iso7816", RECEIVED, response.octets());
    }

    fn no_response(&mut self, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use token_proto::Reader as _;

    use super::*;
    use crate::hw::ManualClock;
    use crate::reader::test_card::TestCard;
    use crate::reader::{InProcess, Watched};

    #[test]
    fn each_apdu_is_a_packet() {
        let pcap = Pcap::new(Vec::new(), |error| panic!("{error}")).unwrap();
        let mut reader = Watched::new(InProcess::new(TestCard::default(), ManualClock::default()), pcap);
        reader.reset().unwrap();
        reader.transmit(b"\x00\x20\x00\x01\x041234", &mut [0; 16]).unwrap();
        let file = reader.into_observer().into_inner();
        assert_eq!(file[..24], *b"\xD4\xC3\xB2\xA1\x02\x00\x04\x00\0\0\0\0\0\0\0\0\0\0\x04\0\xFC\0\0\0");
        let mut rest = &file[24..];
        let mut packets = Vec::new();
        while !rest.is_empty() {
            let len = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
            assert_eq!(rest[8..12], rest[12..16]);
            packets.push(&rest[16..16 + len]);
            rest = &rest[16 + len..];
        }
        assert_eq!(packets.len(), 3);
        assert_eq!(packets[0], b"\x00\x0C\x00\x0Ciso7816.atr\0\x00\x23\x00\x04\0\0\0\x01\0\0\0\0\x3B\x80\x01\x81");
        assert_eq!(packets[1], b"\x00\x0C\x00\x08iso7816\0\x00\x23\x00\x04\0\0\0\x00\0\0\0\0\x00\x20\x00\x01\x04****");
        assert!(packets[2].ends_with(b"\x90\x00"));
    }

    #[test]
    fn full_disk_is_told_once_and_ends_the_file() {
        let mut room = [0; 30];
        let (tell, told) = mpsc::channel();
        let mut pcap = Pcap::new(&mut room[..], move |error| tell.send(error.kind()).unwrap()).unwrap();
        pcap.packet("iso7816", SENT, b"\0\0\0\0");
        pcap.packet("iso7816", SENT, b"\0\0\0\0");
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [io::ErrorKind::WriteZero]);
        assert!(Pcap::new(&mut [0; 23][..], |_| ()).is_err());
    }
}
