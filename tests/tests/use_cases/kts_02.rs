//! UC.KTS.02: request capsule.

use cdoc2_api::{Capsule, capsule};
use cdoc2_testbed::Algorithm;
use cdoc2_testbed::content::{Document, person};

use crate::http::{capsule, get, location, put, recipient};
use crate::scene::{JAAN, Scene, holder};

#[test]
fn uc_kts_02_request_capsule() {
    let scene = Scene::new();
    let identity = recipient(&scene.bed);
    let sent = capsule(&identity);
    let answer = get(&scene.bed, Some(&identity), &location(&put(&scene.bed, &sent, None))).unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(serde_json::from_slice::<Capsule>(&answer.bytes().unwrap()).unwrap(), sent);
}

#[test]
fn uc_kts_02_2a_transaction_id_too_long() {
    let scene = Scene::new();
    let identity = recipient(&scene.bed);
    let answer = get(&scene.bed, Some(&identity), &format!("{}/KC{}", capsule::PATH, "0".repeat(33))).unwrap();
    assert_eq!(answer.status(), 400);
}

#[test]
fn uc_kts_02_3a_capsule_not_found() {
    let scene = Scene::new();
    let identity = recipient(&scene.bed);
    let answer = get(&scene.bed, Some(&identity), &format!("{}/KC{}", capsule::PATH, "0".repeat(32))).unwrap();
    assert_eq!(answer.status(), 404);
}

#[test]
fn uc_kts_02_3b_public_key_does_not_match() {
    let scene = Scene::new();
    let path = location(&put(&scene.bed, &capsule(&recipient(&scene.bed)), None));
    let other = scene.bed.authority().identity(&person(&holder(JAAN), Document::IdCard).unwrap(), Algorithm::P384).unwrap();
    let refused = get(&scene.bed, Some(&other), &path).unwrap();
    let unknown = get(&scene.bed, Some(&other), &format!("{}/KC{}", capsule::PATH, "0".repeat(32))).unwrap();
    assert_eq!((refused.status(), unknown.status()), (404.try_into().unwrap(), 404.try_into().unwrap()));
    // Nobody learns whether there is a capsule for somebody else.
    assert_eq!(refused.text().unwrap(), unknown.text().unwrap());
}
