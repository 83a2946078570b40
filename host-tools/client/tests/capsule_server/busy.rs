//! Servers that are too busy: the real one with a limit, and others that say so in every way.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use cdoc2_client::capsule_server::Error;
use cdoc2_client::https::{self, Timeouts};
use cdoc2_client::policy;
use cdoc2_testbed::Algorithm;

use crate::misbehaving::{ID, Misbehaving, answer, config_at, identity};
use crate::world::{Person, World, reason, seal, seal_within};

#[test]
fn a_limit_on_requests_is_waited_out() {
    let world = World::with("[limits]\nrequests_per_second = 2\nrequest_burst = 2\n");
    let people: Vec<Person> = (0..9).map(|_| world.person(Algorithm::P384)).collect();
    let recipients: Vec<_> = people.iter().map(Person::recipient).collect();
    let (container, warnings) = seal(&world.config(), &recipients, None).unwrap();
    // It takes some seconds, which a person may wonder about.
    assert_eq!(warnings, ["the capsule server \"test\" is busy, and is waited for"]);
    // Whoever fetches them all at once is made to wait, too.
    for (index, person) in people.iter().enumerate().take(4) {
        assert_eq!(person.open(&container, &world.config()).unwrap(), index + 1);
    }
}

/// Whoever is limited so is not answered at all, but cut off.
#[test]
fn a_limit_on_handshakes_is_waited_out() {
    let world = World::with("[limits]\nhandshakes_per_second = 1\nhandshake_burst = 1\n");
    let person = world.person(Algorithm::P384);
    for _ in 0..3 {
        let (container, _) = seal(&world.config(), &[person.recipient()], None).unwrap();
        assert_eq!(person.open(&container, &world.config()).unwrap(), 1);
    }
}

#[test]
fn who_cuts_each_connection_is_tried_four_times() {
    let world = World::new();
    let person = world.person(Algorithm::P384);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = config_at(listener.local_addr().unwrap(), &world, "root.pem");
    // After these, nobody is there.
    let server = thread::spawn(move || (0..4).for_each(|_| drop(listener.accept().unwrap())));
    let error = seal(&config, &[person.recipient()], None).unwrap_err();
    assert!(matches!(reason(&error), Error::Https(https::Error::Cut { .. })), "{error}");
    server.join().unwrap();
}

/// A server that answers with each of `answers` in its turn, and with the last of them from then on; and how often it was asked.
fn in_turn(world: &World, answers: &[Vec<u8>]) -> (Misbehaving, Arc<AtomicUsize>) {
    let (count, answers) = (Arc::new(AtomicUsize::new(0)), answers.to_vec());
    let asked = Arc::clone(&count);
    let server = Misbehaving::new(&identity(world), move |_| {
        let index = asked.fetch_add(1, Ordering::Relaxed);
        answers.get(index).or(answers.last()).cloned().unwrap_or_default()
    });
    (server, count)
}

fn busy(headers: &str) -> Vec<u8> {
    answer("429 Too Many Requests", headers, "")
}

fn unavailable(headers: &str) -> Vec<u8> {
    answer("503 Service Unavailable", headers, "")
}

#[test]
fn a_capsule_is_sent_again_when_the_server_wants_to_be_asked() {
    let world = World::new();
    let person = world.person(Algorithm::P384);
    let created = answer("201 Created", &format!("location: /key-capsules/{ID}\r\n"), "");
    let at = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:49:38 GMT\r\n";
    for before in
        [busy(""), busy("retry-after: 0\r\n"), busy("retry-after: soon\r\n"), unavailable("retry-after: 1\r\n"), unavailable(at)]
    {
        let (server, count) = in_turn(&world, &[before, created.clone()]);
        let (_, warnings) = seal(&server.config(&world, "root.pem"), &[person.recipient()], None).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}

#[test]
fn what_takes_too_long_is_not_waited_for() {
    let world = World::new();
    let person = world.person(Algorithm::P384);
    for (always, expected) in [
        // Out of order, for nobody knows how long.
        (unavailable(""), "too busy or out of order"),
        (busy("retry-after: 61\r\n"), "asked again in 61 seconds"),
        (busy("retry-after: 99999999999999999999999\r\n"), "asked again in"),
        (unavailable("retry-after: Sun, 06 Nov 2994 08:49:37 GMT\r\n"), "asked again in"),
    ] {
        let (server, count) = in_turn(&world, &[always]);
        let error = seal(&server.config(&world, "root.pem"), &[person.recipient()], None).unwrap_err();
        assert!(matches!(reason(&error), Error::Https(https::Error::Busy(_))), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }
}

/// However often it is asked, and for however many recipients.
#[test]
fn all_the_waiting_together_has_an_end() {
    let world = World::new();
    let people: Vec<Person> = (0..3).map(|_| world.person(Algorithm::P384)).collect();
    let recipients: Vec<_> = people.iter().map(Person::recipient).collect();
    let created = answer("201 Created", &format!("location: /key-capsules/{ID}\r\n"), "");
    let timeouts = Timeouts { busy: Duration::from_secs(3), ..Timeouts::default() };
    let (server, count) = in_turn(&world, &[busy("retry-after: 0\r\n"), created, busy("retry-after: 0\r\n")]);
    let error = seal_within(&server.config(&world, "root.pem"), &recipients, None, timeouts).unwrap_err();
    assert!(matches!(reason(&error), Error::Https(https::Error::Busy(Some(_)))), "{error}");
    // A pause of a second each, but for the last answer; what answers take is counted, too.
    let count = count.load(Ordering::Relaxed);
    assert!((3..=5).contains(&count), "{count}");
}

#[test]
fn a_policy_service_is_asked_again() {
    let world = World::new();
    let policy = answer("200 OK", "", r#"{"version":1,"capsule_expires":"90d"}"#);
    let (server, _) = in_turn(&world, &[busy(""), policy]);
    let config = server.config(&world, "root.pem");
    assert_eq!(policy::ask(config.policy().unwrap(), Timeouts::default()).unwrap().to_string(), "90d");
}
