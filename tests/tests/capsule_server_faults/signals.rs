//! SIGTERM and SIGHUP while clients are served.

use std::fs;
use std::net::TcpStream;

use cdoc2_tests::capsule_server::{Capsule, Installation, PATH, location, until};
use cdoc2_tests::https::Request;
use cdoc2_tests::pki::{Authority, Kind};
use rustix::process::Signal;

/// The head of a request, and its body.
fn halves(request: &Request<'_>) -> (Vec<u8>, Vec<u8>) {
    let octets = request.octets();
    let body_at = octets.len() - request.body.len();
    (octets[..body_at].to_vec(), octets[body_at..].to_vec())
}

#[test]
fn what_was_begun_is_finished_at_the_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let site = Installation::with_sqlite();
        let mut server = site.start();
        let recipient = site.person(Kind::P384);
        let address = server.addresses.sender;
        let idle = server.sender().connect(address).expect("a connection");
        let begun: Vec<_> = (0..8)
            .map(|_| {
                let capsule = Capsule::new(Kind::P384, &recipient);
                // An answer "100 Continue" tells that the request is at work.
                let request = Request::post(PATH, capsule.json()).header("Expect", "100-continue");
                let (head, body) = halves(&request);
                let mut connection = server.sender().connect(address).expect("a connection");
                connection.send(&head).expect("it takes requests");
                connection.until_continue().expect("it goes on");
                connection.send(&body[..10]).expect("it takes octets");
                (connection, capsule, body)
            })
            .collect();
        server.signal(signal);
        // It listens no more.
        until("the end of the listener", || TcpStream::connect(address).is_err());
        let kept: Vec<_> = begun
            .into_iter()
            .map(|(mut connection, capsule, body)| {
                connection.send(&body[10..]).expect("it takes octets");
                (location(&connection.response().expect("an answer")), capsule)
            })
            .collect();
        assert_eq!(server.wait().code(), Some(0), "{}", server.log());
        drop(idle);
        let server = site.start();
        for (at, capsule) in kept {
            assert_eq!(Capsule::read(&server.get(&site.client(&recipient), &at).expect("an answer")), capsule);
        }
    }
}

#[test]
fn who_never_finishes_is_not_waited_for() {
    let mut site = Installation::with_sqlite();
    site.set("[limits]\nshutdown_timeout = \"1s\"\nbody_timeout = \"600s\"");
    let mut server = site.start();
    let request = Request::post(PATH, Capsule::new(Kind::P384, &site.person(Kind::P384)).json()).header("Expect", "100-continue");
    let mut connection = server.sender().connect(server.addresses.sender).expect("a connection");
    connection.send(&halves(&request).0).expect("it takes requests");
    connection.until_continue().expect("it goes on");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

#[test]
fn certificates_are_loaded_anew() {
    let site = Installation::with_sqlite();
    let server = site.start();
    let recipient = site.person(Kind::P384);
    let at = server.keep(&Capsule::new(Kind::P384, &recipient));
    let shown = |address| server.sender().connect(address).expect("a connection").server_certificate().to_vec();
    let mut open = site.client(&recipient).connect(server.addresses.recipient).expect("a connection");
    let first = shown(server.addresses.sender);

    site.change_certificate();
    server.signal(Signal::HUP);
    server.until_metric("cdoc2_reloads_total{result=\"done\"}", |count| count >= 1.0);
    let second = shown(server.addresses.sender);
    assert_ne!(first, second);
    assert_eq!(second, shown(server.addresses.recipient));
    // Connections from before go on.
    open.send(&Request::get(&at).octets()).expect("it takes requests");
    assert_eq!(open.response().expect("an answer").status, 200);

    // Clients' authorities, too: those of the old one are no longer let in.
    let (new_root, old) = (Authority::root("Another root"), fs::read(site.path().join("root.pem")).expect("a certificate"));
    site.write("root.pem", new_root.pem().as_bytes());
    server.signal(Signal::HUP);
    server.until_metric("cdoc2_reloads_total{result=\"done\"}", |count| count >= 2.0);
    assert!(server.get(&site.client(&recipient), &at).is_err());
    site.write("root.pem", &old);
    server.signal(Signal::HUP);
    server.until_metric("cdoc2_reloads_total{result=\"done\"}", |count| count >= 3.0);
    assert_eq!(server.get(&site.client(&recipient), &at).expect("an answer").status, 200);
}

#[test]
fn broken_certificates_change_nothing() {
    let site = Installation::with_sqlite();
    let server = site.start();
    let shown = || server.sender().connect(server.addresses.sender).expect("a connection").server_certificate().to_vec();
    let before = shown();
    let other_key = cdoc2_tests::pki::key_pem(&site.root.server());
    for (failures, (file, content)) in (1..).zip([
        ("server.pem", ""),
        ("server.pem", "no certificate"),
        ("server.key", "no key"),
        ("server.key", &other_key),
        ("root.pem", ""),
    ]) {
        let sound = fs::read(site.path().join(file)).expect("a file");
        site.write(file, content.as_bytes());
        server.signal(Signal::HUP);
        server.until_metric("cdoc2_reloads_total{result=\"failed\"}", |count| count >= f64::from(failures));
        assert_eq!(shown(), before, "{file}: {content:?}");
        site.write(file, &sound);
    }
    assert!(server.log().contains("server.pem") && server.log().contains("server.key"), "{}", server.log());
    let _ = server.keep(&Capsule::new(Kind::P384, &site.person(Kind::P384)));
}
