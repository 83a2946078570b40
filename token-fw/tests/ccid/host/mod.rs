//! A host of the token's USB device: it sends packets and fetches packets, over a bus and with a card that are made up.

mod bus;
pub(crate) mod card;

pub(crate) use bus::Wire;
use card::Card;

use token_fw::Instant;
use token_fw::ccid::{Identity, PACKET_LEN, SILENCE_MS, UsbToken};
use usb_device::bus::UsbBusAllocator;

/// Who the device says it is.
pub(crate) const IDENTITY: Identity<'_> = Identity {
    vendor_id: 0x1209,
    product_id: 0x0001,
    device_release: 0x0203,
    manufacturer: "Maker",
    product: "Token",
    serial: "0042",
};

/// Endpoints of the class: the bulk pipes.
pub(crate) const BULK_OUT: u8 = 0x01;
/// The other direction.
pub(crate) const BULK_IN: u8 = 0x81;

/// A device on a bus, its card, and the time.
pub(crate) struct Host<'a> {
    wire: Wire,
    token: UsbToken<'a, Wire>,
    /// The card in the device.
    pub(crate) card: Card,
    now: Instant,
    /// When the device has asked to be called.
    pub(crate) due: Option<Instant>,
    seq: u8,
}

/// Lets `script` be the host of a device that is attached, but not yet configured.
pub(crate) fn attached<T>(script: impl FnOnce(&mut Host<'_>) -> T) -> T {
    let wire = Wire::default();
    let bus = UsbBusAllocator::new(wire.clone());
    let token = UsbToken::new(&bus, &IDENTITY).unwrap();
    let mut host = Host { wire, token, card: Card::default(), now: Instant::from_ms(1000), due: None, seq: 0 };
    host.reset();
    script(&mut host)
}

/// Lets `script` be the host of a device that is configured.
pub(crate) fn configured<T>(script: impl FnOnce(&mut Host<'_>) -> T) -> T {
    attached(|host| {
        host.configure(1);
        script(host)
    })
}

/// Lets `script` be the host of a device whose card has power.
pub(crate) fn powered<T>(script: impl FnOnce(&mut Host<'_>) -> T) -> T {
    configured(|host| {
        host.power_on();
        script(host)
    })
}

impl Host<'_> {
    /// Lets the device do what is due.
    fn poll(&mut self) {
        loop {
            self.due = self.token.poll(self.now, &mut self.card);
            if self.due != Some(self.now) {
                break;
            }
        }
    }

    /// Lets `ms` milliseconds pass, and calls the device whenever it has asked for it.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now.after_ms(ms);
        while let Some(due) = self.due.filter(|due| *due <= end) {
            self.now = due;
            self.poll();
        }
        self.now = end;
        self.poll();
    }

    /// Resets the bus.
    pub(crate) fn reset(&mut self) {
        self.wire.reset();
        self.poll();
    }

    /// `SET_CONFIGURATION`, of a host that takes back what it has sent to the endpoints before.
    pub(crate) fn configure(&mut self, value: u16) {
        self.wire.cancel(BULK_OUT);
        assert!(self.control_out(0x00, 9, value, 0));
    }

    /// `GET_CONFIGURATION`.
    pub(crate) fn is_configured(&mut self) -> bool {
        self.control_in(0x80, 8, 0, 0, 1).unwrap() == [1]
    }

    /// A request without data. `false` if the device stalls it.
    pub(crate) fn control_out(&mut self, request_type: u8, request: u8, value: u16, index: u16) -> bool {
        self.wire.setup(request_type, request, value, index, 0);
        self.poll();
        let accepted = self.wire.fetch(0x80).is_some();
        self.poll();
        assert_ne!(accepted, self.wire.stalled(0x80));
        accepted
    }

    /// A request for at most `len` octets. `None` if the device stalls it.
    pub(crate) fn control_in(&mut self, request_type: u8, request: u8, value: u16, index: u16, len: u16) -> Option<Vec<u8>> {
        self.wire.setup(request_type, request, value, index, len);
        let mut data = Vec::new();
        loop {
            self.poll();
            if self.wire.stalled(0x80) {
                return None;
            }
            let packet = self.wire.fetch(0x80).unwrap();
            data.extend_from_slice(&packet);
            if packet.len() < PACKET_LEN || data.len() == usize::from(len) {
                break;
            }
        }
        self.poll();
        self.wire.send(0x00, &[]);
        self.poll();
        Some(data)
    }

    /// Puts one packet on its way.
    pub(crate) fn packet(&mut self, octets: &[u8]) {
        self.wire.send(BULK_OUT, octets);
        self.poll();
    }

    /// Puts `octets` on their way, in as many packets as it takes and no empty one.
    pub(crate) fn send(&mut self, octets: &[u8]) {
        octets.chunks(PACKET_LEN).for_each(|packet| self.packet(packet));
    }

    /// Puts all packets of `octets` on their way before the device is called.
    pub(crate) fn burst(&mut self, octets: &[u8]) {
        octets.chunks(PACKET_LEN).for_each(|packet| self.wire.send(BULK_OUT, packet));
        self.poll();
    }

    /// Fetches a packet, if there is one.
    pub(crate) fn fetch(&mut self) -> Option<Vec<u8>> {
        let packet = self.wire.fetch(BULK_IN);
        self.poll();
        packet
    }

    /// Fetches a message, which ends with a packet that is not full, and checks its length.
    pub(crate) fn message(&mut self) -> Option<Vec<u8>> {
        let mut message = self.fetch()?;
        while message.len().is_multiple_of(PACKET_LEN) {
            let packet = self.fetch().expect("a packet that ends the message");
            if packet.is_empty() {
                break;
            }
            message.extend_from_slice(&packet);
        }
        let declared = u32::from_le_bytes(message[1..5].try_into().unwrap());
        assert_eq!(declared as usize, message.len() - 10, "dwLength");
        Some(message)
    }

    /// A message of type `message_type` to slot 0, with the next `bSeq`.
    pub(crate) fn compose(&mut self, message_type: u8, specific: [u8; 3], data: &[u8]) -> Vec<u8> {
        self.seq = self.seq.wrapping_add(1);
        let mut message = vec![message_type];
        message.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
        message.extend_from_slice(&[0, self.seq]);
        message.extend_from_slice(&specific);
        message.extend_from_slice(data);
        message
    }

    /// Sends such a message and fetches the answer, which must be to it.
    pub(crate) fn exchange(&mut self, message_type: u8, specific: [u8; 3], data: &[u8]) -> Vec<u8> {
        let message = self.compose(message_type, specific, data);
        self.send(&message);
        let answer = self.message().expect("an answer");
        assert_eq!(answer[5..7], message[5..7], "bSlot, bSeq");
        answer
    }

    /// `IccPowerOn`; the answer.
    pub(crate) fn power_on(&mut self) -> Vec<u8> {
        self.exchange(0x62, [1, 0, 0], &[])
    }

    /// `IccPowerOff`; the answer.
    pub(crate) fn power_off(&mut self) -> Vec<u8> {
        self.exchange(0x63, [0; 3], &[])
    }

    /// `GetSlotStatus`; the answer.
    pub(crate) fn slot_status(&mut self) -> Vec<u8> {
        self.exchange(0x65, [0; 3], &[])
    }

    /// `XfrBlock` of a whole command APDU; the answer.
    pub(crate) fn apdu(&mut self, apdu: &[u8]) -> Vec<u8> {
        self.exchange(0x6F, [0; 3], apdu)
    }

    /// The response APDU to `apdu`.
    pub(crate) fn transmit(&mut self, apdu: &[u8]) -> Vec<u8> {
        let answer = self.apdu(apdu);
        assert_eq!([answer[0], answer[7], answer[8], answer[9]], [0x80, 0, 0, 0], "a DataBlock, done");
        answer[10..].to_vec()
    }

    /// Whatever has gone before: the device forgets a message that is not finished, its answers are fetched, and it says how its slot is.
    pub(crate) fn recovers(&mut self) {
        while self.fetch().is_some() {}
        self.pass(SILENCE_MS);
        while self.fetch().is_some() {}
        let answer = self.slot_status();
        assert_eq!((answer[0], answer.len()), (0x81, 10));
    }
}
