//! Whose certificates are trusted, and how that changes while the server runs.

use std::fs;

use cdoc2_auth_token::Algorithm;
use rustls::version::{TLS12, TLS13};

use super::bed::{Person, SharesBed, certificate_of, mari};
use crate::support::{Authority, Files, client_config, tls};

#[test]
fn intermediate_authorities_are_the_servers_to_know() {
    let files = Files::new();
    let intermediate = files.authority.intermediate();
    fs::write(files.path("intermediate.pem"), intermediate.certificate.pem()).unwrap();
    let text = files.shares_text("");
    let knows = text
        .replace("authorities = [\"authority.pem\"]", "authorities = [\"authority.pem\"]\nintermediates = [\"intermediate.pem\"]");
    let person = Person::new(&intermediate, Algorithm::Es256);
    let bed = SharesBed::start(files, &text);
    let id = bed.put(&person.id);
    bed.refuses(&id, &person.newer(&bed.ticket(&person, &id)), "unknown_issuer");
    let SharesBed { files, .. } = bed;
    let bed = SharesBed::start(files, &knows);
    assert_eq!(bed.get(&id, &person.newer(&bed.ticket(&person, &id))).status, 200, "the share is still there");
}

#[test]
fn reload_takes_new_authorities_and_certificates() {
    let bed = SharesBed::new();
    let server = bed.server.as_ref().unwrap();
    let newcomers = Authority::new();
    let person = Person::new(&newcomers, Algorithm::Es256);
    let id = bed.put(&person.id);
    let fields = person.newer(&bed.ticket(&person, &id));
    let shown = || {
        let config = client_config(&bed.files.authority, None, &[&TLS13]);
        tls(bed.addresses.shares, config).unwrap().conn.peer_certificates().unwrap()[0].clone().into_owned()
    };
    bed.refuses(&id, &fields, "bad_path");
    let renewed = bed.files.renew();
    let old = fs::read(bed.files.path("authority.pem")).unwrap();
    fs::write(bed.files.path("authority.pem"), "nonsense").unwrap();
    let error = bed.runtime.block_on(server.reload()).unwrap_err().to_string();
    assert!(error.contains("authority.pem"), "{error}");
    assert_ne!(shown(), renewed, "all or nothing");
    fs::write(bed.files.path("authority.pem"), [old, newcomers.certificate.pem().into()].concat()).unwrap();
    bed.runtime.block_on(server.reload()).unwrap();
    assert_eq!(shown(), renewed);
    assert_eq!(bed.get(&id, &fields).status, 200);
    // Who was trusted before still is.
    let person = bed.person(Algorithm::Es384);
    assert_eq!(bed.get(&id, &person.newer(&bed.ticket(&person, &id))).status, 200);
}

#[test]
fn person_with_a_new_certificate_is_the_same_person() {
    let bed = SharesBed::new();
    let id = bed.put(&mari());
    for algorithm in Algorithm::ALL {
        let person = bed.person(algorithm);
        let renewed = person.renewed(&bed.files.authority, &certificate_of(&mari()));
        for person in [person, renewed] {
            assert_eq!(bed.get(&id, &person.newer(&bed.ticket(&person, &id))).status, 200, "{algorithm:?}");
        }
    }
}

#[test]
fn tls_is_1_3_and_asks_for_no_certificate() {
    let bed = SharesBed::new();
    let error = tls(bed.addresses.shares, client_config(&bed.files.authority, None, &[&TLS12])).unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    let person = bed.person(Algorithm::Es384);
    // Whoever has one is not asked for it, and gets no further by it.
    let config = client_config(&bed.files.authority, Some(&person.identity), &[&TLS13]);
    let mut http = crate::support::Http::new(tls(bed.addresses.shares, config).unwrap());
    let id = bed.put(&person.id);
    assert_eq!(http.get(&format!("/key-shares/{id}")).status, 401);
}

#[test]
fn operators_see_what_happens() {
    let mut bed = SharesBed::new();
    let person = bed.person(Algorithm::Es256);
    let id = bed.put(&person.id);
    let fields = person.newer(&bed.ticket(&person, &id));
    assert_eq!(bed.get(&id, &fields).status, 200);
    bed.refuses(&id, &fields, "nonce");
    let mut operations = bed.operations();
    assert_eq!(operations.get("/readyz").status, 200);
    let metrics = operations.get("/metrics").body;
    for line in [
        r#"cdoc2_tickets_total{outcome="accepted"}"#,
        r#"cdoc2_tickets_total{outcome="nonce"}"#,
        r#"cdoc2_requests_total{listener="shares",method="POST",route="/key-shares",status="201"}"#,
        r#"cdoc2_requests_total{listener="shares",method="POST",route="/key-shares/{shareId}/nonce",status="200"}"#,
        r#"cdoc2_requests_total{listener="shares",method="GET",route="/key-shares/{shareId}",status="404"}"#,
        r#"cdoc2_store_duration_seconds_count{operation="put_share"}"#,
        r#"cdoc2_store_duration_seconds_count{operation="take_nonce"}"#,
        r#"cdoc2_certificate_not_after_seconds{listener="shares"}"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert!(!metrics.contains(id.as_str()) && !metrics.contains(crate::support::PERSONAL_CODE));
    let mut idle = bed.http();
    assert_eq!(idle.get("/").status, 404);
    bed.runtime.block_on(bed.server.take().unwrap().shutdown());
    assert!(idle.is_closed());
}
