//! The sender's side: all shares are kept, or there is no container.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant, SystemTime};

use cdoc2::core::wire::capsule::Capsule;
use cdoc2::core::wire::label::LabelField;
use cdoc2::{Kind as Class, label};
use cdoc2_api::{ExpiryTime, KeyShare};
use cdoc2_client::config::Config;
use cdoc2_client::https::{self, Timeouts};
use cdoc2_client::shares_server::{Reason, check};

use crate::careless::{Careless, Kind, Reply, random, status};
use crate::world::{JAAN, MARI, SHORT, World, recipient, seal, sealed};

const ID: &str = "00112233445566778899aabbccddeeff";

fn created(headers: impl Into<String>) -> Reply {
    Reply::Octets(201, headers.into(), String::new())
}

/// The error of a sender, whose second server answers so.
fn refused(world: &World, instead: impl Fn() -> Reply + Send + 'static) -> cdoc2::Error {
    refused_within(world, Timeouts::default(), instead)
}

fn refused_within(world: &World, timeouts: Timeouts, instead: impl Fn() -> Reply + Send + 'static) -> cdoc2::Error {
    let servers = [Careless::plain(&world.identity), Careless::new(&world.identity, move |_| Some(instead()))];
    let config = world.config(&servers);
    let error = seal(&config, &[recipient(JAAN), recipient(MARI)], None, timeouts).map(drop).unwrap_err();
    let cdoc2::Error::SharesServer { server, .. } = &error else { panic!("{error}") };
    assert_eq!(*server, format!("https://{}", servers[1].address), "{error}");
    assert_eq!(error.kind(), Class::Server);
    error
}

fn reason(error: &cdoc2::Error) -> &Reason {
    let cdoc2::Error::SharesServer { reason, .. } = error else { panic!("{error}") };
    reason.downcast_ref().unwrap_or_else(|| panic!("{error}"))
}

#[test]
fn every_server_gets_its_own_share_of_every_key() {
    let world = World::new();
    let servers = world.plain(3);
    let config = world.config(&servers);
    let expiry = ExpiryTime::try_from(SystemTime::now() + Duration::from_secs(86_400)).unwrap();
    let (container, warnings) = seal(&config, &[recipient(MARI), recipient(JAAN)], Some(expiry), Timeouts::default()).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let mut shares = Vec::new();
    for server in &servers {
        let kept = server.asked(Kind::Put);
        assert!(kept.iter().all(|request| request.header("x-expiry-time") == Some(&expiry.to_string())));
        let kept: Vec<KeyShare> = kept.iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect();
        assert!(kept.iter().map(|share| share.recipient.as_str()).eq([MARI, JAAN]));
        shares.extend(kept.into_iter().map(|share| share.share.expose().to_vec()));
    }
    shares.sort();
    shares.dedup();
    assert_eq!(shares.len(), 6);
    for record in container.envelope().header().records() {
        let Capsule::KeyShares(capsule) = record.capsule else { panic!("{record:?}") };
        let urls: Vec<_> = capsule.shares.iter().map(|share| share.server_base_url.to_string()).collect();
        assert!(urls.iter().zip(&servers).all(|(url, server)| *url == format!("https://{}", server.address)));
        let text = record.key_label.fields().unwrap().get(LabelField::ServerExp).unwrap();
        assert_eq!(label::octets(&text), expiry.as_unix().to_string().into_bytes());
    }
}

#[test]
fn all_servers_are_asked_at_once() {
    let world = World::new();
    let barrier = Arc::new(Barrier::new(3));
    // None of them answers before all of them were asked.
    let server = || {
        let barrier = Arc::clone(&barrier);
        Careless::new(&world.identity, move |_| {
            barrier.wait();
            None
        })
    };
    let servers = [server(), server(), server()];
    let config = world.config(&servers);
    let container = sealed(&config);
    assert_eq!(world.mari().open(&container, &config).unwrap(), 1);
}

#[test]
fn answers_are_taken_apart_strictly() {
    let world = World::new();
    let whole = format!("location: /key-shares/{ID}\r\n");
    for headers in [
        String::new(),
        "location: /key-shares/\r\n".to_owned(),
        "location: /key-shares/1\r\n".to_owned(),
        format!("location: /key-shares/{ID}/\r\n"),
        format!("location: /key-shares/../{ID}\r\n"),
        format!("location: /key-capsules/{ID}\r\n"),
        format!("location: https://evil.example/key-shares/{ID}\r\n"),
        format!("location: /key-shares/{ID}?nonce=1\r\n"),
        format!("{whole}{whole}"),
        format!("{whole}x-expiry-time: tomorrow\r\n"),
    ] {
        let shown = headers.clone();
        let error = refused(&world, move || created(headers.clone()));
        assert!(matches!(reason(&error), Reason::Https(https::Error::Nonsense(_))), "{shown}: {error}");
    }
    for (reply, expected) in [
        ((302, "location: https://127.0.0.1:1/key-shares\r\n", ""), "status 302"),
        ((200, &whole[..], ""), "status 200"),
        ((500, "", "secret trace"), "status 500"),
        ((400, "", r#"{"error":"no\u001b[31m such\ntime"}"#), "refuses the request: no [31m such time"),
        ((413, "", "<html>oops</html>"), "refuses the request"),
        ((429, "retry-after: 7000\r\n", ""), "asked again in 7000 seconds"),
        ((503, "", ""), "too busy or out of order"),
    ] {
        let (number, headers, body) = (reply.0, reply.1.to_owned(), reply.2.to_owned());
        let error = refused(&world, move || Reply::Octets(number, headers.clone(), body.clone())).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!error.contains("trace") && !error.contains('\u{1b}') && !error.contains("html"), "{error}");
    }
    let error = refused(&world, || created("x".repeat(1 << 17)));
    assert!(matches!(reason(&error), Reason::Https(_)), "{error}");
    let error = refused(&world, || Reply::Octets(201, format!("location: /key-shares/{ID}\r\n"), "x".repeat(1 << 17)));
    assert!(matches!(reason(&error), Reason::Https(https::Error::Nonsense("it is too long"))), "{error}");
}

#[test]
fn one_server_that_fails_is_enough() {
    let world = World::new();
    let error = refused_within(&world, SHORT, || Reply::Silence);
    assert!(matches!(reason(&error), Reason::Https(https::Error::TimedOut { .. })), "{error}");
    let error = refused(&world, || Reply::Nothing);
    assert!(matches!(reason(&error), Reason::Https(https::Error::Connect { .. })), "{error}");

    // Nobody listens any more.
    let servers = world.plain(2);
    let config = world.config(&servers);
    let [first, second] = <[Careless; 2]>::try_from(servers).ok().unwrap();
    drop(second);
    let error = seal(&config, &[recipient(MARI)], None, Timeouts::default()).map(drop).unwrap_err();
    assert!(matches!(reason(&error), Reason::Https(https::Error::Connect { .. })), "{error}");
    drop(first);
}

/// While one of them is waited for, because it is busy, another one fails.
#[test]
fn one_server_that_fails_ends_all_waiting() {
    let world = World::new();
    let busy = Careless::new(&world.identity, |_| Some(Reply::Octets(429, "retry-after: 50\r\n".to_owned(), String::new())));
    let servers = [busy, Careless::new(&world.identity, |_| Some(status(500)))];
    let begun = Instant::now();
    seal(&world.config(&servers), &[recipient(MARI)], None, Timeouts::default()).map(drop).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(servers[0].asked(Kind::Put).len(), 1);
}

#[test]
fn the_error_names_the_recipient_too() {
    let world = World::new();
    let picky = Careless::new(&world.identity, |request| request.body.contains("38001085718").then(|| status(400)));
    let servers = [Careless::plain(&world.identity), picky];
    let config = world.config(&servers);
    let error = seal(&config, &[recipient(MARI), recipient(JAAN)], None, Timeouts::default()).map(drop).unwrap_err();
    assert!(matches!(&error, cdoc2::Error::SharesServer { index: 2, .. }), "{error}");
    assert!(!error.to_string().contains("38001085718"), "{error}");

    let error = seal(&config, &[recipient("PNOEE-60001017727")], None, Timeouts::default()).map(drop).unwrap_err();
    assert!(matches!(&error, cdoc2::Error::Recipient { index: 1, .. }), "{error}");
    assert!(error.to_string().contains("etsi/"), "{error}");
}

/// Whoever gives the ids of another server has its octets from there, or is that server.
#[test]
fn an_id_that_was_given_before_is_none() {
    let world = World::new();
    let twin = || Careless::new(&world.identity, |_| Some(created(format!("location: /key-shares/{ID}\r\n"))));
    let servers = [twin(), twin()];
    let error = seal(&world.config(&servers), &[recipient(MARI)], None, Timeouts::default()).map(drop).unwrap_err();
    assert!(matches!(reason(&error), Reason::SameShareId), "{error}");
}

#[test]
fn shorter_times_are_warned_of_and_the_first_stands_in_the_label() {
    let world = World::new();
    let short = Careless::new(&world.identity, |_| {
        let id = random();
        let headers =
            format!("location: /key-shares/{id}\r\nx-expiry-time: 2030-01-01T00:00:00Z\r\nx-expiry-time-adjusted: true\r\n");
        Some(created(headers))
    });
    let servers = [Careless::plain(&world.identity), short];
    let config = world.config(&servers);
    let expiry = "2040-01-01T00:00:00Z".parse().unwrap();
    let (container, warnings) = seal(&config, &[recipient(MARI), recipient(JAAN)], Some(expiry), Timeouts::default()).unwrap();
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.contains(&servers[1].address.to_string()) && warning.contains("until 2030-01-01T00:00:00Z"), "{warning}");
    for record in container.envelope().header().records() {
        let text = record.key_label.fields().unwrap().get(LabelField::ServerExp).unwrap();
        assert_eq!(label::octets(&text), b"1893456000");
    }
}

#[test]
fn only_pinned_servers_get_anything() {
    let world = World::new();
    let stranger = World::new();
    let servers = [Careless::plain(&world.identity), Careless::plain(&stranger.identity)];
    let config = world.config(&servers);
    let error = seal(&config, &[recipient(MARI)], None, Timeouts::default()).map(drop).unwrap_err();
    assert!(matches!(reason(&error), Reason::Https(https::Error::NotPinned { .. })), "{error}");
    assert!(servers[1].heard().is_empty());
    let set = config.default_shares_set().unwrap();
    assert!(check(&set.servers[0], Timeouts::default()).is_ok());
    assert!(matches!(check(&set.servers[1], Timeouts::default()), Err(https::Error::NotPinned { .. })));
    assert!(Config::default().default_shares_set().is_none());
}
