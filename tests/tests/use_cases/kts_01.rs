//! UC.KTS.01: forward capsules.

use cdoc2_api::{CapsuleType, TransactionId, capsule, expiry};
use cdoc2_testbed::Options;

use crate::http::{capsule, day, get, location, put, recipient, seconds_from_now};
use crate::scene::{MARI, Scene, code};

const DAY: i64 = 24 * 60 * 60;

/// A scene whose server keeps capsules for ten days, and for thirty at most.
fn thirty_days() -> Scene {
    Scene::with(Options {
        ldap: false,
        configure_server: Box::new(|config| {
            config.expiry.default = std::time::Duration::from_secs(10 * 24 * 60 * 60);
            config.expiry.max = std::time::Duration::from_secs(30 * 24 * 60 * 60);
        }),
        ..Options::default()
    })
}

#[test]
fn uc_kts_01_forward_capsules() {
    let scene = Scene::new();
    let identity = recipient(&scene.bed);
    let (sent, until) = (capsule(&identity), seconds_from_now(DAY));
    let [one, other] = [(); 2].map(|()| put(&scene.bed, &sent, Some(until)));
    // 4: the expiry that was asked for
    assert_eq!(one.headers()[expiry::HEADER], until.to_string());
    // 5: an id for each, and never the same
    let path = location(&one);
    assert_ne!(path, location(&other));
    let id = path.strip_prefix(&format!("{}/", capsule::PATH)).unwrap();
    assert!(id.starts_with("KC") && id.parse::<TransactionId>().is_ok(), "{id}");
    let kept = get(&scene.bed, Some(&identity), &path).unwrap();
    assert_eq!(kept.headers()[expiry::HEADER], until.to_string());
    assert_eq!(kept.bytes().unwrap(), serde_json::to_vec(&sent).unwrap());
}

#[test]
fn uc_kts_01_1a_expiry_from_the_policy_service() {
    let scene = Scene::new();
    scene.bed.policy().set(200, r#"{"version":1,"capsule_expires":"7d"}"#);
    let reader = scene.card(MARI);
    scene.done(&format!("encrypt -o in.cdoc2 -r token:{reader} a.txt"));
    assert_eq!(scene.bed.policy().requests(), 1);
    let record = &scene.records("in.cdoc2")[0];
    assert!(record["expires"].as_str().unwrap().starts_with(&day(7)), "{record}");
}

#[test]
fn uc_kts_01_2a_capsule_too_long() {
    let scene = Scene::new();
    let mut long = capsule(&recipient(&scene.bed));
    long.capsule_type = CapsuleType::Rsa;
    long.ephemeral_key_material = vec![0x55; capsule::MAX_FIELD_LEN + 1];
    let answer = put(&scene.bed, &long, None);
    assert!(answer.status() == 400 || answer.status() == 413, "{answer:?}");
    assert!(answer.text().unwrap().contains("error"));
}

#[test]
fn uc_kts_01_4a_no_expiry_given() {
    let scene = thirty_days();
    let answer = put(&scene.bed, &capsule(&recipient(&scene.bed)), None);
    location(&answer);
    assert!(answer.headers()[expiry::HEADER].to_str().unwrap().starts_with(&day(10)), "{answer:?}");
}

#[test]
fn uc_kts_01_4b_expiry_longer_than_allowed() {
    let scene = thirty_days();
    let sent = capsule(&recipient(&scene.bed));
    location(&put(&scene.bed, &sent, Some(seconds_from_now(29 * DAY))));
    let answer = put(&scene.bed, &sent, Some(seconds_from_now(31 * DAY)));
    assert_eq!(answer.status(), 400);
    assert!(answer.text().unwrap().contains("error"));
    // What the sender is told: UC.Client.01, 8c.
    let reader = scene.card(MARI);
    scene.fails(code::NETWORK, &format!("encrypt -o in.cdoc2 -r token:{reader} --expires 31d a.txt"), &["expir"]);
}
