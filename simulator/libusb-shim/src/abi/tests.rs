#![allow(clippy::undocumented_unsafe_blocks, reason = "the test is the caller, and keeps every promise that is asked of one")]

use heapless::VecView;
use simulator::hw::RealClock;
use simulator::reader::usbip::client::{AttachError, Attachment};
use simulator::reader::usbip::protocol::{BusId, OpStatus};
use simulator::reader::usbip::{Server, ccid_device};
use token_fw::{Icc, Instant, Progress};
use token_proto::Atr;

use super::*;
use crate::transfers::Outcome;

const BULK: u8 = 2;
const BULK_OUT: u8 = 0x01;
const BULK_IN: u8 = 0x81;
const PATIENCE_MS: c_uint = 30_000;

/// PC_to_RDR_GetSlotStatus and what the reader answers: a card without power (CCID Rev 1.1, 6.1.3 and 6.2.2).
const GET_SLOT_STATUS: &[u8] = b"\x65\0\0\0\0\0\x07\0\0\0";
const SLOT_STATUS: &[u8] = b"\x81\0\0\0\0\0\x07\x01\0\0";

/// A card that nobody gives power.
struct Card;

impl Icc for Card {
    fn power_on(&mut self) -> Atr {
        Atr::new(b"\x3B\x00").unwrap()
    }
    fn power_off(&mut self) {}
    fn command(&mut self, _: Instant, _: &[u8], _: &mut VecView<u8>) -> Progress {
        Progress::Done
    }
    fn resume(&mut self, _: Instant, _: &mut VecView<u8>) -> Progress {
        Progress::Done
    }
}

/// An open device of a server of its own.
struct Bench {
    server: Server,
    bus_id: BusId,
    handle: *mut Handle,
}

impl Bench {
    fn new() -> Self {
        let mut server = Server::bind("127.0.0.1:0").unwrap();
        let bus_id = server.plug_in(ccid_device(Card, RealClock::default(), "T1".into())).unwrap();
        let [device] = &device::devices_of(&server.address().to_string())[..] else { panic!("one device") };
        let mut handle = ptr::null_mut();
        assert_eq!(unsafe { libusb_open(Arc::as_ptr(device), &raw mut handle) }, 0);
        Self { server, bus_id, handle }
    }

    fn bulk(&self, endpoint: u8, data: &mut [u8], timeout_ms: c_uint) -> (c_int, c_int) {
        let mut transferred = -1;
        let len = length(data.len());
        let code = unsafe { libusb_bulk_transfer(self.handle, endpoint, data.as_mut_ptr(), len, &raw mut transferred, timeout_ms) };
        (code, transferred)
    }

    fn ask(&self) {
        assert_eq!(self.bulk(BULK_OUT, &mut GET_SLOT_STATUS.to_vec(), PATIENCE_MS), (0, 10));
    }

    fn control(&self, setup: [u8; 4], index: u16, data: &mut [u8]) -> c_int {
        let [request_type, request, low, high] = setup;
        let (value, len) = (u16::from_le_bytes([low, high]), u16::try_from(data.len()).unwrap());
        unsafe { libusb_control_transfer(self.handle, request_type, request, value, index, data.as_mut_ptr(), len, PATIENCE_MS) }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        unsafe { libusb_close(self.handle) };
    }
}

#[test]
fn device_is_listed_once_however_often_it_is_asked_for() {
    let bench = Bench::new();
    let address = bench.server.address().to_string();
    let [first] = &device::devices_of(&address)[..] else { panic!("one device") };
    let [second] = &device::devices_of(&format!(",{address}"))[..] else { panic!("one device") };
    assert!(Arc::ptr_eq(first, second), "a second one would find it busy");
    let list: Box<[*const Device]> = Box::new([Arc::into_raw(Arc::clone(first)), ptr::null()]);
    let list = Box::into_raw(list).cast::<*const Device>();
    let references = Arc::strong_count(first);
    unsafe {
        let device = list.read();
        assert_eq!((libusb_get_bus_number(device), libusb_get_device_address(device)), (1, 2));
        libusb_free_device_list(list, 1);
    }
    assert_eq!(Arc::strong_count(first), references - 1);
}

#[test]
fn device_that_nobody_holds_is_given_back() {
    let mut bench = Bench::new();
    let (address, bus_id) = (bench.server.address().to_string(), bench.bus_id);
    let attach = || Attachment::new(&address, bus_id);
    assert!(matches!(attach(), Err(AttachError::Refused(OpStatus::BUSY))));
    // The bench closes nothing then.
    unsafe { libusb_close(std::mem::replace(&mut bench.handle, ptr::null_mut())) };
    // The server hears of that over a connection of its own, which may be later than it is asked over another.
    let begin = std::time::Instant::now();
    while let Err(error) = attach() {
        assert!(matches!(error, AttachError::Refused(OpStatus::BUSY)) && begin.elapsed().as_secs() < 30, "{error}");
        std::thread::yield_now();
    }
}

#[test]
fn descriptors_are_those_of_the_device() {
    let bench = Bench::new();
    let device = unsafe { Arc::as_ptr(&(*bench.handle).device) };
    let mut octets = [0u8; 18];
    unsafe { assert_eq!(libusb_get_device_descriptor(device, octets.as_mut_ptr().cast()), 0) };
    assert_eq!(octets[8..12], *b"\x09\x12\x01\0");
    let mut config = ptr::null_mut();
    unsafe {
        assert_eq!(libusb_get_active_config_descriptor(device, &raw mut config), 0);
        let (class, extra_len, endpoints) = (*config.cast::<Config>()).first_setting();
        assert_eq!((class, extra_len), ([0x0B, 0, 0], 54));
        assert_eq!(endpoints, [BULK_OUT, BULK_IN]);
        libusb_free_config_descriptor(config);
    }
}

#[test]
fn strings_are_ascii_and_cut_to_their_room() {
    let bench = Bench::new();
    let mut room = [0xFF; 64];
    let mut string = |index, len| {
        let code = unsafe { libusb_get_string_descriptor_ascii(bench.handle, index, room.as_mut_ptr(), len) };
        (code, room[..usize::try_from(code + 1).unwrap_or(0)].to_vec())
    };
    assert_eq!(string(2, 64), (15, b"Simulated token\0".to_vec()));
    assert_eq!(string(3, 64), (2, b"T1\0".to_vec()));
    assert_eq!(string(2, 5), (4, b"Simu\0".to_vec()));
    assert_eq!(string(2, 0).0, Error::InvalidParam as c_int);
    assert_eq!(string(0, 64).0, Error::InvalidParam as c_int);
    assert_eq!(string(9, 64).0, Error::Pipe as c_int);
}

#[test]
fn every_end_of_a_transfer_has_its_code() {
    let bench = Bench::new();
    let mut answer = [0; 64];
    bench.ask();
    assert_eq!(bench.bulk(BULK_IN, &mut answer, PATIENCE_MS), (0, 10));
    assert_eq!(answer[..10], *SLOT_STATUS);
    assert_eq!(bench.bulk(BULK_IN, &mut answer, 1), (Error::Timeout as c_int, 0));
    bench.ask();
    assert_eq!(bench.bulk(BULK_IN, &mut answer[..9], PATIENCE_MS).0, Error::Overflow as c_int);
    assert_eq!(bench.bulk(0x85, &mut answer, PATIENCE_MS).0, Error::NotFound as c_int);
    // GET_DESCRIPTOR of a device qualifier, GET_CONFIGURATION, and CLEAR_FEATURE of an endpoint.
    assert_eq!(bench.control(*b"\x80\x06\0\x06", 0, &mut answer[..10]), Error::Pipe as c_int);
    assert_eq!((bench.control(*b"\x80\x08\0\0", 0, &mut answer[..1]), answer[0]), (1, 1));
    assert_eq!(bench.control(*b"\x02\x01\0\0", BULK_IN.into(), &mut []), 0);
    for (code, name) in [(0, "LIBUSB_SUCCESS"), (-7, "LIBUSB_ERROR_TIMEOUT"), (-99, "**UNKNOWN**")] {
        assert_eq!(unsafe { CStr::from_ptr(libusb_error_name(code)) }.to_str(), Ok(name));
    }
}

#[test]
fn lost_device_comes_back_with_a_write() {
    let bench = Bench::new();
    let mut answer = [0; 64];
    bench.server.unplug(bench.bus_id);
    assert_eq!(bench.bulk(BULK_IN, &mut answer, PATIENCE_MS).0, Error::NoDevice as c_int);
    assert_eq!(bench.bulk(BULK_OUT, &mut GET_SLOT_STATUS.to_vec(), PATIENCE_MS).0, Error::NoDevice as c_int);
    bench.server.replug(bench.bus_id);
    bench.ask();
    assert_eq!(bench.bulk(BULK_IN, &mut answer, PATIENCE_MS), (0, 10));
}

/// A transfer whose end sets an `int`, as libccid has it.
struct Asynchronous {
    transfer: *mut Transfer,
    completed: Box<c_int>,
    _buffer: Box<[u8; 64]>,
}

unsafe extern "C" fn set_completed(transfer: *mut Transfer) {
    unsafe { AtomicI32::from_ptr((*transfer).user_data.cast()).store(1, Ordering::SeqCst) };
}

impl Asynchronous {
    fn begin(bench: &Bench, timeout_ms: c_uint) -> Self {
        let (mut completed, mut buffer) = (Box::new(0), Box::new([0; 64]));
        let transfer = libusb_alloc_transfer(0);
        unsafe {
            *transfer = Transfer {
                handle: bench.handle.cast(),
                endpoint: BULK_IN,
                kind: BULK,
                timeout: timeout_ms,
                length: 64,
                callback: Some(set_completed),
                user_data: (&raw mut *completed).cast(),
                buffer: buffer.as_mut_ptr(),
                ..Transfer::new()
            };
            assert_eq!(libusb_submit_transfer(transfer), 0);
        }
        Self { transfer, completed, _buffer: buffer }
    }

    /// Handles events until it has ended; its status and what came.
    fn end(mut self) -> (c_int, Vec<u8>) {
        let completed = &raw mut *self.completed;
        unsafe {
            while AtomicI32::from_ptr(completed).load(Ordering::SeqCst) == 0 {
                assert_eq!(libusb_handle_events_completed(ptr::null_mut(), completed), 0);
            }
            let Transfer { status, actual_length, buffer, .. } = *self.transfer;
            let data = slice::from_raw_parts(buffer, usize::try_from(actual_length).unwrap()).to_vec();
            libusb_free_transfer(self.transfer);
            (status, data)
        }
    }
}

#[test]
fn asynchronous_transfers_end_with_their_callback() {
    let bench = Bench::new();
    let transfer = Asynchronous::begin(&bench, 0);
    bench.ask();
    assert_eq!(transfer.end(), (Outcome::Completed as c_int, SLOT_STATUS.to_vec()));
    assert_eq!(Asynchronous::begin(&bench, 1).end(), (Outcome::TimedOut as c_int, vec![]));
    let transfer = Asynchronous::begin(&bench, 0);
    assert_eq!(unsafe { libusb_cancel_transfer(transfer.transfer) }, 0);
    assert_eq!(transfer.end(), (Outcome::Cancelled as c_int, vec![]));
    let transfer = Asynchronous::begin(&bench, 0);
    bench.server.unplug(bench.bus_id);
    assert_eq!(transfer.end(), (Outcome::NoDevice as c_int, vec![]));
    assert_eq!(unsafe { libusb_cancel_transfer(ptr::null_mut()) }, Error::NotFound as c_int);
    assert!(libusb_alloc_transfer(1).is_null());
}
