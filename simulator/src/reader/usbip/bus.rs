//! A USB bus with one device on it, in memory: the device polls it from its own thread, the host drives it from others.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use usb_device::bus::{PollResult, UsbBus};
use usb_device::endpoint::{EndpointAddress, EndpointType};
use usb_device::{Result, UsbDirection, UsbError};

use super::endpoint::{Endpoints, Events};
use super::octets::Octets;
use super::protocol::{Command, OpStatus, Reply, Status};

/// Longest that a device may take to connect after power is given, or to stop after it was taken away.
const PATIENCE: Duration = Duration::from_secs(30);

/// Replies that may lie about before the host has to wait.
const MAX_REPLIES: usize = 64;

/// The device's side of the bus, a [`UsbBus`]. Clones are the same bus.
#[derive(Clone, Debug)]
pub struct VirtualBus(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Something happened that the device should look at.
    for_device: Condvar,
    /// Something happened that the host should look at.
    for_host: Condvar,
}

#[derive(Debug, Default)]
struct State {
    power: Power,
    /// Which attachment has the device; counts up, so that a late request of an earlier one is recognised.
    session: u64,
    connected: bool,
    reset: bool,
    /// Something happened since the device last looked.
    news: bool,
    endpoints: Endpoints,
    replies: VecDeque<Reply>,
}

/// Whether the device has power, and whether it is running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Power {
    /// Off; the device waits for power.
    #[default]
    Off,
    /// On.
    On,
    /// Taken away; the device has not noticed yet.
    Failing,
    /// Off for good: the device was taken out of its socket, or its thread ended.
    Gone,
}

impl VirtualBus {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), for_device: Condvar::new(), for_host: Condvar::new() }))
    }

    /// Waits until something happens on the bus, at most for `timeout`. Answers whether the device still has power; if not, it must come to
    /// its end at once.
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut state = self.lock();
        loop {
            if state.power != Power::On {
                return false;
            }
            if std::mem::take(&mut state.news) {
                return true;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => return true,
                Some(left) => self.0.for_device.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.0.for_device.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Runs `device` once for every time that it has power, until it is gone for good.
    pub(super) fn run(&self, mut device: impl FnMut(Self)) {
        // Also a panic of the device must end the host's waiting.
        let _gone = Gone(self);
        loop {
            {
                let mut state = self.lock();
                while state.power == Power::Off {
                    state = self.0.for_device.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                if state.power == Power::Gone {
                    return;
                }
            }
            device(self.clone());
            let mut state = self.lock();
            if state.power == Power::Gone {
                return;
            }
            *state = State { session: state.session, ..State::default() };
            self.0.for_host.notify_all();
        }
    }

    /// Gives power to the device, waits until it connects, and resets the bus.
    pub(super) fn attach(&self) -> std::result::Result<Session, OpStatus> {
        let mut state = self.host_wait(self.lock(), |state| state.power == Power::Failing);
        match state.power {
            Power::Off => {}
            Power::On => return Err(OpStatus::BUSY),
            Power::Failing => return Err(OpStatus::DEVICE_ERROR),
            Power::Gone => return Err(OpStatus::NO_DEVICE),
        }
        state.power = Power::On;
        state.session += 1;
        // From here on, its end takes the power away again.
        let session = Session { bus: self.clone(), number: state.session };
        self.0.for_device.notify_all();
        let mut state = self.host_wait(state, |state| state.power == Power::On && !state.connected);
        if state.power != Power::On || !state.connected {
            drop(state);
            return Err(OpStatus::DEVICE_ERROR);
        }
        (state.reset, state.news) = (true, true);
        self.0.for_device.notify_all();
        Ok(session)
    }

    /// Takes the power away for good.
    pub(super) fn remove(&self) {
        let mut state = self.lock();
        state.power = Power::Gone;
        self.0.for_device.notify_all();
        self.0.for_host.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state whole: nothing below panics between two changes.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn host_wait<'a>(&self, state: MutexGuard<'a, State>, condition: impl FnMut(&mut State) -> bool) -> MutexGuard<'a, State> {
        self.0.for_host.wait_timeout_while(state, PATIENCE, condition).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Takes the power away, if there is any.
    pub(super) fn cut_power(&self) {
        self.fail(&mut self.lock());
    }

    fn fail(&self, state: &mut State) {
        if state.power == Power::On {
            state.power = Power::Failing;
            self.0.for_device.notify_all();
            self.0.for_host.notify_all();
        }
    }

    /// Lets the device do something with its endpoints. Unless that was in vain, both sides look at what came of it.
    fn device<T>(&self, action: impl FnOnce(&mut Endpoints, &mut VecDeque<Reply>) -> Result<T>) -> Result<T> {
        let mut state = self.lock();
        let State { endpoints, replies, news, .. } = &mut *state;
        let answer = action(endpoints, replies);
        if !matches!(answer, Err(UsbError::WouldBlock)) {
            *news = true;
            self.0.for_host.notify_all();
        }
        answer
    }
}

/// Marks the device as gone when its thread ends, however it does.
struct Gone<'a>(&'a VirtualBus);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.remove();
    }
}

/// The host's side of the bus while the device is attached. Its end takes the power away.
#[derive(Debug)]
pub(super) struct Session {
    bus: VirtualBus,
    number: u64,
}

impl Session {
    /// Hands a command to the device's endpoints. Waits while too many replies lie about that nobody takes.
    pub(super) fn carry_out(&self, command: Command) {
        self.change(|endpoints, replies| match command {
            Command::Submit(submit) => endpoints.submit(submit, replies),
            Command::Unlink { seq, victim } => endpoints.unlink(seq, victim, replies),
        });
    }

    /// Ends a transfer with `status` before it has begun.
    pub(super) fn refuse(&self, seq: u32, status: Status) {
        self.change(|_, replies| replies.push_back(Reply::Submit { seq, status, actual: 0, data: Octets::default() }));
    }

    fn change(&self, action: impl FnOnce(&mut Endpoints, &mut VecDeque<Reply>)) {
        let waits = |state: &mut State| self.is_current(state) && state.replies.len() >= MAX_REPLIES;
        let mut state = self.bus.0.for_host.wait_while(self.bus.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        if !self.is_current(&state) {
            return;
        }
        let State { endpoints, replies, news, .. } = &mut *state;
        action(endpoints, replies);
        *news = true;
        self.bus.0.for_device.notify_all();
        self.bus.0.for_host.notify_all();
    }

    /// The next reply, as soon as there is one; `None` when the device has no power any more, or after `timeout`.
    pub(super) fn reply(&self, timeout: Option<Duration>) -> Option<Reply> {
        let waits = |state: &mut State| self.is_current(state) && state.replies.is_empty();
        let state = self.bus.lock();
        let mut state = match timeout {
            None => self.bus.0.for_host.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.bus.0.for_host.wait_timeout_while(state, timeout, waits).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let reply = if self.is_current(&state) { state.replies.pop_front() } else { None };
        self.bus.0.for_host.notify_all();
        reply
    }

    /// Takes the device's power away.
    pub(super) fn detach(&self) {
        let mut state = self.bus.lock();
        if self.is_current(&state) {
            self.bus.fail(&mut state);
        }
    }

    fn is_current(&self, state: &State) -> bool {
        state.power == Power::On && state.session == self.number
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.detach();
    }
}

impl UsbBus for VirtualBus {
    fn alloc_ep(
        &mut self,
        direction: UsbDirection,
        address: Option<EndpointAddress>,
        kind: EndpointType,
        max_packet: u16,
        _interval: u8,
    ) -> Result<EndpointAddress> {
        self.lock().endpoints.allocate(direction, address, kind, max_packet)
    }

    fn enable(&mut self) {
        self.lock().connected = true;
        self.0.for_host.notify_all();
    }

    fn reset(&self) {
        self.lock().endpoints.reset();
    }

    fn set_device_address(&self, _address: u8) {}

    fn write(&self, address: EndpointAddress, packet: &[u8]) -> Result<usize> {
        self.device(|endpoints, replies| endpoints.write(address, packet, replies))
    }

    fn read(&self, address: EndpointAddress, packet: &mut [u8]) -> Result<usize> {
        self.device(|endpoints, replies| endpoints.read(address, packet, replies))
    }

    fn set_stalled(&self, address: EndpointAddress, stalled: bool) {
        let done = self.device(|endpoints, replies| {
            endpoints.set_stalled(address, stalled, replies);
            Ok(())
        });
        debug_assert_eq!(done, Ok(()));
    }

    fn is_stalled(&self, address: EndpointAddress) -> bool {
        self.lock().endpoints.is_stalled(address)
    }

    fn suspend(&self) {}

    fn resume(&self) {}

    fn poll(&self) -> PollResult {
        let mut state = self.lock();
        if std::mem::take(&mut state.reset) {
            // There may be more, which is told of at the next poll.
            state.news = true;
            return PollResult::Reset;
        }
        match state.endpoints.take_events() {
            events if events == Events::default() => PollResult::None,
            Events { out, in_complete, setup } => PollResult::Data { ep_out: out, ep_in_complete: in_complete, ep_setup: setup },
        }
    }
}

#[cfg(test)]
mod tests;
