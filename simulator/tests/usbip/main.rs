//! The USB/IP server and client over TCP, with a device that sends back what it is sent.

mod echo;
mod raw;

use std::io::Read as _;
use std::net::TcpStream;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use echo::Echo;
use raw::{GET_CONFIGURATION, GET_DEVICE, Raw, SET_CONFIGURATION};
use simulator::reader::usbip::client::{self, AttachError, Attachment, TransferError};
use simulator::reader::usbip::protocol::{BusId, OpStatus, Status, Transfer};
use simulator::reader::usbip::{PlugError, Server};

/// Bound of everything that waits here.
const PATIENCE: Duration = Duration::from_secs(30);

const STALL: i32 = -32;
const BABBLE: i32 = -75;
const UNLINKED: i32 = -104;

fn server(devices: usize) -> Server {
    let mut server = Server::bind("127.0.0.1:0").unwrap();
    for number in 1..=devices {
        assert_eq!(server.plug_in(Echo::device()).unwrap().as_str(), format!("1-{number}"));
    }
    server
}

/// A server with one device, and a channel that tells of every end of its power but the first, after the server asked the device what it is.
fn watched_server() -> (Server, mpsc::Receiver<()>) {
    let (sender, ends) = mpsc::channel();
    let mut server = Server::bind("127.0.0.1:0").unwrap();
    let mut echo = Echo::device();
    let device = move |bus| {
        echo(bus);
        // The test may be over.
        let _ = sender.send(());
    };
    server.plug_in(device).unwrap();
    ends.recv_timeout(PATIENCE).unwrap();
    (server, ends)
}

fn message(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

#[test]
fn device_is_listed_attached_and_enumerated() {
    let server = server(2);
    let list = Raw::devices(server.address());
    assert_eq!(list.len(), 12 + 2 * (312 + 4));
    assert_eq!(&list[..12], b"\x01\x11\0\x05\0\0\0\0\0\0\0\x02");
    assert!(list[12 + 256..].starts_with(b"1-1\0") && list[12 + 316 + 256..].starts_with(b"1-2\0"));
    assert_eq!(&list[12 + 312..12 + 316], b"\xFF\x01\x02\0");
    let mut raw = Raw::attach(server.address(), "1-2");
    assert_eq!(raw.record()[288..312], *b"\0\0\0\x01\0\0\0\x03\0\0\0\x02\x12\x09\x00\x02\x01\x00\0\0\0\x01\x01\x01");
    assert_eq!(raw.control_in(GET_DEVICE, 18), (0, b"\x12\x01\x00\x02\0\0\0\x40\x09\x12\x02\0\0\x01\x01\x02\x03\x01".to_vec()));
    let (status, configuration) = raw.control_in(GET_CONFIGURATION, 255);
    assert_eq!((status, configuration.len(), configuration[2]), (0, 9 + 9 + 7 + 7, 32));
    assert_eq!(raw.control_out(SET_CONFIGURATION, b""), (0, 0));
    // A device qualifier, which a full-speed device has not (USB 2.0, 9.6.2).
    assert_eq!(raw.control_in(*b"\x80\x06\0\x06\0\0\x0A\0", 10), (STALL, vec![]));
    assert_eq!(raw.control_in(GET_DEVICE, 18).0, 0);
}

#[test]
fn messages_of_all_lengths_come_back() {
    let server = server(1);
    let mut raw = Raw::configured(server.address(), "1-1");
    let lengths = (1..=130).chain((192..=3008).step_by(64)).chain([1000, 2067, 2999, 3000]);
    for len in lengths {
        let message = message(len);
        assert_eq!(raw.bulk_out(&message), (0, len));
        assert_eq!(raw.bulk_in(65_556), (0, message), "{len}");
    }
}

#[test]
fn room_of_a_transfer_is_honoured() {
    let server = server(1);
    let mut raw = Raw::configured(server.address(), "1-1");
    raw.bulk_out(&message(200));
    assert_eq!(raw.bulk_in(128), (0, message(200)[..128].to_vec()));
    assert_eq!(raw.bulk_in(70), (BABBLE, message(192)[128..].to_vec()));
    assert_eq!(raw.bulk_out(&message(64)), (0, 64));
    assert_eq!(raw.bulk_in(64), (0, message(64)));
    assert_eq!(raw.bulk_in(64), (0, vec![]), "the empty packet that ends the message");
}

#[test]
fn pending_read_is_given_up() {
    let server = server(1);
    let mut raw = Raw::configured(server.address(), "1-1");
    let victim = raw.submit(1, 1, [0; 8], 64, b"");
    let seq = raw.unlink(victim);
    assert_eq!(raw.reply(), (4, seq, UNLINKED, 0));
    let ended = raw.submit(1, 1, [0; 8], 64, b"");
    assert_eq!(raw.bulk_out_while_reading(b"abc", ended), b"abc");
    let seq = raw.unlink(ended);
    assert_eq!(raw.reply(), (4, seq, 0, 0), "it had ended before");
}

#[test]
fn stalled_endpoint_says_so_until_cleared() {
    let server = server(1);
    let mut raw = Raw::configured(server.address(), "1-1");
    let pending = raw.submit(1, 1, [0; 8], 64, b"");
    assert_eq!(raw.control_out(echo::STALL_IN, b""), (0, 0));
    assert_eq!(raw.late_reply(pending), (STALL, vec![]));
    assert_eq!(raw.bulk_in(64), (STALL, vec![]));
    assert_eq!(raw.control_in(*b"\x82\0\0\0\x81\0\x02\0", 2), (0, vec![1, 0]), "GET_STATUS");
    assert_eq!(raw.control_out(*b"\x02\x01\0\0\x81\0\0\0", b""), (0, 0), "CLEAR_FEATURE");
    assert_eq!(raw.bulk_out(b"abc"), (0, 3));
    assert_eq!(raw.bulk_in(64), (0, b"abc".to_vec()));
}

#[test]
fn connection_lost_within_a_message_takes_the_power() {
    let (server, ends) = watched_server();
    let mut raw = Raw::configured(server.address(), "1-1");
    // The first packet of a message, a read that brings nothing, and a part of a header.
    assert_eq!(raw.bulk_out_begun(&[1; 64]), (0, 64));
    raw.submit(1, 1, [0; 8], 64, b"");
    raw.send_octets(b"\0\0\0\x01\0\0\0");
    drop(raw);
    ends.recv_timeout(PATIENCE).expect("the power is gone");
    let mut raw = Raw::configured(server.address(), "1-1");
    raw.bulk_out(b"abc");
    assert_eq!(raw.bulk_in(64), (0, b"abc".to_vec()), "nothing is left of the message before");
}

#[test]
fn header_may_come_in_pieces() {
    let server = server(1);
    let mut raw = Raw::configured(server.address(), "1-1");
    let seq = raw.next_seq();
    let submit = raw.header(1, seq, 1, 1, 64, [0; 8]);
    for octet in submit {
        raw.send_octets(&[octet]);
    }
    assert_eq!(raw.bulk_out_while_reading(b"abc", seq), b"abc");
}

#[test]
fn what_breaks_the_protocol_ends_the_connection_only() {
    let server = server(1);
    let bad: [&[u8]; 5] = [
        b"\x01\x06\x80\x05\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x01\x11\0\x05\0\0\0\0",
        b"\x01\x11\x80\x03\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        b"",
    ];
    for octets in bad {
        assert_eq!(Raw::answer_to(server.address(), octets), b"", "{octets:02x?}");
    }
    let changes: [(usize, &[u8]); 5] =
        [(0, b"\0\0\0\x05"), (12, b"\0\0\0\x07"), (16, b"\0\0\0\x10"), (24, b"\x7F\xFF\xFF\xFF"), (32, b"\0\0\0\x01")];
    for (at, octets) in changes {
        let mut raw = Raw::configured(server.address(), "1-1");
        let seq = raw.next_seq();
        let mut header = raw.header(1, seq, 1, 1, 64, [0; 8]);
        header[at..at + octets.len()].copy_from_slice(octets);
        raw.send_octets(&header);
        assert_eq!(raw.rest(), b"", "{at}");
    }
    assert_eq!(Raw::configured(server.address(), "1-1").control_in(GET_DEVICE, 18).0, 0);
}

#[test]
fn transfer_for_another_device_or_endpoint_is_refused() {
    let server = server(2);
    let mut raw = Raw::configured(server.address(), "1-1");
    let seq = raw.next_seq();
    let mut header = raw.header(1, seq, 1, 1, 64, [0; 8]);
    header[11] = 3;
    raw.send_octets(&header);
    assert_eq!(raw.reply(), (3, seq, -19, 0));
    let seq = raw.submit(1, 9, [0; 8], 64, b"");
    assert_eq!(raw.reply(), (3, seq, -2, 0));
}

#[test]
fn device_is_attached_once_at_a_time() {
    let server = server(2);
    let first = Raw::attach(server.address(), "1-1");
    assert_eq!(Raw::refused(server.address(), "1-1"), 2);
    assert_eq!(Raw::refused(server.address(), "1-3"), 4);
    let mut other = Raw::configured(server.address(), "1-2");
    drop(first);
    assert_eq!(other.bulk_out(b"abc"), (0, 3));
    assert_eq!(other.bulk_in(64), (0, b"abc".to_vec()));
}

#[test]
fn two_devices_at_once() {
    let server = server(2);
    let address = server.address();
    std::thread::scope(|scope| {
        for (bus_id, fill) in [("1-1", 1), ("1-2", 2)] {
            scope.spawn(move || {
                let mut raw = Raw::configured(address, bus_id);
                for len in 1..200 {
                    assert_eq!(raw.bulk_out(&vec![fill; len]), (0, len));
                    assert_eq!(raw.bulk_in(1024), (0, vec![fill; len]));
                }
            });
        }
    });
}

#[test]
fn unplugged_device_is_gone_until_it_is_plugged_in_again() {
    let server = server(1);
    let bus_id = BusId::new("1-1").unwrap();
    let mut raw = Raw::configured(server.address(), "1-1");
    raw.submit(1, 1, [0; 8], 64, b"");
    server.unplug(bus_id);
    assert_eq!(raw.rest(), b"");
    assert_eq!(Raw::devices(server.address()), b"\x01\x11\0\x05\0\0\0\0\0\0\0\0");
    assert_eq!(Raw::refused(server.address(), "1-1"), 4);
    server.replug(bus_id);
    Raw::configured(server.address(), "1-1");
}

#[test]
fn end_of_the_server_ends_its_connections() {
    let server = server(1);
    let address = server.address();
    let mut attached = Raw::configured(address, "1-1");
    attached.submit(1, 1, [0; 8], 64, b"");
    let mut silent = TcpStream::connect(address).unwrap();
    drop(server);
    assert_eq!(attached.rest(), b"");
    assert_eq!(silent.read(&mut [0; 1]).unwrap_or(0), 0);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn replies_that_nobody_fetches_do_not_pile_up() {
    let (server, ends) = watched_server();
    let mut raw = Raw::configured(server.address(), "1-1");
    for _ in 0..20_000 {
        raw.submit(1, 9, [0; 8], 64, b"");
    }
    drop(raw);
    ends.recv_timeout(PATIENCE).expect("the power is gone");
    Raw::configured(server.address(), "1-1");
}

#[test]
fn device_that_is_none_is_not_plugged_in() {
    let mut server = Server::bind("127.0.0.1:0").unwrap();
    assert!(matches!(server.plug_in(|_| {}), Err(PlugError::Silent)));
    assert_eq!(Raw::devices(server.address()), b"\x01\x11\0\x05\0\0\0\0\0\0\0\0");
}

#[test]
fn device_that_panics_is_gone() {
    let mut server = Server::bind("127.0.0.1:0").unwrap();
    let mut echo = Echo::device();
    let mut lives = 0;
    server
        .plug_in(move |bus| {
            lives += 1;
            if lives == 2 {
                // Without the message of a panic, which would look like a failed test.
                std::panic::resume_unwind(Box::new("a fault of the firmware"));
            }
            echo(bus);
        })
        .unwrap();
    assert_eq!(Raw::refused(server.address(), "1-1"), 3);
    assert_eq!(Raw::refused(server.address(), "1-1"), 4);
}

#[test]
fn stock_client_lists_the_devices() {
    let server = server(2);
    let port = server.address().port().to_string();
    let output = Command::new("/usr/sbin/usbip").args(["--tcp-port", &port, "list", "-r", "127.0.0.1"]).output();
    let output = output.expect("the program usbip is needed: scripts/bootstrap installs it");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for expected in ["1-1: ", "1-2: ", "(1209:0002)", "/simulator/usb1/1-2", "(ff/01/02)"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

fn setup(octets: [u8; 8]) -> Transfer {
    if octets[0] & 0x80 == 0 {
        Transfer::Out { data: vec![].into(), zero_packet: false }
    } else {
        Transfer::In { len: octets[6].into() }
    }
}

fn attachment(server: &Server) -> Attachment {
    let attachment = Attachment::new(&server.address().to_string(), BusId::new("1-1").unwrap()).unwrap();
    let configured = attachment.transfer(0, SET_CONFIGURATION, setup(SET_CONFIGURATION), Some(PATIENCE)).unwrap();
    assert_eq!(configured.status, Status::DONE);
    attachment
}

#[test]
fn client_lists_attaches_and_transfers() {
    let server = server(2);
    let address = server.address().to_string();
    let devices = client::devices(&address).unwrap();
    assert_eq!(devices.iter().map(|record| record.bus_id.as_str()).collect::<Vec<_>>(), ["1-1", "1-2"]);
    assert_eq!(devices[1].interfaces, [[0xFF, 1, 2]]);
    let attachment = attachment(&server);
    assert_eq!(attachment.record().device_id(), 0x0001_0002);
    let refused = Attachment::new(&address, BusId::new("1-1").unwrap()).unwrap_err();
    assert!(matches!(refused, AttachError::Refused(OpStatus::BUSY)), "{refused}");
    let sent = Transfer::Out { data: b"abc".to_vec().into(), zero_packet: false };
    assert_eq!(attachment.transfer(1, [0; 8], sent, Some(PATIENCE)).unwrap().actual, 3);
    let read = attachment.transfer(1, [0; 8], Transfer::In { len: 64 }, Some(PATIENCE)).unwrap();
    assert_eq!((read.status, read.data), (Status::DONE, b"abc".to_vec().into()));
}

#[test]
fn client_gives_up_in_time_and_goes_on() {
    let server = server(1);
    let attachment = attachment(&server);
    let read = || attachment.transfer(1, [0; 8], Transfer::In { len: 64 }, Some(Duration::from_millis(1)));
    assert_eq!(read(), Err(TransferError::TimedOut));
    assert_eq!(read(), Err(TransferError::TimedOut));
    let sent = Transfer::Out { data: b"abc".to_vec().into(), zero_packet: false };
    attachment.transfer(1, [0; 8], sent, Some(PATIENCE)).unwrap();
    let read = attachment.transfer(1, [0; 8], Transfer::In { len: 64 }, Some(PATIENCE)).unwrap();
    assert_eq!(read.data[..], *b"abc");
}

#[test]
fn client_notices_the_loss_of_the_device() {
    let server = server(1);
    let attachment = attachment(&server);
    let pending = attachment.submit(1, [0; 8], Transfer::In { len: 64 }).unwrap();
    assert!(!attachment.is_lost());
    server.unplug(BusId::new("1-1").unwrap());
    assert_eq!(attachment.wait(pending, Some(PATIENCE)), Err(TransferError::Lost));
    assert!(attachment.is_lost());
    assert_eq!(attachment.submit(1, [0; 8], Transfer::In { len: 64 }), Err(TransferError::Lost));
}
