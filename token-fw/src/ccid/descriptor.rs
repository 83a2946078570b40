//! What the device says of itself (CCID Rev 1.1, 5.1).

use core::iter::zip;

use token_proto::{MAX_COMMAND_LEN, MAX_RESPONSE_LEN};
use usb_device::bus::{InterfaceNumber, UsbBus};
use usb_device::descriptor::DescriptorWriter;
use usb_device::endpoint::{EndpointIn, EndpointOut};
use usb_device::{Result, UsbError};

use super::message::HEADER_LEN;

/// `bInterfaceClass` of a smart-card device.
const SMART_CARD: u8 = 0x0B;
/// `bInterfaceProtocol`: bulk pipes, and an interrupt pipe if there is one.
const BULK: u8 = 0x00;
/// `bDescriptorType` of the class descriptor.
const FUNCTIONAL: u8 = 0x21;

/// `dwMaxCCIDMessageLength`: the longest command APDU and the longest response APDU each fit into one message.
pub(super) const MAX_MESSAGE_LEN: u32 = 2067;
const _: () = assert!(MAX_MESSAGE_LEN as usize == HEADER_LEN + MAX_COMMAND_LEN);
const _: () = assert!(MAX_MESSAGE_LEN as usize >= HEADER_LEN + MAX_RESPONSE_LEN);

/// 3.58 MHz in kHz and the data rate it gives with the defaults of ISO 7816-3. There is neither a clock nor a line, but a host computes its
/// timeouts from them.
const CLOCK_KHZ: u32 = 3580;
const DATA_RATE: u32 = 9600;

/// The class descriptor (5.1, table 5.1-1) after `bLength` and `bDescriptorType`, a field a line.
const FIELDS: [&[u8]; 19] = [
    &0x0110u16.to_le_bytes(),      // bcdCCID
    &[0],                          // bMaxSlotIndex
    &[0x01],                       // bVoltageSupport: 5 V
    &2u32.to_le_bytes(),           // dwProtocols: T=1
    &CLOCK_KHZ.to_le_bytes(),      // dwDefaultClock
    &CLOCK_KHZ.to_le_bytes(),      // dwMaximumClock
    &[0],                          // bNumClockSupported: no list
    &DATA_RATE.to_le_bytes(),      // dwDataRate
    &DATA_RATE.to_le_bytes(),      // dwMaxDataRate
    &[0],                          // bNumDataRatesSupported: no list
    &254u32.to_le_bytes(),         // dwMaxIFSD
    &0u32.to_le_bytes(),           // dwSynchProtocols
    &0u32.to_le_bytes(),           // dwMechanical
    &0x0004_0840u32.to_le_bytes(), // dwFeatures: extended APDUs; parameters are negotiated here; requests of USB-ICCs only
    &MAX_MESSAGE_LEN.to_le_bytes(),
    &[0xFF, 0xFF], // bClassGetResponse, bClassEnvelope: as the APDU's
    &[0, 0],       // wLcdLayout
    &[0],          // bPINSupport
    &[1],          // bMaxCCIDBusySlots
];

/// Writes the interface, the class descriptor and both endpoints.
pub(super) fn write<B: UsbBus>(
    writer: &mut DescriptorWriter<'_>,
    interface: InterfaceNumber,
    bulk_out: &EndpointOut<'_, B>,
    bulk_in: &EndpointIn<'_, B>,
) -> Result<()> {
    writer.interface(interface, SMART_CARD, 0, BULK)?;
    writer.write_with(FUNCTIONAL, |room| {
        let len = FIELDS.iter().map(|field| field.len()).sum();
        let room = room.get_mut(..len).ok_or(UsbError::BufferOverflow)?;
        for (to, from) in zip(room, FIELDS.iter().copied().flatten()) {
            *to = *from;
        }
        Ok(len)
    })?;
    writer.endpoint(bulk_out)?;
    writer.endpoint(bulk_in)
}
