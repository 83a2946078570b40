//! A USB device that is a smart-card reader and nothing else.

use core::fmt;

use usb_device::UsbError;
use usb_device::bus::{UsbBus, UsbBusAllocator};
use usb_device::device::{StringDescriptors, UsbDevice, UsbDeviceBuilder, UsbRev, UsbVidPid};

use super::Ccid;
use crate::icc::Icc;
use crate::platform::Instant;

/// Octets of an endpoint-0 packet.
const CONTROL_PACKET_LEN: u8 = 64;

/// UTF-16 code units of a string descriptor that `usb-device` can send.
const MAX_TEXT_LEN: usize = 63;

/// Steps that one call of [`UsbToken::poll`] makes at most: enough for the longest response, so that a host that never stops cannot hold the caller.
const MAX_STEPS: usize = 64;

/// What the device descriptor says: whose device this is, and which.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// `idVendor`.
    pub vendor_id: u16,
    /// `idProduct`.
    pub product_id: u16,
    /// `bcdDevice`: the firmware's version, two decimal digits each before and after the point.
    pub device_release: u16,
    /// `iManufacturer`.
    pub manufacturer: &'a str,
    /// `iProduct`.
    pub product: &'a str,
    /// `iSerialNumber`: the same for a device's life, another on each.
    pub serial: &'a str,
}

/// The device with its class.
pub struct UsbToken<'a, B: UsbBus> {
    device: UsbDevice<'a, B>,
    ccid: Ccid<'a, B>,
}

/// Why there is no device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewError {
    /// The bus has no endpoints for it.
    Endpoints(UsbError),
    /// A text of the [`Identity`] has more than 63 UTF-16 code units.
    TextTooLong,
}

impl<'a, B: UsbBus> UsbToken<'a, B> {
    /// The device on `bus`, which it takes for itself.
    ///
    /// # Errors
    /// [`NewError`].
    pub fn new(bus: &'a UsbBusAllocator<B>, identity: &Identity<'a>) -> Result<Self, NewError> {
        let texts = [identity.manufacturer, identity.product, identity.serial];
        if texts.iter().any(|text| text.encode_utf16().count() > MAX_TEXT_LEN) {
            return Err(NewError::TextTooLong);
        }
        let ccid = Ccid::new(bus).map_err(NewError::Endpoints)?;
        let strings = StringDescriptors::default()
            .manufacturer(identity.manufacturer)
            .product(identity.product)
            .serial_number(identity.serial);
        let device = UsbDeviceBuilder::new(bus, UsbVidPid(identity.vendor_id, identity.product_id))
            .device_release(identity.device_release)
            .usb_rev(UsbRev::Usb200)
            .strings(&[strings])
            .and_then(|builder| builder.max_packet_size_0(CONTROL_PACKET_LEN))
            // one language and 64 octets are what it takes
            .map_err(|_| NewError::Endpoints(UsbError::Unsupported))?
            .build();
        Ok(Self { device, ccid })
    }

    /// The bus, for what its implementation offers beside the trait.
    pub fn bus(&self) -> &B {
        self.device.bus()
    }

    /// Does all there is to do on the bus and for `icc`, which is the same at each call, without waiting. Answers the latest time of the next call;
    /// `None` if only something on the bus gives work.
    pub fn poll(&mut self, now: Instant, icc: &mut (impl Icc + ?Sized)) -> Option<Instant> {
        let mut moved = false;
        for _ in 0..MAX_STEPS {
            // a packet that the class leaves in its endpoint for now is an event each time, so events alone don't say when to stop
            let event = self.device.poll(&mut [&mut self.ccid]);
            moved = self.ccid.poll(now, icc);
            if !event && !moved {
                break;
            }
        }
        if moved { Some(now) } else { self.ccid.due(now) }
    }
}

impl<B: UsbBus> fmt::Debug for UsbToken<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsbToken").field("state", &self.device.state()).field("ccid", &self.ccid).finish()
    }
}
