//! Operations before an import: which devices there are, and the import itself.

use std::io::Read;

use super::{Error, Malformed, VERSION, array, u16_at, u32_at};

/// `SPEED` of a full-speed device, 12 Mbit/s (`USB_SPEED_FULL`).
pub const FULL_SPEED: u32 = 2;

const OP_HEADER_LEN: usize = 8;
const BUS_ID_LEN: usize = 32;
const PATH_LEN: usize = 256;
const RECORD_LEN: usize = PATH_LEN + BUS_ID_LEN + 24;

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
