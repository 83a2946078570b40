//! The interface: what is put is fetched by its recipient, and by nobody else.

use std::time::{Duration, SystemTime};

use cdoc2_api::{Capsule, CapsuleType, ExpiryTime, TransactionId};
use cdoc2_server::store::{Sqlite, Store as _, StoredCapsule};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256};

use super::support::{Authority, Bed};

fn from_now(seconds: u64) -> String {
    let moment = SystemTime::now() + Duration::from_secs(seconds);
    ExpiryTime::try_from(moment).unwrap().to_string()
}

#[test]
fn recipients_of_every_type_fetch_what_was_put() {
    let bed = Bed::new();
    for (algorithm, kind) in [
        (&PKCS_ECDSA_P256_SHA256, CapsuleType::EccSecp256r1),
        (&PKCS_ECDSA_P384_SHA384, CapsuleType::EccSecp384r1),
        (&PKCS_ECDSA_P521_SHA512, CapsuleType::EccSecp521r1),
        (&PKCS_RSA_SHA256, CapsuleType::Rsa),
    ] {
        let person = bed.files.authority.person(algorithm);
        let capsule = person.capsule(kind);
        let path = bed.put(&capsule);
        let response = bed.recipient(Some(&person)).get(&path);
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(serde_json::from_str::<Capsule>(&response.body).unwrap(), capsule);
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert!(response.header("x-expiry-time").unwrap().parse::<ExpiryTime>().is_ok());
    }
}

#[test]
fn location_and_expiry_are_told() {
    let bed = Bed::new();
    let person = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let capsule = person.capsule(CapsuleType::EccSecp384r1);
    let expiry = from_now(3600);
    let mut sender = bed.sender();
    let response = sender.post(&capsule, &[&format!("X-Expiry-Time: {expiry}")]);
    assert_eq!(response.status, 201, "{response:?}");
    assert_eq!(response.header("x-expiry-time"), Some(&*expiry));
    assert_eq!(response.header("x-expiry-time-adjusted"), None);
    let location = response.header("location").unwrap();
    let id = location.strip_prefix("/key-capsules/KC").unwrap();
    assert!(id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
    assert_eq!(bed.recipient(Some(&person)).get(location).header("x-expiry-time"), Some(&*expiry));
    // The same once more is another capsule.
    let again = sender.post(&capsule, &[]);
    assert_eq!(again.status, 201);
    assert_ne!(again.header("location"), Some(location));
}

#[test]
fn expiry_beyond_the_limit_is_refused_or_cut() {
    let wish = format!("x-expiry-time: {}", from_now(3600));
    for (too_long, status) in [("reject", 400), ("clamp", 201)] {
        let bed = Bed::with(&format!("[expiry]\ndefault = \"1m\"\nmax = \"10m\"\ntoo_long = \"{too_long}\""));
        let person = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
        let response = bed.sender().post(&person.capsule(CapsuleType::EccSecp384r1), &[&wish]);
        assert_eq!(response.status, status, "{response:?}");
        if status == 201 {
            assert_eq!(response.header("x-expiry-time-adjusted"), Some("true"));
            assert!(response.header("x-expiry-time").unwrap() <= &*from_now(600));
        } else {
            assert!(response.error().starts_with("x-expiry-time is later than this server allows"));
        }
    }
}

#[test]
fn expired_capsules_are_not_served_though_they_are_there() {
    let bed = Bed::with("[clean_up]\ninterval = \"1h\"");
    let person = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let id: TransactionId = "KC0123456789ABCDEF".parse().unwrap();
    let now = i64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let stored = |expiry| StoredCapsule {
        capsule: person.capsule(CapsuleType::EccSecp384r1),
        expiry: ExpiryTime::from_unix(expiry).unwrap(),
    };
    let store = Sqlite::open(&bed.files.path("capsules.sqlite")).unwrap();
    let put = async |id: &TransactionId, stored: StoredCapsule| store.put_capsule(id, &stored).await.unwrap();
    bed.runtime.block_on(put(&id, stored(now - 1)));
    let mut recipient = bed.recipient(Some(&person));
    assert_eq!(recipient.get("/key-capsules/KC0123456789ABCDEF").status, 404);
    let later: TransactionId = "KCFEDCBA9876543210".parse().unwrap();
    bed.runtime.block_on(put(&later, stored(now + 3600)));
    assert_eq!(recipient.get("/key-capsules/KCFEDCBA9876543210").status, 200);
    let metrics = bed.metrics();
    assert!(metrics.lines().any(|line| line.starts_with("cdoc2_oldest_expired_seconds ")), "{metrics}");
}

#[test]
fn strangers_and_random_ids_get_the_same_answer() {
    let bed = Bed::new();
    let kind = CapsuleType::EccSecp384r1;
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let path = bed.put(&mari.capsule(kind));
    let unknown = "/key-capsules/KC00000000000000000000000000000000";
    let mut answers = Vec::new();
    for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
        let other = bed.files.authority.person(algorithm);
        let mut recipient = bed.recipient(Some(&other));
        for path in [&*path, unknown] {
            let response = recipient.get(path);
            let head: String =
                response.head.lines().filter(|line| !line.starts_with("x-request-id") && !line.starts_with("date")).collect();
            answers.push((response.status, head, response.error()));
        }
    }
    assert_eq!(answers[0].0, 404);
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:#?}");
}

#[test]
fn same_key_under_another_type_is_somebody_else() {
    let bed = Bed::new();
    let mari = bed.files.authority.person(&PKCS_ECDSA_P256_SHA256);
    // An RSA key cannot have a point's octets, but what is compared is both.
    let id: TransactionId = "KC0123456789ABCDEF".parse().unwrap();
    let stored = StoredCapsule { capsule: mari.capsule(CapsuleType::Rsa), expiry: from_now(60).parse().unwrap() };
    let store = Sqlite::open(&bed.files.path("capsules.sqlite")).unwrap();
    bed.runtime.block_on(store.put_capsule(&id, &stored)).unwrap();
    assert_eq!(bed.recipient(Some(&mari)).get("/key-capsules/KC0123456789ABCDEF").status, 404);
}

#[test]
fn renewed_certificate_with_the_same_key_opens() {
    let bed = Bed::new();
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let path = bed.put(&mari.capsule(CapsuleType::EccSecp384r1));
    let renewed = bed.files.authority.person_with(KeyPair::from_pem(&mari.key.serialize_pem()).unwrap());
    assert_ne!(renewed.certificate, mari.certificate);
    assert_eq!(bed.recipient(Some(&renewed)).get(&path).status, 200);
}

#[test]
fn without_a_certificate_401() {
    let bed = Bed::new();
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let path = bed.put(&mari.capsule(CapsuleType::EccSecp384r1));
    let mut recipient = bed.recipient(None);
    for path in [&*path, "/key-capsules/KC00000000000000000000000000000000", "/key-capsules/short"] {
        let response = recipient.get(path);
        assert_eq!((response.status, response.error()), (401, "a client certificate is needed".into()));
    }
}

#[test]
fn right_key_of_another_authority_is_refused() {
    let bed = Bed::new();
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let stranger = Authority::new().person_with(KeyPair::from_pem(&mari.key.serialize_pem()).unwrap());
    let mut stream = bed.tls(bed.addresses.recipient, Some(&stranger)).unwrap();
    // A client learns of it when it reads.
    let error = std::io::Read::read(&mut stream, &mut [0]).unwrap_err();
    assert!(error.to_string().contains("alert"), "{error}");
}

#[test]
fn transaction_ids_have_18_to_34_characters() {
    let bed = Bed::new();
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let mut recipient = bed.recipient(Some(&mari));
    for (id, status) in [
        ("K".repeat(17), 400),
        ("K".repeat(18), 404),
        ("K".repeat(34), 404),
        ("K".repeat(35), 400),
        ("K".repeat(5000), 400),
        ("%4B".repeat(18), 404),
        ("%C3%B5".repeat(18), 404),
        (format!("{}+-=", "K".repeat(18)), 404),
        (format!("{}%2F%2E%2E", "K".repeat(18)), 404),
        ("%FF".repeat(18), 400),
        (String::new(), 404),
        (format!("{}/more", "K".repeat(18)), 404),
    ] {
        let response = recipient.get(&format!("/key-capsules/{id}"));
        assert_eq!(response.status, status, "{id}");
        response.error();
    }
}

#[test]
fn each_listener_has_its_own_methods_and_paths() {
    let bed = Bed::new();
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let path = bed.put(&mari.capsule(CapsuleType::EccSecp384r1));
    let mut sender = bed.sender();
    let mut recipient = bed.recipient(Some(&mari));
    assert_eq!(sender.get(&path).status, 405, "nobody fetches from the sender's port");
    assert_eq!(sender.get("/key-capsules").status, 405);
    assert_eq!(recipient.post(&mari.capsule(CapsuleType::EccSecp384r1), &[]).status, 405);
    assert_eq!(recipient.get("/key-capsules").status, 405);
    for method in ["PUT", "DELETE", "POST", "PATCH", "TRACE", "BREW"] {
        recipient.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(recipient.receive().unwrap().status, 405, "{method}");
    }
    for unknown in ["/", "/healthz", "/metrics", "/key-capsule", "//key-capsules", "/key-capsules/../metrics"] {
        assert_eq!(sender.get(unknown).status, 404, "{unknown}");
        assert_eq!(recipient.get(unknown).status, 404, "{unknown}");
    }
}

#[test]
fn bodies_that_are_no_capsules_are_refused() {
    let bed = Bed::new();
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let sound = serde_json::to_string(&mari.capsule(CapsuleType::EccSecp384r1)).unwrap();
    let mut sender = bed.sender();
    assert_eq!(sender.post_text(&sound, &["Content-Type: application/json; charset=utf-8"]).status, 201);
    for (what, body) in [
        ("nothing", String::new()),
        ("no JSON", "capsule".into()),
        ("cut short", sound[..sound.len() - 1].into()),
        ("something after it", format!("{sound}x")),
        ("a list", format!("[{sound}]")),
        ("a number for base64", sound.replacen("\"recipient_id\":\"", "\"recipient_id\":1,\"x\":\"", 1)),
        ("no type", sound.replace("capsule_type", "type")),
        ("a field twice", sound.replacen('{', "{\"recipient_id\":\"BA==\",", 1)),
        ("base64 of URLs", sound.replacen("\"recipient_id\":\"", "\"recipient_id\":\"-_", 1)),
        ("base64 without padding", sound.replacen("\"recipient_id\":\"", "\"recipient_id\":\"A", 1)),
        ("another type", sound.replace("ecc_secp384r1", "ecc_secp256r1")),
        ("an unknown type", sound.replace("ecc_secp384r1", "ml_kem_1024")),
        ("null", "null".into()),
        ("brackets without end", "[".repeat(8000)),
        ("a lone surrogate", sound.replace("ecc_secp384r1", "\\ud800")),
    ] {
        let response = sender.post_text(&body, &[]);
        assert_eq!(response.status, 400, "{what}: {response:?}");
        assert!(!response.error().is_empty());
    }
    for declared in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        assert_eq!(sender.post_text(&sound, &[&format!("Content-Type: {declared}")]).status, 415, "{declared}");
    }
    sender.send(format!("POST /key-capsules HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{sound}", sound.len()));
    assert_eq!(sender.receive().unwrap().status, 415, "no type at all");
}
