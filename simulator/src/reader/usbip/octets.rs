//! What goes over the wire, and may be a PIN or a key.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// The octets of a transfer. `Debug` tells only how many they are: a message of CCID's has PINs and keys in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Octets(Vec<u8>);

impl From<Vec<u8>> for Octets {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets)
    }
}

impl From<Octets> for Vec<u8> {
    fn from(octets: Octets) -> Self {
        octets.0
    }
}

impl Deref for Octets {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Octets {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::Completed;
    use super::super::endpoint::Endpoints;
    use super::super::protocol::{Command, Reply, Status, Submit, Transfer};
    use super::*;
    use std::collections::VecDeque;
    use usb_device::UsbDirection;
    use usb_device::endpoint::{EndpointAddress, EndpointType};

    /// VERIFY with the PIN 1234, and how `Debug` would show its octets.
    const SECRET: &[u8] = b"\x00\x20\x00\x01\x041234";
    const SHOWN: [&str; 3] = ["49, 50, 51, 52", "1234", "31323334"];

    #[track_caller]
    fn hides(shown: &dyn fmt::Debug) {
        let text = format!("{shown:?}");
        assert!(!SHOWN.iter().any(|secret| text.contains(secret)), "{text}");
        assert!(text.contains("9 octets"), "{text}");
    }

    #[test]
    fn debug_tells_lengths_only() {
        let data = Octets::from(SECRET.to_vec());
        hides(&data);
        let transfer = Transfer::Out { data: data.clone(), zero_packet: false };
        hides(&Command::Submit(Submit { seq: 1, device_id: 2, endpoint: 1, setup: [0; 8], transfer: transfer.clone() }));
        hides(&Reply::Submit { seq: 1, status: Status::DONE, actual: 9, data: data.clone() });
        hides(&Completed { status: Status::DONE, actual: 9, data });

        // On their way through a device's endpoints: to it, from it before the host asks, and while it asks for more.
        let mut replies = VecDeque::new();
        for (direction, submitted, written) in [
            (UsbDirection::Out, Some(transfer), false),
            (UsbDirection::In, None, true),
            (UsbDirection::In, Some(Transfer::In { len: 64 }), true),
        ] {
            let mut endpoints = Endpoints::default();
            let address = EndpointAddress::from_parts(1, direction);
            // As long as a packet, so that more is to follow it.
            endpoints.allocate(direction, Some(address), EndpointType::Bulk, SECRET.len() as u16).unwrap();
            if let Some(transfer) = submitted {
                endpoints.submit(Submit { seq: 1, device_id: 2, endpoint: 1, setup: [0; 8], transfer }, &mut replies);
            }
            if written {
                endpoints.write(address, SECRET, &mut replies).unwrap();
            }
            hides(&endpoints);
        }
        assert!(replies.is_empty());
    }
}
