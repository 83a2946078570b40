//! The recipient's side: servers that fail, are slow, or lie, and people who do not sign.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use cdoc2::core::wire::capsule::Capsule;
use cdoc2::{Container, Kind as Class, UnlockError as _};
use cdoc2_auth_token::Ticket;
use cdoc2_client::auth::Error as SignerError;
use cdoc2_client::config::Config;
use cdoc2_client::https::{self, Timeouts};
use cdoc2_client::shares_server::{Error, Reason};
use cdoc2_testbed::Algorithm;

use crate::careless::{Careless, Kind, Reply, Request, json, status};
use crate::world::{JAAN, MARI, Person, SHORT, Terminal, World, open, open_with, recipient, seal, sealed};

/// A plain server, one that does as `instead` says of this kind of request, and a container for Mari.
struct Pair {
    world: World,
    servers: [Careless; 2],
    config: Config,
    container: Container,
    mari: Person,
}

impl Pair {
    fn new(kind: Kind, instead: impl Fn(&Request) -> Reply + Send + 'static) -> Self {
        let world = World::new();
        let odd = Careless::new(&world.identity, move |request| (request.kind() == kind).then(|| instead(request)));
        let servers = [Careless::plain(&world.identity), odd];
        let config = world.config(&servers);
        let (container, mari) = (sealed(&config), world.mari());
        Self { world, servers, config, container, mari }
    }

    fn replying(kind: Kind, status: u16, body: &'static str) -> Self {
        Self::new(kind, move |_| Reply::Octets(status, String::new(), body.to_owned()))
    }

    /// What is wrong with the odd server; and how often Mari has signed by then.
    fn reason(&self) -> (Reason, usize) {
        self.reason_within(Timeouts::default())
    }

    fn reason_within(&self, timeouts: Timeouts) -> (Reason, usize) {
        let mut signer = self.mari.signer();
        let outcome = open_with(&self.container, MARI, &mut signer, &self.config, timeouts, &mut Terminal::patient());
        let error = outcome.unwrap_err();
        let Error::Server { server, reason } = error else { panic!("{error}") };
        assert_eq!(server, format!("https://{}", self.servers[1].address));
        (reason, signer.signed.into_inner().len())
    }
}

#[test]
fn both_generations_of_the_interface_are_spoken() {
    let world = World::new();
    let servers = world.plain(3);
    let urls: Vec<_> = servers.iter().map(|server| format!("https://{}", server.address)).collect();
    let lines = ["interface = \"token\"", "interface = \"ticket\"", ""];
    let config = world.config_with(&urls.into_iter().zip(lines).collect::<Vec<_>>());
    for algorithm in [Algorithm::P256, Algorithm::P384, Algorithm::Rsa] {
        let mari = world.person("MAASIKAS,MARI", "60001017727", algorithm);
        assert_eq!(mari.open(&sealed(&config), &config).unwrap(), 1);
        let der = mari.certificate.as_der();
        let in_base64url = Base64UrlUnpadded::encode_string(der);
        let in_pem = format!("-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----", Base64::encode_string(der));
        for (server, (header, other, certificate)) in servers.iter().zip([
            ("x-cdoc2-auth-token", "x-cdoc2-auth-ticket", &in_base64url),
            ("x-cdoc2-auth-ticket", "x-cdoc2-auth-token", &in_pem),
            ("x-cdoc2-auth-token", "x-cdoc2-auth-ticket", &in_base64url),
        ]) {
            let request = server.asked(Kind::Get).pop().unwrap();
            assert_eq!(request.header(other), None);
            assert_eq!(request.header("x-cdoc2-auth-x5c"), Some(&certificate[..]));
            let ticket = Ticket::parse(request.header(header).unwrap()).unwrap();
            assert_eq!(ticket.issuer().as_str(), MARI);
            assert_eq!(ticket.audience().server.to_string(), format!("https://{}", server.address));
            assert!(request.target.ends_with(&format!("/{}", ticket.audience().share_id)));
            let nonce = server.asked(Kind::Nonce).pop().unwrap();
            assert_eq!((nonce.header("content-length"), &nonce.body[..]), (Some("0"), ""));
            assert_eq!(nonce.target, format!("{}/nonce", request.target));
        }
    }
}

#[test]
fn all_servers_are_asked_at_once() {
    let world = World::new();
    for kind in [Kind::Nonce, Kind::Get] {
        let barrier = Arc::new(Barrier::new(3));
        let server = || {
            let barrier = Arc::clone(&barrier);
            Careless::new(&world.identity, move |request| {
                if request.kind() == kind {
                    barrier.wait();
                }
                None
            })
        };
        let servers = [server(), server(), server()];
        let config = world.config(&servers);
        assert_eq!(world.mari().open(&sealed(&config), &config).unwrap(), 1);
    }
}

#[test]
fn the_record_of_the_person_is_opened_and_no_other() {
    let world = World::new();
    let servers = world.plain(2);
    let config = world.config(&servers);
    let (container, _) = seal(&config, &[recipient(JAAN), recipient(MARI)], None, Timeouts::default()).unwrap();
    assert_eq!(world.mari().open(&container, &config).unwrap(), 2);
    assert!(servers.iter().all(|server| server.asked(Kind::Nonce).len() == 1));

    // UC.Client.04, 10a.
    let other = world.person("TAMM,IGOR", "37101010021", Algorithm::P256);
    let error = open(&container, "etsi/PNOEE-37101010021", &mut other.signer(), &config).unwrap_err();
    assert_eq!(error.about_record().map(cdoc2::Error::kind), Some(Class::NoRecord), "{error}");
    assert!(servers.iter().all(|server| server.asked(Kind::Nonce).len() == 1));
}

#[test]
fn nothing_is_sent_where_nothing_can_come_of_it() {
    let world = World::new();
    let servers = world.plain(3);
    let config = world.config(&servers);
    let container = sealed(&config);
    let nobody_was_asked = || servers.iter().all(|server| server.asked(Kind::Nonce).is_empty());

    // A server that this configuration does not list; the others neither are asked.
    let some = world.config(&servers[..2]);
    let error = world.mari().open(&container, &some).unwrap_err();
    assert!(
        matches!(&error, Error::Unknown(unlisted) if unlisted.name.contains(&servers[2].address.port().to_string())),
        "{error}"
    );
    assert!(error.to_string().contains("no [[shares_set.server]] with this url"), "{error}");
    assert!(nobody_was_asked());

    // Somebody else's key.
    let jaan = world.person("TAMM,JAAN", "38001085718", Algorithm::P256);
    let mut signer = jaan.signer();
    let error = open(&container, MARI, &mut signer, &config).unwrap_err();
    assert!(matches!(error, Error::Signer(SignerError::Untrusted(_))), "{error}");
    assert!(nobody_was_asked() && signer.signed.into_inner().is_empty());
}

/// Addresses of one server are the same however they are written, and are asked as the configuration has them.
#[test]
fn servers_are_known_by_their_address_however_it_is_written() {
    let world = World::new();
    let servers = world.plain(2);
    let written: Vec<_> = servers.iter().map(|server| (format!("https://LOCALHOST:{}/", server.address.port()), "")).collect();
    let container = sealed(&world.config_with(&written));
    let record = container.envelope().header().records().next().unwrap();
    let Capsule::KeyShares(capsule) = record.capsule else { panic!("{record:?}") };
    assert!(capsule.shares.iter().map(|share| share.server_base_url.to_string()).eq(written.iter().map(|(url, _)| url.clone())));
    let otherwise: Vec<_> = servers.iter().map(|server| (format!("https://localhost:{}", server.address.port()), "")).collect();
    assert_eq!(world.mari().open(&container, &world.config_with(&otherwise)).unwrap(), 1);
}

/// UC.Client.04, the second 12a.
#[test]
fn a_share_that_is_gone_is_gone() {
    let (reason, signed) = Pair::replying(Kind::Nonce, 404, "").reason();
    assert!(matches!(reason, Reason::Missing), "{reason}");
    assert_eq!(signed, 0, "nobody signs for what is gone");
    assert!(reason.to_string().contains("the container cannot be decrypted any more"), "{reason}");
}

/// What is settled goes before what may pass, whichever server comes first.
#[test]
fn a_share_that_is_gone_says_more_than_a_server_that_is_slow() {
    let world = World::new();
    let nonces = |reply: fn() -> Reply| Careless::new(&world.identity, move |request| (request.kind() == Kind::Nonce).then(reply));
    let servers = [nonces(|| Reply::Silence), nonces(|| status(404)), nonces(|| status(500))];
    let config = world.config(&servers);
    let container = sealed(&config);
    let mari = world.mari();
    let error = open_with(&container, MARI, &mut mari.signer(), &config, SHORT, &mut Terminal::patient()).unwrap_err();
    assert!(matches!(error, Error::Server { reason: Reason::Missing, .. }), "{error}");
    assert!(!error.may_be_tried_again());
}

/// UC.Client.04, the first 12a.
#[test]
fn a_server_that_is_slow_or_away_may_be_tried_again() {
    for (kind, times) in [(Kind::Nonce, 0), (Kind::Get, 1)] {
        for reply in [|| Reply::Silence, || Reply::Nothing, || status(429), || status(503)] {
            let (reason, signed) = Pair::new(kind, move |_| reply()).reason_within(SHORT);
            assert!(reason.is_passing(), "{reason}");
            assert_eq!(signed, times);
        }
    }
}

/// A reply with this status, as long as it was not given so often.
fn at_first(kind: Kind, times: usize, reply: impl Fn() -> Reply + Send + 'static) -> impl Fn(&Request) -> Option<Reply> + Send {
    let left = AtomicUsize::new(times);
    let is_left = move || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    move |request| (request.kind() == kind && is_left()).then(&reply)
}

fn retry_after(status: u16) -> Reply {
    Reply::Octets(status, "retry-after: 1\r\n".to_owned(), String::new())
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let world = World::new();
    for kind in [Kind::Put, Kind::Nonce, Kind::Get] {
        let odd = Careless::new(&world.identity, at_first(kind, 1, || retry_after(429)));
        let servers = [Careless::plain(&world.identity), odd];
        let config = world.config(&servers);
        let (container, mari) = (sealed(&config), world.mari());
        let mut signer = mari.signer();
        open(&container, MARI, &mut signer, &config).unwrap();
        // With the same ticket.
        assert_eq!((servers[1].asked(kind).len(), signer.signed.into_inner().len()), (2, 1), "{kind:?}");
    }
}

/// A ticket works once, and may have been looked at before the server found that it cannot answer.
#[test]
fn a_ticket_is_not_shown_again_to_a_server_that_is_out_of_order() {
    let world = World::new();
    for (kind, is_repeated) in [(Kind::Put, true), (Kind::Nonce, true), (Kind::Get, false)] {
        let odd = Careless::new(&world.identity, at_first(kind, 1, || retry_after(503)));
        let servers = [Careless::plain(&world.identity), odd];
        let config = world.config(&servers);
        let (container, mari) = (sealed(&config), world.mari());
        match open(&container, MARI, &mut mari.signer(), &config) {
            Ok(_) => assert!(is_repeated, "{kind:?}"),
            Err(error) => assert!(!is_repeated && error.may_be_tried_again(), "{kind:?}: {error}"),
        }
        assert_eq!(servers[1].asked(kind).len(), 1 + usize::from(is_repeated), "{kind:?}");
    }
}

#[test]
fn a_server_may_recover() {
    let world = World::new();
    let is_up = Arc::new(AtomicBool::new(false));
    let recovers = Arc::clone(&is_up);
    let odd = Careless::new(&world.identity, move |request| {
        (request.kind() == Kind::Get && !recovers.load(Ordering::Relaxed)).then(|| status(503))
    });
    let servers = [Careless::plain(&world.identity), odd];
    let config = world.config(&servers);
    let (container, mari) = (sealed(&config), world.mari());
    let mut signer = mari.signer();
    assert!(open(&container, MARI, &mut signer, &config).unwrap_err().may_be_tried_again());
    is_up.store(true, Ordering::Relaxed);
    open(&container, MARI, &mut signer, &config).unwrap();
    // Each attempt has nonces, and a signature, of its own.
    let signed = signer.signed.into_inner();
    assert!(signed.len() == 2 && signed[0] != signed[1]);
    for server in &servers {
        let tickets = server.asked(Kind::Get);
        let nonces: Vec<_> = tickets
            .iter()
            .map(|request| Ticket::parse(request.header("x-cdoc2-auth-token").unwrap()).unwrap().audience().nonce.clone())
            .collect();
        assert!(nonces.len() == 2 && nonces[0] != nonces[1]);
    }
}

/// UC.Client.04, 8a.
#[test]
fn whoever_refuses_may_think_it_over() {
    let world = World::new();
    let servers = world.plain(2);
    let config = world.config(&servers);
    let (container, mari) = (sealed(&config), world.mari());
    let mut signer = mari.signer();
    signer.refusals = 1;
    let error = open(&container, MARI, &mut signer, &config).unwrap_err();
    assert!(matches!(error, Error::Signer(SignerError::Ended { .. })) && error.may_be_tried_again(), "{error}");
    assert!(servers.iter().all(|server| server.asked(Kind::Get).is_empty()));
    open(&container, MARI, &mut signer, &config).unwrap();
}

/// UC.Client.04, 11a. A server that gave a nonce for the share has it.
#[test]
fn a_server_may_refuse_the_authentication() {
    for status in [401, 403, 404] {
        let (reason, signed) = Pair::replying(Kind::Get, status, r#"{"error":"60001017727"}"#).reason();
        assert!(matches!(reason, Reason::Refused) && !reason.is_passing(), "{reason}");
        assert_eq!((signed, reason.to_string().contains("60001017727")), (1, false));
    }
    for status in [401, 403] {
        let (reason, signed) = Pair::replying(Kind::Nonce, status, "").reason();
        assert!(matches!(reason, Reason::NoSession), "{reason}");
        assert_eq!(signed, 0);
    }
}

/// UC.Client.04, 13a: the header's authentication code tells.
#[test]
fn another_share_opens_nothing() {
    let share = |octet: u8, len: usize, recipient: &str| {
        format!(r#"{{"share":"{}","recipient":"{recipient}"}}"#, Base64::encode_string(&vec![octet; len]))
    };
    let lies = |body: String| Pair::new(Kind::Get, move |_| json(body.clone()));
    let pair = lies(share(7, 32, MARI));
    let error = pair.mari.open(&pair.container, &pair.config).unwrap_err();
    assert!(matches!(error, Error::Container(cdoc2::Error::Rejected)), "{error}");

    let (reason, _) = lies(share(7, 32, JAAN)).reason();
    assert!(matches!(reason, Reason::OtherRecipient) && !reason.to_string().contains("38001085718"), "{reason}");
    for len in [33, 64, 128] {
        let (reason, _) = lies(share(7, len, MARI)).reason();
        assert!(matches!(reason, Reason::Length(given) if given == len), "{reason}");
    }
    for nonsense in
        [share(7, 31, MARI), share(7, 129, MARI), share(7, 32, "Mari"), String::new(), "[]".into(), "{}".into(), "null".into()]
    {
        let (reason, _) = lies(nonsense).reason();
        assert!(matches!(reason, Reason::Https(https::Error::Nonsense("it is no key share in JSON"))), "{reason}");
    }
}

#[test]
fn a_nonce_is_a_nonce() {
    for nonsense in [
        "",
        "{}",
        "[]",
        r#"{"nonce":null}"#,
        r#"{"nonce":"12345678901"}"#,
        r#"{"nonce":"1234567890&a=b"}"#,
        r#"{"nonce":"12345678901234567890123456789012345678901234567890123456789012345"}"#,
    ] {
        let (reason, signed) = Pair::replying(Kind::Nonce, 200, nonsense).reason();
        assert!(matches!(reason, Reason::Https(https::Error::Nonsense("it is no nonce in JSON"))), "{nonsense}: {reason}");
        assert_eq!(signed, 0);
    }
}

#[test]
fn answers_are_bounded_and_lead_nowhere() {
    for (kind, times) in [(Kind::Nonce, 0), (Kind::Get, 1)] {
        let (reason, signed) = Pair::new(kind, |_| json("x".repeat(1 << 20))).reason();
        assert!(matches!(reason, Reason::Https(https::Error::Nonsense("it is too long"))), "{reason}");
        assert_eq!(signed, times);
        let pair = Pair::new(kind, |_| Reply::Octets(302, "location: https://127.0.0.1:1/\r\n".to_owned(), String::new()));
        assert!(matches!(pair.reason().0, Reason::Https(https::Error::Status(302))));
        // Not to the other server either, which would get the ticket of this one.
        let other = pair.servers[0].address;
        let odd = Careless::new(&pair.world.identity, move |request| {
            (request.kind() == kind)
                .then(|| Reply::Octets(307, format!("location: https://{other}{}\r\n", request.target), String::new()))
        });
        let servers = [Careless::plain(&pair.world.identity), odd];
        let config = pair.world.config(&servers);
        let before = pair.servers[0].heard().len();
        assert!(pair.mari.open(&sealed(&config), &config).is_err());
        assert_eq!(pair.servers[0].heard().len(), before);
    }
}

/// Somebody gives up once a server has been asked, which `replies` so.
fn whoever_gives_up_does_not_wait_for(replies: fn() -> Reply, timeouts: Timeouts) {
    for kind in [Kind::Nonce, Kind::Get] {
        let was_asked = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&was_asked);
        let pair = Pair::new(kind, move |_| {
            asked.store(true, Ordering::Relaxed);
            replies()
        });
        let mut gives_up = Terminal(Box::new(|| was_asked.load(Ordering::Relaxed)));
        let begun = Instant::now();
        let outcome = open_with(&pair.container, MARI, &mut pair.mari.signer(), &pair.config, timeouts, &mut gives_up);
        assert!(matches!(outcome, Err(Error::Cancelled)));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}

#[test]
fn whoever_gives_up_does_not_wait() {
    let timeouts = Timeouts { connect: Duration::from_secs(20), total: Duration::from_secs(20), busy: Duration::ZERO };
    whoever_gives_up_does_not_wait_for(|| Reply::Silence, timeouts);
}

#[test]
fn whoever_gives_up_does_not_wait_for_a_server_that_is_busy() {
    let busy = || Reply::Octets(429, "retry-after: 50\r\n".to_owned(), String::new());
    whoever_gives_up_does_not_wait_for(busy, Timeouts::default());
}
