//! Who gets in at the recipient's port: chain, dates, purpose, revocation. UC.KTS.04.

use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use cdoc2_tests::capsule_server::{Capsule, CapsuleServer, Installation, until};
use cdoc2_tests::https::{Client, is_alert};
use cdoc2_tests::ocsp::{Mode, Responder, Status};
use cdoc2_tests::pki::{Authority, Identity, Kind};

/// The handshake fails by an alert, and nothing is told.
fn assert_refused(what: &str, server: &CapsuleServer, client: &Client, at: &str) {
    match server.get(client, at) {
        Ok(response) => panic!("{what}: {response:?}"),
        Err(error) => assert!(is_alert(&error), "{what}: {error:?}"),
    }
}

fn assert_served(what: &str, server: &CapsuleServer, client: &Client, at: &str) {
    let response = server.get(client, at).unwrap_or_else(|error| panic!("{what}: {error}\n{}", server.log()));
    assert_eq!(response.status, 200, "{what}: {response:?}");
}

/// A recipient, and where there is something for them.
fn recipient(site: &Installation, server: &CapsuleServer, kind: Kind) -> (Identity, String) {
    let recipient = site.person(kind);
    let at = server.keep(&Capsule::new(kind, &recipient));
    (recipient, at)
}

fn copy(key: &rcgen::KeyPair) -> rcgen::KeyPair {
    rcgen::KeyPair::try_from(key.serialized_der()).expect("a key")
}

#[test]
fn the_right_key_with_a_certificate_of_others_is_refused() {
    let site = Installation::with_sqlite();
    let server = site.start();
    let stranger = Authority::root("Root of a test").intermediate("Persons of a test");
    for kind in Kind::ALL {
        let (recipient, at) = recipient(&site, &server, kind);
        let certify = |authority: &Authority| site.client(&authority.certify(copy(&recipient.key)));
        assert_refused("an authority of the same name", &server, &certify(&stranger), &at);
        assert_served("another certificate of the right authority", &server, &certify(&site.authority), &at);
        let early = site.client(&site.authority.certify_early(copy(&recipient.key)));
        assert_refused("a certificate that is not valid yet", &server, &early, &at);
        let expired = site.client(&site.authority.certify_expired(copy(&recipient.key)));
        assert_refused("a certificate that has expired", &server, &expired, &at);
        let for_servers = site.client(&site.authority.certify_as_server(copy(&recipient.key)));
        assert_refused("a certificate for servers", &server, &for_servers, &at);
        assert_served("the recipient's own certificate", &server, &site.client(&recipient), &at);
    }
}

#[test]
fn a_session_is_not_resumed_past_its_certificate() {
    let site = Installation::with_sqlite();
    let server = site.start();
    let (recipient, at) = recipient(&site, &server, Kind::P384);
    let client = site.client(&recipient).resuming();
    for _ in 0..3 {
        let mut connection = client.connect(server.addresses.recipient).expect("a connection");
        connection.send(&cdoc2_tests::https::Request::get(&at).octets()).expect("it takes requests");
        assert_eq!(connection.response().expect("an answer").status, 200);
        // A resumed session shows no certificate, so that nobody would ask whether it was revoked meanwhile.
        assert!(!connection.was_resumed());
    }
}

#[test]
fn only_tls_1_3_is_spoken() {
    let site = Installation::with_sqlite();
    let server = site.start();
    let curl = |address, version: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "60", "--cacert"]).arg(site.path().join("root.pem")).args([
            version,
            "--tls-max",
            &version[6..],
        ]);
        curl.arg(format!("https://{address}/key-capsules")).output().expect("curl runs").status.code()
    };
    for address in [server.addresses.sender, server.addresses.recipient] {
        assert_eq!(curl(address, "--tlsv1.3"), Some(0));
        // CURLE_SSL_CONNECT_ERROR
        assert_eq!(curl(address, "--tlsv1.2"), Some(35));
    }
}

/// A server that asks this responder.
fn with_responder(settings: &str) -> (Installation, Responder) {
    let mut site = Installation::with_sqlite();
    let responder = Responder::new(&site.authority);
    site.set(&format!("[ocsp]\nenabled = true\nurl = \"{}\"\n{settings}", responder.url()));
    (site, responder)
}

#[test]
fn revoked_and_unknown_certificates_are_refused() {
    for policy in ["hard", "grace", "soft"] {
        let (site, responder) = with_responder(&format!("policy = \"{policy}\""));
        let server = site.start();
        for kind in Kind::ALL {
            let (recipient, at) = recipient(&site, &server, kind);
            assert_refused("a certificate that the responder does not know", &server, &site.client(&recipient), &at);
            let again = site.authority.certify(copy(&recipient.key));
            responder.set(&again, Status::Revoked);
            assert_refused("a revoked certificate", &server, &site.client(&again), &at);
            let good = site.authority.certify(copy(&recipient.key));
            responder.set(&good, Status::Good);
            assert_served("a good certificate", &server, &site.client(&good), &at);
            let expired = site.authority.certify_expired(copy(&recipient.key));
            // Responders say so of expired ones, too.
            responder.set(&expired, Status::Good);
            assert_refused("a good certificate that has expired", &server, &site.client(&expired), &at);
        }
    }
}

#[test]
fn a_lying_responder_opens_nothing_under_the_hard_policy() {
    let (site, responder) = with_responder("policy = \"hard\"\ntimeout = \"500ms\"");
    let server = site.start();
    let (recipient, at) = recipient(&site, &server, Kind::P384);
    for mode in [
        Mode::Silent,
        Mode::Busy,
        Mode::Garbage,
        Mode::OtherAuthority,
        Mode::NoResponder,
        Mode::Old(Duration::from_secs(24 * 3600)),
        Mode::Early(Duration::from_secs(3600)),
    ] {
        let identity = site.authority.certify(copy(&recipient.key));
        responder.set(&identity, Status::Good);
        responder.behave(mode);
        let before = responder.requests();
        assert_refused(&format!("{mode:?}"), &server, &site.client(&identity), &at);
        // Either it was asked, or it had failed so often that it is left alone for a while.
        assert!(responder.requests() > before || mode != Mode::Silent, "{mode:?}: nobody asked");
    }
}

#[test]
fn a_responder_that_is_down_stops_nobody_under_the_soft_policy() {
    let (site, responder) = with_responder("policy = \"soft\"\ntimeout = \"500ms\"");
    let server = site.start();
    let (recipient, at) = recipient(&site, &server, Kind::P384);
    for mode in [Mode::Busy, Mode::Garbage, Mode::Silent] {
        responder.behave(mode);
        assert_served(&format!("{mode:?}"), &server, &site.client(&site.authority.certify(copy(&recipient.key))), &at);
    }
    drop(responder);
    assert_served("down", &server, &site.client(&recipient), &at);
}

#[test]
fn clocks_may_be_off_by_as_much_as_configured() {
    let (site, responder) = with_responder("policy = \"hard\"\nclock_skew = \"120s\"");
    let server = site.start();
    let (recipient, at) = recipient(&site, &server, Kind::P384);
    let ask = |mode| {
        let identity = site.authority.certify(copy(&recipient.key));
        responder.set(&identity, Status::Good);
        responder.behave(mode);
        server.get(&site.client(&identity), &at)
    };
    // Its answers are for five minutes.
    let minutes = |count: u64| Duration::from_secs(60 * count);
    assert_eq!(ask(Mode::Early(minutes(1))).expect("an answer").status, 200);
    assert_eq!(ask(Mode::Old(minutes(6))).expect("an answer").status, 200);
    assert!(is_alert(&ask(Mode::Early(minutes(10))).expect_err("its answers are of the future")));
    assert!(is_alert(&ask(Mode::Old(minutes(10))).expect_err("its answers are of the past")));
}

#[test]
fn one_question_is_asked_for_many_handshakes() {
    let (site, responder) = with_responder("policy = \"hard\"");
    let server = site.start();
    let (recipient, at) = recipient(&site, &server, Kind::P384);
    responder.set(&recipient, Status::Good);
    let client = site.client(&recipient);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_served("one of many", &server, &client, &at));
        }
    });
    assert_eq!(responder.requests(), 1);
}

#[test]
fn a_silent_responder_holds_up_nobody_else() {
    let (site, responder) = with_responder("policy = \"hard\"\ntimeout = \"15s\"\npending = 8");
    let server = site.start();
    let (known, at) = recipient(&site, &server, Kind::P384);
    responder.set(&known, Status::Good);
    assert_served("somebody known", &server, &site.client(&known), &at);
    responder.behave(Mode::Silent);
    // As many as it asks for at once, and some more; each has sent its certificate and waits.
    let waiting: Vec<_> = (0..12)
        .map(|_| {
            let mut connection = site.client(&site.person(Kind::P256)).connect(server.addresses.recipient).expect("a connection");
            connection.send(&cdoc2_tests::https::Request::get(&at).octets()).expect("it takes octets");
            connection
        })
        .collect();
    until("questions that nobody answers", || responder.requests() >= 2);
    let _ = server.keep(&Capsule::new(Kind::P384, &known));
    assert_served("somebody known", &server, &site.client(&known), &at);
    assert_eq!(server.operations("/healthz").0, 200);
    drop(waiting);
}

#[test]
fn handshakes_that_are_none_are_closed() {
    let mut site = Installation::with_sqlite();
    site.set("[limits]\nhandshake_timeout = \"2s\"");
    let server = site.start();
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for address in [server.addresses.sender, server.addresses.recipient] {
        for octets in [
            &b""[..],
            b"GET /key-capsules HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\0",
            &[0xFF; 70_000],
            &[0x16; 70_000],
            &hello[..1],
            hello,
            &[&hello[..], &[0; 600]].concat(),
            // an alert, and application data, before any handshake
            b"\x15\x03\x03\x00\x02\x02\x28",
            b"\x17\x03\x03\x00\x10aaaaaaaaaaaaaaaa",
            &cdoc2_tests::capsule_server::random(4096),
        ] {
            let mut socket = TcpStream::connect(address).expect("a connection");
            socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
            // It may close before it has all.
            let _ = std::io::Write::write_all(&mut socket, octets);
            let answer = std::io::copy(&mut socket, &mut std::io::sink());
            // An alert at most: closed, or reset since not all was read.
            assert!(
                answer.as_ref().map_or_else(|error| error.kind() == std::io::ErrorKind::ConnectionReset, |len| *len <= 64),
                "{answer:?}"
            );
        }
    }
    let (recipient, at) = recipient(&site, &server, Kind::P384);
    assert_served("afterwards", &server, &site.client(&recipient), &at);
}
