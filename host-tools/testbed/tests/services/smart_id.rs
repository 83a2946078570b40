//! Smart-ID.

use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, VerificationAlgorithm,
};
use base64ct::{Base64, Encoding as _};
use cdoc2_testbed::phone::smart_id::{self, Account, Behaviour, End};
use cdoc2_testbed::phone::{self, Displayed, Timing};
use cdoc2_testbed::{Algorithm, Holder, PersonalCode, Testbed, content};
use serde_json::{Value, json};

use crate::curl::{get, octets, post, post_as, start, with};

const MARI: &str = "PNOEE-60001017727";
const TEXT: &str = "Open it?";

fn holder() -> Holder {
    Holder::new("MAASIKAS,MARI", PersonalCode::parse("60001017727").unwrap()).unwrap()
}

fn testbed() -> (Testbed, Account) {
    let testbed = start();
    let mari = testbed.smart_id_account(&holder()).unwrap();
    (testbed, mari)
}

/// A request to sign the message "abc".
fn request() -> Value {
    json!({
        "relyingPartyUUID": phone::RELYING_PARTY_UUID,
        "relyingPartyName": phone::RELYING_PARTY_NAME,
        "certificateLevel": "QUALIFIED",
        "hash": Base64::encode_string(digest(&SHA256, b"abc").as_ref()),
        "hashType": "SHA256",
        "allowedInteractionsOrder": [{ "type": "verificationCodeChoice", "displayText60": TEXT }],
    })
}

fn begin(testbed: &Testbed, who: &str, request: &Value) -> (u16, Value) {
    post(testbed, &format!("{}/authentication/etsi/{who}", testbed.smart_id().url()), request)
}

/// The address of a session with Mari.
fn session(testbed: &Testbed, request: &Value) -> String {
    let (status, begun) = begin(testbed, MARI, request);
    assert_eq!(status, 200, "{begun}");
    format!("{}/session/{}", testbed.smart_id().url(), begun["sessionID"].as_str().unwrap())
}

/// Another request each time, since the same one would find the same session.
fn end(testbed: &Testbed, nonce: &str) -> (u16, Value) {
    get(testbed, &session(testbed, &with(&request(), "nonce", nonce.into())))
}

#[test]
fn the_hash_is_signed() {
    let (testbed, mari) = testbed();
    let algorithms: [(_, _, &dyn VerificationAlgorithm); 3] = [
        ("SHA256", &SHA256, &RSA_PKCS1_2048_8192_SHA256),
        ("SHA384", &SHA384, &RSA_PKCS1_2048_8192_SHA384),
        ("SHA512", &SHA512, &RSA_PKCS1_2048_8192_SHA512),
    ];
    for (name, function, algorithm) in algorithms {
        let request = with(&request(), "hashType", name.into());
        let request = with(&request, "hash", Base64::encode_string(digest(function, b"abc").as_ref()).into());
        let (status, answer) = get(&testbed, &session(&testbed, &request));
        assert_eq!((status, &answer["state"], &answer["result"]["endResult"]), (200, &"COMPLETE".into(), &"OK".into()), "{answer}");
        assert_eq!(answer["result"]["documentNumber"], format!("{MARI}-MOCK-Q"));
        assert_eq!(octets(&answer["cert"]["value"]), mari.identity().certificate());
        assert_eq!(answer["cert"]["certificateLevel"], "QUALIFIED");
        assert_eq!(answer["interactionFlowUsed"], "verificationCodeChoice");
        assert_eq!(answer["signature"]["algorithm"], format!("{}WithRSAEncryption", name.to_lowercase()));
        let key = ParsedPublicKey::new(algorithm, mari.identity().public_key()).unwrap();
        key.verify_sig(b"abc", &octets(&answer["signature"]["value"])).unwrap();
    }
    let displayed = Displayed {
        // Computed by Python: the last two octets of SHA-256 of the hash, modulo 10000.
        code: "5432".into(),
        relying_party: phone::RELYING_PARTY_NAME.into(),
        text: TEXT.into(),
        interaction: Some("verificationCodeChoice"),
    };
    assert_eq!((mari.displayed().len(), &mari.displayed()[0]), (3, &displayed));
}

#[test]
fn first_interaction_is_used_and_wishes_are_ignored() {
    let (testbed, mari) = testbed();
    let interactions = json!([
        { "type": "confirmationMessageAndVerificationCodeChoice", "displayText200": "ä".repeat(200) },
        { "type": "displayTextAndPIN", "displayText60": TEXT },
    ]);
    let request = with(&request(), "allowedInteractionsOrder", interactions);
    let request = with(&request, "requestProperties", json!({ "shareMdClientIpAddress": true }));
    // A party's name is its name in all letters, and unknown members are left alone.
    let request = with(&request, "relyingPartyName", phone::RELYING_PARTY_NAME.to_uppercase().into());
    let request = with(&with(&request, "later", 1.into()), "certificateLevel", Value::Null);
    let (_, answer) = get(&testbed, &session(&testbed, &request));
    assert_eq!(answer["interactionFlowUsed"], "confirmationMessageAndVerificationCodeChoice");
    assert_eq!(answer["ignoredProperties"], json!(["shareMdClientIpAddress"]));
    assert_eq!(mari.displayed()[0].text, "ä".repeat(200));
}

#[test]
fn everybody_ends_as_they_behave() {
    let (testbed, mari) = testbed();
    let ends = [
        (End::UserRefused, "USER_REFUSED", true),
        (End::Timeout, "TIMEOUT", true),
        (End::DocumentUnusable, "DOCUMENT_UNUSABLE", false),
        (End::WrongVc, "WRONG_VC", true),
        (End::RequiredInteractionNotSupportedByApp, "REQUIRED_INTERACTION_NOT_SUPPORTED_BY_APP", false),
        (End::UserRefusedCertChoice, "USER_REFUSED_CERT_CHOICE", false),
        (End::UserRefusedDisplayTextAndPin, "USER_REFUSED_DISPLAYTEXTANDPIN", true),
        (End::UserRefusedVcChoice, "USER_REFUSED_VC_CHOICE", true),
        (End::UserRefusedConfirmationMessage, "USER_REFUSED_CONFIRMATIONMESSAGE", true),
        (End::UserRefusedConfirmationMessageWithVcChoice, "USER_REFUSED_CONFIRMATIONMESSAGE_WITH_VC_CHOICE", true),
    ];
    for (behaviour, word, is_displayed) in ends {
        let before = mari.displayed().len();
        mari.set_behaviour(Behaviour::Ends(behaviour));
        let answer = end(&testbed, &word[word.len().saturating_sub(30)..]);
        assert_eq!(answer, (200, json!({ "state": "COMPLETE", "result": { "endResult": word } })));
        assert_eq!(mari.displayed().len() - before, usize::from(is_displayed), "{word}");
    }
    for status in [smart_id::NO_SUITABLE_ACCOUNT, smart_id::SEE_APP] {
        mari.set_behaviour(Behaviour::Status(status));
        assert_eq!(begin(&testbed, MARI, &request()).0, status);
    }
}

#[test]
fn who_asks_and_for_whom_is_checked() {
    let (testbed, mari) = testbed();
    assert_eq!(begin(&testbed, "PNOEE-38001085718", &request()).0, 404);
    for (member, value, status) in [
        ("relyingPartyUUID", json!("00000000-0000-4000-8000-000000000001"), 401),
        ("relyingPartyName", json!("Somebody else"), 401),
        ("certificateLevel", json!("ADVANCED"), 403),
    ] {
        assert_eq!(begin(&testbed, MARI, &with(&request(), member, value)).0, status, "{member}");
    }
    testbed.smart_id().set_status(Some(smart_id::MAINTENANCE));
    assert_eq!(begin(&testbed, MARI, &request()).0, 580);
    assert_eq!(mari.displayed(), []);
    testbed.smart_id().set_status(None);
    assert_eq!(end(&testbed, "1").0, 200);
}

#[test]
fn malformed_requests_are_refused() {
    let (testbed, mari) = testbed();
    let interaction = |r#type: &str, text: &str, len| json!([{ "type": r#type, text: "a".repeat(len) }]);
    for (member, value) in [
        ("relyingPartyUUID", Value::Null),
        ("relyingPartyUUID", json!("00000000-0000-4000-8000")),
        ("relyingPartyUUID", json!(5)),
        ("relyingPartyName", Value::Null),
        ("relyingPartyName", json!("")),
        ("relyingPartyName", json!("a".repeat(33))),
        ("certificateLevel", json!("QSCD")),
        ("hash", Value::Null),
        ("hash", json!("")),
        ("hash", json!("not base64")),
        ("hash", json!(Base64::encode_string(&[0; 20]))),
        ("hashType", Value::Null),
        ("hashType", json!("SHA512")),
        ("hashType", json!("SHA1")),
        ("nonce", json!("")),
        ("nonce", json!("a".repeat(31))),
        ("requestProperties", json!([])),
        ("allowedInteractionsOrder", Value::Null),
        ("allowedInteractionsOrder", json!([])),
        ("allowedInteractionsOrder", json!([{ "type": "displayTextAndPIN" }])),
        ("allowedInteractionsOrder", interaction("displayTextAndPIN", "displayText60", 0)),
        ("allowedInteractionsOrder", interaction("displayTextAndPIN", "displayText60", 61)),
        ("allowedInteractionsOrder", interaction("displayTextAndPIN", "displayText200", 10)),
        ("allowedInteractionsOrder", interaction("confirmationMessage", "displayText200", 201)),
        ("allowedInteractionsOrder", interaction("confirmationMessage", "displayText60", 10)),
        ("allowedInteractionsOrder", interaction("guess", "displayText60", 10)),
    ] {
        let text = format!("{member} {value}");
        assert_eq!(begin(&testbed, MARI, &with(&request(), member, value)).0, 400, "{text}");
    }
    for who in ["60001017727", "PNOE-60001017727", "XXXEE-60001017727", "PNOEE-"] {
        assert_eq!(begin(&testbed, who, &request()).0, 400, "{who}");
    }
    let base = testbed.smart_id().url();
    let begin = format!("{base}/authentication/etsi/{MARI}");
    assert_eq!(post_as(&testbed, &begin, "application/json", b"{").0, 400);
    assert_eq!(post_as(&testbed, &begin, "text/plain", request().to_string().as_bytes()).0, 415);
    assert_eq!(get(&testbed, &begin).0, 405);
    assert_eq!(get(&testbed, &format!("{base}/session/de305d54-75b4-431b-adb2-eb6b9e546014")).0, 404);
    assert_eq!(mari.displayed(), []);
    let session = session(&testbed, &request());
    for query in ["timeoutMs=", "timeoutMs=-1", "timeoutMs=soon", "timeoutMs=1000&timeoutMs=1000"] {
        assert_eq!(get(&testbed, &format!("{session}?{query}")).0, 400, "{query}");
    }
}

#[test]
fn same_request_finds_its_session() {
    let (testbed, mari) = testbed();
    let first = session(&testbed, &request());
    assert_eq!(session(&testbed, &request()), first);
    assert_ne!(session(&testbed, &with(&request(), "nonce", "1".into())), first);
    assert_eq!(mari.displayed().len(), 2);
}

#[test]
fn whoever_ignores_it_times_out_in_the_end() {
    let (testbed, mari) = testbed();
    mari.set_behaviour(Behaviour::Ignores);
    let timing = Timing { long_poll: (Duration::ZERO, Duration::from_millis(10)), ..Timing::default() };
    testbed.smart_id().set_timing(timing);
    let session = session(&testbed, &request());
    // However long it is asked to wait.
    for query in ["", "?timeoutMs=1", "?timeoutMs=120000"] {
        assert_eq!(get(&testbed, &format!("{session}{query}")), (200, json!({ "state": "RUNNING" })));
    }
    testbed.smart_id().set_timing(Timing { answered_within: Duration::ZERO, ..timing });
    assert_eq!(get(&testbed, &session).1["result"]["endResult"], "TIMEOUT");
    // Not any more, whatever happens.
    mari.set_behaviour(Behaviour::Accepts);
    assert_eq!(get(&testbed, &session).1["result"]["endResult"], "TIMEOUT");
    testbed.smart_id().set_timing(Timing { remembered_for: Duration::ZERO, ..timing });
    assert_eq!(get(&testbed, &session).0, 404);
}

#[test]
fn answer_is_kept_back_until_there_is_news() {
    let (testbed, mari) = testbed();
    mari.set_behaviour(Behaviour::Ignores);
    let session = session(&testbed, &request());
    let begun = Instant::now();
    thread::scope(|scope| {
        let poll = scope.spawn(|| get(&testbed, &format!("{session}?timeoutMs=120000")));
        while testbed.smart_id().requests() < 2 {
            thread::yield_now();
        }
        mari.set_behaviour(Behaviour::Accepts);
        assert_eq!(poll.join().unwrap().1["result"]["endResult"], "OK");
    });
    assert!(begun.elapsed() < Duration::from_secs(15));
    // Somebody who takes their time.
    testbed.smart_id().set_timing(Timing { thinks: Duration::from_millis(50), ..Timing::default() });
    let begun = Instant::now();
    assert_eq!(end(&testbed, "1").1["result"]["endResult"], "OK");
    assert!(begun.elapsed() >= Duration::from_millis(50));
}

#[test]
fn only_rsa_keys_are_taken() {
    let testbed = start();
    let identity = testbed.authority().identity(&content::smart_id(&holder()).unwrap(), Algorithm::P256).unwrap();
    assert!(testbed.smart_id().open(&holder(), &identity).is_err());
}
