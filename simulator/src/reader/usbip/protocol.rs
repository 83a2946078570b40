//! The messages of USB/IP, both ways: each emitter stands beside its parser.
//!
//! All numbers are big-endian. A connection starts with one request and its reply (`OP_…`); after an import, it carries USB request blocks
//! (URB) until it is closed.
//!
//! Source: Linux kernel documentation, "USB/IP protocol", section "Message Format"; version 0x0111.

use std::io::{self, Read};

use thiserror::Error;

/// The protocol's version, 1.1.1.
pub const VERSION: u16 = 0x0111;

/// Octets of the longest transfer that is accepted, as a USB host splits longer ones anyhow.
pub const MAX_TRANSFER_LEN: usize = 1 << 20;

/// `SPEED` of a full-speed device, 12 Mbit/s (`USB_SPEED_FULL`).
pub const FULL_SPEED: u32 = 2;

const OP_HEADER_LEN: usize = 8;
const BUS_ID_LEN: usize = 32;
const PATH_LEN: usize = 256;
const RECORD_LEN: usize = PATH_LEN + BUS_ID_LEN + 24;
const URB_HEADER_LEN: usize = 48;

const CMD_SUBMIT: u32 = 1;
const CMD_UNLINK: u32 = 2;
const RET_SUBMIT: u32 = 3;
const RET_UNLINK: u32 = 4;

const DIRECTION_OUT: u32 = 0;
const DIRECTION_IN: u32 = 1;

/// `URB_ZERO_PACKET`: the transfer ends with an empty packet if its last packet is a full one.
const FLAG_ZERO_PACKET: u32 = 0x40;

/// `number_of_packets` of a transfer that is not isochronous: 0 from the kernel's client, all ones in its documentation.
const NOT_ISOCHRONOUS: [u32; 2] = [0, u32::MAX];

/// A message that cannot be read.
#[derive(Debug, Error)]
pub enum Error {
    /// The connection failed, or ended within a message.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The message breaks the protocol; what follows cannot be understood.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// How a message breaks the protocol.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Malformed {
    /// Another version.
    #[error("USB/IP version {0:#06x}, not {VERSION:#06x}")]
    Version(u16),
    /// An operation that is not expected here.
    #[error("USB/IP operation {0:#06x} is not expected here")]
    Operation(u16),
    /// A bus id that is empty, not printable or not ended by a zero octet.
    #[error("the USB/IP bus id is no text of 1 to 31 printable characters")]
    BusId,
    /// A command that is not expected here.
    #[error("USB/IP command {0} is not expected here")]
    Command(u32),
    /// A direction other than 0 and 1.
    #[error("USB/IP direction {0} is neither out (0) nor in (1)")]
    Direction(u32),
    /// An endpoint number beyond 15.
    #[error("there is no USB endpoint {0}")]
    Endpoint(u32),
    /// A transfer beyond [`MAX_TRANSFER_LEN`], or more octets than were asked for.
    #[error("a USB transfer of {0} octets is too long")]
    TransferLength(u32),
    /// An isochronous transfer, which no device here has.
    #[error("isochronous USB transfers are not supported")]
    Isochronous,
    /// A reply to something that was not asked.
    #[error("a USB/IP reply with sequence number {0}, which is not pending")]
    Sequence(u32),
}

/// Code and status of a request or a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpHeader {
    /// Which operation.
    pub code: u16,
    /// 0 in a request; see [`OpStatus`] for a reply.
    pub status: OpStatus,
}

impl OpHeader {
    /// `OP_REQ_DEVLIST`: which devices are exported.
    pub const REQUEST_DEVICES: u16 = 0x8005;
    /// `OP_REP_DEVLIST`.
    pub const REPLY_DEVICES: u16 = 0x0005;
    /// `OP_REQ_IMPORT`: attaches a device; its bus id follows.
    pub const REQUEST_IMPORT: u16 = 0x8003;
    /// `OP_REP_IMPORT`.
    pub const REPLY_IMPORT: u16 = 0x0003;

    /// Reads one.
    ///
    /// # Errors
    /// [`Malformed::Version`], or the connection failed.
    pub fn read(from: &mut impl Read) -> Result<Self, Error> {
        let octets: [u8; OP_HEADER_LEN] = array(from)?;
        let version = u16_at(&octets, 0);
        if version != VERSION {
            return Err(Malformed::Version(version).into());
        }
        Ok(Self { code: u16_at(&octets, 2), status: OpStatus(u32_at(&octets, 4)) })
    }

    /// Appends it to `to`.
    pub fn emit(&self, to: &mut Vec<u8>) {
        to.extend(VERSION.to_be_bytes());
        to.extend(self.code.to_be_bytes());
        to.extend(self.status.0.to_be_bytes());
    }
}

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpStatus(pub u32);

impl OpStatus {
    /// Done.
    pub const OK: Self = Self(0);
    /// Somebody else has the device (`ST_DEV_BUSY`).
    pub const BUSY: Self = Self(2);
    /// The device does not work (`ST_DEV_ERR`).
    pub const DEVICE_ERROR: Self = Self(3);
    /// There is no such device (`ST_NODEV`).
    pub const NO_DEVICE: Self = Self(4);
}

/// A request of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Which devices are exported?
    Devices,
    /// Attach this device.
    Import(BusId),
}

impl Request {
    /// Reads one.
    ///
    /// # Errors
    /// It is [`Malformed`], or the connection failed.
    pub fn read(from: &mut impl Read) -> Result<Self, Error> {
        match OpHeader::read(from)?.code {
            OpHeader::REQUEST_DEVICES => Ok(Self::Devices),
            OpHeader::REQUEST_IMPORT => Ok(Self::Import(BusId::parse(array(from)?)?)),
            code => Err(Malformed::Operation(code).into()),
        }
    }

    /// Appends it to `to`.
    pub fn emit(&self, to: &mut Vec<u8>) {
        let code = match self {
            Self::Devices => OpHeader::REQUEST_DEVICES,
            Self::Import(_) => OpHeader::REQUEST_IMPORT,
        };
        OpHeader { code, status: OpStatus::OK }.emit(to);
        if let Self::Import(bus_id) = self {
            to.extend(bus_id.0);
        }
    }
}

/// Name of an exported device, such as `1-2`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BusId([u8; BUS_ID_LEN]);

impl BusId {
    /// The bus id `text`.
    ///
    /// # Errors
    /// [`Malformed::BusId`]: not 1 to 31 printable ASCII characters.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        if text.len() >= BUS_ID_LEN {
            return Err(Malformed::BusId);
        }
        let mut octets = [0; BUS_ID_LEN];
        octets[..text.len()].copy_from_slice(text.as_bytes());
        Self::parse(octets)
    }

    fn parse(octets: [u8; BUS_ID_LEN]) -> Result<Self, Malformed> {
        let len = octets.iter().position(|octet| *octet == 0).ok_or(Malformed::BusId)?;
        // What stands behind the zero octet means nothing, and shall not make two ids out of one.
        let mut clean = [0; BUS_ID_LEN];
        clean[..len].copy_from_slice(&octets[..len]);
        if len == 0 || !clean[..len].iter().all(u8::is_ascii_graphic) {
            return Err(Malformed::BusId);
        }
        Ok(Self(clean))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|octet| *octet == 0).unwrap_or(0);
        std::str::from_utf8(&self.0[..len]).unwrap_or_default()
    }
}

impl std::fmt::Debug for BusId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for BusId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An exported device, as a list or an import tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub bus_id: BusId,
    /// Number of its bus.
    pub bus: u16,
    /// Its address on the bus.
    pub address: u16,
    /// See [`FULL_SPEED`].
    pub speed: u32,
    /// `idVendor`.
    pub vendor: u16,
    /// `idProduct`.
    pub product: u16,
    /// `bcdDevice`.
    pub release: u16,
    /// `bDeviceClass`, `bDeviceSubClass`, `bDeviceProtocol`.
    pub class: [u8; 3],
    /// `bConfigurationValue` of the configuration in use.
    pub configuration: u8,
    /// `bNumConfigurations`.
    pub configurations: u8,
    /// `bInterfaceClass`, `bInterfaceSubClass`, `bInterfaceProtocol` of every interface. Only a list carries them.
    pub interfaces: Vec<[u8; 3]>,
}

impl Record {
    /// What every URB names the device by.
    #[must_use]
    pub fn device_id(&self) -> u32 {
        u32::from(self.bus) << 16 | u32::from(self.address)
    }

    /// Appends all but the interfaces, of which only the number is told, to `to`.
    pub fn emit(&self, to: &mut Vec<u8>) {
        let path = format!("/simulator/usb{}/{}", self.bus, self.bus_id);
        to.extend(path.as_bytes());
        to.resize(to.len() + PATH_LEN - path.len(), 0);
        to.extend(self.bus_id.0);
        to.extend(u32::from(self.bus).to_be_bytes());
        to.extend(u32::from(self.address).to_be_bytes());
        to.extend(self.speed.to_be_bytes());
        for number in [self.vendor, self.product, self.release] {
            to.extend(number.to_be_bytes());
        }
        to.extend(self.class);
        // One octet in the message, and one interface after another in a configuration: there are at most 255.
        to.extend([self.configuration, self.configurations, self.interface_count()]);
    }

    fn interface_count(&self) -> u8 {
        u8::try_from(self.interfaces.len()).unwrap_or(u8::MAX)
    }

    fn read(from: &mut impl Read) -> Result<(Self, usize), Error> {
        let octets: [u8; RECORD_LEN] = array(from)?;
        let rest = &octets[PATH_LEN..];
        let mut bus_id = [0; BUS_ID_LEN];
        bus_id.copy_from_slice(&rest[..BUS_ID_LEN]);
        let rest = &rest[BUS_ID_LEN..];
        // A device id has 16 bits for each of the two numbers.
        let [bus, address] = [0, 4].map(|at| u16_at(rest, at + 2));
        let record = Self {
            bus_id: BusId::parse(bus_id)?,
            bus,
            address,
            speed: u32_at(rest, 8),
            vendor: u16_at(rest, 12),
            product: u16_at(rest, 14),
            release: u16_at(rest, 16),
            class: [rest[18], rest[19], rest[20]],
            configuration: rest[21],
            configurations: rest[22],
            interfaces: Vec::new(),
        };
        Ok((record, usize::from(rest[23])))
    }
}

/// Appends the reply to [`Request::Devices`] to `to`.
pub fn emit_devices(records: &[Record], to: &mut Vec<u8>) {
    OpHeader { code: OpHeader::REPLY_DEVICES, status: OpStatus::OK }.emit(to);
    // Bounded by the 16 bits of an address.
    to.extend(u32::try_from(records.len()).unwrap_or(u32::MAX).to_be_bytes());
    for record in records {
        record.emit(to);
        for interface in record.interfaces.iter().take(record.interface_count().into()) {
            to.extend(interface);
            to.push(0);
        }
    }
}

/// Reads the reply to [`Request::Devices`].
///
/// # Errors
/// It is [`Malformed`], or the connection failed.
pub fn read_devices(from: &mut impl Read) -> Result<Vec<Record>, Error> {
    let header = OpHeader::read(from)?;
    if header.code != OpHeader::REPLY_DEVICES {
        return Err(Malformed::Operation(header.code).into());
    }
    let count = u32::from_be_bytes(array(from)?);
    let mut records = Vec::new();
    for _ in 0..count {
        let (mut record, interfaces) = Record::read(from)?;
        for _ in 0..interfaces {
            let [class, subclass, protocol, _]: [u8; 4] = array(from)?;
            record.interfaces.push([class, subclass, protocol]);
        }
        records.push(record);
    }
    Ok(records)
}

/// Appends the reply to [`Request::Import`] to `to`: the record, or why there is none.
pub fn emit_import(import: Result<&Record, OpStatus>, to: &mut Vec<u8>) {
    let status = import.err().unwrap_or(OpStatus::OK);
    OpHeader { code: OpHeader::REPLY_IMPORT, status }.emit(to);
    if let Ok(record) = import {
        record.emit(to);
    }
}

/// Reads the reply to [`Request::Import`]: the record, or the status with which it was refused.
///
/// # Errors
/// It is [`Malformed`], or the connection failed.
pub fn read_import(from: &mut impl Read) -> Result<Result<Record, OpStatus>, Error> {
    let header = OpHeader::read(from)?;
    match header {
        OpHeader { code: OpHeader::REPLY_IMPORT, status: OpStatus::OK } => Ok(Ok(Record::read(from)?.0)),
        OpHeader { code: OpHeader::REPLY_IMPORT, status } => Ok(Err(status)),
        OpHeader { code, .. } => Err(Malformed::Operation(code).into()),
    }
}

/// What a host asks an imported device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Carry out a transfer.
    Submit(Submit),
    /// Give up the transfer with the sequence number `victim`.
    Unlink {
        /// The number of this command.
        seq: u32,
        /// The number of the transfer.
        victim: u32,
    },
}

/// A transfer to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submit {
    /// Its number, by which it is answered or given up.
    pub seq: u32,
    /// [`Record::device_id`].
    pub device_id: u32,
    /// Number of the endpoint, at most 15.
    pub endpoint: u8,
    /// SETUP packet; zeros unless `endpoint` is 0.
    pub setup: [u8; 8],
    /// Direction and data.
    pub transfer: Transfer,
}

/// Direction and data of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// To the host.
    In {
        /// Octets of room: `transfer_buffer_length`.
        len: usize,
    },
    /// To the device.
    Out {
        /// The octets.
        data: Vec<u8>,
        /// Whether an empty packet follows if the last one is full.
        zero_packet: bool,
    },
}

impl Command {
    /// Reads one; `None` at the orderly end of the connection.
    ///
    /// # Errors
    /// It is [`Malformed`], or the connection failed or ended within it.
    pub fn read(from: &mut impl Read) -> Result<Option<Self>, Error> {
        let mut octets = [0; URB_HEADER_LEN];
        let first = loop {
            match from.read(&mut octets[..1]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => break answer?,
            }
        };
        if first == 0 {
            return Ok(None);
        }
        from.read_exact(&mut octets[1..])?;
        let seq = u32_at(&octets, 4);
        match u32_at(&octets, 0) {
            CMD_SUBMIT => {}
            CMD_UNLINK => return Ok(Some(Self::Unlink { seq, victim: u32_at(&octets, 20) })),
            command => return Err(Malformed::Command(command).into()),
        }
        let endpoint = u32_at(&octets, 16);
        let endpoint = u8::try_from(endpoint).ok().filter(|number| *number < 16).ok_or(Malformed::Endpoint(endpoint))?;
        if !NOT_ISOCHRONOUS.contains(&u32_at(&octets, 32)) {
            return Err(Malformed::Isochronous.into());
        }
        let len = transfer_len(u32_at(&octets, 24), MAX_TRANSFER_LEN)?;
        let transfer = match u32_at(&octets, 12) {
            DIRECTION_IN => Transfer::In { len },
            DIRECTION_OUT => Transfer::Out { data: vec(from, len)?, zero_packet: u32_at(&octets, 20) & FLAG_ZERO_PACKET != 0 },
            direction => return Err(Malformed::Direction(direction).into()),
        };
        let mut setup = [0; 8];
        setup.copy_from_slice(&octets[40..]);
        Ok(Some(Self::Submit(Submit { seq, device_id: u32_at(&octets, 8), endpoint, setup, transfer })))
    }

    /// Appends it to `to`.
    pub fn emit(&self, to: &mut Vec<u8>) {
        match self {
            Self::Submit(submit) => submit.emit(to),
            Self::Unlink { seq, victim } => {
                for number in [CMD_UNLINK, *seq, 0, 0, 0, *victim] {
                    to.extend(number.to_be_bytes());
                }
                to.resize(to.len() + 24, 0);
            }
        }
    }
}

impl Submit {
    fn emit(&self, to: &mut Vec<u8>) {
        let (direction, flags, len, data) = match &self.transfer {
            Transfer::In { len } => (DIRECTION_IN, 0, *len, &[][..]),
            Transfer::Out { data, zero_packet } => {
                (DIRECTION_OUT, if *zero_packet { FLAG_ZERO_PACKET } else { 0 }, data.len(), &data[..])
            }
        };
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        for number in [CMD_SUBMIT, self.seq, self.device_id, direction, self.endpoint.into(), flags, len, 0, 0, 0] {
            to.extend(number.to_be_bytes());
        }
        to.extend(self.setup);
        to.extend(data);
    }
}

/// How a transfer ended: 0, or the negative of a Linux error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub i32);

impl Status {
    /// Done.
    pub const DONE: Self = Self(0);
    /// There is no such endpoint (`ENOENT`).
    pub const NO_ENDPOINT: Self = Self(-2);
    /// Too many transfers are pending (`ENOMEM`).
    pub const TOO_MANY: Self = Self(-12);
    /// Another device was meant (`ENODEV`).
    pub const NO_DEVICE: Self = Self(-19);
    /// Direction or length are not those of the SETUP packet (`EINVAL`).
    pub const INVALID: Self = Self(-22);
    /// The device stalled the endpoint (`EPIPE`).
    pub const STALL: Self = Self(-32);
    /// The device sent more than there was room for (`EOVERFLOW`).
    pub const BABBLE: Self = Self(-75);
    /// The host gave the transfer up (`ECONNRESET`).
    pub const UNLINKED: Self = Self(-104);
}

/// What a device answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A transfer ended.
    Submit {
        /// Its number.
        seq: u32,
        /// How it ended.
        status: Status,
        /// Octets that went over: to the host, of `data`; to the device, of what it was sent.
        actual: usize,
        /// Octets for the host.
        data: Vec<u8>,
    },
    /// A transfer was given up, or had ended before.
    Unlink {
        /// The number of the command to give it up.
        seq: u32,
        /// [`Status::UNLINKED`], or [`Status::DONE`] if the transfer had ended before.
        status: Status,
    },
}

impl Reply {
    /// Reads one. `room` tells how many octets the transfer with a sequence number may bring: 0 if it is an OUT transfer, `None` if no such
    /// is pending. The reply does not tell its direction itself.
    ///
    /// # Errors
    /// It is [`Malformed`], or the connection failed.
    pub fn read(from: &mut impl Read, room: impl FnOnce(u32) -> Option<Room>) -> Result<Self, Error> {
        let octets: [u8; URB_HEADER_LEN] = array(from)?;
        let seq = u32_at(&octets, 4);
        let status = Status(u32_at(&octets, 20).cast_signed());
        match u32_at(&octets, 0) {
            RET_SUBMIT => {}
            RET_UNLINK => return Ok(Self::Unlink { seq, status }),
            command => return Err(Malformed::Command(command).into()),
        }
        let room = room(seq).ok_or(Malformed::Sequence(seq))?;
        let (Room::In(limit) | Room::Out(limit)) = room;
        let actual = transfer_len(u32_at(&octets, 24), limit)?;
        let data = if matches!(room, Room::In(_)) { vec(from, actual)? } else { Vec::new() };
        Ok(Self::Submit { seq, status, actual, data })
    }

    /// Appends it to `to`.
    pub fn emit(&self, to: &mut Vec<u8>) {
        let (command, seq, status, actual, data) = match self {
            Self::Submit { seq, status, actual, data } => (RET_SUBMIT, *seq, *status, *actual, &data[..]),
            Self::Unlink { seq, status } => (RET_UNLINK, *seq, *status, 0, &[][..]),
        };
        let actual = u32::try_from(actual).unwrap_or(u32::MAX);
        for number in [command, seq, 0, 0, 0, status.0.cast_unsigned(), actual, 0, 0, 0, 0, 0] {
            to.extend(number.to_be_bytes());
        }
        to.extend(data);
    }
}

/// Direction and octets of a pending transfer, as its reply needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// To the host, at most so many octets.
    In(usize),
    /// To the device, so many octets.
    Out(usize),
}

fn transfer_len(len: u32, limit: usize) -> Result<usize, Malformed> {
    usize::try_from(len).ok().filter(|len| *len <= limit).ok_or(Malformed::TransferLength(len))
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    from.read_exact(&mut octets)?;
    Ok(octets)
}

fn vec(from: &mut impl Read, len: usize) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; len];
    from.read_exact(&mut octets)?;
    Ok(octets)
}

fn u16_at(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

fn u32_at(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

#[cfg(test)]
mod tests;
