//! Clients that are many, slow, or talk nonsense.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use cdoc2_tests::capsule_server::{Capsule, Installation, PATH, random};
use cdoc2_tests::https::Request;
use cdoc2_tests::pki::Kind;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::alone;

const IDLE: usize = 10_000;

#[test]
fn ten_thousand_idle_connections_are_no_burden() {
    let _alone = alone();
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let enough = IDLE as u64 + 1000;
    assert!(
        maximum.is_none_or(|maximum| maximum >= enough),
        "ulimit -Hn is {maximum:?}: this test takes {enough} files in each of two processes"
    );
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("a limit that is allowed");

    let mut site = Installation::with_sqlite();
    site.set("[limits]\nheader_timeout = \"600s\"\nhandshake_timeout = \"600s\"\nconnection_lifetime = \"1h\"");
    let server = site.start();
    let recipient = site.person(Kind::P384);
    let at = server.keep(&Capsule::new(Kind::P384, &recipient));
    let before = server.memory();
    // One in two shows a certificate; each has got an answer, and sends nothing more.
    let client = site.client(&recipient);
    let idle: Vec<_> = thread::scope(|scope| {
        let connect = |number: usize| {
            let (client, address, status) = match number % 2 {
                0 => (server.sender(), server.addresses.sender, 405),
                _ => (&client, server.addresses.recipient, 200),
            };
            let mut connection = client.connect(address).expect("a connection");
            connection.send(&Request::get(if status == 200 { &at } else { PATH }).octets()).expect("it takes a request");
            assert_eq!(connection.response().expect("an answer").status, status);
            connection
        };
        let threads = [(); 4].map(|()| scope.spawn(move || (0..IDLE / 4).map(connect).collect::<Vec<_>>()));
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let after = server.memory();
    let each = (after - before) / IDLE as u64;
    println!("{IDLE} idle connections: {before} octets before, {after} after, {each} for each");
    assert!(server.metric("cdoc2_connections") >= IDLE as f64);
    // Of 4 KiB TLS does not part, and has a state beside them.
    assert!(each < 12 * 1024, "{each} octets for each idle connection");
    assert!(after < 150 * 1024 * 1024, "{after} octets");

    // They stop nobody.
    assert_eq!(server.get(&site.client(&recipient), &at).expect("an answer").status, 200);
    let _ = server.keep(&Capsule::new(Kind::P384, &recipient));
    drop(idle);
    server.until_metric("cdoc2_connections", |count| count < 10.0);
}

/// Sends `octets` one by one until the other side closes, and says how many it took.
fn drip(octets: &[u8], pace: Duration, mut send: impl FnMut(&[u8]) -> bool) -> usize {
    for (count, octet) in octets.iter().enumerate() {
        if !send(std::slice::from_ref(octet)) {
            return count;
        }
        // The attack is the time it takes.
        thread::sleep(pace);
    }
    octets.len()
}

#[test]
fn slow_clients_are_closed_and_stop_nobody() {
    let mut site = Installation::with_sqlite();
    site.set("[limits]\nhandshake_timeout = \"1s\"\nheader_timeout = \"1s\"\nbody_timeout = \"1s\"");
    let server = site.start();
    let recipient = site.person(Kind::P384);
    let at = server.keep(&Capsule::new(Kind::P384, &recipient));
    let request = Request::post(PATH, format!("{{{}", " ".repeat(8000))).octets();
    let body_at = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let pace = Duration::from_millis(20);
    let served = AtomicBool::new(false);
    thread::scope(|scope| {
        let (server, request, served) = (&server, &request, &served);
        let slow = [
            scope.spawn(move || {
                let mut socket = TcpStream::connect(server.addresses.recipient).expect("a connection");
                // The length that it declares never comes.
                let hello = [b"\x16\x03\x01\x20\x00\x01\x00\x1f\xfc\x03\x03".as_slice(), &[7; 8000]].concat();
                drip(&hello, pace, |octet| socket.write_all(octet).is_ok())
            }),
            scope.spawn(move || {
                let mut connection = server.sender().connect(server.addresses.sender).expect("a connection");
                let head = [b"GET /".as_slice(), &[b'a'; 8000]].concat();
                drip(&head, pace, |octet| connection.send(octet).is_ok() && connection.wait_for_answer(Duration::ZERO).is_none())
            }),
            scope.spawn(move || {
                let mut connection = server.sender().connect(server.addresses.sender).expect("a connection");
                connection.send(&request[..body_at]).expect("it takes requests");
                drip(&request[body_at..], pace, |octet| {
                    connection.send(octet).is_ok() && connection.wait_for_answer(Duration::ZERO).is_none()
                })
            }),
        ];
        while !slow.iter().all(thread::ScopedJoinHandle::is_finished) {
            assert_eq!(server.get(&site.client(&recipient), &at).expect("an answer").status, 200);
            let _ = server.keep(&Capsule::new(Kind::P384, &recipient));
            served.store(true, Ordering::SeqCst);
        }
        for (what, slow) in ["handshake", "header", "body"].into_iter().zip(slow) {
            let taken = slow.join().expect("no panic");
            assert!(taken < 8000, "{what}: all was taken");
        }
    });
    assert!(served.load(Ordering::SeqCst));
}

#[test]
fn clients_that_never_read_stop_nobody() {
    let site = Installation::with_sqlite();
    let server = site.start();
    let recipient = site.person(Kind::P384);
    let at = server.keep(&Capsule::new(Kind::P384, &recipient));
    let mut deaf = site.client(&recipient).connect(server.addresses.recipient).expect("a connection");
    deaf.set_patience(Duration::from_secs(1));
    let requests = Request::get(&at).octets().repeat(1000);
    // Until both sides' buffers are full of answers that nobody takes.
    while deaf.send(&requests).is_ok() {}
    assert_eq!(server.get(&site.client(&recipient), &at).expect("an answer").status, 200);
}

/// What is no request, or one of which nobody can tell where it ends. The whole of what a connection gets.
fn nonsense() -> Vec<(&'static str, Vec<u8>)> {
    let json = "Content-Type: application/json\r\n";
    let mut corpus: Vec<(&'static str, Vec<u8>)> = [
        ("empty lines", "\r\n\r\n\r\n\r\nX\r\n\r\n".to_owned()),
        ("HTTP/0.9", format!("GET {PATH}\r\n\r\n")),
        ("no version", format!("POST {PATH} \r\n\r\n")),
        ("HTTP/2.0", format!("POST {PATH} HTTP/2.0\r\nHost: a\r\n\r\n")),
        ("HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        ("lower case", format!("post {PATH} http/1.1\r\nhost: a\r\n\r\n")),
        ("a space in the target", format!("POST {PATH} x HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("a space before the colon", format!("POST {PATH} HTTP/1.1\r\nHost : a\r\n{json}Content-Length: 2\r\n\r\n{{}}")),
        ("a folded header", format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{json}X: a\r\n b\r\nContent-Length: 2\r\n\r\n{{}}")),
        ("an octet 0 in a header", format!("POST {PATH} HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n")),
        ("a bare carriage return", format!("POST {PATH} HTTP/1.1\r\nHost: a\rX: b\r\n\r\n")),
        ("a negative length", format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{json}Content-Length: -1\r\n\r\n{{}}")),
        ("a length with a plus", format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{json}Content-Length: +2\r\n\r\n{{}}")),
        ("a huge length", format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{json}Content-Length: 18446744073709551616\r\n\r\n{{}}")),
        ("two lengths", format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{json}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}")),
        ("a list of lengths", format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{json}Content-Length: 2, 3\r\n\r\n{{}}")),
        (
            "a length and pieces",
            format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{json}Content-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
        ),
        ("an unknown encoding", format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{json}Transfer-Encoding: gzip\r\n\r\n{{}}")),
        ("chunked that is not last", format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{json}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n")),
        ("a piece's length that is none", format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{json}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n")),
        (
            "a piece's length that wraps",
            format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{json}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{{}}\r\n0\r\n\r\n"),
        ),
        ("a target that is a URL", format!("POST https://elsewhere{PATH} HTTP/1.1\r\nHost: a\r\n{json}Content-Length: 2\r\n\r\n{{}}")),
        ("CONNECT", "CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere\r\n\r\n".into()),
        ("an asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("a way up", "GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("percent signs", "GET /%2e%2e/%00/%zz HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("an upgrade", format!("GET {PATH} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")),
        ("many headers", format!("GET {PATH} HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(5000))),
        ("a long header", format!("GET {PATH} HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(1 << 20))),
        ("a long target", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1 << 20))),
        ("a long method", format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(1 << 20))),
        ("a body that ends early", format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{json}Content-Length: 1000\r\n\r\n{{")),
    ]
    .into_iter()
    .map(|(what, text)| (what, text.into_bytes()))
    .collect();
    corpus.push((
        "no UTF-8 in the target",
        b"GET /key-capsules/\xFF\xFE\xFF\xFE\xFF\xFE\xFF\xFE\xFF\xFE\xFF\xFE\xFF\xFE\xFF\xFE\xFF\xFE HTTP/1.1\r\nHost: a\r\n\r\n"
            .to_vec(),
    ));
    corpus.push((
        "no text in a header",
        b"POST /key-capsules HTTP/1.1\r\nHost: a\r\nX: \xFF\x80\r\nContent-Length: 0\r\n\r\n".to_vec(),
    ));
    corpus.push(("random octets", random(10_000)));
    corpus
}

#[test]
fn nonsense_is_refused() {
    let mut site = Installation::with_sqlite();
    site.set("[limits]\nheader_timeout = \"5s\"\nbody_timeout = \"5s\"");
    let server = site.start();
    let recipient = site.person(Kind::P384);
    let person = site.client(&recipient);
    let at = server.keep(&Capsule::new(Kind::P384, &recipient));
    for (client, address) in [(server.sender(), server.addresses.sender), (&person, server.addresses.recipient)] {
        for (what, octets) in nonsense() {
            let mut connection = client.connect(address).expect("a connection");
            // It may close before it has all.
            let _ = connection.send(&octets);
            connection.finish();
            let answer = connection.until_closed().unwrap_or_else(|error| panic!("{what}: the connection stays open: {error}"));
            let answer = String::from_utf8_lossy(&answer);
            // Every answer on it is a refusal of what the client did.
            for status in answer.split("HTTP/1.").skip(1).map(|answer| &answer[2..5]) {
                assert!(status.starts_with('4'), "{what}: {answer}");
            }
            assert!(answer.matches("HTTP/1.").count() <= 2, "{what}: {answer}");
        }
    }
    assert_eq!(server.get(&person, &at).expect("an answer").status, 200);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn an_address_that_takes_too_much_is_slowed_down() {
    let mut site = Installation::with_sqlite();
    site.set("[limits]\nhandshakes_per_second = 1\nhandshake_burst = 20\nrequests_per_second = 1\nrequest_burst = 10");
    let server = site.start();
    let capsule = Capsule::new(Kind::P384, &site.person(Kind::P384)).json();
    let mut connection = server.sender().connect(server.addresses.sender).expect("a connection");
    let mut statuses = Vec::new();
    for _ in 0..15 {
        connection.send(&Request::post(PATH, capsule.clone()).octets()).expect("it takes requests");
        let response = connection.response().expect("an answer");
        assert_eq!(response.header("retry-after").is_some(), response.status == 429, "{response:?}");
        statuses.push(response.status);
    }
    assert_eq!(statuses[..10], [201; 10]);
    assert!(statuses.contains(&429), "{statuses:?}");
    let refused = (0..40).filter(|_| server.sender().connect(server.addresses.sender).is_err()).count();
    assert!(refused > 0, "every handshake was done");
    // The operator is another address to it.
    assert_eq!(server.operations("/readyz").0, 200);
}

#[test]
fn more_connections_than_allowed_wait_their_turn() {
    let mut site = Installation::with_sqlite();
    site.set("[limits]\nconnections = 4");
    let server = site.start();
    let held: Vec<_> = (0..4).map(|_| server.sender().connect(server.addresses.sender).expect("a connection")).collect();
    let mut waiting = TcpStream::connect(server.addresses.sender).expect("a place in the queue");
    waiting.set_read_timeout(Some(Duration::from_millis(300))).expect("a time-out");
    waiting.write_all(b"no handshake").expect("the system takes it");
    assert!(
        waiting.read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
        "a fifth connection is served"
    );
    drop(held);
    let _ = server.keep(&Capsule::new(Kind::P384, &site.person(Kind::P384)));
}
