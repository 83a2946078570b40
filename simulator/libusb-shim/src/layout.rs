//! Structures of `libusb.h`, as C lays them out, and a device's descriptors in them.

use std::ffi::{c_int, c_uchar, c_uint, c_void};
use std::ptr;

use simulator::reader::usbip::descriptor::{self, Description};

/// `struct libusb_device_descriptor`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct DeviceDescriptor {
    length: u8,
    descriptor_type: u8,
    usb: u16,
    class: [u8; 3],
    max_packet_size_0: u8,
    vendor: u16,
    product: u16,
    release: u16,
    strings: [u8; 3],
    configurations: u8,
}

impl DeviceDescriptor {
    pub(crate) fn new(description: &Description) -> Self {
        let octets = &description.device;
        Self {
            length: octets[0],
            descriptor_type: octets[1],
            usb: description.device_field(2),
            class: [octets[4], octets[5], octets[6]],
            max_packet_size_0: octets[7],
            vendor: description.device_field(8),
            product: description.device_field(10),
            release: description.device_field(12),
            strings: [octets[14], octets[15], octets[16]],
            configurations: octets[17],
        }
    }
}

/// `struct libusb_endpoint_descriptor`.
#[derive(Debug)]
#[repr(C)]
struct Endpoint {
    length: u8,
    descriptor_type: u8,
    address: u8,
    attributes: u8,
    max_packet_size: u16,
    interval: u8,
    refresh: u8,
    synch_address: u8,
    extra: *const c_uchar,
    extra_length: c_int,
}

/// `struct libusb_interface_descriptor`.
#[derive(Debug)]
#[repr(C)]
struct AlternateSetting {
    length: u8,
    descriptor_type: u8,
    number: u8,
    alternate_setting: u8,
    endpoint_count: u8,
    class: [u8; 3],
    string: u8,
    endpoints: *const Endpoint,
    extra: *const c_uchar,
    extra_length: c_int,
}

/// `struct libusb_interface`.
#[derive(Debug)]
#[repr(C)]
struct Interface {
    alternate_settings: *const AlternateSetting,
    count: c_int,
}

/// `struct libusb_config_descriptor`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ConfigDescriptor {
    length: u8,
    descriptor_type: u8,
    total_length: u16,
    interface_count: u8,
    value: u8,
    string: u8,
    attributes: u8,
    max_power: u8,
    interfaces: *const Interface,
    extra: *const c_uchar,
    extra_length: c_int,
}

/// A configuration descriptor with all that it points to. The descriptor comes first, so that a pointer to it is one to the whole.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Config {
    descriptor: ConfigDescriptor,
    /// Never changed, since the descriptor points into them.
    _interfaces: Vec<Interface>,
    _alternate_settings: Vec<Vec<AlternateSetting>>,
    _endpoints: Vec<Vec<Endpoint>>,
    _description: Box<descriptor::Configuration>,
}

impl Config {
    pub(crate) fn new(description: &Description) -> Self {
        let description = Box::new(description.configuration.clone());
        let mut endpoints = Vec::new();
        let mut alternate_settings: Vec<Vec<AlternateSetting>> = Vec::new();
        for interface in &description.interfaces {
            let [length, descriptor_type, number, alternate_setting, endpoint_count, .., string] = interface.octets;
            let of_interface: Vec<Endpoint> = interface.endpoints.iter().map(endpoint).collect();
            let layout = AlternateSetting {
                length,
                descriptor_type,
                number,
                alternate_setting,
                // What is there counts, not what is announced.
                endpoint_count: endpoint_count.min(u8::try_from(of_interface.len()).unwrap_or(u8::MAX)),
                class: interface.class(),
                string,
                endpoints: of_interface.as_ptr(),
                extra: interface.extra.as_ptr(),
                extra_length: length_of(&interface.extra),
            };
            endpoints.push(of_interface);
            match alternate_settings.last_mut().filter(|settings| settings.iter().all(|setting| setting.number == number)) {
                Some(settings) => settings.push(layout),
                None => alternate_settings.push(vec![layout]),
            }
        }
        let interfaces: Vec<Interface> = alternate_settings
            .iter()
            .map(|settings| Interface { alternate_settings: settings.as_ptr(), count: length_of(settings) })
            .collect();
        let [length, descriptor_type, low, high, _, value, string, attributes, max_power] = description.octets;
        let descriptor = ConfigDescriptor {
            length,
            descriptor_type,
            total_length: u16::from_le_bytes([low, high]),
            interface_count: u8::try_from(interfaces.len()).unwrap_or(u8::MAX),
            value,
            string,
            attributes,
            max_power,
            interfaces: interfaces.as_ptr(),
            extra: description.extra.as_ptr(),
            extra_length: length_of(&description.extra),
        };
        Self {
            descriptor,
            _interfaces: interfaces,
            _alternate_settings: alternate_settings,
            _endpoints: endpoints,
            _description: description,
        }
    }
}

#[cfg(test)]
impl Config {
    /// Class, octets of further descriptors, and addresses of the endpoints of the first interface.
    pub(crate) fn first_setting(&self) -> ([u8; 3], c_int, Vec<u8>) {
        let setting = &self._alternate_settings[0][0];
        (setting.class, setting.extra_length, self._endpoints[0].iter().map(|endpoint| endpoint.address).collect())
    }
}

fn endpoint(endpoint: &descriptor::Endpoint) -> Endpoint {
    let [length, descriptor_type, address, attributes, low, high, interval] = endpoint.octets;
    Endpoint {
        length,
        descriptor_type,
        address,
        attributes,
        max_packet_size: u16::from_le_bytes([low, high]),
        interval,
        refresh: 0,
        synch_address: 0,
        extra: endpoint.extra.as_ptr(),
        extra_length: length_of(&endpoint.extra),
    }
}

fn length_of<T>(items: &[T]) -> c_int {
    // A configuration has at most 65535 octets.
    c_int::try_from(items.len()).unwrap_or(c_int::MAX)
}

/// `libusb_transfer_cb_fn`.
pub(crate) type Callback = Option<unsafe extern "C" fn(*mut Transfer)>;

/// `struct libusb_transfer`, but for isochronous packets, of which there are none.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Transfer {
    pub(crate) handle: *mut c_void,
    pub(crate) flags: u8,
    pub(crate) endpoint: c_uchar,
    pub(crate) kind: c_uchar,
    pub(crate) timeout: c_uint,
    pub(crate) status: c_int,
    pub(crate) length: c_int,
    pub(crate) actual_length: c_int,
    pub(crate) callback: Callback,
    pub(crate) user_data: *mut c_void,
    pub(crate) buffer: *mut c_uchar,
    pub(crate) iso_packet_count: c_int,
}

impl Transfer {
    pub(crate) const fn new() -> Self {
        Self {
            handle: ptr::null_mut(),
            flags: 0,
            endpoint: 0,
            kind: 0,
            timeout: 0,
            status: 0,
            length: 0,
            actual_length: 0,
            callback: None,
            user_data: ptr::null_mut(),
            buffer: ptr::null_mut(),
            iso_packet_count: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    /// As the System V ABI for x86-64 lays out the declarations of `libusb.h`.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn layout_is_that_of_c() {
        assert_eq!(size_of::<DeviceDescriptor>(), 18);
        assert_eq!(offset_of!(DeviceDescriptor, strings), 14);
        assert_eq!((size_of::<Endpoint>(), offset_of!(Endpoint, extra)), (32, 16));
        assert_eq!((size_of::<AlternateSetting>(), offset_of!(AlternateSetting, endpoints)), (40, 16));
        assert_eq!(size_of::<Interface>(), 16);
        assert_eq!((size_of::<ConfigDescriptor>(), offset_of!(ConfigDescriptor, interfaces)), (40, 16));
        assert_eq!((size_of::<Transfer>(), offset_of!(Transfer, callback), offset_of!(Transfer, iso_packet_count)), (64, 32, 56));
    }
}
