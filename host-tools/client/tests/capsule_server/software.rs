//! Keys in software, against the real server.

use std::time::{Duration, SystemTime};

use cdoc2::core::wire::capsule::Capsule;
use cdoc2::core::wire::label::{KeyLabel, LabelField};
use cdoc2::{Container, Kind, Recipient, label};
use cdoc2_api::ExpiryTime;
use cdoc2_client::capsule_server::{Error, SoftwareHolder, check};
use cdoc2_client::config::{Config, Place};
use cdoc2_client::https::{self, CertificateRefusal, Timeouts};
use cdoc2_client::tls::NotPinned;
use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::{Algorithm, Authority, Content, Subject};
use x509_cert::ext::pkix::KeyUsages;
use zeroize::Zeroizing;

use crate::world::{Person, World, holder, open, reason, seal};

fn after(duration: Duration) -> ExpiryTime {
    (SystemTime::now() + duration).try_into().unwrap()
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Until when the server keeps the capsules, as the labels say.
fn server_exps(container: &Container) -> Vec<Option<i64>> {
    let of_record = |label: &KeyLabel<'_>| {
        let text = label.fields()?.get(LabelField::ServerExp)?;
        String::from_utf8(label::octets(&text)).unwrap().parse().ok()
    };
    container.envelope().header().records().map(|record| of_record(&record.key_label)).collect()
}

fn server_exp(container: &Container) -> Option<i64> {
    server_exps(container)[0]
}

#[test]
fn every_kind_of_key_gets_its_capsule() {
    let world = World::new();
    let config = world.config();
    for algorithm in [Algorithm::P384, Algorithm::P256, Algorithm::P521, Algorithm::Rsa] {
        let person = world.person(algorithm);
        let secret = Recipient::SymmetricKey { key: Zeroizing::new(vec![1; 32]), label: "s".into() };
        let (container, warnings) = seal(&config, &[secret, person.recipient()], None).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(person.open(&container, &config).unwrap(), 2, "{algorithm:?}");
    }
}

#[test]
fn what_is_asked_for_is_in_the_label_and_no_longer_than_the_certificate() {
    let world = World::new();
    let config = world.config();
    let person = world.person(Algorithm::P384);
    let wanted = after(DAY);
    let (container, _) = seal(&config, &[person.recipient()], Some(wanted)).unwrap();
    assert_eq!(server_exp(&container), Some(wanted.as_unix()));

    let person = person_for(&world, DAY);
    let (container, _) = seal(&config, &[person.recipient()], Some(after(20 * DAY))).unwrap();
    assert_eq!(server_exp(&container), last(&person));
}

/// A certificate of the holder, valid for this long.
fn person_for(world: &World, time: Duration) -> Person {
    let mut content = content::person(&holder(), Document::IdCard).unwrap();
    content.not_after = SystemTime::now() + time;
    Person::of(&world.authority.identity(&content, Algorithm::P384).unwrap())
}

fn last(person: &Person) -> Option<i64> {
    Some(ExpiryTime::try_from(person.certificate.not_after()).unwrap().as_unix())
}

/// Whatever the server does by itself, and though it refuses what it finds too long.
#[test]
fn what_nobody_asked_for_is_no_longer_than_the_certificate_either() {
    let world = World::with("[expiry]\ndefault = \"10d\"\nmax = \"10d\"\ntoo_long = \"reject\"\n");
    let config = world.config();
    let (short, long) = (person_for(&world, 2 * DAY), person_for(&world, 2000 * DAY));
    let (container, warnings) = seal(&config, &[short.recipient(), long.recipient(), short.recipient()], None).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let kept = server_exps(&container);
    assert_eq!((kept[0], kept[2]), (last(&short), last(&short)));
    let usual = kept[1].unwrap();
    assert!((after(9 * DAY).as_unix()..=after(10 * DAY).as_unix()).contains(&usual), "{usual}");
    assert_eq!(short.open(&container, &config).unwrap(), 1);
    assert_eq!(long.open(&container, &config).unwrap(), 2);
}

#[test]
fn too_long_a_time_is_refused_or_adjusted_as_the_server_likes() {
    let world = World::with("[expiry]\ndefault = \"1d\"\nmax = \"2d\"\ntoo_long = \"reject\"\n");
    let person = world.person(Algorithm::P384);
    let error = seal(&world.config(), &[person.recipient()], Some(after(30 * DAY))).unwrap_err();
    assert!(matches!(reason(&error), Error::Https(https::Error::Refused(text)) if !text.is_empty()), "{error}");
    assert_eq!(error.kind(), Kind::Server);

    let world = World::with("[expiry]\ndefault = \"1d\"\nmax = \"2d\"\ntoo_long = \"clamp\"\n");
    let person = world.person(Algorithm::P384);
    let (container, warnings) = seal(&world.config(), &[person.recipient()], Some(after(30 * DAY))).unwrap();
    assert!(matches!(&warnings[..], [one] if one.contains("shorter time") && one.contains("MAASIKAS")), "{warnings:?}");
    assert!(server_exp(&container).unwrap() < after(3 * DAY).as_unix());
}

#[test]
fn a_container_names_a_server_that_must_be_known() {
    let world = World::new();
    let config = world.config();
    let person = world.person(Algorithm::P384);
    let (container, _) = seal(&config, &[person.recipient()], None).unwrap();
    let record = container.envelope().header().records().next().unwrap();
    assert!(matches!(record.capsule, Capsule::KeyServer(capsule) if capsule.keyserver_id.as_str() == Some("test")));

    let other = world.config_with("other", "\"root.pem\"");
    let error = person.open(&container, &other).unwrap_err();
    assert!(matches!(reason(&error), Error::Unknown(_)), "{error}");
    assert!(error.to_string().contains("no [[server]] with this id") && error.to_string().contains("client.toml"), "{error}");

    let none = Config::load(Place { path: world.path("absent.toml"), is_named: false }).unwrap();
    let error = person.open(&container, &none).unwrap_err().to_string();
    assert!(error.contains("there is no configuration, which would be") && error.contains("absent.toml"), "{error}");
}

#[test]
fn only_pinned_certificates_are_taken() {
    let world = World::new();
    let person = world.person(Algorithm::P384);
    // The leaf itself, the authority right above it, and the root.
    for pin in ["leaf.pem", "intermediate.pem", "root.pem"] {
        let config = world.config_with("test", &format!("\"{pin}\""));
        let (container, _) = seal(&config, &[person.recipient()], None).unwrap();
        person.open(&container, &config).unwrap();
        let checked = check(config.default_server().unwrap(), Timeouts::default());
        assert_eq!(checked.sender.unwrap(), checked.recipient.unwrap());
    }

    let (container, _) = seal(&world.config(), &[person.recipient()], None).unwrap();
    let other = Authority::new("Other", None).unwrap();
    std::fs::write(world.path("other.pem"), other.root_pem()).unwrap();
    let config = world.config_with("test", "\"other.pem\"");
    let error = seal(&config, &[person.recipient()], None).unwrap_err();
    assert!(matches!(reason(&error), Error::Https(https::Error::NotPinned { reason: NotPinned::Unknown, .. })), "{error}");
    let error = person.open(&container, &config).unwrap_err();
    assert!(matches!(reason(&error), Error::Https(https::Error::NotPinned { reason: NotPinned::Unknown, .. })), "{error}");
    let checked = check(config.default_server().unwrap(), Timeouts::default());
    assert!(
        matches!(checked.sender, Err(https::Error::NotPinned { .. }))
            && matches!(checked.recipient, Err(https::Error::NotPinned { .. }))
    );
}

#[test]
fn a_stranger_gets_nothing() {
    let world = World::new();
    let config = world.config();
    let person = world.person(Algorithm::P384);
    let (container, _) = seal(&config, &[person.recipient()], None).unwrap();

    // The right key, certified by somebody whom the server does not know.
    let other = Authority::new("Other", None).unwrap();
    let content = content::person(&holder(), Document::IdCard).unwrap();
    let identity = world.authority.identity(&content, Algorithm::P384).unwrap();
    let known = Person::of(&identity);
    let stranger = Person::of(&other.certify_again(&identity, &content).unwrap());
    let (theirs, _) = seal(&config, &[known.recipient()], None).unwrap();
    let error = stranger.open(&theirs, &config).unwrap_err();
    assert!(matches!(reason(&error), Error::Https(https::Error::Certificate(CertificateRefusal::UnknownIssuer))), "{error}");
    known.open(&theirs, &config).unwrap();

    // Another key fits no record, so no server is asked.
    let error = known.open(&container, &config).unwrap_err();
    assert_eq!(error.kind(), Kind::NoRecord);

    // No certificate at all.
    let error = open(&container, &config, SoftwareHolder::new(&person.unlock, 0, None)).unwrap_err();
    assert!(matches!(reason(&error), Error::NoCertificate), "{error}");

    // A server of the same id that never had the capsule.
    let elsewhere = World::new();
    let identity = elsewhere.authority.certify_again(&identity, &content).unwrap();
    let error = Person::of(&identity).open(&theirs, &elsewhere.config()).unwrap_err();
    assert!(matches!(reason(&error), Error::NotFound), "{error}");
}

#[test]
fn an_expired_certificate_is_told_from_others() {
    let world = World::new();
    let config = world.config();
    let content = content::person(&holder(), Document::IdCard).unwrap();
    let identity = world.authority.identity(&content, Algorithm::P384).unwrap();
    let (container, _) = seal(&config, &[Person::of(&identity).recipient()], None).unwrap();
    let expired = Person::of(&world.authority.certify_again(&identity, &content::expired(content)).unwrap());
    let error = expired.open(&container, &config).unwrap_err();
    assert!(matches!(reason(&error), Error::Https(https::Error::Certificate(CertificateRefusal::Expired))), "{error}");

    let error = seal(&config, &[expired.recipient()], None).unwrap_err();
    assert!(matches!(reason(&error), Error::Recipient(_)), "{error}");
}

#[test]
fn who_could_not_fetch_it_is_refused_before_anything_is_sent() {
    let mut world = World::new();
    let config = world.config();
    let content = content::person(&holder(), Document::IdCard).unwrap();
    let content = content::without_usage(content, KeyUsages::DigitalSignature);
    let person = Person::of(&world.authority.identity(&content, Algorithm::P384).unwrap());
    world.stop();
    let error = seal(&config, &[person.recipient()], None).unwrap_err();
    assert!(matches!(reason(&error), Error::Recipient(_)), "{error}");
    assert!(error.to_string().contains("digitalSignature"), "{error}");
}

#[test]
fn a_server_that_is_not_there_is_said_so() {
    let mut world = World::new();
    let config = world.config();
    let person = world.person(Algorithm::P384);
    let (container, _) = seal(&config, &[person.recipient()], None).unwrap();
    world.stop();
    let error = seal(&config, &[person.recipient()], None).unwrap_err();
    assert!(
        matches!(reason(&error), Error::Https(https::Error::Connect { host, .. }) if host.starts_with("127.0.0.1:")),
        "{error}"
    );
    let error = person.open(&container, &config).unwrap_err();
    assert!(matches!(reason(&error), Error::Https(https::Error::Connect { .. })), "{error}");
}

#[test]
fn a_certificate_for_another_name_is_not_the_servers() {
    let world = World::new();
    let mut content = Content::server(Subject::named("elsewhere").unwrap(), SystemTime::now()).unwrap();
    content.alternative_names.truncate(1);
    let identity = world.authority.identity(&content, Algorithm::P384).unwrap();
    let served = crate::misbehaving::Misbehaving::new(&identity, |_| Vec::new());
    let config = served.config(&world, "root.pem");
    let error = seal(&config, &[world.person(Algorithm::P384).recipient()], None).unwrap_err();
    assert!(
        matches!(reason(&error), Error::Https(https::Error::NotPinned { reason: NotPinned::Name { name }, .. }) if name == "127.0.0.1"),
        "{error}"
    );
}
