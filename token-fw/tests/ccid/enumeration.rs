//! What a host reads before it uses the device.

use crate::host::{IDENTITY, Wire, attached, configured};
use token_fw::ccid::{Identity, NewError, PACKET_LEN, UsbToken};
use token_proto::{MAX_COMMAND_LEN, MAX_RESPONSE_LEN};
use usb_device::bus::UsbBusAllocator;

/// `GET_DESCRIPTOR` of `kind`.
fn descriptor(kind: u16, index: u16, language: u16) -> Option<Vec<u8>> {
    attached(|host| host.control_in(0x80, 6, kind << 8 | index, language, 255))
}

/// Takes a field of `len` octets, little-endian.
fn field(octets: &mut &[u8], len: usize) -> u32 {
    let (field, rest) = octets.split_at(len);
    *octets = rest;
    field.iter().rev().fold(0, |value, octet| value << 8 | u32::from(*octet))
}

#[track_caller]
fn check(octets: &mut &[u8], fields: &[(&str, usize, u32)]) {
    for (name, len, value) in fields {
        assert_eq!(field(octets, *len), *value, "{name}");
    }
}

#[test]
fn device_descriptor() {
    let octets = descriptor(1, 0, 0).unwrap();
    let mut rest = &octets[..];
    check(
        &mut rest,
        &[
            ("bLength", 1, 18),
            ("bDescriptorType", 1, 1),
            ("bcdUSB", 2, 0x0200),
            ("bDeviceClass", 1, 0),
            ("bDeviceSubClass", 1, 0),
            ("bDeviceProtocol", 1, 0),
            ("bMaxPacketSize0", 1, 64),
            ("idVendor", 2, 0x1209),
            ("idProduct", 2, 0x0001),
            ("bcdDevice", 2, 0x0203),
            ("iManufacturer", 1, 1),
            ("iProduct", 1, 2),
            ("iSerialNumber", 1, 3),
            ("bNumConfigurations", 1, 1),
        ],
    );
    assert!(rest.is_empty());
}

#[test]
fn configuration_descriptor() {
    let octets = descriptor(2, 0, 0).unwrap();
    let mut rest = &octets[..];
    check(
        &mut rest,
        &[
            ("bLength", 1, 9),
            ("bDescriptorType", 1, 2),
            ("wTotalLength", 2, 9 + 9 + 54 + 7 + 7),
            ("bNumInterfaces", 1, 1),
            ("bConfigurationValue", 1, 1),
            ("iConfiguration", 1, 0),
            ("bmAttributes", 1, 0x80),
            ("bMaxPower", 1, 50),
        ],
    );
    check(
        &mut rest,
        &[
            ("bLength", 1, 9),
            ("bDescriptorType", 1, 4),
            ("bInterfaceNumber", 1, 0),
            ("bAlternateSetting", 1, 0),
            ("bNumEndpoints", 1, 2),
            ("bInterfaceClass", 1, 0x0B),
            ("bInterfaceSubClass", 1, 0),
            ("bInterfaceProtocol", 1, 0),
            ("iInterface", 1, 0),
        ],
    );
    check(
        &mut rest,
        &[
            ("bLength", 1, 54),
            ("bDescriptorType", 1, 0x21),
            ("bcdCCID", 2, 0x0110),
            ("bMaxSlotIndex", 1, 0),
            ("bVoltageSupport", 1, 1),
            ("dwProtocols", 4, 2),
            ("dwDefaultClock", 4, 3580),
            ("dwMaximumClock", 4, 3580),
            ("bNumClockSupported", 1, 0),
            ("dwDataRate", 4, 9600),
            ("dwMaxDataRate", 4, 9600),
            ("bNumDataRatesSupported", 1, 0),
            ("dwMaxIFSD", 4, 254),
            ("dwSynchProtocols", 4, 0),
            ("dwMechanical", 4, 0),
            ("dwFeatures", 4, 0x0004_0840),
            ("dwMaxCCIDMessageLength", 4, 10 + MAX_COMMAND_LEN.max(MAX_RESPONSE_LEN) as u32),
            ("bClassGetResponse", 1, 0xFF),
            ("bClassEnvelope", 1, 0xFF),
            ("wLcdLayout", 2, 0),
            ("bPINSupport", 1, 0),
            ("bMaxCCIDBusySlots", 1, 1),
        ],
    );
    for address in [0x01, 0x81] {
        check(
            &mut rest,
            &[
                ("bLength", 1, 7),
                ("bDescriptorType", 1, 5),
                ("bEndpointAddress", 1, address),
                ("bmAttributes", 1, 2),
                ("wMaxPacketSize", 2, PACKET_LEN as u32),
                ("bInterval", 1, 0),
            ],
        );
    }
    assert!(rest.is_empty());
}

#[test]
fn texts() {
    for (index, text) in [(1, "Maker"), (2, "Token"), (3, "0042")] {
        let octets = descriptor(3, index, 0x0409).unwrap();
        assert_eq!(octets[..2], [2 + 2 * text.len() as u8, 3]);
        let units: Vec<_> = octets[2..].chunks(2).map(|unit| u16::from_le_bytes(unit.try_into().unwrap())).collect();
        assert_eq!(String::from_utf16(&units).unwrap(), text);
    }
}

#[test]
fn longest_text_can_be_read_and_a_longer_one_is_refused() {
    let build = |serial: &str| {
        let bus = UsbBusAllocator::new(Wire::default());
        UsbToken::new(&bus, &Identity { serial, ..IDENTITY }).map(|_| ())
    };
    assert_eq!(build(&"ä".repeat(63)), Ok(()));
    assert_eq!(build(&"ä".repeat(64)), Err(NewError::TextTooLong));
}

#[test]
fn requests_for_lists_that_are_not_announced_stall() {
    configured(|host| {
        for request in [0x02, 0x03] {
            assert_eq!(host.control_in(0xA1, request, 0, 0, 4), None);
        }
        host.recovers();
    });
}

#[test]
fn nothing_is_said_before_a_configuration_is_set() {
    attached(|host| {
        host.packet(&[0x65, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(host.fetch(), None);
        host.configure(1);
        assert_eq!(host.fetch(), None);
        host.recovers();
    });
}
