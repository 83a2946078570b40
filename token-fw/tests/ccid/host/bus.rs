//! A USB peripheral at full speed with one packet buffer for each endpoint and direction, and the wire to its host.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use usb_device::bus::{PollResult, UsbBus};
use usb_device::endpoint::{EndpointAddress, EndpointType};
use usb_device::{Result, UsbDirection, UsbError};

/// Both ends of the wire: the peripheral as `usb-device` sees it, and what its host does.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The longest packet of each endpoint.
    endpoints: BTreeMap<u8, usize>,
    reset: bool,
    setup: Option<[u8; 8]>,
    /// Packets to the device that it has not read; the peripheral holds the first, the host the others.
    to_device: BTreeMap<u8, VecDeque<Vec<u8>>>,
    /// The packet of each endpoint that the host has not fetched.
    to_host: BTreeMap<u8, Vec<u8>>,
    /// Endpoints whose packet has been fetched since the last poll.
    fetched: u16,
    stalled: BTreeSet<u8>,
}

impl Wire {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Resets the bus: whatever was on it is gone.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        *state = State { endpoints: std::mem::take(&mut state.endpoints), reset: true, ..State::default() };
    }

    /// Sends a SETUP packet, which ends what endpoint 0 was at.
    pub(crate) fn setup(&self, request_type: u8, request: u8, value: u16, index: u16, len: u16) {
        let [[v0, v1], [i0, i1], [l0, l1]] = [value, index, len].map(u16::to_le_bytes);
        let mut state = self.state();
        for address in [0x00, 0x80] {
            state.stalled.remove(&address);
            state.to_host.remove(&address);
            state.to_device.remove(&address);
        }
        state.setup = Some([request_type, request, v0, v1, i0, i1, l0, l1]);
    }

    /// Sends a packet, which waits until the device reads it.
    pub(crate) fn send(&self, address: u8, packet: &[u8]) {
        self.state().to_device.entry(address).or_default().push_back(packet.to_vec());
    }

    /// Takes back what waits for the device, except the packet that the peripheral holds.
    pub(crate) fn cancel(&self, address: u8) {
        if let Some(packets) = self.state().to_device.get_mut(&address) {
            packets.truncate(1);
        }
    }

    /// Fetches the packet of an endpoint, if it has one.
    pub(crate) fn fetch(&self, address: u8) -> Option<Vec<u8>> {
        let mut state = self.state();
        let packet = state.to_host.remove(&address)?;
        state.fetched |= 1 << (address & 0x0F);
        Some(packet)
    }

    /// Whether the device, or its host, has halted an endpoint.
    pub(crate) fn stalled(&self, address: u8) -> bool {
        self.state().stalled.contains(&address)
    }
}

impl UsbBus for Wire {
    fn alloc_ep(
        &mut self,
        direction: UsbDirection,
        address: Option<EndpointAddress>,
        _: EndpointType,
        max_packet_size: u16,
        _: u8,
    ) -> Result<EndpointAddress> {
        let mut state = self.state();
        let free = (1..16).map(|index| EndpointAddress::from_parts(index, direction));
        let address = address
            .or_else(|| free.into_iter().find(|address| !state.endpoints.contains_key(&u8::from(*address))))
            .ok_or(UsbError::EndpointOverflow)?;
        state.endpoints.insert(address.into(), max_packet_size.into());
        Ok(address)
    }

    fn enable(&mut self) {}

    fn reset(&self) {}

    fn set_device_address(&self, _: u8) {}

    fn write(&self, address: EndpointAddress, packet: &[u8]) -> Result<usize> {
        let mut state = self.state();
        let address = address.into();
        let longest = *state.endpoints.get(&address).ok_or(UsbError::InvalidEndpoint)?;
        if packet.len() > longest {
            return Err(UsbError::BufferOverflow);
        }
        if state.to_host.contains_key(&address) {
            return Err(UsbError::WouldBlock);
        }
        state.to_host.insert(address, packet.to_vec());
        Ok(packet.len())
    }

    fn read(&self, address: EndpointAddress, room: &mut [u8]) -> Result<usize> {
        let mut state = self.state();
        let setup = if address.index() == 0 { state.setup.take() } else { None };
        let packet = match setup {
            Some(setup) => setup.to_vec(),
            None => {
                let packets = state.to_device.get_mut(&address.into());
                packets.and_then(VecDeque::pop_front).ok_or(UsbError::WouldBlock)?
            }
        };
        room.get_mut(..packet.len()).ok_or(UsbError::BufferOverflow)?.copy_from_slice(&packet);
        Ok(packet.len())
    }

    fn set_stalled(&self, address: EndpointAddress, stalled: bool) {
        let mut state = self.state();
        if stalled {
            state.stalled.insert(address.into());
        } else {
            state.stalled.remove(&address.into());
        }
    }

    fn is_stalled(&self, address: EndpointAddress) -> bool {
        self.stalled(address.into())
    }

    fn suspend(&self) {}

    fn resume(&self) {}

    fn poll(&self) -> PollResult {
        let mut state = self.state();
        if std::mem::take(&mut state.reset) {
            return PollResult::Reset;
        }
        let unread = state.to_device.iter().filter(|(_, packets)| !packets.is_empty());
        let ep_out = unread.fold(0, |bits, (address, _)| bits | 1 << address);
        let ep_setup = u16::from(state.setup.is_some());
        let ep_in_complete = std::mem::take(&mut state.fetched);
        if ep_out | ep_in_complete | ep_setup == 0 {
            return PollResult::None;
        }
        PollResult::Data { ep_out, ep_in_complete, ep_setup }
    }
}
