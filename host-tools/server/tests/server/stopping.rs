//! The end of a server: what was accepted is finished, within a bound.

use std::net::TcpStream;
use std::thread;

use cdoc2_api::CapsuleType;
use cdoc2_server::{Config, Server};
use rcgen::PKCS_ECDSA_P384_SHA384;

use super::support::Bed;

/// The header of a POST whose body is still to come; then the body.
fn halves(bed: &Bed) -> (String, String) {
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let body = serde_json::to_string(&mari.capsule(CapsuleType::EccSecp384r1)).unwrap();
    let len = body.len();
    let fields = "Host: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n";
    (format!("POST /key-capsules HTTP/1.1\r\n{fields}Content-Length: {len}\r\n\r\n"), body)
}

#[test]
fn request_in_the_middle_is_finished() {
    let mut bed = Bed::new();
    let (head, body) = halves(&bed);
    let mut busy = bed.sender();
    let mut idle = bed.sender();
    assert_eq!(idle.get("/key-capsules").status, 405);
    busy.send(head);
    // The handler asks for the body, so the request was accepted.
    assert_eq!(busy.receive().unwrap().status, 100);
    let server = bed.server.take().unwrap();
    let handle = bed.runtime.handle().clone();
    let stopped = thread::spawn(move || handle.block_on(server.shutdown()));
    // Idle connections end at once: that is the sign that the server is stopping.
    assert!(idle.is_closed());
    assert_eq!(bed.operations().get("/readyz").status, 503);
    assert!(!stopped.is_finished());
    busy.send(body);
    let response = busy.receive().unwrap();
    assert_eq!((response.status, response.header("connection")), (201, Some("close")));
    stopped.join().unwrap();
    for address in [bed.addresses.sender, bed.addresses.recipient, bed.addresses.operations] {
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn request_that_never_ends_does_not_hold_it_up() {
    let mut bed = Bed::with("[limits]\nshutdown_timeout = \"200ms\"\nbody_timeout = \"1h\"");
    let (head, _) = halves(&bed);
    let mut busy = bed.sender();
    busy.send(head);
    assert_eq!(busy.receive().unwrap().status, 100);
    bed.runtime.block_on(bed.server.take().unwrap().shutdown());
    assert!(busy.receive().is_none());
}

#[test]
fn operators_do_not_hold_it_up() {
    // If the answer to "wait an hour" were yes, this test would not end.
    let mut bed = Bed::with("[limits]\nshutdown_timeout = \"1h\"\nheader_timeout = \"1h\"");
    let mut operations = bed.operations();
    assert_eq!(operations.get("/healthz").status, 200);
    bed.runtime.block_on(bed.server.take().unwrap().shutdown());
    assert!(operations.is_closed());
}

#[test]
fn dropping_it_ends_everything() {
    let mut bed = Bed::with("[limits]\nbody_timeout = \"1h\"");
    let (head, _) = halves(&bed);
    let mut busy = bed.sender();
    busy.send(head);
    assert_eq!(busy.receive().unwrap().status, 100);
    drop(bed.server.take());
    assert!(busy.receive().is_none());
}

#[test]
fn another_server_can_follow_on_the_same_port() {
    let mut bed = Bed::new();
    let mut http = bed.sender();
    assert_eq!(http.get("/key-capsules").status, 405);
    let old = bed.addresses;
    bed.runtime.block_on(bed.server.take().unwrap().shutdown());
    let mut config: Config = bed.files.parse(&bed.files.text(""));
    config.interface.sender.address = old.sender;
    config.interface.recipient.address = old.recipient;
    config.operations.address = old.operations;
    bed.server = Some(bed.runtime.block_on(Server::start(config)).unwrap());
    assert_eq!(bed.sender().get("/key-capsules").status, 405);
}
