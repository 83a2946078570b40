//! A smart-card reader with a card in it, as a USB device class: CCID Rev 1.1, one slot, T=1, extended APDUs, over `usb-device`.
//!
//! - [`Ccid`] is the class; [`UsbToken`] is a whole device that has nothing but it.
//! - One message at a time: a packet is taken from the host only when it has fetched the answer before. While the card waits ([`Progress::Waiting`]),
//!   messages are taken, but all except an abort are answered `CMD_SLOT_BUSY`.
//! - Every message is answered, whatever its octets, but an abort that is only half there. A message that the host does not finish is answered as one
//!   of a wrong `dwLength`, after [`SILENCE_MS`].
//! - A bus reset, or a new configuration, drops all state and takes the card's power away.
//! - Timeouts: the block waiting time that the descriptor and the parameters give is 1.6 s (BWI 4 at 3.58 MHz; ISO 7816-3, 11.4.3). While the card
//!   waits the host is asked for as much again every [`EXTENSION_MS`]. A card that computes cannot ask, since there is one thread: it has to
//!   answer, or wait, within the 1.6 s. What takes longest is a signature on P-384, with 53 million instructions of a Cortex-M4 (`benches/thumb`,
//!   example `card`): 0.83 s at 64 MHz and an instruction a cycle, and in time up to 1.9 cycles each. No board has measured that yet.
//!
//! [`Progress::Waiting`]: crate::Progress::Waiting

mod assembly;
mod descriptor;
mod device;
mod message;
mod sending;
mod slot;

pub use device::{Identity, NewError, UsbToken};

use core::fmt;

use usb_device::Result;
use usb_device::bus::{InterfaceNumber, UsbBus, UsbBusAllocator};
use usb_device::class::{ControlOut, UsbClass};
use usb_device::control::{Recipient, Request, RequestType};
use usb_device::descriptor::DescriptorWriter;
use usb_device::device::CONFIGURATION_VALUE;
use usb_device::endpoint::{EndpointIn, EndpointOut, EndpointType};
use zeroize::{Zeroize, Zeroizing};

use self::assembly::Assembly;
use self::sending::Sending;
use self::slot::Slot;
use crate::icc::Icc;
use crate::platform::Instant;

/// Octets of a packet of the bulk pipes: `wMaxPacketSize` at full speed.
pub const PACKET_LEN: usize = 64;

/// Milliseconds without a packet after which an unfinished message is given up. The packets of one message follow each other within a frame or two.
pub const SILENCE_MS: u64 = 500;

/// Milliseconds between two requests for more time: less than the block waiting time.
pub const EXTENSION_MS: u64 = 1000;

/// Milliseconds after which a card that waits is asked again.
pub const RESUME_MS: u64 = 10;

/// The request ABORT on the control pipe (CCID Rev 1.1, 5.3.1).
const ABORT: u8 = 0x01;

/// The class. It owns the buffers: one command APDU and one response APDU, wiped after use.
pub struct Ccid<'a, B: UsbBus> {
    interface: InterfaceNumber,
    bulk_out: EndpointOut<'a, B>,
    bulk_in: EndpointIn<'a, B>,
    link: Link,
    slot: Slot,
}

/// The bulk pipes.
#[derive(Debug)]
enum Link {
    /// The device is not configured: there are none.
    Down,
    Up {
        assembly: Assembly,
        sending: Sending,
    },
}

impl<'a, B: UsbBus> Ccid<'a, B> {
    /// The class on `bus`, with two bulk endpoints of it.
    ///
    /// # Errors
    /// What [`UsbBusAllocator::alloc`] says: the bus has too few endpoints.
    pub fn new(bus: &'a UsbBusAllocator<B>) -> Result<Self> {
        const PACKET: u16 = 64;
        const _: () = assert!(PACKET as usize == PACKET_LEN);
        Ok(Self {
            interface: bus.interface(),
            bulk_out: bus.alloc(None, EndpointType::Bulk, PACKET, 0)?,
            bulk_in: bus.alloc(None, EndpointType::Bulk, PACKET, 0)?,
            link: Link::Down,
            slot: Slot::new(),
        })
    }

    /// Takes at most one packet from the host and hands at most one over, and lets `icc`, which is the same at each call, do what is due. To be
    /// called after each poll of the device, until it answers `false`: nothing could be moved.
    pub fn poll(&mut self, now: Instant, icc: &mut (impl Icc + ?Sized)) -> bool {
        let Link::Up { assembly, sending } = &mut self.link else {
            self.slot.turn(now, icc);
            return false;
        };
        let mut moved = false;
        if let Sending::Nothing = sending {
            let mut answer = self.slot.turn(now, icc);
            if answer.is_none() {
                let mut packet = Zeroizing::new([0; PACKET_LEN]);
                let message = if let Ok(len) = self.bulk_out.read(&mut packet[..]) {
                    moved = true;
                    assembly.packet(now, packet.get(..len).unwrap_or(&[]), &mut self.slot.apdu)
                } else {
                    assembly.silence(now)
                };
                answer = message.and_then(|message| self.slot.message(now, &message, icc));
            }
            if let Some(answer) = answer {
                *sending = Sending::of(answer);
            } else if let Some(extension) = self.slot.time_extension(now) {
                // nobody waits for it if the one before has not been fetched
                moved |= Sending::of(extension).packet(&[], &self.bulk_in);
            }
        }
        if sending.packet(&self.slot.response, &self.bulk_in) {
            moved = true;
            if let Sending::Nothing = sending
                && !self.slot.is_running()
            {
                self.slot.response.zeroize();
            }
        }
        moved
    }

    /// When [`poll`](Self::poll) has something to do even if nothing happens on the bus.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Instant> {
        if self.slot.is_running() {
            return Some(now.after_ms(RESUME_MS));
        }
        match &self.link {
            Link::Up { assembly: Assembly::Within { at, .. }, .. } => Some(at.after_ms(SILENCE_MS)),
            Link::Up { .. } | Link::Down => None,
        }
    }

    /// The host begins anew.
    fn restart(&mut self, configured: bool) {
        self.slot.orphan();
        self.link = if configured { Link::Up { assembly: Assembly::Between, sending: Sending::Nothing } } else { Link::Down };
    }
}

impl<B: UsbBus> UsbClass<B> for Ccid<'_, B> {
    fn get_configuration_descriptors(&self, writer: &mut DescriptorWriter<'_>) -> Result<()> {
        descriptor::write(writer, self.interface, &self.bulk_out, &self.bulk_in)
    }

    fn reset(&mut self) {
        self.restart(false);
    }

    fn control_out(&mut self, transfer: ControlOut<'_, '_, '_, B>) {
        let request = *transfer.request();
        match (request.request_type, request.recipient, request.request) {
            // of any other value the device says that there is none, and stays as it is
            (RequestType::Standard, Recipient::Device, Request::SET_CONFIGURATION)
                if request.value <= u16::from(CONFIGURATION_VALUE) =>
            {
                // what the host before has left in the endpoint
                let mut packet = Zeroizing::new([0; PACKET_LEN]);
                let _ = self.bulk_out.read(&mut packet[..]);
                self.restart(request.value == u16::from(CONFIGURATION_VALUE));
            }
            (RequestType::Class, Recipient::Interface, ABORT) if request.index == u16::from(u8::from(self.interface)) => {
                let [slot, seq] = request.value.to_le_bytes();
                // an error says that the transfer is over already, by a bus reset
                let _ = if self.slot.request_abort(slot, seq) { transfer.accept() } else { transfer.reject() };
            }
            _ => {}
        }
    }
}

/// Says nothing of what is in the buffers.
impl<B: UsbBus> fmt::Debug for Ccid<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ccid").field("link", &self.link).finish_non_exhaustive()
    }
}
