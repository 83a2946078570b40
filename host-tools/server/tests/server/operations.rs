//! What operators see.

use cdoc2_api::CapsuleType;
use rcgen::PKCS_ECDSA_P384_SHA384;

use super::support::{Bed, PERSONAL_CODE};

#[test]
fn alive_and_ready() {
    let bed = Bed::new();
    let mut operations = bed.operations();
    for (path, body) in [("/healthz", r#"{"status":"alive"}"#), ("/readyz", r#"{"status":"ready"}"#)] {
        let response = operations.get(path);
        assert_eq!((response.status, &*response.body), (200, body));
    }
    for path in ["/", "/key-capsules", "/env", "/config"] {
        assert_eq!(operations.get(path).status, 404, "{path}");
    }
}

#[test]
fn metrics_say_what_happened_and_nothing_secret() {
    let bed = Bed::new();
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let path = bed.put(&mari.capsule(CapsuleType::EccSecp384r1));
    assert_eq!(bed.recipient(Some(&mari)).get(&path).status, 200);
    assert_eq!(bed.recipient(None).get(&path).status, 401);
    let response = bed.operations().get("/metrics");
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4"));
    let metrics = response.body;
    for line in [
        r#"cdoc2_requests_total{listener="sender",method="POST",route="/key-capsules",status="201"}"#,
        r#"cdoc2_requests_total{listener="recipient",method="GET",route="/key-capsules/{transactionId}",status="200"}"#,
        r#"cdoc2_requests_total{listener="recipient",method="GET",route="/key-capsules/{transactionId}",status="401"}"#,
        r#"cdoc2_request_duration_seconds_bucket{listener="recipient",route="/key-capsules/{transactionId}",le="0.005"}"#,
        r#"cdoc2_handshakes_total{listener="recipient",result="done"}"#,
        r#"cdoc2_handshake_duration_seconds_count{listener="recipient"}"#,
        r#"cdoc2_store_duration_seconds_count{operation="put_capsule"}"#,
        r#"cdoc2_store_duration_seconds_count{operation="capsule"}"#,
        r#"cdoc2_connections{listener="operations"}"#,
        r#"cdoc2_certificate_not_after_seconds{listener="sender"}"#,
        "cdoc2_oldest_expired_seconds",
        r#"client_certificates_total{outcome="accepted"}"#,
        "# HELP cdoc2_requests_total",
        "# TYPE cdoc2_request_duration_seconds histogram",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let id = path.rsplit('/').next().unwrap();
    for secret in [id, PERSONAL_CODE, "MAASIKAS"] {
        assert!(!metrics.contains(secret), "{secret}");
    }
}

#[test]
fn methods_that_clients_invent_are_one() {
    let bed = Bed::new();
    let mut sender = bed.sender();
    for method in ["BREW", "WHEN"] {
        sender.send(format!("{method} /key-capsules HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(sender.receive().unwrap().status, 405);
    }
    let metrics = bed.metrics();
    assert!(metrics.contains(r#"method="other""#) && !metrics.contains("BREW"), "{metrics}");
}

#[test]
fn every_answer_has_a_name() {
    let bed = Bed::new();
    let mut sender = bed.sender();
    let names = [sender.get("/"), sender.get("/")].map(|response| response.header("x-request-id").unwrap().to_owned());
    assert_ne!(names[0], names[1]);
}
