//! People whom everybody may test with.

use base64ct::{Base64, Encoding as _};
use cdoc2_testbed::phone::people::{self, Person};
use cdoc2_testbed::phone::{self, Timing};
use serde_json::json;

use crate::curl::{get, post, start};

/// What happens when this person is to sign, as it is printed.
fn ask(testbed: &cdoc2_testbed::Testbed, person: &Person) -> String {
    let mut request = json!({
        "relyingPartyUUID": phone::RELYING_PARTY_UUID,
        "relyingPartyName": phone::RELYING_PARTY_NAME,
        "hash": Base64::encode_string(&[7; 32]),
        "hashType": "SHA256",
    });
    let (begin, session) = if let Some(number) = person.phone_number {
        request["phoneNumber"] = number.into();
        request["nationalIdentityNumber"] = person.code.into();
        request["language"] = "ENG".into();
        let begin = format!("{}/authentication", testbed.mobile_id().url());
        (begin.clone(), format!("{begin}/session"))
    } else {
        request["allowedInteractionsOrder"] = json!([{ "type": "displayTextAndPIN", "displayText60": "Test?" }]);
        let base = testbed.smart_id().url();
        (format!("{base}/authentication/etsi/PNOEE-{}", person.code), format!("{base}/session"))
    };
    let id = match post(testbed, &begin, &request) {
        (200, begun) => begun["sessionID"].as_str().unwrap().to_owned(),
        (404, _) => return "has no account".into(),
        (status, _) => return format!("status {status}"),
    };
    let (status, answer) = get(testbed, &format!("{session}/{id}"));
    assert_eq!(status, 200, "{answer}");
    let result = answer["result"]["endResult"].as_str().or(answer["result"].as_str());
    match (answer["state"].as_str(), result) {
        (Some("RUNNING"), None) => "does not look at the phone".into(),
        (Some("COMPLETE"), Some("OK")) => "accepts".into(),
        (Some("COMPLETE"), Some(word)) => word.into(),
        _ => panic!("{answer}"),
    }
}

#[test]
fn everybody_behaves_as_is_said() {
    let testbed = start();
    let people = people::open_all(&testbed).unwrap();
    let timing = Timing { long_poll: Default::default(), ..Timing::default() };
    testbed.smart_id().set_timing(timing);
    testbed.mobile_id().set_timing(timing);
    for person in &people {
        assert_eq!(ask(&testbed, person), person.behaviour, "{}", person.code);
    }
    // Everything that can happen does happen to somebody.
    assert_eq!(people.len(), 26);
}
