//! Endpoints in memory: the host's transfers on one side, the device's packets on the other.
//!
//! Nothing here waits or locks. What the host gets to hear is appended to a queue of [`Reply`]s, in order.

use std::collections::VecDeque;

use usb_device::endpoint::{EndpointAddress, EndpointType};
use usb_device::{Result, UsbDirection, UsbError};

use super::octets::Octets;
use super::protocol::{Reply, Status, Submit, Transfer};

/// Endpoints of one direction (USB 2.0, 5.3.1.2).
const ENDPOINTS: usize = 16;

/// Transfers that may be pending at a time; a host has no use for more than a few.
const MAX_PENDING: usize = 64;

/// Packets for and from the device that [`usb_device::bus::PollResult::Data`] tells of: one bit an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Events {
    pub(super) out: u16,
    pub(super) in_complete: u16,
    pub(super) setup: u16,
}

/// All endpoints of a device.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    control: Control,
    ins: [Option<In>; ENDPOINTS],
    outs: [Option<Out>; ENDPOINTS],
}

impl Endpoints {
    /// Makes an endpoint: `address`, or the next that is free.
    pub(super) fn allocate(
        &mut self,
        direction: UsbDirection,
        address: Option<EndpointAddress>,
        kind: EndpointType,
        max_packet: u16,
    ) -> Result<EndpointAddress> {
        let index = match address {
            Some(address) if address.direction() != direction => return Err(UsbError::InvalidEndpoint),
            Some(address) => address.index(),
            None => (1..ENDPOINTS).find(|index| !self.exists(*index, direction)).ok_or(UsbError::EndpointOverflow)?,
        };
        let max_packet = usize::from(max_packet);
        if index >= ENDPOINTS || self.exists(index, direction) || max_packet == 0 {
            return Err(UsbError::InvalidEndpoint);
        }
        match (kind, direction) {
            (EndpointType::Isochronous { .. }, _) => return Err(UsbError::Unsupported),
            (EndpointType::Control, _) if index != 0 => return Err(UsbError::Unsupported),
            (EndpointType::Control, _) => self.control.max_packet = max_packet,
            (_, UsbDirection::In) => self.ins[index] = Some(In { max_packet, ..In::default() }),
            (_, UsbDirection::Out) => self.outs[index] = Some(Out { max_packet, ..Out::default() }),
        }
        Ok(EndpointAddress::from_parts(index, direction))
    }

    fn exists(&self, index: usize, direction: UsbDirection) -> bool {
        match direction {
            UsbDirection::In => self.ins[index].is_some(),
            UsbDirection::Out => self.outs[index].is_some(),
        }
    }

    /// The device puts its endpoints back, as after a bus reset.
    pub(super) fn reset(&mut self) {
        for endpoint in self.ins.iter_mut().flatten() {
            (endpoint.packet, endpoint.stalled, endpoint.complete) = (None, false, false);
        }
        for endpoint in self.outs.iter_mut().flatten() {
            endpoint.stalled = false;
        }
        self.control.complete = false;
    }

    /// The host begins a transfer.
    pub(super) fn submit(&mut self, submit: Submit, replies: &mut VecDeque<Reply>) {
        let Submit { seq, endpoint, setup, transfer, .. } = submit;
        let index = usize::from(endpoint);
        if self.pending() >= MAX_PENDING {
            replies.push_back(ended(seq, Status::TOO_MANY));
            return;
        }
        if index == 0 {
            return self.control.submit(seq, setup, transfer, replies);
        }
        match transfer {
            Transfer::In { len } => match self.ins.get_mut(index) {
                Some(Some(endpoint)) => endpoint.submit(seq, len, replies),
                _ => replies.push_back(ended(seq, Status::NO_ENDPOINT)),
            },
            Transfer::Out { data, zero_packet } => match self.outs.get_mut(index) {
                Some(Some(endpoint)) => endpoint.submit(seq, data, zero_packet, replies),
                _ => replies.push_back(ended(seq, Status::NO_ENDPOINT)),
            },
        }
    }

    /// The host gives the transfer `victim` up: it gets no reply of its own any more, unless it has had it.
    pub(super) fn unlink(&mut self, seq: u32, victim: u32, replies: &mut VecDeque<Reply>) {
        let found = take(&mut self.control.transfers, victim, |transfer| transfer.seq)
            || self.ins.iter_mut().flatten().any(|endpoint| take(&mut endpoint.transfers, victim, |transfer| transfer.seq))
            || self.outs.iter_mut().flatten().any(|endpoint| take(&mut endpoint.transfers, victim, |transfer| transfer.seq));
        replies.push_back(Reply::Unlink { seq, status: if found { Status::UNLINKED } else { Status::DONE } });
    }

    fn pending(&self) -> usize {
        let ins: usize = self.ins.iter().flatten().map(|endpoint| endpoint.transfers.len()).sum();
        let outs: usize = self.outs.iter().flatten().map(|endpoint| endpoint.transfers.len()).sum();
        self.control.transfers.len() + ins + outs
    }

    /// The device sends a packet.
    pub(super) fn write(&mut self, address: EndpointAddress, packet: &[u8], replies: &mut VecDeque<Reply>) -> Result<usize> {
        match (address.direction(), address.index()) {
            (UsbDirection::In, 0) => self.control.write(packet, replies),
            (UsbDirection::In, index) => {
                let endpoint = self.ins.get_mut(index).and_then(Option::as_mut).ok_or(UsbError::InvalidEndpoint)?;
                endpoint.write(packet, replies)
            }
            (UsbDirection::Out, _) => Err(UsbError::InvalidEndpoint),
        }
    }

    /// The device takes a packet.
    pub(super) fn read(&mut self, address: EndpointAddress, packet: &mut [u8], replies: &mut VecDeque<Reply>) -> Result<usize> {
        match (address.direction(), address.index()) {
            (UsbDirection::Out, 0) => self.control.read(packet, replies),
            (UsbDirection::Out, index) => {
                let endpoint = self.outs.get_mut(index).and_then(Option::as_mut).ok_or(UsbError::InvalidEndpoint)?;
                endpoint.read(packet, replies)
            }
            (UsbDirection::In, _) => Err(UsbError::InvalidEndpoint),
        }
    }

    /// The device stalls an endpoint, or ends that.
    pub(super) fn set_stalled(&mut self, address: EndpointAddress, stalled: bool, replies: &mut VecDeque<Reply>) {
        match (address.direction(), address.index()) {
            (_, 0) if stalled => self.control.stall(replies),
            (_, 0) => {}
            (UsbDirection::In, index) => {
                if let Some(Some(endpoint)) = self.ins.get_mut(index) {
                    endpoint.stalled = stalled;
                    endpoint.run(replies);
                }
            }
            (UsbDirection::Out, index) => {
                if let Some(Some(endpoint)) = self.outs.get_mut(index) {
                    endpoint.stalled = stalled;
                    endpoint.run(replies);
                }
            }
        }
    }

    /// Whether an endpoint is stalled. Endpoint 0 never stays so: the next SETUP packet ends it (USB 2.0, 8.5.3.4).
    pub(super) fn is_stalled(&self, address: EndpointAddress) -> bool {
        match (address.direction(), address.index()) {
            (_, 0) => false,
            (UsbDirection::In, index) => {
                self.ins.get(index).is_some_and(|slot| slot.as_ref().is_some_and(|endpoint| endpoint.stalled))
            }
            (UsbDirection::Out, index) => {
                self.outs.get(index).is_some_and(|slot| slot.as_ref().is_some_and(|endpoint| endpoint.stalled))
            }
        }
    }

    /// What the device has to look at. Sent packets are told once, packets to read until they are read.
    pub(super) fn take_events(&mut self) -> Events {
        let mut events = self.control.take_events();
        for (index, endpoint) in self.ins.iter_mut().enumerate() {
            if endpoint.as_mut().is_some_and(|endpoint| std::mem::take(&mut endpoint.complete)) {
                events.in_complete |= 1 << index;
            }
        }
        for (index, endpoint) in self.outs.iter().enumerate() {
            if endpoint.as_ref().is_some_and(Out::has_packet) {
                events.out |= 1 << index;
            }
        }
        events
    }
}

/// Takes the transfer with the number `victim` out of `transfers`, if it is there.
fn take<T>(transfers: &mut VecDeque<T>, victim: u32, seq: impl Fn(&T) -> u32) -> bool {
    let at = transfers.iter().position(|transfer| seq(transfer) == victim);
    at.and_then(|at| transfers.remove(at)).is_some()
}

/// The end of a transfer that brought nothing.
fn ended(seq: u32, status: Status) -> Reply {
    Reply::Submit { seq, status, actual: 0, data: Octets::default() }
}

/// A bulk or interrupt endpoint to the host.
#[derive(Debug, Default)]
struct In {
    max_packet: usize,
    /// Sent by the device, not yet asked for by the host.
    packet: Option<Octets>,
    transfers: VecDeque<InTransfer>,
    stalled: bool,
    complete: bool,
}

#[derive(Debug)]
struct InTransfer {
    seq: u32,
    len: usize,
    data: Octets,
}

/// How a packet leaves a transfer.
enum Filled {
    /// It goes on.
    Partly,
    /// It ends: a short packet, or no more room (USB 2.0, 5.8.3).
    Wholly,
    /// It ends: the packet was longer than the room.
    Babble,
}

/// Adds `packet` to `data`, which has room for `len` octets in all.
fn fill(data: &mut Vec<u8>, len: usize, packet: &[u8], max_packet: usize) -> Filled {
    if packet.len() > len - data.len() {
        return Filled::Babble;
    }
    data.extend(packet);
    if packet.len() < max_packet || data.len() == len { Filled::Wholly } else { Filled::Partly }
}

impl In {
    fn submit(&mut self, seq: u32, len: usize, replies: &mut VecDeque<Reply>) {
        self.transfers.push_back(InTransfer { seq, len, data: Octets::default() });
        self.run(replies);
    }

    fn write(&mut self, packet: &[u8], replies: &mut VecDeque<Reply>) -> Result<usize> {
        if packet.len() > self.max_packet {
            return Err(UsbError::BufferOverflow);
        }
        if self.packet.is_some() {
            return Err(UsbError::WouldBlock);
        }
        self.packet = Some(packet.to_vec().into());
        self.run(replies);
        Ok(packet.len())
    }

    fn run(&mut self, replies: &mut VecDeque<Reply>) {
        if self.stalled {
            replies.extend(self.transfers.drain(..).map(|transfer| ended(transfer.seq, Status::STALL)));
            return;
        }
        let Some(transfer) = self.transfers.front_mut() else { return };
        let Some(packet) = self.packet.take() else { return };
        self.complete = true;
        let status = match fill(&mut transfer.data, transfer.len, &packet, self.max_packet) {
            Filled::Partly => return,
            Filled::Wholly => Status::DONE,
            Filled::Babble => Status::BABBLE,
        };
        if let Some(InTransfer { seq, data, .. }) = self.transfers.pop_front() {
            replies.push_back(Reply::Submit { seq, status, actual: data.len(), data });
        }
    }
}

/// A bulk or interrupt endpoint to the device.
#[derive(Debug, Default)]
struct Out {
    max_packet: usize,
    transfers: VecDeque<OutTransfer>,
    stalled: bool,
}

#[derive(Debug)]
struct OutTransfer {
    seq: u32,
    data: Octets,
    read: usize,
    /// Packets that the device has not read.
    packets: usize,
}

impl Out {
    fn submit(&mut self, seq: u32, data: Octets, zero_packet: bool, replies: &mut VecDeque<Reply>) {
        let last_is_full = !data.is_empty() && data.len().is_multiple_of(self.max_packet);
        let packets = data.len().div_ceil(self.max_packet).max(1) + usize::from(zero_packet && last_is_full);
        self.transfers.push_back(OutTransfer { seq, data, read: 0, packets });
        self.run(replies);
    }

    fn run(&mut self, replies: &mut VecDeque<Reply>) {
        if self.stalled {
            replies.extend(self.transfers.drain(..).map(|transfer| ended(transfer.seq, Status::STALL)));
        }
    }

    fn has_packet(&self) -> bool {
        !self.transfers.is_empty()
    }

    fn read(&mut self, packet: &mut [u8], replies: &mut VecDeque<Reply>) -> Result<usize> {
        let transfer = self.transfers.front_mut().ok_or(UsbError::WouldBlock)?;
        let answer = next_packet(&transfer.data, &mut transfer.read, self.max_packet, packet);
        transfer.packets -= 1;
        if transfer.packets == 0 {
            replies.push_back(Reply::Submit {
                seq: transfer.seq,
                status: Status::DONE,
                actual: transfer.data.len(),
                data: Octets::default(),
            });
            self.transfers.pop_front();
        }
        answer
    }
}

/// Copies the next packet of `data` to `packet`. It counts as read also if it is too long for `packet`, or it would be in the way forever.
fn next_packet(data: &[u8], read: &mut usize, max_packet: usize, packet: &mut [u8]) -> Result<usize> {
    let rest = &data[*read..];
    let next = &rest[..rest.len().min(max_packet)];
    *read += next.len();
    packet.get_mut(..next.len()).ok_or(UsbError::BufferOverflow)?.copy_from_slice(next);
    Ok(next.len())
}

/// Endpoint 0, both directions (USB 2.0, 8.5.3).
#[derive(Debug, Default)]
struct Control {
    max_packet: usize,
    transfers: VecDeque<ControlTransfer>,
    complete: bool,
}

#[derive(Debug)]
struct ControlTransfer {
    seq: u32,
    setup: [u8; 8],
    /// Octets of room, or octets that the host sends.
    transfer: Transfer,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The device has not read the SETUP packet. What it sends before still belongs to the transfer before.
    Setup,
    /// The device sends.
    DataIn(Octets),
    /// The device has read so many octets.
    DataOut(usize),
    /// The device has to acknowledge, with an empty packet.
    StatusIn,
    /// The host acknowledges these data, with an empty packet.
    StatusOut(Octets),
}

impl Control {
    fn submit(&mut self, seq: u32, setup: [u8; 8], transfer: Transfer, replies: &mut VecDeque<Reply>) {
        let fits = match (&transfer, data_stage(setup)) {
            (Transfer::In { .. }, Some((UsbDirection::In, _))) => true,
            (Transfer::Out { data, .. }, Some((UsbDirection::Out, len))) => data.len() == len,
            (Transfer::In { len }, None) => *len == 0,
            (Transfer::Out { data, .. }, None) => data.is_empty(),
            _ => false,
        };
        if fits {
            self.transfers.push_back(ControlTransfer { seq, setup, transfer, stage: Stage::Setup });
        } else {
            replies.push_back(ended(seq, Status::INVALID));
        }
    }

    fn take_events(&mut self) -> Events {
        let mut events = Events { in_complete: u16::from(std::mem::take(&mut self.complete)), ..Events::default() };
        match self.transfers.front().map(|transfer| &transfer.stage) {
            Some(Stage::Setup) => events.setup = 1,
            Some(Stage::DataOut(_) | Stage::StatusOut(_)) => events.out = 1,
            Some(Stage::DataIn(_) | Stage::StatusIn) | None => {}
        }
        events
    }

    fn read(&mut self, packet: &mut [u8], replies: &mut VecDeque<Reply>) -> Result<usize> {
        let transfer = self.transfers.front_mut().ok_or(UsbError::WouldBlock)?;
        match (&mut transfer.stage, &transfer.transfer) {
            (Stage::Setup, _) => {
                packet.get_mut(..8).ok_or(UsbError::BufferOverflow)?.copy_from_slice(&transfer.setup);
                transfer.stage = match data_stage(transfer.setup) {
                    Some((UsbDirection::In, _)) => Stage::DataIn(Octets::default()),
                    Some((UsbDirection::Out, _)) => Stage::DataOut(0),
                    None => Stage::StatusIn,
                };
                Ok(8)
            }
            (Stage::DataOut(read), Transfer::Out { data, .. }) => {
                let answer = next_packet(data, read, self.max_packet, packet);
                if *read == data.len() {
                    transfer.stage = Stage::StatusIn;
                }
                answer
            }
            (Stage::StatusOut(data), _) => {
                let data = std::mem::take(data);
                replies.push_back(Reply::Submit { seq: transfer.seq, status: Status::DONE, actual: data.len(), data });
                self.transfers.pop_front();
                Ok(0)
            }
            _ => Err(UsbError::WouldBlock),
        }
    }

    fn write(&mut self, packet: &[u8], replies: &mut VecDeque<Reply>) -> Result<usize> {
        if packet.len() > self.max_packet {
            return Err(UsbError::BufferOverflow);
        }
        // Where no packet is asked for, it is a late one of the transfer before: it goes nowhere.
        let Some(transfer) = self.transfers.front_mut() else { return Ok(packet.len()) };
        let ended = match (&mut transfer.stage, &transfer.transfer) {
            (Stage::DataIn(data), Transfer::In { len }) => {
                self.complete = true;
                let wanted = data_stage(transfer.setup).map_or(0, |(_, wanted)| wanted);
                match fill(data, *len, packet, self.max_packet) {
                    Filled::Babble => Some((Status::BABBLE, 0)),
                    Filled::Partly if data.len() < wanted => None,
                    Filled::Partly | Filled::Wholly => {
                        transfer.stage = Stage::StatusOut(std::mem::take(data));
                        None
                    }
                }
            }
            (Stage::StatusIn, to) => {
                self.complete = true;
                let sent = if let Transfer::Out { data, .. } = to { data.len() } else { 0 };
                Some((if packet.is_empty() { Status::DONE } else { Status::BABBLE }, sent))
            }
            _ => None,
        };
        if let Some((status, actual)) = ended {
            replies.push_back(Reply::Submit { seq: transfer.seq, status, actual, data: Octets::default() });
            self.transfers.pop_front();
        }
        Ok(packet.len())
    }

    fn stall(&mut self, replies: &mut VecDeque<Reply>) {
        // A device stalls both directions, one after the other; the second one finds the transfer gone, or the next one not begun.
        if self.transfers.front().is_some_and(|transfer| !matches!(transfer.stage, Stage::Setup)) {
            replies.extend(self.transfers.pop_front().map(|transfer| ended(transfer.seq, Status::STALL)));
        }
    }
}

/// Direction and length of the data that a SETUP packet announces, if any (USB 2.0, 9.3).
fn data_stage(setup: [u8; 8]) -> Option<(UsbDirection, usize)> {
    let len = usize::from(u16::from_le_bytes([setup[6], setup[7]]));
    let direction = if setup[0] & 0x80 != 0 { UsbDirection::In } else { UsbDirection::Out };
    (len != 0).then_some((direction, len))
}

#[cfg(test)]
mod tests;
