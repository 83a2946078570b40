//! Requests with every octet of them wrong, one at a time.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use cdoc2_api::CapsuleType;
use cdoc2_server::routes::Routes;
use cdoc2_server::store::Sqlite;
use rcgen::PKCS_ECDSA_P384_SHA384;
use tower::Service as _;

use super::support::Files;

#[test]
fn every_octet_may_be_wrong() {
    let files = Files::new();
    let mari = files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let store = Arc::new(Sqlite::open(&files.path("capsules.sqlite")).unwrap());
    let mut routes = Routes::new(store, &files.parse(&files.text("")), Some(&mari.certificate));
    let sound = serde_json::to_vec(&mari.capsule(CapsuleType::EccSecp384r1)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut post = |body: &[u8]| {
        let request = Request::post("/key-capsules").header("content-type", "application/json");
        let response = runtime.block_on(routes.sender.call(request.body(Body::from(body.to_vec())).unwrap())).unwrap();
        let id = response.headers().get("location").map(|path| path.to_str().unwrap().to_owned());
        (response.status(), id)
    };
    let (status, id) = post(&sound);
    assert_eq!(status, StatusCode::CREATED);
    for at in 0..sound.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut wrong = sound.clone();
            wrong[at] ^= bit;
            let (status, _) = post(&wrong);
            assert_eq!(status, StatusCode::BAD_REQUEST, "octet {at}: {}", String::from_utf8_lossy(&wrong));
        }
        assert_eq!(post(&sound[..at]).0, StatusCode::BAD_REQUEST, "the first {at} octets");
    }
    let path = id.unwrap();
    let mut get = |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        runtime.block_on(routes.recipient.call(request)).unwrap().status()
    };
    assert_eq!(get(&path), StatusCode::OK);
    for at in "/key-capsules/".len()..path.len() {
        let mut wrong = path.clone();
        wrong.replace_range(at..=at, if &path[at..=at] == "0" { "1" } else { "0" });
        assert_eq!(get(&wrong), StatusCode::NOT_FOUND, "{wrong}");
    }
}

#[test]
fn refusals_do_not_repeat_what_was_sent() {
    let files = Files::new();
    let store = Arc::new(Sqlite::open(&files.path("capsules.sqlite")).unwrap());
    let mut routes = Routes::new(store, &files.parse(&files.text("")), None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut refusal = |body: String| {
        let request = Request::post("/key-capsules").header("content-type", "application/json").body(Body::from(body)).unwrap();
        runtime.block_on(async {
            let response = routes.sender.call(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::BAD_REQUEST);
            String::from_utf8(axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().into()).unwrap()
        })
    };
    let long = refusal(format!(r#""{}""#, "A".repeat(10_000)));
    assert_eq!(long, r#"{"error":"the body is no capsule, from line 1, column 10002 on"}"#);
    let short = refusal("{}".to_owned());
    assert_eq!(short, r#"{"error":"the body is no capsule: missing field `recipient_id` at line 1 column 2"}"#);
}
