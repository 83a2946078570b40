//! USB/IP, octet by octet, as a host speaks it: nothing of the code under test.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::PATIENCE;

pub(crate) const GET_DEVICE: [u8; 8] = *b"\x80\x06\0\x01\0\0\x12\0";
pub(crate) const GET_CONFIGURATION: [u8; 8] = *b"\x80\x06\0\x02\0\0\xFF\0";
pub(crate) const SET_CONFIGURATION: [u8; 8] = *b"\0\x09\x01\0\0\0\0\0";

const OUT: u32 = 0;
const IN: u32 = 1;
const ZERO_PACKET: u8 = 0x40;

/// A connection, with a device attached.
pub(crate) struct Raw {
    stream: TcpStream,
    record: Vec<u8>,
    seq: u32,
    /// Replies that came while another one was waited for.
    early: Vec<(u32, u32, i32, usize)>,
}

impl Raw {
    fn connect(address: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Everything that the server answers to `octets`, until it closes.
    pub(crate) fn answer_to(address: SocketAddr, octets: &[u8]) -> Vec<u8> {
        let mut stream = Self::connect(address);
        stream.write_all(octets).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        rest(&mut stream)
    }

    pub(crate) fn devices(address: SocketAddr) -> Vec<u8> {
        Self::answer_to(address, b"\x01\x11\x80\x05\0\0\0\0")
    }

    fn import(address: SocketAddr, bus_id: &str) -> (TcpStream, u32) {
        let mut stream = Self::connect(address);
        let mut request = b"\x01\x11\x80\x03\0\0\0\0".to_vec();
        request.extend(bus_id.as_bytes());
        request.resize(40, 0);
        stream.write_all(&request).unwrap();
        let [1, 0x11, 0, 3, status @ ..] = array::<8>(&mut stream) else { panic!("no reply to an import") };
        (stream, u32::from_be_bytes(status))
    }

    pub(crate) fn attach(address: SocketAddr, bus_id: &str) -> Self {
        let (mut stream, status) = Self::import(address, bus_id);
        assert_eq!(status, 0);
        let record = array::<312>(&mut stream).to_vec();
        Self { stream, record, seq: 0, early: Vec::new() }
    }

    pub(crate) fn configured(address: SocketAddr, bus_id: &str) -> Self {
        let mut raw = Self::attach(address, bus_id);
        assert_eq!(raw.control_out(SET_CONFIGURATION, b""), (0, 0));
        raw
    }

    /// The status of an import that is refused, and nothing else.
    pub(crate) fn refused(address: SocketAddr, bus_id: &str) -> u32 {
        let (mut stream, status) = Self::import(address, bus_id);
        assert_eq!(rest(&mut stream), b"");
        status
    }

    pub(crate) fn record(&self) -> &[u8] {
        &self.record
    }

    pub(crate) fn next_seq(&mut self) -> u32 {
        self.seq += 1;
        self.seq
    }

    pub(crate) fn send_octets(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    /// USBIP_CMD_SUBMIT.
    pub(crate) fn header(&self, direction: u32, seq: u32, endpoint: u32, command: u32, len: usize, setup: [u8; 8]) -> [u8; 48] {
        let mut header = [0; 48];
        let device = u32::from_be_bytes(self.record[292..296].try_into().unwrap());
        let numbers = [command, seq, 1 << 16 | device, direction, endpoint, 0, u32::try_from(len).unwrap()];
        for (field, number) in header.chunks_exact_mut(4).zip(numbers) {
            field.copy_from_slice(&number.to_be_bytes());
        }
        header[40..].copy_from_slice(&setup);
        header
    }

    /// Begins a transfer and answers its number.
    pub(crate) fn submit(&mut self, direction: u32, endpoint: u32, setup: [u8; 8], len: usize, data: &[u8]) -> u32 {
        let seq = self.next_seq();
        let mut header = self.header(direction, seq, endpoint, 1, len, setup);
        if direction == OUT && endpoint != 0 {
            header[23] = ZERO_PACKET;
        }
        self.send_octets(&[&header[..], data].concat());
        seq
    }

    pub(crate) fn unlink(&mut self, victim: u32) -> u32 {
        let seq = self.next_seq();
        let mut header = self.header(OUT, seq, 0, 2, 0, [0; 8]);
        header[20..24].copy_from_slice(&victim.to_be_bytes());
        self.send_octets(&header);
        seq
    }

    /// Command, number, status and length of the next reply.
    pub(crate) fn reply(&mut self) -> (u32, u32, i32, usize) {
        let header = array::<48>(&mut self.stream);
        let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
        (number(0), number(4), number(20).cast_signed(), number(24) as usize)
    }

    /// Status and length of what ends the transfer `seq`, which is the next reply.
    fn ended(&mut self, seq: u32) -> (i32, usize) {
        if let Some(at) = self.early.iter().position(|early| early.1 == seq) {
            let (_, _, status, len) = self.early.remove(at);
            return (status, len);
        }
        let (command, number, status, len) = self.reply();
        assert_eq!((command, number), (3, seq));
        (status, len)
    }

    fn data(&mut self, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        self.stream.read_exact(&mut data).unwrap();
        data
    }

    fn transfer_in(&mut self, endpoint: u32, setup: [u8; 8], len: usize) -> (i32, Vec<u8>) {
        let seq = self.submit(IN, endpoint, setup, len, b"");
        self.late_reply(seq)
    }

    /// The end of the transfer to the host `seq`.
    pub(crate) fn late_reply(&mut self, seq: u32) -> (i32, Vec<u8>) {
        let (status, len) = self.ended(seq);
        (status, self.data(len))
    }

    pub(crate) fn control_in(&mut self, setup: [u8; 8], len: usize) -> (i32, Vec<u8>) {
        self.transfer_in(0, setup, len)
    }

    pub(crate) fn bulk_in(&mut self, len: usize) -> (i32, Vec<u8>) {
        self.transfer_in(1, [0; 8], len)
    }

    /// A control transfer to the device; other transfers may end before it, without data.
    pub(crate) fn control_out(&mut self, setup: [u8; 8], data: &[u8]) -> (i32, usize) {
        let seq = self.submit(OUT, 0, setup, data.len(), data);
        loop {
            let reply = self.reply();
            if reply.1 == seq {
                return (reply.2, reply.3);
            }
            self.early.push(reply);
        }
    }

    /// A message.
    pub(crate) fn bulk_out(&mut self, message: &[u8]) -> (i32, usize) {
        let seq = self.submit(OUT, 1, [0; 8], message.len(), message);
        self.ended(seq)
    }

    /// The beginning of a message, of whole packets.
    pub(crate) fn bulk_out_begun(&mut self, packets: &[u8]) -> (i32, usize) {
        let seq = self.next_seq();
        let header = self.header(OUT, seq, 1, 1, packets.len(), [0; 8]);
        self.send_octets(&[&header[..], packets].concat());
        self.ended(seq)
    }

    /// Sends a message while the transfer `reading` is pending, and answers what that brought.
    pub(crate) fn bulk_out_while_reading(&mut self, message: &[u8], reading: u32) -> Vec<u8> {
        assert_eq!(self.bulk_out(message), (0, message.len()));
        self.late_reply(reading).1
    }

    /// All that comes until the server closes the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        rest(&mut self.stream)
    }
}

fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        // What we sent and it did not read makes a close a reset.
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => rest,
    }
}

fn array<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut octets = [0; N];
    stream.read_exact(&mut octets).unwrap();
    octets
}
