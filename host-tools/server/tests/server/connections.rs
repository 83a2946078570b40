//! One request after another on a connection, however they are cut.

use std::thread;
use std::time::Duration;

use cdoc2_api::CapsuleType;
use rcgen::PKCS_ECDSA_P384_SHA384;

use super::support::Bed;

/// Then the server has let go of everything that an idle connection does not need. There is no other sign of it.
const UNTIL_IDLE: Duration = Duration::from_millis(200);

#[test]
fn requests_follow_one_another() {
    let bed = Bed::new();
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let capsule = mari.capsule(CapsuleType::EccSecp384r1);
    let mut http = bed.sender();
    for _ in 0..3 {
        assert_eq!(http.post(&capsule, &[]).status, 201);
        assert_eq!(http.get("/key-capsules").status, 405);
        thread::sleep(UNTIL_IDLE);
    }
    // Two and a half at once, then a rest; and each octet for itself.
    let body = serde_json::to_string(&capsule).unwrap();
    let len = body.len();
    let post = format!(
        "POST /key-capsules HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len}\r\n\r\n{body}"
    );
    for half in [1, 30, post.len() - len - 2, post.len() - len, post.len() - 1] {
        let (first, second) = post.split_at(half);
        http.send(format!("{post}{post}{first}"));
        assert_eq!(http.receive().unwrap().status, 201);
        assert_eq!(http.receive().unwrap().status, 201);
        thread::sleep(UNTIL_IDLE);
        http.send(second);
        assert_eq!(http.receive().unwrap().status, 201, "{half}");
    }
    for octet in post.as_bytes() {
        http.send([*octet]);
    }
    assert_eq!(http.receive().unwrap().status, 201);
    let mut http = bed.sender();
    http.send(post.repeat(100));
    for _ in 0..100 {
        assert_eq!(http.receive().unwrap().status, 201);
    }
    assert_eq!(http.get("/key-capsules").status, 405);
}

#[test]
fn rest_of_a_body_is_no_request() {
    let bed = Bed::new();
    let smuggled = "GET /key-capsules HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for declared in [format!("Content-Length: {}", smuggled.len()), "Transfer-Encoding: chunked".into()] {
        // Nobody reads the body of what is not found.
        let mut http = bed.sender();
        http.send(format!("POST /nowhere HTTP/1.1\r\nHost: localhost\r\n{declared}\r\n\r\n"));
        assert_eq!(http.receive().unwrap().status, 404);
        thread::sleep(UNTIL_IDLE);
        http.try_send(smuggled);
        assert!(http.is_closed(), "{declared}");
    }
}
