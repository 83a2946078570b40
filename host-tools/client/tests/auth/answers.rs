//! What is sent to the services, and what is taken from them when they answer what they should not.

use std::time::Duration;

use base64ct::{Base64, Encoding as _};
use cdoc2_api::RecipientId;
use cdoc2_client::auth::{Algorithm, AuthSigner, Error, MobileId, Service as Kind, SmartId, Untrusted, VerificationCode};
use cdoc2_client::https;
use cdoc2_testbed::{Algorithm as KeyAlgorithm, Authority, Content, Identity};
use serde_json::{Value, json};

use crate::phone::{
    INPUT, PHONE, SESSION, Terminal, UUID, World, by_mobile_id, by_smart_id, es256, mari, mari_content, mobile_id_ok, pace, rs256,
    session, smart_id_ok,
};
use crate::service::{Reply, Service};

/// SHA-256 of what is signed.
fn hash() -> Vec<u8> {
    Algorithm::Rs256.digest(INPUT)
}

#[test]
fn smart_id_signs_what_it_was_given() {
    let world = World::new();
    let identity = world.smart_id();
    let ok = smart_id_ok(identity.certificate(), &rs256(&identity, INPUT));
    let service = world.service(move |request, before| match (request.method.as_str(), before) {
        ("POST", _) => Reply::Json(json!({ "sessionID": SESSION, "later": 1 })),
        (_, 1) => Reply::Json(json!({ "state": "RUNNING" })),
        (_, 2) => Reply::Json(json!({ "result": {}, "ignoredProperties": ["a"], "state": "RUNNING" })),
        _ => Reply::Json(ok.clone()),
    });
    let config = world.config(&service);
    let mut signer = SmartId::new(&config, pace());
    let mut terminal = Terminal::new();
    let algorithm = signer.algorithm(&mari()).unwrap();
    assert_eq!(algorithm, Algorithm::Rs256);
    let signed = signer.sign(&mari(), INPUT, algorithm, &mut terminal).unwrap();
    assert_eq!(signed.certificate, identity.certificate());
    algorithm.verify(identity.public_key(), INPUT, &signed.signature).unwrap();
    assert_eq!(terminal.codes, [(Kind::SmartId, VerificationCode::of_smart_id(&hash()))]);

    let asked = service.asked();
    let [post, polls @ ..] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((post.method.as_str(), post.target.as_str()), ("POST", "/rp/authentication/etsi/PNOEE-60001017727"));
    let mut body = post.body.clone();
    let interactions = body.as_object_mut().unwrap().remove("allowedInteractionsOrder").unwrap();
    let expected = json!({
        "relyingPartyUUID": UUID, "relyingPartyName": "DEMO", "certificateLevel": "QUALIFIED",
        "hash": Base64::encode_string(&hash()), "hashType": "SHA256",
    });
    assert_eq!(body, expected);
    let kinds: Vec<_> = interactions.as_array().unwrap().iter().map(|interaction| interaction["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["confirmationMessageAndVerificationCodeChoice", "verificationCodeChoice"]);
    assert_eq!(polls.len(), 3);
    for poll in polls {
        assert_eq!((poll.method.as_str(), poll.target.as_str()), ("GET", &*format!("/rp/session/{SESSION}?timeoutMs=20000")));
    }
}

#[test]
fn mobile_id_signs_what_it_was_given() {
    let world = World::new();
    let identity = world.mobile_id();
    let ok = mobile_id_ok(identity.certificate(), &es256(&identity, INPUT), "SHA256WithECEncryption");
    let service = world.service(session(move || Reply::Json(ok.clone())));
    let config = world.config(&service);
    let mut signer = MobileId::new(&config, PHONE.parse().unwrap(), pace());
    let mut terminal = Terminal::new();
    let algorithm = signer.algorithm(&mari()).unwrap();
    assert_eq!(algorithm, Algorithm::Es256);
    let signed = signer.sign(&mari(), INPUT, algorithm, &mut terminal).unwrap();
    algorithm.verify(identity.public_key(), INPUT, &signed.signature).unwrap();
    assert_eq!(terminal.codes, [(Kind::MobileId, VerificationCode::of_mobile_id(&hash()))]);

    let asked = service.asked();
    let [post, poll] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((post.method.as_str(), post.target.as_str()), ("POST", "/rp/authentication"));
    let mut body = post.body.clone();
    assert!(body.as_object_mut().unwrap().remove("displayText").unwrap().as_str().unwrap().len() <= 100);
    let expected = json!({
        "relyingPartyUUID": UUID, "relyingPartyName": "DEMO", "phoneNumber": PHONE, "nationalIdentityNumber": "60001017727",
        "hash": Base64::encode_string(&hash()), "hashType": "SHA256", "language": "ENG", "displayTextFormat": "GSM-7",
    });
    assert_eq!(body, expected);
    assert_eq!(poll.target, format!("/rp/authentication/session/{SESSION}?timeoutMs=20000"));
}

fn untrusted(error: Error) -> Untrusted {
    let Error::Untrusted(reason) = error else { panic!("{error}") };
    reason
}

/// What is said to Smart-ID's signature with the key of `identity` and the certificate of `shown`.
fn smart_id_reason(world: &World, identity: &Identity, certificate: &[u8], message: &[u8]) -> Option<Untrusted> {
    let ok = smart_id_ok(certificate, &rs256(identity, message));
    let service = world.service(session(move || Reply::Json(ok.clone())));
    by_smart_id(&world.config(&service)).err().map(untrusted)
}

#[test]
fn certificates_must_be_certificates() {
    let world = World::new();
    let identity = world.smart_id();
    for certificate in [&b""[..], b"\x30\x00", identity.certificate_pem().as_bytes()] {
        assert_eq!(smart_id_reason(&world, &identity, certificate, INPUT), Some(Untrusted::Certificate));
    }
}

#[test]
fn signatures_must_be_over_what_was_to_be_signed() {
    let world = World::new();
    let (identity, other) = (world.smart_id(), world.smart_id());
    assert_eq!(smart_id_reason(&world, &identity, identity.certificate(), b"something else"), Some(Untrusted::Signature));
    assert_eq!(smart_id_reason(&world, &other, identity.certificate(), INPUT), Some(Untrusted::Signature));
    let on_a_curve = world.mobile_id();
    assert_eq!(smart_id_reason(&world, &identity, on_a_curve.certificate(), INPUT), Some(Untrusted::UnfitKey));

    let mut lower = smart_id_ok(identity.certificate(), &rs256(&identity, INPUT));
    let mut longer = lower.clone();
    lower["cert"]["certificateLevel"] = "ADVANCED".into();
    longer["signature"]["algorithm"] = "sha512WithRSAEncryption".into();
    for (status, expected) in [(lower, Untrusted::Level), (longer, Untrusted::UnknownAlgorithm)] {
        let service = world.service(session(move || Reply::Json(status.clone())));
        assert_eq!(by_smart_id(&world.config(&service)).map_err(untrusted), Err(expected));
    }
    let sim = world.mobile_id();
    for (signed, algorithm, expected) in [
        (&b"something else"[..], "SHA256WithECEncryption", Untrusted::Signature),
        (INPUT, "SHA512WithECEncryption", Untrusted::UnknownAlgorithm),
    ] {
        let ok = mobile_id_ok(sim.certificate(), &es256(&sim, signed), algorithm);
        let service = world.service(session(move || Reply::Json(ok.clone())));
        assert_eq!(by_mobile_id(&world.config(&service)).map_err(untrusted), Err(expected));
    }
    // A key on another curve than the algorithm has.
    let content = Content { purposes: Vec::new(), ..mari_content() };
    let p384 = world.authority.identity(&content, KeyAlgorithm::P384).unwrap();
    let ok = mobile_id_ok(p384.certificate(), &es256(&sim, INPUT), "SHA256WithECEncryption");
    let service = world.service(session(move || Reply::Json(ok.clone())));
    assert_eq!(by_mobile_id(&world.config(&service)).map_err(untrusted), Err(Untrusted::UnfitKey));
}

fn is_nonsense(error: &Error) -> bool {
    matches!(error, Error::Service { reason: https::Error::Nonsense(_), .. })
}

#[test]
fn answers_are_taken_apart_strictly() {
    let world = World::new();
    let identity = world.smart_id();
    let ok = smart_id_ok(identity.certificate(), &rs256(&identity, INPUT));
    let without = |key: &str| {
        let mut status = ok.clone();
        status.as_object_mut().unwrap().remove(key);
        status
    };
    let with = |pointer: &str, value: Value| {
        let mut status = ok.clone();
        *status.pointer_mut(pointer).unwrap() = value;
        status
    };
    let text = ok.to_string();
    let octets = |text: &str| Reply::Octets(200, "", text.as_bytes().to_vec());
    let statuses: Vec<Box<dyn Fn() -> Reply + Send>> = [
        without("signature"),
        without("cert"),
        without("result"),
        without("state"),
        with("/state", "DONE".into()),
        with("/state", Value::Null),
        with("/signature/value", "not base64!".into()),
        with("/signature/value", 5.into()),
        with("/cert/value", "AAA".into()),
        with("/result", "OK".into()),
        json!([]),
        json!("COMPLETE"),
    ]
    .into_iter()
    .map(|status| Box::new(move || Reply::Json(status.clone())) as Box<dyn Fn() -> Reply + Send>)
    .chain([
        Box::new(move || octets("")) as Box<dyn Fn() -> Reply + Send>,
        Box::new(move || octets("{\"state\":")),
        Box::new(move || octets("<html>")),
        // Twice the same member, and a good answer that is too long.
        {
            let text = text.replacen("\"cert\":", "\"result\":{\"endResult\":\"OK\"},\"cert\":", 1);
            Box::new(move || octets(&text))
        },
        Box::new(move || octets(&format!("{text}{}", " ".repeat(1 << 16)))),
    ])
    .collect();
    for (number, status) in statuses.into_iter().enumerate() {
        let service = world.service(session(status));
        let error = by_smart_id(&world.config(&service)).unwrap_err();
        assert!(is_nonsense(&error), "{number}: {error}");
        assert!(!error.may_be_tried_again(), "{number}");
    }
    let begins = [
        json!({}),
        json!({ "sessionID": "" }),
        json!({ "sessionID": 5 }),
        json!({ "sessionID": "../authentication" }),
        json!({ "sessionID": "a?b" }),
        json!({ "sessionID": "a".repeat(65) }),
        json!("de305d54"),
    ];
    for begin in begins {
        let text = begin.to_string();
        let service = world.service(move |_, _| Reply::Json(begin.clone()));
        for error in [by_smart_id(&world.config(&service)).unwrap_err(), by_mobile_id(&world.config(&service)).unwrap_err()] {
            assert!(is_nonsense(&error), "{text}: {error}");
        }
        assert!(service.asked().iter().all(|request| request.method == "POST"));
    }
}

#[test]
fn nobody_is_sent_elsewhere() {
    let world = World::new();
    let identity = world.smart_id();
    let ok = smart_id_ok(identity.certificate(), &rs256(&identity, INPUT));
    let elsewhere = world.service(move |_, _| Reply::Json(ok.clone()));
    let location = format!("location: https://{}/\r\n", elsewhere.address);
    let location: &'static str = location.leak();
    let service = world.service(move |_, _| Reply::Octets(307, location, Vec::new()));
    let error = by_smart_id(&world.config(&service)).unwrap_err();
    assert!(matches!(error, Error::Service { reason: https::Error::Status(307), .. }), "{error}");
    assert_eq!(elsewhere.asked().len(), 0);
}

#[test]
fn only_who_is_pinned_is_asked() {
    let world = World::new();
    let service = world.service(|_, _| Reply::Status(500));
    world.write("stranger.pem", &Authority::new("Test", None).unwrap().root_pem());
    let config = world.config_at(&service.address.to_string(), "stranger.pem");
    for error in [by_smart_id(&config).unwrap_err(), by_mobile_id(&config).unwrap_err()] {
        assert!(matches!(error, Error::Service { reason: https::Error::NotPinned { .. }, .. }), "{error}");
        assert!(!error.may_be_tried_again());
    }
    assert_eq!(service.asked().len(), 0);
}

#[test]
fn people_whom_a_service_does_not_know_are_told_before_it_is_asked() {
    let world = World::new();
    let service = world.service(|_, _| Reply::Status(500));
    let config = world.config(&service);
    let company: RecipientId = "private/JIO/70000349".parse().unwrap();
    let latvian: RecipientId = "etsi/PNOLV-010101-10006".parse().unwrap();
    let mut smart_id = SmartId::new(&config, pace());
    let mut mobile_id = MobileId::new(&config, PHONE.parse().unwrap(), pace());
    let mut terminal = Terminal::new();
    assert!(matches!(smart_id.algorithm(&company), Err(Error::UnfitPerson(_))));
    assert!(matches!(mobile_id.algorithm(&latvian), Err(Error::UnfitPerson(_))));
    assert!(matches!(smart_id.sign(&company, INPUT, Algorithm::Rs256, &mut terminal), Err(Error::UnfitPerson(_))));
    assert!(matches!(mobile_id.sign(&company, INPUT, Algorithm::Es256, &mut terminal), Err(Error::UnfitPerson(_))));
    assert!(matches!(smart_id.sign(&mari(), INPUT, Algorithm::Es256, &mut terminal), Err(Error::UnfitKey(_))));
    assert!(matches!(mobile_id.sign(&mari(), INPUT, Algorithm::Es384, &mut terminal), Err(Error::UnfitKey(_))));
    assert_eq!((service.asked().len(), terminal.codes.len()), (0, 0));
}

/// Everything that can be written to a log, of everything that can go wrong.
#[test]
fn nothing_says_who_it_is() {
    let world = World::new();
    let identity = world.smart_id();
    let ok = smart_id_ok(identity.certificate(), b"no signature");
    let mut said = String::new();
    let replies: Vec<Box<dyn Fn() -> Reply + Send>> = vec![
        Box::new(move || Reply::Json(ok.clone())),
        Box::new(|| Reply::Status(400)),
        Box::new(|| Reply::Status(404)),
        Box::new(|| Reply::Status(500)),
        Box::new(|| Reply::Status(503)),
        Box::new(|| Reply::Nothing),
        Box::new(|| Reply::Json(json!({ "state": "COMPLETE", "result": { "endResult": "60001017727 +37200000766" } }))),
        Box::new(|| Reply::Json(json!({ "state": "60001017727 +37200000766" }))),
    ];
    let mut note = |config: &_, error: &Error| {
        let signers = (SmartId::new(config, pace()), MobileId::new(config, PHONE.parse().unwrap(), pace()));
        said += &format!("{signers:?} {error} {error:?}\n");
    };
    for reply in replies {
        let whole = world.service(move |request, before| match (request.method.as_str(), before) {
            ("POST", 0) => Reply::Json(json!({ "sessionID": SESSION })),
            _ => reply(),
        });
        let config = world.config(&whole);
        note(&config, &by_smart_id(&config).unwrap_err());
        // The second session is refused at its beginning.
        note(&config, &by_smart_id(&config).unwrap_err());
        note(&config, &by_mobile_id(&config).unwrap_err());
    }
    let gone: Service = world.service(|_, _| Reply::Nothing);
    let config = world.config(&gone);
    drop(gone);
    note(&config, &by_smart_id(&config).unwrap_err());
    let slow = world.service(|_, _| Reply::Silence);
    let config = world.config(&slow);
    let hurried = cdoc2_client::auth::Pace {
        timeouts: https::Timeouts { total: Duration::from_millis(100), ..https::Timeouts::default() },
        ..pace()
    };
    let error = SmartId::new(&config, hurried).sign(&mari(), INPUT, Algorithm::Rs256, &mut Terminal::new()).unwrap_err();
    assert!(matches!(error, Error::Service { reason: https::Error::TimedOut { .. }, .. }), "{error}");
    note(&config, &error);
    for secret in ["60001017727", "37200000766", UUID, SESSION, "MAASIKAS"] {
        assert!(!said.contains(secret), "{secret}\n{said}");
    }
}
