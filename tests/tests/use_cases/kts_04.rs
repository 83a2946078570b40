//! UC.KTS.04: authenticate recipient.

use cdoc2_testbed::content::{self, Document, person};
use cdoc2_testbed::ocsp::{Mode, Standing};
use cdoc2_testbed::{Algorithm, Authority, Content, Identity, oid};

use crate::http::{capsule, get, location, put};
use crate::scene::{MARI, Scene, holder};

fn good() -> Content {
    person(&holder(MARI), Document::IdCard).unwrap()
}

/// A scene, the recipient whose certificate says `content`, and the path of a capsule for them.
fn scene_with(content: &Content) -> (Scene, Identity, String) {
    let scene = Scene::new();
    let identity = scene.bed.authority().identity(content, Algorithm::P384).unwrap();
    let path = location(&put(&scene.bed, &capsule(&identity), None));
    (scene, identity, path)
}

/// The connection fails, so that nothing can be asked for.
#[track_caller]
fn is_refused(scene: &Scene, identity: &Identity, path: &str) {
    let answer = get(&scene.bed, Some(identity), path);
    assert!(answer.is_err(), "{answer:?}");
}

#[test]
fn uc_kts_04_authenticate_recipient() {
    let (scene, identity, path) = scene_with(&good());
    assert_eq!(scene.bed.ocsp().requests(), 0);
    assert_eq!(get(&scene.bed, Some(&identity), &path).unwrap().status(), 200);
    assert_eq!(scene.bed.ocsp().requests(), 1);
}

#[test]
fn uc_kts_04_2a_certificate_revoked() {
    let (scene, identity, path) = scene_with(&good());
    scene.bed.ocsp().set(&identity.serial(), Standing::Revoked);
    is_refused(&scene, &identity, &path);
}

#[test]
fn uc_kts_04_2a_certificate_unknown_to_its_authority() {
    let (scene, identity, path) = scene_with(&good());
    scene.bed.ocsp().set(&identity.serial(), Standing::Unknown);
    is_refused(&scene, &identity, &path);
}

#[test]
fn uc_kts_04_2a_certificate_expired() {
    // The responder says that it is good, as SK's does.
    let (scene, identity, path) = scene_with(&content::expired(good()));
    is_refused(&scene, &identity, &path);
}

#[test]
fn uc_kts_04_2a_certificate_not_yet_valid() {
    let (scene, identity, path) = scene_with(&content::not_yet_valid(good()));
    is_refused(&scene, &identity, &path);
}

#[test]
fn uc_kts_04_2a_certificate_for_something_else() {
    let (scene, identity, path) = scene_with(&content::without_purpose(good(), oid::CLIENT_AUTH));
    is_refused(&scene, &identity, &path);
}

#[test]
fn uc_kts_04_2a_certificate_of_another_authority() {
    let (scene, identity, path) = scene_with(&good());
    let stranger = Authority::new("Stranger", Some(&scene.bed.ocsp().url())).unwrap();
    let same_key = stranger.certify_again(&identity, &good()).unwrap();
    is_refused(&scene, &same_key, &path);
    assert_eq!(get(&scene.bed, Some(&identity), &path).unwrap().status(), 200);
}

#[test]
fn uc_kts_04_2a_nobody_can_say_whether_it_is_valid() {
    for mode in [Mode::Down, Mode::TryLater, Mode::WrongSigner, Mode::Expired, Mode::Garbage] {
        let (scene, identity, path) = scene_with(&good());
        scene.bed.ocsp().set_mode(mode);
        is_refused(&scene, &identity, &path);
    }
}

#[test]
fn uc_kts_04_2a_no_certificate() {
    let (scene, _, path) = scene_with(&good());
    assert_eq!(get(&scene.bed, None, &path).unwrap().status(), 401);
}
