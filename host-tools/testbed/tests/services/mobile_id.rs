//! Mobile-ID.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA512_ASN1, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64ct::{Base64, Encoding as _};
use cdoc2_testbed::phone::mobile_id::{Account, Behaviour, End};
use cdoc2_testbed::phone::{self, Displayed, Timing};
use cdoc2_testbed::{Algorithm, Holder, PersonalCode, Testbed, content};
use serde_json::{Value, json};

use crate::curl::{get, octets, post, post_as, start, with};

const NUMBER: &str = "+37200000766";
const TEXT: &str = "Open it?";

fn holder() -> Holder {
    Holder::new("MAASIKAS,MARI", PersonalCode::parse("60001017727").unwrap()).unwrap()
}

fn testbed() -> (Testbed, Account) {
    let testbed = start();
    let mari = testbed.mobile_id_account(&holder(), NUMBER).unwrap();
    (testbed, mari)
}

/// A request to sign the message "abc".
fn request() -> Value {
    json!({
        "relyingPartyUUID": phone::RELYING_PARTY_UUID,
        "relyingPartyName": phone::RELYING_PARTY_NAME,
        "phoneNumber": NUMBER,
        "nationalIdentityNumber": "60001017727",
        "hash": Base64::encode_string(digest(&SHA256, b"abc").as_ref()),
        "hashType": "SHA256",
        "language": "ENG",
        "displayText": TEXT,
        "displayTextFormat": "GSM-7",
    })
}

fn begin(testbed: &Testbed, request: &Value) -> (u16, Value) {
    post(testbed, &format!("{}/authentication", testbed.mobile_id().url()), request)
}

/// The address of a session.
fn session(testbed: &Testbed, request: &Value) -> String {
    let (status, begun) = begin(testbed, request);
    assert_eq!(status, 200, "{begun}");
    format!("{}/authentication/session/{}", testbed.mobile_id().url(), begun["sessionID"].as_str().unwrap())
}

/// What such a session ends with; what every answer has for the service's own sake is checked and taken out.
fn end(testbed: &Testbed, request: &Value) -> Value {
    let (status, answer) = get(testbed, &session(testbed, request));
    assert_eq!(status, 200, "{answer}");
    bare(answer)
}

fn bare(mut answer: Value) -> Value {
    let members = answer.as_object_mut().unwrap();
    let time = members.remove("time").unwrap();
    let time = time.as_str().unwrap();
    assert!(time.len() == 19 && time.starts_with("20") && time.as_bytes()[10] == b'T', "{time}");
    members.remove("traceId").unwrap();
    answer
}

#[test]
fn the_hash_is_signed() {
    let (testbed, mari) = testbed();
    let algorithms: [(_, _, &dyn VerificationAlgorithm); 2] =
        [("SHA256", &SHA256, &ECDSA_P256_SHA256_ASN1), ("SHA512", &SHA512, &ECDSA_P256_SHA512_ASN1)];
    for (name, function, algorithm) in algorithms {
        let request = with(&request(), "hashType", name.into());
        let request = with(&request, "hash", Base64::encode_string(digest(function, b"abc").as_ref()).into());
        let answer = end(&testbed, &request);
        assert_eq!((&answer["state"], &answer["result"]), (&"COMPLETE".into(), &"OK".into()), "{answer}");
        assert_eq!(octets(&answer["cert"]), mari.identity().certificate());
        assert_eq!(answer["signature"]["algorithm"], format!("{name}WithECEncryption"));
        let key = ParsedPublicKey::new(algorithm, mari.identity().public_key()).unwrap();
        // `r || s`, of which OpenSSL and its like make a SEQUENCE.
        let signature = p256::ecdsa::Signature::from_slice(&octets(&answer["signature"]["value"])).unwrap();
        key.verify_sig(b"abc", signature.to_der().as_bytes()).unwrap();
    }
    // Computed by Python: six bits of the hash from its beginning, seven from its end.
    let displayed =
        Displayed { code: "5933".into(), relying_party: phone::RELYING_PARTY_NAME.into(), text: TEXT.into(), interaction: None };
    assert_eq!((mari.displayed().len(), &mari.displayed()[0]), (2, &displayed));
}

#[test]
fn a_sim_may_have_rsa() {
    let testbed = start();
    let content = content::for_rsa(content::mobile_id(&holder()).unwrap());
    let identity = testbed.authority().identity(&content, Algorithm::Rsa).unwrap();
    testbed.mobile_id().open(&holder(), NUMBER, &identity).unwrap();
    let answer = end(&testbed, &request());
    assert_eq!(answer["signature"]["algorithm"], "SHA256WithRSAEncryption");
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, identity.public_key()).unwrap();
    key.verify_sig(b"abc", &octets(&answer["signature"]["value"])).unwrap();
    let p384 = testbed.authority().identity(&content, Algorithm::P384).unwrap();
    assert!(testbed.mobile_id().open(&holder(), NUMBER, &p384).is_err());
}

#[test]
fn everybody_ends_as_they_behave() {
    let (testbed, mari) = testbed();
    for (behaviour, word, is_displayed) in [
        (End::Timeout, "TIMEOUT", true),
        (End::NotMidClient, "NOT_MID_CLIENT", false),
        (End::UserCancelled, "USER_CANCELLED", true),
        (End::SignatureHashMismatch, "SIGNATURE_HASH_MISMATCH", true),
        (End::PhoneAbsent, "PHONE_ABSENT", false),
        (End::DeliveryError, "DELIVERY_ERROR", false),
        (End::SimError, "SIM_ERROR", true),
    ] {
        let before = mari.displayed().len();
        mari.set_behaviour(Behaviour::Ends(behaviour));
        assert_eq!(end(&testbed, &request()), json!({ "state": "COMPLETE", "result": word }));
        assert_eq!(mari.displayed().len() - before, usize::from(is_displayed), "{word}");
    }
}

#[test]
fn who_asks_and_for_whom_is_checked() {
    let (testbed, mari) = testbed();
    let nobody = json!({ "state": "COMPLETE", "result": "NOT_MID_CLIENT" });
    assert_eq!(end(&testbed, &with(&request(), "phoneNumber", "+37200000767".into())), nobody);
    assert_eq!(end(&testbed, &with(&request(), "nationalIdentityNumber", "38001085718".into())), nobody);
    for (member, value) in [
        ("relyingPartyUUID", json!("00000000-0000-4000-8000-000000000001")),
        // It counts letter by letter.
        ("relyingPartyUUID", json!("ABCDEF00-0000-4000-8000-000000000000")),
        ("relyingPartyName", json!("Somebody else")),
    ] {
        let (status, answer) = begin(&testbed, &with(&request(), member, value));
        assert_eq!((status, bare(answer)), (401, json!({ "error": "the relying party is not known" })), "{member}");
    }
    testbed.mobile_id().set_status(Some(503));
    assert_eq!(begin(&testbed, &request()).0, 503);
    assert_eq!(mari.displayed(), []);
}

#[test]
fn malformed_requests_are_refused() {
    let (testbed, mari) = testbed();
    for (member, value) in [
        ("relyingPartyUUID", Value::Null),
        ("relyingPartyUUID", json!("de305d54")),
        ("relyingPartyName", Value::Null),
        ("phoneNumber", Value::Null),
        ("phoneNumber", json!("37200000766")),
        ("phoneNumber", json!("+372 00000766")),
        ("phoneNumber", json!("+")),
        ("nationalIdentityNumber", Value::Null),
        ("nationalIdentityNumber", json!("PNOEE-60001017727")),
        ("nationalIdentityNumber", json!("6000101772")),
        ("hash", Value::Null),
        ("hash", json!("not base64")),
        ("hash", json!(Base64::encode_string(&[0; 48]))),
        ("hashType", Value::Null),
        ("hashType", json!("SHA-256")),
        ("language", Value::Null),
        ("language", json!("eng")),
        ("displayText", json!("a".repeat(101))),
        ("displayTextFormat", json!("UTF-8")),
    ] {
        let text = format!("{member} {value}");
        let (status, answer) = begin(&testbed, &with(&request(), member, value));
        assert_eq!(status, 400, "{text}");
        assert!(bare(answer)["error"].is_string(), "{text}");
    }
    let long = with(&request(), "displayText", "õ".repeat(50).into());
    assert_eq!(begin(&testbed, &with(&long, "displayTextFormat", "UCS-2".into())).0, 200);
    let longer = with(&request(), "displayText", "õ".repeat(51).into());
    assert_eq!(begin(&testbed, &with(&longer, "displayTextFormat", "UCS-2".into())).0, 400);
    let url = format!("{}/authentication", testbed.mobile_id().url());
    assert_eq!(post_as(&testbed, &url, "text/plain", request().to_string().as_bytes()).0, 415);
    assert_eq!(get(&testbed, &url).0, 405);
    assert_eq!(get(&testbed, &format!("{url}/session/de305d54-75b4-431b-adb2-eb6b9e546014")).0, 404);
    assert_eq!(mari.displayed().len(), 1);
}

#[test]
fn sessions_run_end_and_are_forgotten() {
    let (testbed, mari) = testbed();
    mari.set_behaviour(Behaviour::Ignores);
    let timing = Timing { long_poll: (Duration::ZERO, Duration::from_millis(10)), ..Timing::default() };
    testbed.mobile_id().set_timing(timing);
    let session = session(&testbed, &request());
    assert_eq!(bare(get(&testbed, &session).1), json!({ "state": "RUNNING" }));
    mari.set_behaviour(Behaviour::Ends(End::UserCancelled));
    assert_eq!(get(&testbed, &format!("{session}?timeoutMs=20000")).1["result"], "USER_CANCELLED");
    testbed.mobile_id().set_timing(Timing { remembered_for: Duration::ZERO, ..timing });
    assert_eq!(get(&testbed, &session).0, 404);
}
