//! The scenarios of the test plan. Each runs for ECC, on three curves, or for RSA, or for both, as its name there says.

use cdoc2_tests::capsule_server::{Capsule, CapsuleServer, Installation, PATH, location, random};
use cdoc2_tests::https::Response;
use cdoc2_tests::pki::Kind;

use crate::{on_both_stores, with_postgresql};

/// Longest key material of the interface (`maxLength` of `ephemeral_key_material`).
const MAX_LEN: usize = 2100;

on_both_stores!(
    ecc_put_capsule_pos_01_once,
    rsa_put_capsule_pos_01_once,
    ecc_put_capsule_pos_02_repeatedly,
    rsa_put_capsule_pos_02_repeatedly,
    rsa_put_capsule_pos_03_random_content,
    ecc_get_capsule_pos_01_correct_request,
    rsa_get_capsule_pos_01_correct_request,
    rsa_put_capsule_neg_01_capsule_too_big,
    get_capsule_neg_02_random_uuid_transaction_id,
    get_capsule_neg_03_too_short_transaction_id,
    get_capsule_neg_04_empty_string_transaction_id,
    get_capsule_neg_05_too_long_random_string_transaction_id,
    ecc_get_capsule_neg_06_public_key_not_matching,
    rsa_get_capsule_neg_06_public_key_not_matching,
);

/// The id in a location, which must be as the interface says: 18 to 34 characters, beginning with "KC".
fn transaction_id<'r>(name: &str, response: &'r Response) -> &'r str {
    assert_eq!(response.status, 201, "{name}: {response:?}");
    let location = response.header("location").unwrap_or_else(|| panic!("{name}: no Location: {response:?}"));
    let id = location.strip_prefix("/key-capsules/").unwrap_or_else(|| panic!("{name}: {location}"));
    assert!((18..=34).contains(&id.len()), "{name}: {id}");
    let digits = id.strip_prefix("KC").unwrap_or_else(|| panic!("{name}: {id}"));
    assert!(digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{name}: {id}");
    id
}

/// A refusal tells no id.
fn assert_refused(name: &str, response: &Response, status: u16) {
    assert_eq!(response.status, status, "{name}: {response:?}");
    assert_eq!(response.header("location"), None, "{name}");
    assert!(response.json().get("error").is_some_and(serde_json::Value::is_string), "{name}: {response:?}");
}

/// What every GET of this client with this end of the path is answered.
fn assert_get_refused(name: &str, site: &Installation, server: &CapsuleServer, end: &str, status: u16) {
    for kind in Kind::ALL {
        let client = site.client(&site.person(kind));
        let response = server.get(&client, &format!("{PATH}{end}")).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_refused(&format!("{name}, {kind:?}, {end:?}"), &response, status);
    }
}

fn put_once(name: &str, site: &Installation, kinds: &[Kind]) {
    let server = site.start();
    for &kind in kinds {
        let capsule = Capsule::new(kind, &site.person(kind));
        let response = server.put(&capsule).unwrap_or_else(|error| panic!("{name}, {kind:?}: {error}"));
        transaction_id(name, &response);
        assert!(response.header("x-expiry-time").is_some(), "{name}, {kind:?}: {response:?}");
    }
}

/// `ECC-PUT_CAPSULE-POS-01-ONCE`: a sender puts a capsule.
fn ecc_put_capsule_pos_01_once(site: &mut Installation) {
    put_once("ECC-PUT_CAPSULE-POS-01-ONCE", site, &Kind::ECC);
}

/// `RSA-PUT_CAPSULE-POS-01-ONCE`
fn rsa_put_capsule_pos_01_once(site: &mut Installation) {
    put_once("RSA-PUT_CAPSULE-POS-01-ONCE", site, &[Kind::Rsa]);
}

fn put_repeatedly(name: &str, site: &Installation, kinds: &[Kind]) {
    let server = site.start();
    for &kind in kinds {
        let recipient = site.person(kind);
        let capsule = Capsule::new(kind, &recipient);
        let [first, second] = [(), ()].map(|()| server.put(&capsule).unwrap_or_else(|error| panic!("{name}, {kind:?}: {error}")));
        assert_ne!(transaction_id(name, &first), transaction_id(name, &second), "{name}, {kind:?}");
        for response in [first, second] {
            let got = server
                .get(&site.client(&recipient), &location(&response))
                .unwrap_or_else(|error| panic!("{name}, {kind:?}: {error}"));
            assert_eq!(Capsule::read(&got), capsule, "{name}, {kind:?}");
        }
    }
}

/// `ECC-PUT_CAPSULE-POS-02-REPEATEDLY`: a sender puts the same capsule again.
fn ecc_put_capsule_pos_02_repeatedly(site: &mut Installation) {
    put_repeatedly("ECC-PUT_CAPSULE-POS-02-REPEATEDLY", site, &Kind::ECC);
}

/// `RSA-PUT_CAPSULE-POS-02-REPEATEDLY`
fn rsa_put_capsule_pos_02_repeatedly(site: &mut Installation) {
    put_repeatedly("RSA-PUT_CAPSULE-POS-02-REPEATEDLY", site, &[Kind::Rsa]);
}

/// `RSA-PUT-CAPSULE-POS-03-RANDOM_CONTENT`: any octets up to the defined length as RSA key material.
fn rsa_put_capsule_pos_03_random_content(site: &mut Installation) {
    let name = "RSA-PUT-CAPSULE-POS-03-RANDOM_CONTENT";
    let server = site.start();
    let recipient = site.person(Kind::Rsa);
    for len in [1, 255, 256, 257, 512, MAX_LEN] {
        let capsule = Capsule { ephemeral_key_material: random(len), ..Capsule::new(Kind::Rsa, &recipient) };
        let response = server.put(&capsule).unwrap_or_else(|error| panic!("{name}, {len} octets: {error}"));
        transaction_id(&format!("{name}, {len} octets"), &response);
        let got = server
            .get(&site.client(&recipient), &location(&response))
            .unwrap_or_else(|error| panic!("{name}, {len} octets: {error}"));
        assert_eq!(Capsule::read(&got), capsule, "{name}, {len} octets");
    }
}

fn get_correctly(name: &str, site: &Installation, kinds: &[Kind]) {
    let server = site.start();
    for &kind in kinds {
        let recipient = site.person(kind);
        let capsule = Capsule::new(kind, &recipient);
        let put = server.put(&capsule).unwrap_or_else(|error| panic!("{name}, {kind:?}: {error}"));
        // As often as somebody opens the container.
        for _ in 0..2 {
            let got =
                server.get(&site.client(&recipient), &location(&put)).unwrap_or_else(|error| panic!("{name}, {kind:?}: {error}"));
            assert_eq!(Capsule::read(&got), capsule, "{name}, {kind:?}");
            assert_eq!(got.header("x-expiry-time"), put.header("x-expiry-time"), "{name}, {kind:?}");
        }
    }
}

/// `ECC-GET_CAPSULE-POS-01-CORRECT_REQUEST`: the recipient gets what was put.
fn ecc_get_capsule_pos_01_correct_request(site: &mut Installation) {
    get_correctly("ECC-GET_CAPSULE-POS-01-CORRECT_REQUEST", site, &Kind::ECC);
}

/// `RSA-GET_CAPSULE-POS-01-CORRECT_REQUEST`
fn rsa_get_capsule_pos_01_correct_request(site: &mut Installation) {
    get_correctly("RSA-GET_CAPSULE-POS-01-CORRECT_REQUEST", site, &[Kind::Rsa]);
}

/// `RSA-PUT_CAPSULE-NEG-01-CAPSULE_TOO_BIG`: key material that is longer than the interface allows.
fn rsa_put_capsule_neg_01_capsule_too_big(site: &mut Installation) {
    let name = "RSA-PUT_CAPSULE-NEG-01-CAPSULE_TOO_BIG";
    let server = site.start();
    let recipient = site.person(Kind::Rsa);
    for len in [MAX_LEN + 1, 4000] {
        let capsule = Capsule { ephemeral_key_material: random(len), ..Capsule::new(Kind::Rsa, &recipient) };
        let response = server.put(&capsule).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_refused(&format!("{name}, {len} octets"), &response, 400);
    }
}

/// `GET_CAPSULE-NEG-02-RANDOM_UUID_TRANSACTION_ID`: an id by which there is nothing.
fn get_capsule_neg_02_random_uuid_transaction_id(site: &mut Installation) {
    let name = "GET_CAPSULE-NEG-02-RANDOM_UUID_TRANSACTION_ID";
    let server = site.start();
    // Something is there, by another id.
    let _ = server.keep(&Capsule::new(Kind::P384, &site.person(Kind::P384)));
    let uuid = u128::from_be_bytes(random(16).try_into().expect("16 octets"));
    assert_get_refused(name, site, &server, &format!("/{uuid:032x}"), 404);
    assert_get_refused(name, site, &server, &format!("/KC{uuid:032x}"), 404);
    // As text a UUID has 36 characters, two more than an id.
    let hex = format!("{uuid:032x}");
    let text = format!("/{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    assert_get_refused(name, site, &server, &text, 400);
}

/// `GET_CAPSULE-NEG-03-TOO_SHORT_TRANSACTION_ID`
fn get_capsule_neg_03_too_short_transaction_id(site: &mut Installation) {
    let server = site.start();
    for end in ["/1", "/123", "/KC0123456789ABCDE"] {
        assert_get_refused("GET_CAPSULE-NEG-03-TOO_SHORT_TRANSACTION_ID", site, &server, end, 400);
    }
}

/// `GET_CAPSULE-NEG-04-EMPTY_STRING_TRANSACTION_ID`: then the path is another, and nothing can be got there.
fn get_capsule_neg_04_empty_string_transaction_id(site: &mut Installation) {
    let name = "GET_CAPSULE-NEG-04-EMPTY_STRING_TRANSACTION_ID";
    let server = site.start();
    let client = site.client(&site.person(Kind::P384));
    for (end, allowed) in [("/", [400, 404, 405]), ("", [400, 404, 405])] {
        let response = server.get(&client, &format!("{PATH}{end}")).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(allowed.contains(&response.status), "{name}, {end:?}: {response:?}");
    }
}

/// `GET_CAPSULE-NEG-05-TOO_LONG_RANDOM_STRING_TRANSACTION_ID`
fn get_capsule_neg_05_too_long_random_string_transaction_id(site: &mut Installation) {
    let server = site.start();
    for len in [35, 36, 100, 1000] {
        let end: String = random(len).iter().map(|octet| char::from(b'A' + octet % 26)).collect();
        assert_get_refused("GET_CAPSULE-NEG-05-TOO_LONG_RANDOM_STRING_TRANSACTION_ID", site, &server, &format!("/{end}"), 400);
    }
}

fn get_with_another_key(name: &str, site: &Installation, kinds: &[Kind]) {
    let server = site.start();
    for &kind in kinds {
        let recipient = site.person(kind);
        let at = server.keep(&Capsule::new(kind, &recipient));
        for other in Kind::ALL {
            let client = site.client(&site.person(other));
            let response = server.get(&client, &at).unwrap_or_else(|error| panic!("{name}, {kind:?}: {error}"));
            assert_refused(&format!("{name}, {kind:?} by {other:?}"), &response, 404);
            // It looks as if there were nothing.
            let nothing = server
                .get(&client, &format!("{PATH}/KC{}", "0".repeat(32)))
                .unwrap_or_else(|error| panic!("{name}, {kind:?}: {error}"));
            assert_eq!((response.status, &response.body), (nothing.status, &nothing.body), "{name}, {kind:?}");
        }
        let got = server.get(&site.client(&recipient), &at).unwrap_or_else(|error| panic!("{name}, {kind:?}: {error}"));
        assert_eq!(got.status, 200, "{name}, {kind:?}: it is still there for its recipient");
    }
}

/// `ECC-GET_CAPSULE-NEG-06-PUBLIC_KEY_NOT_MATCHING`: somebody else knows the id.
fn ecc_get_capsule_neg_06_public_key_not_matching(site: &mut Installation) {
    get_with_another_key("ECC-GET_CAPSULE-NEG-06-PUBLIC_KEY_NOT_MATCHING", site, &Kind::ECC);
}

/// `RSA-GET_CAPSULE-NEG-06-PUBLIC_KEY_NOT_MATCHING`
fn rsa_get_capsule_neg_06_public_key_not_matching(site: &mut Installation) {
    get_with_another_key("RSA-GET_CAPSULE-NEG-06-PUBLIC_KEY_NOT_MATCHING", site, &[Kind::Rsa]);
}

/// "Successful transmission of a capsule in a multi-arm system: the capsule is received by one arm and issued by another arm of the system."
#[test]
fn received_by_one_arm_issued_by_another() {
    let site = with_postgresql();
    let arms = [site.start(), site.start()];
    for kind in Kind::ALL {
        let recipient = site.person(kind);
        for (receives, issues) in [(0, 1), (1, 0)] {
            let capsule = Capsule::new(kind, &recipient);
            let at = arms[receives].keep(&capsule);
            let got = arms[issues].get(&site.client(&recipient), &at).expect("an answer");
            assert_eq!(Capsule::read(&got), capsule, "{kind:?}, received by arm {receives}, issued by arm {issues}");
        }
    }
}
