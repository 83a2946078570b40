//! Transfers that go on while their owner does something else: begun, then reported to whoever handles events.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use simulator::reader::usbip::Octets;
use simulator::reader::usbip::client::{Attachment, Completed, TransferError};
use simulator::reader::usbip::protocol::{Status, Transfer};

use crate::device::{Device, Error};

/// `enum libusb_transfer_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Outcome {
    Completed = 0,
    Error = 1,
    TimedOut = 2,
    Cancelled = 3,
    Stall = 4,
    NoDevice = 5,
    Overflow = 6,
}

/// A transfer that ended, by the address of its `libusb_transfer`.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) transfer: usize,
    pub(crate) outcome: Outcome,
    pub(crate) actual: usize,
    pub(crate) data: Octets,
}

#[derive(Debug, Default)]
struct Events {
    /// Attachment and sequence number, by the address of the `libusb_transfer`.
    in_flight: HashMap<usize, (Arc<Attachment>, u32)>,
    finished: VecDeque<Finished>,
}

static EVENTS: LazyLock<Mutex<Events>> = LazyLock::new(Mutex::default);
static CHANGED: Condvar = Condvar::new();

fn events() -> MutexGuard<'static, Events> {
    EVENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins a transfer.
pub(crate) fn begin(
    transfer: usize,
    device: &Device,
    endpoint: u8,
    direction: Transfer,
    timeout: Option<Duration>,
) -> Result<(), Error> {
    let attachment = device.attachment();
    let seq = attachment.submit(endpoint, [0; 8], direction)?;
    events().in_flight.insert(transfer, (Arc::clone(&attachment), seq));
    let waiting = thread::Builder::new().name("libusb-transfer".into()).spawn(move || {
        let ended = match attachment.wait(seq, timeout) {
            Err(TransferError::TimedOut) => attachment.unlink(seq).and_then(|ended| ended.ok_or(TransferError::TimedOut)),
            ended => ended,
        };
        let finished = finished(transfer, ended);
        let mut events = events();
        events.in_flight.remove(&transfer);
        events.finished.push_back(finished);
        CHANGED.notify_all();
    });
    waiting.map(drop).map_err(|_| {
        events().in_flight.remove(&transfer);
        Error::Io
    })
}

fn finished(transfer: usize, ended: Result<Completed, TransferError>) -> Finished {
    let nothing = |outcome| Finished { transfer, outcome, actual: 0, data: Octets::default() };
    match ended {
        Ok(Completed { status, actual, data }) => {
            let outcome = match status {
                Status::DONE => Outcome::Completed,
                Status::STALL => Outcome::Stall,
                Status::BABBLE => Outcome::Overflow,
                Status::NO_DEVICE => Outcome::NoDevice,
                _ => Outcome::Error,
            };
            Finished { transfer, outcome, actual, data }
        }
        Err(TransferError::TimedOut) => nothing(Outcome::TimedOut),
        Err(TransferError::GivenUp) => nothing(Outcome::Cancelled),
        Err(TransferError::Lost) => nothing(Outcome::NoDevice),
    }
}

/// Gives a transfer up. Its end is reported as usual.
pub(crate) fn cancel(transfer: usize) -> Result<(), Error> {
    let (attachment, seq) =
        events().in_flight.get(&transfer).map(|(attachment, seq)| (Arc::clone(attachment), *seq)).ok_or(Error::NotFound)?;
    attachment.unlink(seq)?;
    Ok(())
}

/// The next transfer that ended; `None` if `enough` says so first, or after `timeout`.
pub(crate) fn next(timeout: Duration, enough: impl Fn() -> bool) -> Option<Finished> {
    let deadline = Instant::now() + timeout;
    let mut events = events();
    loop {
        if enough() {
            return None;
        }
        if let Some(finished) = events.finished.pop_front() {
            return Some(finished);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        events = CHANGED.wait_timeout(events, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Lets everybody who waits in [`next`] ask again whether it is enough.
pub(crate) fn wake() {
    drop(events());
    CHANGED.notify_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_what_came_tells_its_length_only() {
        let ended = Completed { status: Status::DONE, actual: 3, data: vec![0xC1, 0xC2, 0xC3].into() };
        let shown = format!("{:?}", finished(1, Ok(ended)));
        assert!(shown.contains("3 octets") && !shown.contains("193"), "{shown}");
    }
}
