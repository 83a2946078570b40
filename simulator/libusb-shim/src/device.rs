//! Devices of the servers that `USBIP_SHIM` names.

use std::env;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use simulator::reader::usbip::client::{self, AttachError, Attachment, Completed, TransferError};
use simulator::reader::usbip::descriptor::{self, Description, GET_DESCRIPTOR, STRING};
use simulator::reader::usbip::protocol::{BusId, MAX_TRANSFER_LEN, Record, Status, Transfer};
use thiserror::Error;

/// The variable with the servers: `host:port[,host:port]`.
const SERVERS: &str = "USBIP_SHIM";

/// Longest that a device may take for a request of its enumeration.
const PATIENCE: Duration = Duration::from_secs(5);

/// Devices that somebody holds, so that none is attached twice.
static DEVICES: Mutex<Vec<Held>> = Mutex::new(Vec::new());

/// Where a device is, and the device as long as somebody holds it. It is not looked into to find it: whoever looked would hold it for that long, and it
/// would not be given back when its owner lets it go.
#[derive(Debug)]
struct Held {
    server: String,
    bus_id: BusId,
    device: Weak<Device>,
}

/// `enum libusb_error`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Error {
    #[error("LIBUSB_ERROR_IO")]
    Io = -1,
    #[error("LIBUSB_ERROR_INVALID_PARAM")]
    InvalidParam = -2,
    #[error("LIBUSB_ERROR_NO_DEVICE")]
    NoDevice = -4,
    #[error("LIBUSB_ERROR_NOT_FOUND")]
    NotFound = -5,
    #[error("LIBUSB_ERROR_TIMEOUT")]
    Timeout = -7,
    #[error("LIBUSB_ERROR_OVERFLOW")]
    Overflow = -8,
    #[error("LIBUSB_ERROR_PIPE")]
    Pipe = -9,
    #[error("LIBUSB_ERROR_NOT_SUPPORTED")]
    NotSupported = -12,
}

impl From<TransferError> for Error {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::TimedOut => Self::Timeout,
            TransferError::GivenUp => Self::Io,
            TransferError::Lost => Self::NoDevice,
        }
    }
}

/// How a transfer ended, as libusb calls it.
pub(crate) fn check(status: Status) -> Result<(), Error> {
    match status {
        Status::DONE => Ok(()),
        Status::STALL => Err(Error::Pipe),
        Status::BABBLE => Err(Error::Overflow),
        Status::NO_ENDPOINT => Err(Error::NotFound),
        Status::NO_DEVICE => Err(Error::NoDevice),
        _ => Err(Error::Io),
    }
}

/// Why a device is not in the list.
#[derive(Debug, Error)]
enum OpenError {
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Descriptor(#[from] descriptor::Malformed),
    #[error("a request of the enumeration failed: {0}")]
    Request(#[from] Error),
    #[error("another device has taken its place")]
    Other,
}

/// A device, attached. When it is lost it may come back.
#[derive(Debug)]
pub(crate) struct Device {
    server: String,
    bus: u8,
    record: Record,
    description: Description,
    attachment: Mutex<Arc<Attachment>>,
}

/// Every device of every server. What is wrong with a server or a device is said on the error output, and the others are listed.
pub(crate) fn devices() -> Vec<Arc<Device>> {
    devices_of(&env::var(SERVERS).unwrap_or_default())
}

/// [`devices`] of the servers `servers`.
pub(crate) fn devices_of(servers: &str) -> Vec<Arc<Device>> {
    let mut listed = Vec::new();
    let mut held = lock(&DEVICES);
    held.retain(|held| held.device.strong_count() != 0);
    for (server, bus) in servers.split(',').filter(|server| !server.is_empty()).zip(1..=u8::MAX) {
        let records = client::devices(server).unwrap_or_else(|error| {
            eprintln!("libusb-shim: {SERVERS}: {server}: {error}");
            Vec::new()
        });
        for record in records {
            let bus_id = record.bus_id;
            let known =
                held.iter().filter(|held| held.server == server && held.bus_id == bus_id).find_map(|held| held.device.upgrade());
            if let Some(device) = known {
                listed.push(device);
                continue;
            }
            match Device::open(server, bus, record).map(Arc::new) {
                Ok(device) => {
                    held.push(Held { server: server.to_owned(), bus_id, device: Arc::downgrade(&device) });
                    listed.push(device);
                }
                Err(error) => eprintln!("libusb-shim: {server}: device {bus_id}: {error}"),
            }
        }
    }
    listed
}

impl Device {
    fn open(server: &str, bus: u8, record: Record) -> Result<Self, OpenError> {
        let (attachment, description) = attach(server, &record)?;
        Ok(Self { server: server.to_owned(), bus, record, description, attachment: Mutex::new(Arc::new(attachment)) })
    }

    /// Number of its bus.
    pub(crate) fn bus(&self) -> u8 {
        self.bus
    }

    /// Its address on the bus.
    pub(crate) fn address(&self) -> u8 {
        // A bus has 127 addresses (USB 2.0, 8.3.2.1).
        u8::try_from(self.record.address).unwrap_or(u8::MAX)
    }

    /// What it says of itself.
    pub(crate) fn description(&self) -> &Description {
        &self.description
    }

    /// The attached device, lost or not.
    pub(crate) fn attachment(&self) -> Arc<Attachment> {
        Arc::clone(&lock(&self.attachment))
    }

    /// The attached device; if it was lost, it is looked for again.
    fn found_again(&self) -> Result<Arc<Attachment>, Error> {
        let mut current = lock(&self.attachment);
        if current.is_lost() {
            let (attachment, description) = attach(&self.server, &self.record).map_err(|_| Error::NoDevice)?;
            if description != self.description {
                eprintln!("libusb-shim: {}: device {}: {}", self.server, self.record.bus_id, OpenError::Other);
                return Err(Error::NoDevice);
            }
            *current = Arc::new(attachment);
        }
        Ok(Arc::clone(&current))
    }

    /// A control transfer.
    pub(crate) fn control(&self, setup: [u8; 8], transfer: Transfer, timeout: Option<Duration>) -> Result<Completed, Error> {
        control(&*self.found_again()?, setup, transfer, timeout)
    }

    /// A bulk or interrupt transfer. Only one to the device looks for a lost device: what the host wants to read is lost as well.
    pub(crate) fn transfer(&self, endpoint: u8, transfer: Transfer, timeout: Option<Duration>) -> Result<Completed, Error> {
        let attachment = match &transfer {
            Transfer::In { len } if *len > MAX_TRANSFER_LEN => return Err(Error::InvalidParam),
            Transfer::Out { data, .. } if data.len() > MAX_TRANSFER_LEN => return Err(Error::InvalidParam),
            Transfer::In { .. } => self.attachment(),
            Transfer::Out { .. } => self.found_again()?,
        };
        Ok(attachment.transfer(endpoint, [0; 8], transfer, timeout)?)
    }

    /// The string descriptor `index` in the device's first language; what is not ASCII becomes a question mark.
    pub(crate) fn ascii_string(&self, index: u8) -> Result<Vec<u8>, Error> {
        let string = |index: u8, language: u16| {
            let setup = descriptor::setup(true, GET_DESCRIPTOR, u16::from(STRING) << 8 | u16::from(index), language, 255);
            let Completed { status, data, .. } = self.control(setup, Transfer::In { len: 255 }, Some(PATIENCE))?;
            check(status)?;
            match data[..] {
                [len, STRING, ref units @ ..] if usize::from(len) == data.len() => Ok(units.to_vec()),
                _ => Err(Error::Io),
            }
        };
        let languages = string(0, 0)?;
        let [low, high, ..] = languages[..] else { return Err(Error::Io) };
        let units = string(index, u16::from_le_bytes([low, high]))?;
        let ascii = |unit: &[u8]| if unit[1] == 0 && unit[0].is_ascii() { unit[0] } else { b'?' };
        Ok(units.chunks_exact(2).map(ascii).collect())
    }
}

fn attach(server: &str, record: &Record) -> Result<(Attachment, Description), OpenError> {
    let attachment = Attachment::new(server, record.bus_id)?;
    let description = Description::enumerate(|setup| {
        let len = usize::from(u16::from_le_bytes([setup[6], setup[7]]));
        let transfer =
            if setup[0] & 0x80 != 0 { Transfer::In { len } } else { Transfer::Out { data: Vec::new().into(), zero_packet: false } };
        let completed = control(&attachment, setup, transfer, Some(PATIENCE))?;
        check(completed.status)?;
        Ok::<_, OpenError>(completed.data.into())
    })?;
    Ok((attachment, description))
}

fn control(attachment: &Attachment, setup: [u8; 8], transfer: Transfer, timeout: Option<Duration>) -> Result<Completed, Error> {
    Ok(attachment.transfer(0, setup, transfer, timeout)?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
