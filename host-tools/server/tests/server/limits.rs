//! What a client may take, and what becomes of one that takes more. Times are short, and no test measures one: it waits for the end.

use std::io::{Read as _, Write as _};
use std::thread;

use cdoc2_api::CapsuleType;
use rcgen::PKCS_ECDSA_P384_SHA384;

use super::support::{Bed, connect};

/// A bed whose clients must hurry. The other limits are wide.
const HURRY: &str = r#"
    [limits]
    handshake_timeout = "300ms"
    header_timeout = "300ms"
    body_timeout = "300ms"
"#;

#[test]
fn handshakes_must_end() {
    let bed = Bed::with(HURRY);
    for octets in [&b""[..], b"\x16\x03\x01"] {
        let mut silent = connect(bed.addresses.sender);
        silent.write_all(octets).unwrap();
        assert!(matches!(silent.read(&mut [0]), Ok(0) | Err(_)));
    }
    let metrics = bed.metrics();
    assert!(metrics.contains(r#"cdoc2_handshakes_total{listener="sender",result="timeout"}"#), "{metrics}");
}

#[test]
fn headers_must_end() {
    let bed = Bed::with(HURRY);
    for begin in ["", "POST /key-capsules HT", "POST /key-capsules HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let mut http = bed.sender();
        http.send(begin);
        // Whatever comes is the end, and no answer to a request that was not sent.
        assert!(http.receive().is_none_or(|response| response.status == 408), "{begin}");
    }
}

#[test]
fn idle_connections_are_closed() {
    let bed = Bed::with(HURRY);
    let mut http = bed.sender();
    assert_eq!(http.get("/key-capsules").status, 405);
    assert!(http.is_closed());
}

#[test]
fn bodies_must_come() {
    let bed = Bed::with(HURRY);
    let mut http = bed.sender();
    http.send("POST /key-capsules HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
    let response = http.receive().unwrap();
    assert_eq!((response.status, response.header("connection")), (408, Some("close")));
    assert!(http.is_closed());
}

#[test]
fn connections_have_an_end() {
    let bed = Bed::with("[limits]\nconnection_lifetime = \"300ms\"");
    let mut http = bed.sender();
    assert_eq!(http.get("/key-capsules").status, 405);
    assert!(http.is_closed());
}

#[test]
fn bodies_are_at_most_so_long() {
    let bed = Bed::with("[limits]\nbody_len = 8192");
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let sound = serde_json::to_string(&mari.capsule(CapsuleType::EccSecp384r1)).unwrap();
    let padded = |len: usize| format!("{sound}{}", " ".repeat(len - sound.len()));
    assert_eq!(bed.sender().post_text(&padded(8192), &[]).status, 201);

    let mut http = bed.sender();
    // Told beforehand: refused before it comes.
    http.send("POST /key-capsules HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 8193\r\n\r\n");
    let response = http.receive().unwrap();
    assert_eq!((response.status, response.error()), (413, "the body is longer than 8192 octets".into()));
    assert!(http.is_closed());

    let mut http = bed.sender();
    http.send(
        "POST /key-capsules HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    let text = padded(8193);
    http.send(format!("{:x}\r\n{text}\r\n", text.len()));
    assert_eq!(http.receive().unwrap().status, 413);

    // In pieces, and within the limit.
    let mut http = bed.sender();
    let (first, second) = sound.split_at(100);
    http.send(
        "POST /key-capsules HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    http.send(format!("64\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", second.len()));
    assert_eq!(http.receive().unwrap().status, 201);
}

#[test]
fn headers_are_at_most_so_long() {
    let bed = Bed::with("[limits]\nheader_len = 8192\nheader_fields = 16");
    let mut http = bed.sender();
    http.send(format!("GET /key-capsules HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "a".repeat(10_000)));
    assert_eq!(http.receive().unwrap().status, 431);
    let mut http = bed.sender();
    http.send(format!("GET /key-capsules HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-Many: a\r\n".repeat(16)));
    assert_eq!(http.receive().unwrap().status, 431);
    let mut http = bed.sender();
    http.send(format!("GET /key-capsules HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-Many: a\r\n".repeat(15)));
    assert_eq!(http.receive().unwrap().status, 405);
}

#[test]
fn malformed_http_gets_400_and_the_end() {
    let bed = Bed::new();
    for octets in [
        &b"\r\n\r\n \r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /key-capsules HTTP/9.9\r\n\r\n",
        b"GET /key-capsules HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /key-capsules HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        b"GET /key capsules HTTP/1.1\r\n\r\n",
        b"POST /key-capsules HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /key-capsules HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
        b"POST /key-capsules HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ] {
        let mut http = bed.sender();
        http.send(octets);
        let text = String::from_utf8_lossy(octets);
        assert_eq!(http.receive().map(|response| response.status), Some(400), "{text:?}");
        assert!(http.is_closed(), "{text:?}");
    }
    // A client that speaks HTTP/2 though it was not offered could not read an answer.
    let mut http = bed.sender();
    http.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(http.is_closed());
    // Two lengths that contradict each other must not smuggle a second request in.
    let mut http = bed.sender();
    http.send(
        "POST /key-capsules HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /key-capsules HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert_eq!(http.receive().unwrap().status, 400);
    let mut http = bed.sender();
    http.send(
        "POST /key-capsules HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    );
    assert_eq!(http.receive().unwrap().status, 400, "a chunk without a length");
}

#[test]
fn requests_in_one_packet_are_answered_in_turn() {
    let bed = Bed::new();
    let mut http = bed.sender();
    http.send("GET /key-capsules HTTP/1.1\r\nHost: a\r\n\r\nGET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!([http.receive().unwrap().status, http.receive().unwrap().status], [405, 404]);
}

#[test]
fn handshakes_of_an_address_are_limited() {
    let bed = Bed::with("[limits]\nhandshakes_per_second = 1\nhandshake_burst = 3");
    let mut admitted: Vec<_> = (0..3).map(|_| bed.sender()).collect();
    // The next but one may be due by the time it comes; of many, most are too many.
    let refused = (0..20).filter(|_| bed.tls(bed.addresses.sender, None).is_err()).count();
    assert!(refused >= 10, "{refused}");
    assert_eq!(admitted[0].get("/key-capsules").status, 405, "those that are open are left alone");
    // The other listener counts by itself.
    assert!(bed.tls(bed.addresses.recipient, None).is_ok());
    let metrics = bed.metrics();
    assert!(metrics.contains(r#"cdoc2_handshakes_total{listener="sender",result="limited"}"#), "{metrics}");
}

#[test]
fn requests_of_an_address_are_limited() {
    let bed = Bed::with("[limits]\nrequests_per_second = 1\nrequest_burst = 3");
    let mut http = bed.sender();
    let responses: Vec<_> = (0..20).map(|_| http.get("/key-capsules")).collect();
    assert!(responses[..3].iter().all(|response| response.status == 405));
    let refused: Vec<_> = responses.iter().filter(|response| response.status == 429).collect();
    assert!(refused.len() >= 10, "{responses:?}");
    assert!(refused[0].header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    assert!(refused[0].error().starts_with("too many requests"));
}

#[test]
fn further_connections_wait_for_a_place() {
    let bed = Bed::with("[limits]\nconnections = 2");
    let mut first = bed.sender();
    let second = bed.sender();
    thread::scope(|scope| {
        let third = scope.spawn(|| bed.sender().get("/key-capsules").status);
        // Time enough for a handshake, if there were one.
        for _ in 0..50 {
            assert_eq!(first.get("/key-capsules").status, 405);
        }
        assert!(!third.is_finished());
        drop(second);
        assert_eq!(third.join().unwrap(), 405);
    });
}
