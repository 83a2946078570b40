//! The host's side of USB/IP without a kernel: lists devices, attaches one and carries out transfers.

use std::collections::HashMap;
use std::io::{self, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::octets::Octets;
use super::protocol::{self, BusId, Command, OpStatus, Record, Reply, Request, Room, Status, Submit, Transfer};

/// Longest that a server may take for a reply that waits for no device's data. After an import a device has to start first.
const PATIENCE: Duration = Duration::from_secs(40);

/// Why a device cannot be listed or attached.
#[derive(Debug, Error)]
pub enum AttachError {
    /// The connection failed, or the server does not speak USB/IP.
    #[error(transparent)]
    Protocol(#[from] protocol::Error),
    /// The server does not give the device out.
    #[error("the USB/IP server refuses the device: status {}", .0.0)]
    Refused(OpStatus),
}

impl From<io::Error> for AttachError {
    fn from(error: io::Error) -> Self {
        Self::Protocol(error.into())
    }
}

/// Why a transfer brought nothing.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TransferError {
    /// The device did not answer in time; the transfer was given up.
    #[error("the USB device did not answer in time")]
    TimedOut,
    /// The transfer was given up while it was waited for, or is none.
    #[error("the USB transfer was given up")]
    GivenUp,
    /// The connection is lost, and with it the device.
    #[error("the connection to the USB device is lost")]
    Lost,
}

/// A transfer that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// How.
    pub status: Status,
    /// Octets that went over.
    pub actual: usize,
    /// Those of them that were for the host.
    pub data: Octets,
}

/// Which devices the server at `address` (host and port) exports.
///
/// # Errors
/// [`AttachError`].
pub fn devices(address: &str) -> Result<Vec<Record>, AttachError> {
    let mut stream = connect(address)?;
    let mut message = Vec::new();
    Request::Devices.emit(&mut message);
    stream.write_all(&message)?;
    Ok(protocol::read_devices(&mut BufReader::new(stream))?)
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// An attached device. Its end detaches it, so that the device loses power. Threads may share it.
#[derive(Debug)]
pub struct Attachment {
    record: Record,
    stream: TcpStream,
    /// Held while a command is written, so that commands do not mix. Replies must be taken meanwhile, hence not the lock of `pending`.
    writing: Mutex<()>,
    pending: Arc<Pending>,
    reading: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Pending {
    transfers: Mutex<Transfers>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Transfers {
    last_seq: u32,
    lost: bool,
    waiting: HashMap<u32, Waiting>,
}

/// A transfer, or the request to give one up, by its sequence number.
#[derive(Debug)]
enum Waiting {
    Transfer(Room),
    Unlink,
    Ended(Completed),
    Unlinked,
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Transfers> {
        self.transfers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attachment {
    /// Attaches the device `bus_id` of the server at `address` (host and port).
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn new(address: &str, bus_id: BusId) -> Result<Self, AttachError> {
        let mut stream = connect(address)?;
        let mut message = Vec::new();
        Request::Import(bus_id).emit(&mut message);
        stream.write_all(&message)?;
        let mut input = BufReader::new(stream.try_clone()?);
        let record = protocol::read_import(&mut input)?.map_err(AttachError::Refused)?;
        // From here on the device answers when it likes.
        stream.set_read_timeout(None)?;
        let pending = Arc::new(Pending::default());
        let reading = thread::Builder::new().name("usbip-client".into()).spawn({
            let pending = Arc::clone(&pending);
            move || read_replies(&mut input, &pending)
        })?;
        Ok(Self { record, stream, writing: Mutex::default(), pending, reading: Some(reading) })
    }

    /// What the server tells of the device.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Whether the device is gone.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.pending.lock().lost
    }

    /// Carries a transfer out, to its end or until `timeout`, and then gives it up.
    ///
    /// # Errors
    /// [`TransferError`]. A transfer that ended nevertheless before it could be given up is no error.
    pub fn transfer(
        &self,
        endpoint: u8,
        setup: [u8; 8],
        transfer: Transfer,
        timeout: Option<Duration>,
    ) -> Result<Completed, TransferError> {
        let seq = self.submit(endpoint, setup, transfer)?;
        match self.wait(seq, timeout) {
            Err(TransferError::TimedOut) => self.unlink(seq).and_then(|ended| ended.ok_or(TransferError::TimedOut)),
            answer => answer,
        }
    }

    /// Begins a transfer and tells its sequence number.
    ///
    /// # Errors
    /// [`TransferError::Lost`].
    pub fn submit(&self, endpoint: u8, setup: [u8; 8], transfer: Transfer) -> Result<u32, TransferError> {
        let room = match &transfer {
            Transfer::In { len } => Room::In(*len),
            Transfer::Out { data, .. } => Room::Out(data.len()),
        };
        let device_id = self.record.device_id();
        self.send(Waiting::Transfer(room), |seq| Command::Submit(Submit { seq, device_id, endpoint, setup, transfer }))
    }

    /// Waits for the end of the transfer `seq`, at most for `timeout`. It can be waited for again if it was not ended by then.
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn wait(&self, seq: u32, timeout: Option<Duration>) -> Result<Completed, TransferError> {
        let ended = |transfers: &mut Transfers| match transfers.waiting.remove(&seq) {
            Some(Waiting::Ended(completed)) => Some(Ok(completed)),
            Some(other) => {
                transfers.waiting.insert(seq, other);
                None
            }
            None => Some(Err(TransferError::GivenUp)),
        };
        self.until(timeout, ended)?
    }

    /// Gives the transfer `seq` up. If it has ended before, this is how.
    ///
    /// # Errors
    /// [`TransferError::Lost`], also if the server does not answer.
    pub fn unlink(&self, victim: u32) -> Result<Option<Completed>, TransferError> {
        let seq = self.send(Waiting::Unlink, |seq| Command::Unlink { seq, victim })?;
        let answered = |transfers: &mut Transfers| {
            matches!(transfers.waiting.get(&seq), Some(Waiting::Unlinked)).then(|| {
                transfers.waiting.remove(&seq);
                // Whoever waits for it must look up.
                self.pending.changed.notify_all();
                transfers.waiting.remove(&victim)
            })
        };
        let answer = self.until(Some(PATIENCE), answered);
        match answer {
            Ok(Some(Waiting::Ended(completed))) => Ok(Some(completed)),
            Ok(_) => Ok(None),
            Err(_) => {
                // A server that does not even answer this is as good as gone.
                let _ = self.stream.shutdown(Shutdown::Both);
                Err(TransferError::Lost)
            }
        }
    }

    fn send(&self, waiting: Waiting, command: impl FnOnce(u32) -> Command) -> Result<u32, TransferError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = {
            let mut transfers = self.pending.lock();
            if transfers.lost {
                return Err(TransferError::Lost);
            }
            transfers.last_seq = transfers.last_seq.wrapping_add(1);
            let seq = transfers.last_seq;
            transfers.waiting.insert(seq, waiting);
            seq
        };
        let mut message = Vec::new();
        command(seq).emit(&mut message);
        let mut output = &self.stream;
        output.write_all(&message).map(|()| seq).map_err(|_| {
            // The reading thread says so to all who wait.
            let _ = self.stream.shutdown(Shutdown::Both);
            TransferError::Lost
        })
    }

    fn until<T>(&self, timeout: Option<Duration>, mut found: impl FnMut(&mut Transfers) -> Option<T>) -> Result<T, TransferError> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut transfers = self.pending.lock();
        loop {
            if let Some(found) = found(&mut transfers) {
                return Ok(found);
            }
            if transfers.lost {
                return Err(TransferError::Lost);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            transfers = match left {
                Some(Duration::ZERO) => return Err(TransferError::TimedOut),
                Some(left) => self.pending.changed.wait_timeout(transfers, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.pending.changed.wait(transfers).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(reading) = self.reading.take() {
            let _ = reading.join();
        }
    }
}

/// Brings every reply to where it is waited for, until the connection ends.
fn read_replies(input: &mut BufReader<TcpStream>, pending: &Pending) {
    let room = |seq| match pending.lock().waiting.get(&seq) {
        Some(Waiting::Transfer(room)) => Some(*room),
        _ => None,
    };
    while let Ok(reply) = Reply::read(input, room) {
        let mut transfers = pending.lock();
        match reply {
            Reply::Submit { seq, status, actual, data } => {
                transfers.waiting.insert(seq, Waiting::Ended(Completed { status, actual, data }));
            }
            Reply::Unlink { seq, .. } => {
                if let Some(waiting @ Waiting::Unlink) = transfers.waiting.get_mut(&seq) {
                    *waiting = Waiting::Unlinked;
                }
            }
        }
        pending.changed.notify_all();
    }
    pending.lock().lost = true;
    pending.changed.notify_all();
}
