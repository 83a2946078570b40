//! What a USB device says of itself: its device and configuration descriptors (USB 2.0, 9.5 and 9.6).

use thiserror::Error;

/// Octets of a device descriptor.
pub const DEVICE_LEN: usize = 18;

const CONFIGURATION_LEN: usize = 9;
const INTERFACE_LEN: usize = 9;
const ENDPOINT_LEN: usize = 7;

const DEVICE: u8 = 1;
const CONFIGURATION: u8 = 2;
const INTERFACE: u8 = 4;
const ENDPOINT: u8 = 5;

/// `bRequest` of GET_DESCRIPTOR.
pub const GET_DESCRIPTOR: u8 = 6;
/// `bRequest` of SET_CONFIGURATION.
pub const SET_CONFIGURATION: u8 = 9;
/// Type of a string descriptor.
pub const STRING: u8 = 3;

/// A descriptor that cannot be understood.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the device's {0} descriptor is malformed")]
pub struct Malformed(pub &'static str);

/// The SETUP packet of a standard request to the device.
#[must_use]
pub fn setup(to_host: bool, request: u8, value: u16, index: u16, len: u16) -> [u8; 8] {
    let [value, index, len] = [value, index, len].map(u16::to_le_bytes);
    [if to_host { 0x80 } else { 0 }, request, value[0], value[1], index[0], index[1], len[0], len[1]]
}

/// A device and its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The device descriptor, as it is.
    pub device: [u8; DEVICE_LEN],
    /// The configuration.
    pub configuration: Configuration,
}

impl Description {
    /// Asks a device for its descriptors and puts it into its configuration, as a host does with a new device. `control` carries out one
    /// control transfer; the length of the answer is that of the SETUP packet or less.
    ///
    /// # Errors
    /// That of `control`, or a descriptor is [`Malformed`].
    pub fn enumerate<E: From<Malformed>>(mut control: impl FnMut([u8; 8]) -> Result<Vec<u8>, E>) -> Result<Self, E> {
        let mut descriptor = |kind: u8, len: u16| control(setup(true, GET_DESCRIPTOR, u16::from(kind) << 8, 0, len));
        let device = <[u8; DEVICE_LEN]>::try_from(descriptor(DEVICE, 18)?).map_err(|_| Malformed("device"))?;
        if device[..2] != [18, DEVICE] {
            return Err(Malformed("device").into());
        }
        let head = descriptor(CONFIGURATION, 9)?;
        let total_len = match head[..] {
            [9, CONFIGURATION, low, high, ..] => u16::from_le_bytes([low, high]),
            _ => return Err(Malformed("configuration").into()),
        };
        let configuration = Configuration::parse(&descriptor(CONFIGURATION, total_len)?)?;
        control(setup(false, SET_CONFIGURATION, configuration.octets[5].into(), 0, 0))?;
        Ok(Self { device, configuration })
    }

    /// A 16-bit field of the device descriptor.
    #[must_use]
    pub fn device_field(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.device[at], self.device[at + 1]])
    }
}

/// A configuration: its own descriptor, then its interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The configuration descriptor alone.
    pub octets: [u8; CONFIGURATION_LEN],
    /// Descriptors between it and the first interface.
    pub extra: Vec<u8>,
    /// The interfaces, every alternate setting for itself, in their order.
    pub interfaces: Vec<Interface>,
}

/// An interface in one of its alternate settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The interface descriptor alone.
    pub octets: [u8; INTERFACE_LEN],
    /// Descriptors between it and its first endpoint, such as that of a class.
    pub extra: Vec<u8>,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The endpoint descriptor alone.
    pub octets: [u8; ENDPOINT_LEN],
    /// Descriptors after it.
    pub extra: Vec<u8>,
}

impl Interface {
    /// `bInterfaceNumber`.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.octets[2]
    }

    /// `bInterfaceClass`, `bInterfaceSubClass`, `bInterfaceProtocol`.
    #[must_use]
    pub fn class(&self) -> [u8; 3] {
        [self.octets[5], self.octets[6], self.octets[7]]
    }
}

impl Configuration {
    /// Takes the descriptors of a configuration apart.
    ///
    /// # Errors
    /// One is shorter than its kind, longer than what is there, or not where its kind belongs; or `wTotalLength` is another one.
    pub fn parse(descriptors: &[u8]) -> Result<Self, Malformed> {
        const MALFORMED: Malformed = Malformed("configuration");
        let (octets, mut rest) = descriptors.split_first_chunk().ok_or(MALFORMED)?;
        let total_len = usize::from(u16::from_le_bytes([octets[2], octets[3]]));
        if octets[..2] != [9, CONFIGURATION] || descriptors.len() != total_len {
            return Err(MALFORMED);
        }
        let mut configuration = Self { octets: *octets, extra: Vec::new(), interfaces: Vec::new() };
        while let [len, kind, ..] = *rest {
            let (descriptor, after) = rest.split_at_checked(len.into()).ok_or(MALFORMED)?;
            if len < 2 {
                return Err(MALFORMED);
            }
            rest = after;
            match (kind, configuration.interfaces.last_mut()) {
                (INTERFACE, _) => configuration.interfaces.push(Interface {
                    octets: descriptor.try_into().map_err(|_| Malformed("interface"))?,
                    extra: Vec::new(),
                    endpoints: Vec::new(),
                }),
                (ENDPOINT, Some(interface)) => {
                    let octets = *descriptor.first_chunk().ok_or(Malformed("endpoint"))?;
                    interface.endpoints.push(Endpoint { octets, extra: Vec::new() });
                }
                (ENDPOINT, None) => return Err(Malformed("endpoint")),
                (_, Some(interface)) => match interface.endpoints.last_mut() {
                    Some(endpoint) => endpoint.extra.extend(descriptor),
                    None => interface.extra.extend(descriptor),
                },
                (_, None) => configuration.extra.extend(descriptor),
            }
        }
        if rest.is_empty() { Ok(configuration) } else { Err(MALFORMED) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration with one smart-card interface, its class descriptor cut down to four octets, and two bulk endpoints.
    const CCID: &[u8] = b"\x09\x02\x24\0\x01\x01\0\x80\x32\x09\x04\0\0\x02\x0B\0\0\0\x04\x21\x10\x01\x07\x05\x01\x02\x40\0\0\x07\x05\x81\x02\x40\0\0";

    fn control(requests: &mut Vec<[u8; 8]>, setup: [u8; 8]) -> Result<Vec<u8>, Malformed> {
        requests.push(setup);
        let len = usize::from(setup[6]);
        Ok(match setup[3] {
            DEVICE => b"\x12\x01\x10\x02\0\0\0\x40\x09\x12\x01\0\0\x01\x01\x02\x03\x01".to_vec(),
            CONFIGURATION => CCID[..len].to_vec(),
            _ => Vec::new(),
        })
    }

    #[test]
    fn device_is_enumerated_and_configured() {
        let mut requests = Vec::new();
        let description = Description::enumerate(|setup| control(&mut requests, setup)).unwrap();
        assert_eq!(description.device_field(8), 0x1209);
        assert_eq!(requests[2], *b"\x80\x06\0\x02\0\0\x24\0");
        assert_eq!(requests[3], *b"\0\x09\x01\0\0\0\0\0");
        assert_eq!(requests.len(), 4);
    }

    #[test]
    fn class_descriptor_belongs_to_its_interface() {
        let configuration = Configuration::parse(CCID).unwrap();
        assert_eq!(configuration.extra, b"");
        let [interface] = &configuration.interfaces[..] else { panic!("one interface") };
        assert_eq!((interface.number(), interface.class()), (0, [0x0B, 0, 0]));
        assert_eq!(interface.extra, b"\x04\x21\x10\x01");
        let addresses: Vec<u8> = interface.endpoints.iter().map(|endpoint| endpoint.octets[2]).collect();
        assert_eq!(addresses, [0x01, 0x81]);
    }

    #[test]
    fn no_truncation_passes() {
        for len in 0..CCID.len() {
            assert!(Configuration::parse(&CCID[..len]).is_err(), "{len}");
            let mut cut = CCID[..len].to_vec();
            if let Some(total_len) = cut.get_mut(2) {
                *total_len = u8::try_from(len).unwrap();
            }
            // Whole descriptors are left at these lengths.
            assert_eq!(Configuration::parse(&cut).is_ok(), [9, 18, 22, 29].contains(&len), "{len}");
        }
    }

    #[test]
    fn descriptor_without_length_is_malformed() {
        let mut endless = CCID.to_vec();
        endless[18] = 0;
        assert_eq!(Configuration::parse(&endless), Err(Malformed("configuration")));
        let mut stray = CCID.to_vec();
        stray[10] = ENDPOINT;
        assert_eq!(Configuration::parse(&stray), Err(Malformed("endpoint")));
    }
}
