use super::*;

const PACKET: usize = 64;
const BULK_IN: u8 = 0x81;
const BULK_OUT: u8 = 0x01;
const EP0_IN: u8 = 0x80;
const EP0_OUT: u8 = 0x00;

/// SETUP packets: GET_DESCRIPTOR of 255 octets, SET_CONFIGURATION, and a class request with 70 octets of data.
const GET: [u8; 8] = *b"\x80\x06\0\x01\0\0\xFF\0";
const SET: [u8; 8] = *b"\0\x09\x01\0\0\0\0\0";
const SEND: [u8; 8] = *b"\x21\x01\0\0\0\0\x46\0";

/// A device with endpoint 0 and one bulk endpoint each way.
struct Bench {
    endpoints: Endpoints,
    replies: VecDeque<Reply>,
}

impl Bench {
    fn new() -> Self {
        let mut endpoints = Endpoints::default();
        for (direction, kind) in [(UsbDirection::Out, EndpointType::Bulk), (UsbDirection::In, EndpointType::Bulk)] {
            let address = endpoints.allocate(direction, None, kind, 64).unwrap();
            assert_eq!((address.index(), address.direction()), (1, direction));
        }
        for address in [EP0_OUT, EP0_IN] {
            let address = EndpointAddress::from(address);
            endpoints.allocate(address.direction(), Some(address), EndpointType::Control, 64).unwrap();
        }
        Self { endpoints, replies: VecDeque::new() }
    }

    fn submit(&mut self, seq: u32, endpoint: u8, setup: [u8; 8], transfer: Transfer) {
        self.endpoints.submit(Submit { seq, device_id: 0, endpoint, setup, transfer }, &mut self.replies);
    }

    fn ask(&mut self, seq: u32, len: usize) {
        self.submit(seq, 1, [0; 8], Transfer::In { len });
    }

    fn send(&mut self, seq: u32, data: &[u8], zero_packet: bool) {
        self.submit(seq, 1, [0; 8], Transfer::Out { data: data.to_vec().into(), zero_packet });
    }

    fn write(&mut self, address: u8, packet: &[u8]) -> Result<usize> {
        self.endpoints.write(address.into(), packet, &mut self.replies)
    }

    fn read(&mut self, address: u8) -> Result<Vec<u8>> {
        let mut packet = vec![0; PACKET];
        let len = self.endpoints.read(address.into(), &mut packet, &mut self.replies)?;
        packet.truncate(len);
        Ok(packet)
    }

    fn stall(&mut self, address: u8, stalled: bool) {
        self.endpoints.set_stalled(address.into(), stalled, &mut self.replies);
    }

    /// Events of endpoints to read, sent and of SETUP.
    fn events(&mut self) -> (u16, u16, u16) {
        let Events { out, in_complete, setup } = self.endpoints.take_events();
        (out, in_complete, setup)
    }

    fn replies(&mut self) -> Vec<Reply> {
        self.replies.drain(..).collect()
    }
}

fn done(seq: u32, data: &[u8]) -> Reply {
    Reply::Submit { seq, status: Status::DONE, actual: data.len(), data: data.to_vec().into() }
}

fn sent(seq: u32, actual: usize) -> Reply {
    Reply::Submit { seq, status: Status::DONE, actual, data: vec![].into() }
}

#[test]
fn transfer_to_the_host_ends_with_a_short_packet() {
    let mut bench = Bench::new();
    bench.ask(1, 1000);
    for packet in [&[1; 64][..], &[2; 64], &[3; 5]] {
        assert_eq!(bench.write(BULK_IN, packet), Ok(packet.len()));
        assert_eq!(bench.events(), (0, 2, 0));
    }
    assert_eq!(bench.replies(), [done(1, &[&[1; 64][..], &[2; 64], &[3; 5]].concat())]);
    assert_eq!(bench.events(), (0, 0, 0));
}

#[test]
fn transfer_of_full_packets_ends_with_an_empty_one() {
    let mut bench = Bench::new();
    bench.ask(1, 1000);
    bench.write(BULK_IN, &[1; 64]).unwrap();
    assert_eq!(bench.replies(), []);
    bench.write(BULK_IN, &[]).unwrap();
    assert_eq!(bench.replies(), [done(1, &[1; 64])]);
}

#[test]
fn transfer_to_the_host_ends_when_it_is_full() {
    let mut bench = Bench::new();
    bench.ask(1, 128);
    bench.ask(2, 64);
    for _ in 0..2 {
        bench.write(BULK_IN, &[1; 64]).unwrap();
    }
    assert_eq!(bench.replies(), [done(1, &[1; 128])]);
    bench.write(BULK_IN, &[]).unwrap();
    assert_eq!(bench.replies(), [done(2, b"")]);
}

#[test]
fn packet_that_does_not_fit_is_babble() {
    let mut bench = Bench::new();
    bench.ask(1, 70);
    bench.ask(2, 70);
    bench.write(BULK_IN, &[1; 64]).unwrap();
    bench.write(BULK_IN, &[2; 7]).unwrap();
    assert_eq!(bench.replies(), [Reply::Submit { seq: 1, status: Status::BABBLE, actual: 64, data: vec![1; 64].into() }]);
    bench.write(BULK_IN, &[3; 7]).unwrap();
    assert_eq!(bench.replies(), [done(2, &[3; 7])]);
}

#[test]
fn one_packet_waits_for_the_host() {
    let mut bench = Bench::new();
    assert_eq!(bench.write(BULK_IN, b"abc"), Ok(3));
    assert_eq!(bench.write(BULK_IN, b"def"), Err(UsbError::WouldBlock));
    assert_eq!(bench.write(BULK_IN, &[0; 65]), Err(UsbError::BufferOverflow));
    assert_eq!(bench.events(), (0, 0, 0));
    bench.ask(1, 64);
    assert_eq!(bench.replies(), [done(1, b"abc")]);
    assert_eq!(bench.events(), (0, 2, 0));
}

#[test]
fn transfer_to_the_device_ends_when_all_is_read() {
    let mut bench = Bench::new();
    bench.send(1, &[1; 130], false);
    for packet in [&[1; 64][..], &[1; 64], &[1; 2]] {
        assert_eq!(bench.replies(), []);
        assert_eq!(bench.events(), (2, 0, 0));
        assert_eq!(bench.read(BULK_OUT).unwrap(), packet);
    }
    assert_eq!(bench.replies(), [sent(1, 130)]);
    assert_eq!(bench.read(BULK_OUT), Err(UsbError::WouldBlock));
}

#[test]
fn empty_packet_follows_a_full_one_if_asked_for() {
    for (data, zero_packet, packets) in [
        (&[1; 128][..], true, 3),
        (&[1; 128], false, 2),
        (&[1; 127], true, 2),
        (&[], true, 1),
        (&[], false, 1),
        (&[1; 64], true, 2),
    ] {
        let mut bench = Bench::new();
        bench.send(1, data, zero_packet);
        let mut read = Vec::new();
        for _ in 0..packets {
            assert_eq!(bench.replies(), []);
            read.extend(bench.read(BULK_OUT).unwrap());
        }
        assert_eq!(bench.replies(), [sent(1, data.len())], "{} {zero_packet}", data.len());
        assert_eq!(read, data);
    }
}

#[test]
fn packet_too_long_for_the_device_is_not_in_its_way_for_ever() {
    let mut bench = Bench::new();
    bench.send(1, b"abc", false);
    assert_eq!(bench.endpoints.read(BULK_OUT.into(), &mut [0; 2], &mut bench.replies), Err(UsbError::BufferOverflow));
    assert_eq!(bench.replies(), [sent(1, 3)]);
}

#[test]
fn stalled_endpoint_ends_transfers_until_it_is_cleared() {
    let mut bench = Bench::new();
    bench.ask(1, 64);
    bench.send(2, b"abc", false);
    bench.stall(BULK_IN, true);
    bench.stall(BULK_OUT, true);
    bench.ask(3, 64);
    bench.send(4, b"abc", false);
    assert_eq!(bench.replies(), [1, 2, 3, 4].map(|seq| ended(seq, Status::STALL)));
    assert!(bench.endpoints.is_stalled(BULK_IN.into()) && bench.endpoints.is_stalled(BULK_OUT.into()));
    assert_eq!(bench.events(), (0, 0, 0));
    bench.stall(BULK_IN, false);
    bench.stall(BULK_OUT, false);
    bench.send(5, b"abc", false);
    assert_eq!(bench.read(BULK_OUT).unwrap(), b"abc");
    bench.write(BULK_IN, b"def").unwrap();
    bench.ask(6, 64);
    assert_eq!(bench.replies(), [sent(5, 3), done(6, b"def")]);
}

#[test]
fn transfer_that_is_given_up_is_answered_once() {
    let mut bench = Bench::new();
    bench.ask(1, 64);
    bench.ask(2, 64);
    bench.send(3, &[0; 100], false);
    bench.submit(4, 0, GET, Transfer::In { len: 255 });
    let mut unlink = |seq, victim| {
        bench.endpoints.unlink(seq, victim, &mut bench.replies);
        bench.replies.pop_front().unwrap()
    };
    for victim in [1, 3, 4] {
        assert_eq!(unlink(9, victim), Reply::Unlink { seq: 9, status: Status::UNLINKED });
        assert_eq!(unlink(9, victim), Reply::Unlink { seq: 9, status: Status::DONE });
    }
    bench.write(BULK_IN, b"abc").unwrap();
    assert_eq!(bench.replies(), [done(2, b"abc")]);
    assert_eq!(bench.events(), (0, 2, 0));
}

#[test]
fn transfer_to_no_endpoint_or_too_many_are_refused() {
    let mut bench = Bench::new();
    bench.submit(1, 2, [0; 8], Transfer::In { len: 1 });
    bench.submit(2, 15, [0; 8], Transfer::Out { data: vec![0].into(), zero_packet: false });
    assert_eq!(bench.replies(), [1, 2].map(|seq| ended(seq, Status::NO_ENDPOINT)));
    for seq in 0..=64 {
        bench.ask(seq, 64);
    }
    assert_eq!(bench.replies(), [ended(64, Status::TOO_MANY)]);
}

#[test]
fn control_transfer_to_the_host_has_three_stages() {
    let mut bench = Bench::new();
    bench.submit(1, 0, GET, Transfer::In { len: 255 });
    assert_eq!(bench.events(), (0, 0, 1));
    assert_eq!(bench.read(EP0_OUT).unwrap(), GET);
    assert_eq!(bench.events(), (0, 0, 0));
    bench.write(EP0_IN, &[1; 64]).unwrap();
    assert_eq!(bench.events(), (0, 1, 0));
    bench.write(EP0_IN, &[2; 3]).unwrap();
    assert_eq!(bench.events(), (1, 1, 0));
    assert_eq!(bench.replies(), []);
    assert_eq!(bench.read(EP0_OUT).unwrap(), b"");
    assert_eq!(bench.replies(), [done(1, &[&[1; 64][..], &[2; 3]].concat())]);
}

#[test]
fn control_transfer_without_data_is_acknowledged() {
    let mut bench = Bench::new();
    bench.submit(1, 0, SET, Transfer::Out { data: vec![].into(), zero_packet: false });
    assert_eq!(bench.read(EP0_OUT).unwrap(), SET);
    bench.write(EP0_IN, &[]).unwrap();
    assert_eq!(bench.replies(), [sent(1, 0)]);
}

#[test]
fn control_transfer_to_the_device_has_its_data_in_between() {
    let mut bench = Bench::new();
    bench.submit(1, 0, SEND, Transfer::Out { data: vec![7; 70].into(), zero_packet: false });
    for packet in [&SEND[..], &[7; 64], &[7; 6]] {
        assert_eq!(bench.read(EP0_OUT).unwrap(), packet);
    }
    assert_eq!(bench.read(EP0_OUT), Err(UsbError::WouldBlock));
    assert_eq!(bench.replies(), []);
    bench.write(EP0_IN, &[]).unwrap();
    assert_eq!(bench.replies(), [sent(1, 70)]);
}

#[test]
fn late_packet_does_not_end_the_next_control_transfer() {
    let mut bench = Bench::new();
    bench.submit(1, 0, GET, Transfer::In { len: 64 });
    bench.read(EP0_OUT).unwrap();
    bench.write(EP0_IN, &[1; 64]).unwrap();
    // The room is full, but the device does not know and sends an empty packet: before the acknowledgement, after it, and in the next transfer.
    bench.write(EP0_IN, &[]).unwrap();
    bench.read(EP0_OUT).unwrap();
    assert_eq!(bench.replies(), [done(1, &[1; 64])]);
    bench.write(EP0_IN, &[]).unwrap();
    bench.submit(2, 0, GET, Transfer::In { len: 255 });
    bench.write(EP0_IN, &[]).unwrap();
    bench.stall(EP0_IN, true);
    assert_eq!(bench.replies(), []);
    bench.read(EP0_OUT).unwrap();
    bench.write(EP0_IN, b"abc").unwrap();
    bench.read(EP0_OUT).unwrap();
    assert_eq!(bench.replies(), [done(2, b"abc")]);
}

#[test]
fn control_transfer_that_the_device_refuses_is_a_stall() {
    let mut bench = Bench::new();
    bench.submit(1, 0, GET, Transfer::In { len: 255 });
    bench.submit(2, 0, SET, Transfer::Out { data: vec![].into(), zero_packet: false });
    bench.read(EP0_OUT).unwrap();
    bench.stall(EP0_OUT, true);
    bench.stall(EP0_IN, true);
    assert_eq!(bench.replies(), [ended(1, Status::STALL)]);
    assert_eq!(bench.read(EP0_OUT).unwrap(), SET);
}

#[test]
fn control_transfer_must_be_what_its_setup_packet_says() {
    let mut bench = Bench::new();
    bench.submit(1, 0, GET, Transfer::Out { data: vec![0; 255].into(), zero_packet: false });
    bench.submit(2, 0, SEND, Transfer::Out { data: vec![0; 69].into(), zero_packet: false });
    bench.submit(3, 0, SET, Transfer::In { len: 1 });
    assert_eq!(bench.replies(), [1, 2, 3].map(|seq| ended(seq, Status::INVALID)));
}

#[test]
fn babble_on_endpoint_0() {
    let mut bench = Bench::new();
    bench.submit(1, 0, GET, Transfer::In { len: 10 });
    bench.read(EP0_OUT).unwrap();
    bench.write(EP0_IN, &[0; 11]).unwrap();
    assert_eq!(bench.replies(), [ended(1, Status::BABBLE)]);
}

#[test]
fn bus_reset_clears_what_the_device_left() {
    let mut bench = Bench::new();
    bench.write(BULK_IN, b"old").unwrap();
    bench.stall(BULK_OUT, true);
    bench.endpoints.reset();
    assert!(!bench.endpoints.is_stalled(BULK_OUT.into()));
    bench.ask(1, 64);
    bench.write(BULK_IN, b"new").unwrap();
    assert_eq!(bench.replies(), [done(1, b"new")]);
}

#[test]
fn endpoints_that_cannot_be_are_refused() {
    let mut bench = Bench::new();
    let mut allocate = |address: Option<u8>, direction, kind, len| {
        bench.endpoints.allocate(direction, address.map(EndpointAddress::from), kind, len).map(u8::from)
    };
    assert_eq!(allocate(Some(0x81), UsbDirection::In, EndpointType::Bulk, 64), Err(UsbError::InvalidEndpoint));
    assert_eq!(allocate(Some(0x82), UsbDirection::Out, EndpointType::Bulk, 64), Err(UsbError::InvalidEndpoint));
    assert_eq!(allocate(None, UsbDirection::In, EndpointType::Bulk, 0), Err(UsbError::InvalidEndpoint));
    assert_eq!(allocate(Some(0x83), UsbDirection::In, EndpointType::Control, 64), Err(UsbError::Unsupported));
    for index in 2..16 {
        assert_eq!(allocate(None, UsbDirection::In, EndpointType::Interrupt, 8), Ok(0x80 | index));
    }
    assert_eq!(allocate(None, UsbDirection::In, EndpointType::Bulk, 64), Err(UsbError::EndpointOverflow));
}
