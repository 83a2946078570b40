//! The capsule server and the policy service, as curl sees them.

use std::fs;
use std::process::Output;

use cdoc2_api::{Capsule, CapsuleType};
use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::ocsp::Standing;
use cdoc2_testbed::{Algorithm, Authority, Holder, Identity, PersonalCode, Testbed, policy};

use crate::curl::{curl, start};

fn identity(authority: &Authority) -> Identity {
    let holder = Holder::new("ÕUN,ŽANNA", PersonalCode::parse("60001019906").unwrap()).unwrap();
    authority.identity(&content::person(&holder, Document::IdCard).unwrap(), Algorithm::P384).unwrap()
}

/// Octets of an uncompressed point on P-384.
const POINT_LEN: usize = 97;

/// Sends a capsule for `recipient`; the address that it can be fetched from.
fn put(testbed: &Testbed, recipient: &Identity) -> String {
    let point = |identity: &Identity| identity.public_key()[identity.public_key().len() - POINT_LEN..].to_vec();
    let capsule = Capsule {
        recipient_id: point(recipient),
        ephemeral_key_material: point(&identity(testbed.authority())),
        capsule_type: CapsuleType::EccSecp384r1,
    };
    fs::write(testbed.folder().join("capsule.json"), serde_json::to_vec(&capsule).unwrap()).unwrap();
    let url = format!("{}{}", testbed.server().sender_url(), cdoc2_api::capsule::PATH);
    let arguments =
        ["--data", "@capsule.json", "--header", "content-type: application/json", "--write-out", "%{http_code} %header{location}"];
    let output = curl(testbed, &[&arguments[..], &[&url]].concat());
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let location = text.strip_prefix("201 ").unwrap_or_else(|| panic!("{output:?}"));
    format!("{}{location}", testbed.server().recipient_url())
}

/// Fetches `url` as `identity`.
fn get(testbed: &Testbed, identity: &Identity, url: &str) -> Output {
    fs::write(testbed.folder().join("client.pem"), identity.chain_pem()).unwrap();
    fs::write(testbed.folder().join("client.key"), identity.key_pem().as_bytes()).unwrap();
    curl(testbed, &["--cert", "client.pem", "--key", "client.key", "--fail", url])
}

#[test]
fn capsule_goes_there_and_back_and_the_responder_is_asked() {
    let testbed = start();
    let recipient = identity(testbed.authority());
    let url = put(&testbed, &recipient);
    let output = get(&testbed, &recipient, &url);
    assert!(output.status.success(), "{output:?}");
    let capsule: Capsule = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(capsule.capsule_type, CapsuleType::EccSecp384r1);
    assert!(testbed.ocsp().requests() > 0);
}

#[test]
fn server_comes_back_at_the_same_addresses_with_what_it_kept() {
    let testbed = start();
    let recipient = identity(testbed.authority());
    let url = put(&testbed, &recipient);
    testbed.server().stop();
    assert!(!get(&testbed, &recipient, &url).status.success());
    testbed.server().start().unwrap();
    let output = get(&testbed, &recipient, &url);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn revoked_and_strange_recipients_get_nothing() {
    let testbed = start();
    let revoked = identity(testbed.authority());
    testbed.ocsp().set(&revoked.serial(), Standing::Revoked);
    let url = put(&testbed, &revoked);
    assert!(!get(&testbed, &revoked, &url).status.success());
    let other = Authority::new("CDOC2 test bed", None).unwrap();
    let recipient = identity(testbed.authority());
    let stranger = other.certify_again(&recipient, &content::person(&holder(), Document::IdCard).unwrap()).unwrap();
    let url = put(&testbed, &recipient);
    assert!(!get(&testbed, &stranger, &url).status.success());
    assert!(get(&testbed, &recipient, &url).status.success());
}

fn holder() -> Holder {
    Holder::new("ÕUN,ŽANNA", PersonalCode::parse("60001019906").unwrap()).unwrap()
}

#[test]
fn policy_service_answers_what_it_is_told() {
    let testbed = start();
    let output = curl(&testbed, &[&testbed.policy().url()]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), policy::DOCUMENT);
    testbed.policy().set(503, "later");
    let output = curl(&testbed, &["--write-out", " %{http_code}", &testbed.policy().url()]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "later 503");
    assert_eq!(testbed.policy().requests(), 2);
}
