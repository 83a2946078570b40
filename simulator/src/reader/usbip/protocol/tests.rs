use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// `OP_REQ_IMPORT` of `1-2`, octet by octet.
const IMPORT: &[u8] = b"\x01\x11\x80\x03\0\0\0\x001-2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// `USBIP_CMD_SUBMIT` 5 to device 2 on bus 1: three octets to endpoint 2, with the flag for a zero packet.
const SUBMIT_OUT: &[u8] =
    b"\0\0\0\x01\0\0\0\x05\0\x01\0\x02\0\0\0\0\0\0\0\x02\0\0\0\x40\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0abc";

/// `USBIP_CMD_SUBMIT` 6: GET_DESCRIPTOR of 18 octets, as the kernel's documentation counts packets.
const SUBMIT_IN: &[u8] =
    b"\0\0\0\x01\0\0\0\x06\0\x01\0\x02\0\0\0\x01\0\0\0\0\0\0\x02\0\0\0\0\x12\0\0\0\0\xFF\xFF\xFF\xFF\0\0\0\0\x80\x06\0\x01\0\0\x12\0";

/// `USBIP_CMD_UNLINK` 7 of 6.
const UNLINK: &[u8] = b"\0\0\0\x02\0\0\0\x07\0\x01\0\x02\0\0\0\0\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// `USBIP_RET_SUBMIT` 5: three octets, done.
const RET_SUBMIT: &[u8] =
    b"\0\0\0\x03\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0abc";

/// `USBIP_RET_UNLINK` 7: -104.
const RET_UNLINK: &[u8] =
    b"\0\0\0\x04\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xFF\x98\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn emitted(emit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut octets = Vec::new();
    emit(&mut octets);
    octets
}

fn submit_out() -> Command {
    let transfer = Transfer::Out { data: b"abc".to_vec().into(), zero_packet: true };
    Command::Submit(Submit { seq: 5, device_id: 0x0001_0002, endpoint: 2, setup: [0; 8], transfer })
}

fn submit_in() -> Command {
    let setup = *b"\x80\x06\0\x01\0\0\x12\0";
    Command::Submit(Submit { seq: 6, device_id: 0x0001_0002, endpoint: 0, setup, transfer: Transfer::In { len: 18 } })
}

fn record(bus_id: &str) -> Record {
    Record {
        bus_id: BusId::new(bus_id).unwrap(),
        bus: 1,
        address: 2,
        speed: FULL_SPEED,
        vendor: 0x1209,
        product: 0x0001,
        release: 0x0100,
        class: [0, 0, 0],
        configuration: 1,
        configurations: 1,
        interfaces: vec![[0x0B, 0, 0], [3, 1, 2]],
    }
}

fn malformed<T: std::fmt::Debug>(answer: Result<T, Error>) -> Malformed {
    match answer.unwrap_err() {
        Error::Malformed(malformed) => malformed,
        Error::Io(error) => panic!("{error}"),
    }
}

#[test]
fn requests_both_ways() {
    let import = Request::Import(BusId::new("1-2").unwrap());
    assert_eq!(Request::read(&mut &IMPORT[..]).unwrap(), import);
    assert_eq!(emitted(|to| import.emit(to)), IMPORT);
    let devices = b"\x01\x11\x80\x05\0\0\0\0";
    assert_eq!(Request::read(&mut &devices[..]).unwrap(), Request::Devices);
    assert_eq!(emitted(|to| Request::Devices.emit(to)), devices);
}

#[test]
fn commands_both_ways() {
    assert_eq!(Command::read(&mut &SUBMIT_OUT[..]).unwrap(), Some(submit_out()));
    assert_eq!(emitted(|to| submit_out().emit(to)), SUBMIT_OUT);
    assert_eq!(Command::read(&mut &SUBMIT_IN[..]).unwrap(), Some(submit_in()));
    let unlink = Command::Unlink { seq: 7, victim: 6 };
    assert_eq!(Command::read(&mut &UNLINK[..]).unwrap(), Some(unlink));
    assert_eq!(Command::read(&mut &b""[..]).unwrap(), None);
}

#[test]
fn replies_both_ways() {
    let done = |data: &[u8]| Reply::Submit { seq: 5, status: Status::DONE, actual: 3, data: data.to_vec().into() };
    assert_eq!(Reply::read(&mut &RET_SUBMIT[..], |seq| (seq == 5).then_some(Room::In(3))).unwrap(), done(b"abc"));
    assert_eq!(Reply::read(&mut &RET_SUBMIT[..48], |_| Some(Room::Out(3))).unwrap(), done(b""));
    assert_eq!(emitted(|to| done(b"abc").emit(to)), RET_SUBMIT);
    let unlinked = Reply::Unlink { seq: 7, status: Status::UNLINKED };
    assert_eq!(Reply::read(&mut &RET_UNLINK[..], |_| None).unwrap(), unlinked);
    assert_eq!(emitted(|to| unlinked.emit(to)), RET_UNLINK);
}

#[test]
fn record_has_its_fields_where_they_belong() {
    let octets = emitted(|to| emit_import(Ok(&record("1-2")), to));
    assert_eq!(octets.len(), 8 + 312);
    assert_eq!(&octets[..8], b"\x01\x11\0\x03\0\0\0\0");
    assert!(octets[8..].starts_with(b"/simulator/usb1/1-2\0"));
    assert!(octets[264..].starts_with(b"1-2\0"));
    assert_eq!(&octets[296..], b"\0\0\0\x01\0\0\0\x02\0\0\0\x02\x12\x09\0\x01\x01\0\0\0\0\x01\x01\x02");
    let expected = Record { interfaces: vec![], ..record("1-2") };
    assert_eq!(read_import(&mut &octets[..]).unwrap(), Ok(expected));
    assert_eq!(record("1-2").device_id(), 0x0001_0002);
}

#[test]
fn refused_import_has_a_status_and_no_record() {
    let octets = emitted(|to| emit_import(Err(OpStatus::BUSY), to));
    assert_eq!(octets, b"\x01\x11\0\x03\0\0\0\x02");
    assert_eq!(read_import(&mut &octets[..]).unwrap(), Err(OpStatus::BUSY));
}

#[test]
fn device_list_both_ways() {
    let records = [record("1-1"), Record { interfaces: vec![], ..record("1-2") }];
    let octets = emitted(|to| emit_devices(&records, to));
    assert_eq!(octets.len(), 12 + 2 * 312 + 2 * 4);
    assert_eq!(&octets[12 + 312..12 + 320], b"\x0B\0\0\0\x03\x01\x02\0");
    assert_eq!(read_devices(&mut &octets[..]).unwrap(), records);
}

#[test]
fn every_truncation_is_an_end_of_file() {
    fn cut(message: &[u8], read: impl Fn(&mut &[u8]) -> Result<(), Error>) {
        assert!(read(&mut &message[..]).is_ok());
        for len in 0..message.len() {
            match read(&mut &message[..len]) {
                Err(Error::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof),
                other => panic!("{len} of {}: {other:?}", message.len()),
            }
        }
    }
    let import = emitted(|to| emit_import(Ok(&record("1-2")), to));
    let devices = emitted(|to| emit_devices(&[record("1-1")], to));
    // Nothing at all is the orderly end of the commands.
    let command =
        |from: &mut &[u8]| Command::read(from)?.map(|_| ()).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof).into());
    cut(IMPORT, |from| Request::read(from).map(|_| ()));
    cut(&import, |from| read_import(from).map(|_| ()));
    cut(&devices, |from| read_devices(from).map(|_| ()));
    cut(SUBMIT_OUT, command);
    cut(SUBMIT_IN, command);
    cut(UNLINK, command);
    cut(RET_SUBMIT, |from| Reply::read(from, |_| Some(Room::In(3))).map(|_| ()));
    cut(RET_UNLINK, |from| Reply::read(from, |_| None).map(|_| ()));
}

#[test]
fn what_breaks_the_protocol_is_named() {
    let changed = |message: &[u8], at: usize, octets: &[u8]| {
        let mut message = message.to_vec();
        message[at..at + octets.len()].copy_from_slice(octets);
        message
    };
    let request = |at, octets| malformed(Request::read(&mut &changed(IMPORT, at, octets)[..]));
    assert_eq!(request(0, b"\x01\x06"), Malformed::Version(0x0106));
    assert_eq!(request(2, b"\x00\x03"), Malformed::Operation(0x0003));
    assert_eq!(request(8, b"\0"), Malformed::BusId);
    assert_eq!(request(8, b"\xFF"), Malformed::BusId);
    assert_eq!(request(8, &[b'1'; 32]), Malformed::BusId);
    let command = |at, octets| malformed(Command::read(&mut &changed(SUBMIT_OUT, at, octets)[..]));
    assert_eq!(command(0, b"\0\0\0\x03"), Malformed::Command(3));
    assert_eq!(command(12, b"\0\0\0\x02"), Malformed::Direction(2));
    assert_eq!(command(16, b"\0\0\0\x10"), Malformed::Endpoint(16));
    assert_eq!(command(24, b"\0\x10\0\x01"), Malformed::TransferLength(0x0010_0001));
    assert_eq!(command(24, b"\xFF\xFF\xFF\xFF"), Malformed::TransferLength(u32::MAX));
    assert_eq!(command(32, b"\0\0\0\x01"), Malformed::Isochronous);
    assert_eq!(malformed(Reply::read(&mut &RET_SUBMIT[..], |_| Some(Room::In(2)))), Malformed::TransferLength(3));
    assert_eq!(malformed(Reply::read(&mut &RET_SUBMIT[..], |_| None)), Malformed::Sequence(5));
    assert_eq!(malformed(Reply::read(&mut &SUBMIT_OUT[..], |_| None)), Malformed::Command(1));
    assert_eq!(malformed(read_import(&mut &b"\x01\x11\0\x05\0\0\0\0"[..])), Malformed::Operation(5));
}

#[test]
fn what_follows_the_zero_octet_of_a_bus_id_means_nothing() {
    let mut message = IMPORT.to_vec();
    message[20] = b'x';
    assert_eq!(Request::read(&mut &message[..]).unwrap(), Request::Import(BusId::new("1-2").unwrap()));
}

/// Octets that are likely to be read as far as to their end: a real message with a few octets changed, or any octets.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![IMPORT, SUBMIT_OUT, SUBMIT_IN, UNLINK, RET_SUBMIT, RET_UNLINK]);
    let changed = (known, vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)).prop_map(|(message, changes)| {
        let mut message = message.to_vec();
        for (at, octet) in changes {
            let at = at.index(message.len());
            message[at] = octet;
        }
        message
    });
    prop_oneof![changed, vec(any::<u8>(), 0..400)]
}

proptest! {
    #[test]
    fn whatever_is_read_is_emitted_and_read_again(message in messages()) {
        if let Ok(request) = Request::read(&mut &message[..]) {
            prop_assert_eq!(Request::read(&mut &emitted(|to| request.emit(to))[..]).unwrap(), request);
        }
        if let Ok(Some(command)) = Command::read(&mut &message[..]) {
            prop_assert_eq!(Command::read(&mut &emitted(|to| command.emit(to))[..]).unwrap(), Some(command));
        }
        if let Ok(reply) = Reply::read(&mut &message[..], |_| Some(Room::In(100))) {
            prop_assert_eq!(Reply::read(&mut &emitted(|to| reply.emit(to))[..], |_| Some(Room::In(100))).unwrap(), reply);
        }
        if let Ok(records) = read_devices(&mut &message[..]) {
            prop_assert_eq!(read_devices(&mut &emitted(|to| emit_devices(&records, to))[..]).unwrap(), records);
        }
    }
}
