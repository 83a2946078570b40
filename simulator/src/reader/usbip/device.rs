//! The token as a USB device on a virtual bus.

use std::time::Duration;

use token_fw::Icc;
use token_fw::ccid::{Identity, UsbToken};
use usb_device::bus::UsbBusAllocator;

use super::bus::VirtualBus;
use crate::hw::Clock;

/// `idVendor` of pid.codes, which lends the numbers below to open hardware.
pub const VENDOR_ID: u16 = 0x1209;

/// `idProduct` for tests, of which there may be any number on one machine.
pub const PRODUCT_ID: u16 = 0x0001;

/// The smart-card reader of [`token_fw::ccid`] with `icc` in it, to be plugged into a [`Server`](super::Server). `serial` is its
/// `iSerialNumber`, of at most 63 UTF-16 code units; with more, the device does not connect. Whenever the device loses power, so does the card.
pub fn ccid_device<I: Icc, C: Clock>(mut icc: I, clock: C, serial: String) -> impl FnMut(VirtualBus) {
    move |bus| {
        let allocator = UsbBusAllocator::new(bus.clone());
        let identity = Identity {
            vendor_id: VENDOR_ID,
            product_id: PRODUCT_ID,
            device_release: 0x0001,
            manufacturer: "CDOC2",
            product: "Simulated token",
            serial: &serial,
        };
        let Ok(mut device) = UsbToken::new(&allocator, &identity) else { return };
        loop {
            let now = clock.now();
            let due = device.poll(now, &mut icc);
            if !bus.wait(due.map(|due| Duration::from_millis(due.ms_since(now)))) {
                break;
            }
        }
        icc.power_off();
    }
}
