//! The rest of the interface, `cdoc2-key-capsules` 3.1.1: what is refused and how, expiry, and what stands in answers.

use cdoc2_tests::capsule_server::{Capsule, CapsuleServer, Installation, PATH, location, random, until};
use cdoc2_tests::https::{Client, Request, Response};
use cdoc2_tests::pki::Kind;
use serde_json::{Value, json};

use crate::on_both_stores;

on_both_stores!(
    malformed_capsules_are_refused,
    methods_and_paths_of_others_are_refused,
    bodies_have_a_type_and_a_limit,
    expiry_is_granted_or_refused,
    expiry_is_cut_where_the_operator_says_so,
    an_expired_capsule_is_not_served,
    expired_capsules_are_deleted,
    answers_are_those_of_the_interface,
    the_operator_sees_no_secrets,
);

fn post(server: &CapsuleServer, request: &Request<'_>) -> Response {
    server.sender().request(server.addresses.sender, request).expect("an answer")
}

/// A refusal is a small object with a text, and names no capsule.
fn assert_refused(what: &str, response: &Response, status: u16) {
    assert_eq!(response.status, status, "{what}: {response:?}");
    let body = response.json();
    let fields = body.as_object().unwrap_or_else(|| panic!("{what}: {body}"));
    assert!(
        fields.len() == 1 && fields.get("error").is_some_and(|text| text.as_str().is_some_and(|text| !text.is_empty())),
        "{what}: {body}"
    );
    assert_eq!(response.header("location"), None, "{what}");
}

/// What is wrong, and the whole of the body.
fn malformed(site: &Installation) -> Vec<(String, Vec<u8>)> {
    let mut wrong: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |what: String, value: Value| wrong.push((what, value.to_string().into_bytes()));
    for kind in Kind::ALL {
        let sound = Capsule::new(kind, &site.person(kind));
        for field in ["recipient_id", "ephemeral_key_material", "capsule_type"] {
            let mut value = sound.value();
            value.as_object_mut().expect("an object").remove(field);
            add(format!("{kind:?} without {field}"), value);
            for other in [Value::Null, json!(1), json!(true), json!([]), json!({}), json!("")] {
                let mut value = sound.value();
                value[field] = other.clone();
                add(format!("{kind:?}, {field} is {other}"), value);
            }
        }
        for text in ["BA==BA==", "BA=", "%%%%", "BA==\n", " BA==", "_-_-"] {
            let mut value = sound.value();
            value["recipient_id"] = json!(text);
            add(format!("{kind:?}, recipient_id is {text:?}"), value);
        }
        for other in Kind::ALL.into_iter().filter(|other| *other != kind) {
            add(format!("{kind:?} as {other:?}"), Capsule { capsule_type: other.capsule_type().into(), ..sound.clone() }.value());
        }
        for name in ["ml_kem_1024", "RSA", "ecc_secp384r1 ", "ecc_secp384r1\0"] {
            add(format!("{kind:?} as {name:?}"), Capsule { capsule_type: name.into(), ..sound.clone() }.value());
        }
        let mut off = sound.clone();
        off.recipient_id.pop();
        add(format!("{kind:?}, recipient_id cut short"), off.value());
        if kind != Kind::Rsa {
            for field in [0, 1] {
                let mut off = sound.clone();
                let octets = if field == 0 { &mut off.recipient_id } else { &mut off.ephemeral_key_material };
                *octets.last_mut().expect("a point") ^= 1;
                add(format!("{kind:?}, a point off the curve in field {field}"), off.value());
            }
        }
    }
    let sound = Capsule::new(Kind::P384, &site.person(Kind::P384)).json();
    for (what, body) in [
        ("nothing", ""),
        ("no JSON", "capsule"),
        ("two objects", "{}{}"),
        ("null", "null"),
        ("a list", "[]"),
        ("a number", "1e999"),
        ("a field twice", &sound.replacen('{', r#"{"capsule_type":"rsa","#, 1)),
        ("an octet after it", &format!("{sound}x")),
        ("cut short", &sound[..sound.len() - 1]),
        ("single quotes", &sound.replace('"', "'")),
        ("a comma too many", &sound.replace('}', ",}")),
        ("nested", &format!("{}{}", "[".repeat(2000), "]".repeat(2000))),
    ] {
        wrong.push((what.into(), body.as_bytes().to_vec()));
    }
    wrong.push(("a byte order mark".into(), [b"\xEF\xBB\xBF", sound.as_bytes()].concat()));
    wrong.push(("UTF-16".into(), sound.encode_utf16().flat_map(u16::to_le_bytes).collect()));
    wrong.push((
        "no UTF-8".into(),
        sound.replace("recipient_id", "recipient_id\u{80}").into_bytes().into_iter().filter(|octet| *octet != 0xC2).collect(),
    ));
    wrong.push(("random octets".into(), random(500)));
    wrong
}

fn malformed_capsules_are_refused(site: &mut Installation) {
    let server = site.start();
    let mut connection = server.sender().connect(server.addresses.sender).expect("a connection");
    for (what, body) in malformed(site) {
        // On one connection: none of them may confuse the next.
        connection.send(&Request::post(PATH, body).octets()).unwrap_or_else(|error| panic!("{what}: {error}"));
        let response = connection.response().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_refused(&what, &response, 400);
    }
    let _ = server.keep(&Capsule::new(Kind::P384, &site.person(Kind::P384)));
}

fn methods_and_paths_of_others_are_refused(site: &mut Installation) {
    let server = site.start();
    let capsule = Capsule::new(Kind::P384, &site.person(Kind::P384));
    let (anonymous, person) = (Client::anonymous(&site.root), site.client(&site.person(Kind::P384)));
    let at = server.keep(&capsule);
    for (port, client) in [(server.addresses.sender, &anonymous), (server.addresses.recipient, &person)] {
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "INVENTED"] {
            for target in [PATH, &at] {
                let response = client.request(port, &Request { method, ..Request::get(target) }).expect("an answer");
                assert_refused(&format!("{method} {target} at {port}"), &response, 405);
            }
        }
        for target in
            ["/", "/key-capsule", "/key-capsules/KC/0123456789ABCDEF0", "/metrics", "/healthz", "/key-shares", "//key-capsules"]
        {
            assert_refused(target, &client.request(port, &Request::get(target)).expect("an answer"), 404);
        }
    }
    assert_refused(
        "fetching where capsules are put",
        &server.sender().request(server.addresses.sender, &Request::get(&at)).expect("an answer"),
        405,
    );
    let put = person.request(server.addresses.recipient, &Request::post(PATH, capsule.json())).expect("an answer");
    assert_refused("putting where capsules are fetched", &put, 405);
}

fn bodies_have_a_type_and_a_limit(site: &mut Installation) {
    let server = site.start();
    let json = Capsule::new(Kind::P384, &site.person(Kind::P384)).json();
    let declared = |kind: &str| Request { headers: vec![("Content-Type", kind.into())], ..Request::post(PATH, json.clone()) };
    for kind in ["application/json", "application/json; charset=UTF-8", "Application/Json;charset=utf-8"] {
        assert_eq!(post(&server, &declared(kind)).status, 201, "{kind}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        assert_refused(kind, &post(&server, &declared(kind)), 415);
    }
    assert_refused("no type", &post(&server, &Request { headers: Vec::new(), ..Request::post(PATH, json.clone()) }), 415);
    // White space is allowed in JSON, but not without end.
    assert_eq!(post(&server, &Request::post(PATH, format!("{json}{}", " ".repeat(1000)))).status, 201);
    // Refused for what its header says: who goes on sending may find the connection closed before the answer.
    let mut connection = server.sender().connect(server.addresses.sender).expect("a connection");
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", 1 << 20);
    connection.send(head.as_bytes()).expect("it takes requests");
    assert_refused("a megabyte", &connection.response().expect("an answer"), 413);
    // In pieces, without saying how many.
    let mut connection = server.sender().connect(server.addresses.sender).expect("a connection");
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.send(format!("{head}{:x}\r\n{json}\r\n0\r\n\r\n", json.len()).as_bytes()).expect("it takes requests");
    let _ = location(&connection.response().expect("an answer"));
    connection.send(head.as_bytes()).expect("it takes requests");
    let piece = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    // It may close before it has seen them all.
    while connection.send(piece.as_bytes()).is_ok() && connection.wait_for_answer(std::time::Duration::ZERO).is_none() {}
    if let Ok(response) = connection.response() {
        assert_refused("pieces without end", &response, 413);
    }
}

/// So many seconds from now.
fn after(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + seconds).expect("a time")
}

/// The expiry in an answer.
fn granted(response: &Response) -> jiff::Timestamp {
    response.header("x-expiry-time").and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no expiry: {response:?}"))
}

fn expiry_is_granted_or_refused(site: &mut Installation) {
    site.set("[expiry]\ndefault = \"30d\"\nmax = \"60d\"");
    let server = site.start();
    let recipient = site.person(Kind::P384);
    let capsule = Capsule::new(Kind::P384, &recipient);
    let (before, day) = (after(0), 24 * 3600);
    let by_default = granted(&server.put(&capsule).expect("an answer"));
    assert!(before + jiff::SignedDuration::from_secs(30 * day) <= by_default, "{by_default}");
    assert!(by_default <= after(30 * day), "{by_default}");

    for wish in [after(5), after(30 * day), after(60 * day - 60)] {
        let text = wish.to_string();
        for text in [text.clone(), text.replace('Z', "+00:00"), text.replace('Z', ".999999999Z"), text.to_lowercase()] {
            let response = server.put_until(&capsule, &text).expect("an answer");
            assert_eq!(granted(&response), wish, "{text}");
            assert_eq!(response.header("x-expiry-time-adjusted").unwrap_or("false"), "false", "{text}");
            let got = server.get(&site.client(&recipient), &location(&response)).expect("an answer");
            assert_eq!(granted(&got), wish, "{text}");
        }
    }
    // UC.KTS.01, 4b
    for text in [after(60 * day + 60).to_string(), "9999-12-31T23:59:59Z".into()] {
        assert_refused(&text, &server.put_until(&capsule, &text).expect("an answer"), 400);
    }
    for text in [
        after(-1).to_string(),
        "1970-01-01T00:00:00Z".into(),
        "tomorrow".into(),
        String::new(),
        "2099-02-30T00:00:00Z".into(),
        "30d".into(),
    ] {
        assert_refused(&text, &server.put_until(&capsule, &text).expect("an answer"), 400);
    }
    let twice = Request::post(PATH, capsule.json())
        .header("x-expiry-time", after(60).to_string())
        .header("X-Expiry-Time", after(90).to_string());
    assert_refused("twice", &post(&server, &twice), 400);
}

fn expiry_is_cut_where_the_operator_says_so(site: &mut Installation) {
    site.set("[expiry]\ndefault = \"1d\"\nmax = \"2d\"\ntoo_long = \"clamp\"");
    let server = site.start();
    let capsule = Capsule::new(Kind::Rsa, &site.person(Kind::Rsa));
    let response = server.put_until(&capsule, &after(3 * 24 * 3600).to_string()).expect("an answer");
    assert_eq!(response.header("x-expiry-time-adjusted"), Some("true"), "{response:?}");
    assert!(granted(&response) <= after(2 * 24 * 3600) && granted(&response) > after(2 * 24 * 3600 - 60), "{response:?}");
    assert_refused("the past", &server.put_until(&capsule, &after(-60).to_string()).expect("an answer"), 400);
}

fn an_expired_capsule_is_not_served(site: &mut Installation) {
    // It stays in the database.
    site.set("[clean_up]\ninterval = \"30d\"");
    let server = site.start();
    let recipient = site.person(Kind::P384);
    let (client, expiry) = (site.client(&recipient), after(5));
    let put = |expiry: jiff::Timestamp| {
        location(&server.put_until(&Capsule::new(Kind::P384, &recipient), &expiry.to_string()).expect("an answer"))
    };
    let [soon, later] = [put(expiry), put(after(3600))];
    until("the expiry", || server.get(&client, &soon).expect("an answer").status == 404);
    assert!(jiff::Timestamp::now() >= expiry, "it was served too short a time");
    assert_eq!(server.get(&client, &later).expect("an answer").status, 200);
}

fn expired_capsules_are_deleted(site: &mut Installation) {
    site.set("[clean_up]\ninterval = \"1s\"\nbatch = 2");
    let server = site.start();
    let recipient = site.person(Kind::P384);
    let soon = after(5).to_string();
    for _ in 0..7 {
        let _ = location(&server.put_until(&Capsule::new(Kind::P384, &recipient), &soon).expect("an answer"));
    }
    let kept = server.keep(&Capsule::new(Kind::P384, &recipient));
    server.until_metric("cdoc2_expired_deleted_total", |count| count >= 7.0);
    assert_eq!(server.get(&site.client(&recipient), &kept).expect("an answer").status, 200);
}

fn answers_are_those_of_the_interface(site: &mut Installation) {
    let server = site.start();
    for kind in Kind::ALL {
        let recipient = site.person(kind);
        let capsule = Capsule::new(kind, &recipient);
        let put = server.put(&capsule).expect("an answer");
        assert!(put.body.is_empty(), "{put:?}");
        let got = server.get(&site.client(&recipient), &location(&put)).expect("an answer");
        assert_eq!(got.json(), capsule.value());
        // RFC 3339, 5.6 in UTC: what clients of the field read.
        for response in [&put, &got] {
            let text = response.header("x-expiry-time").expect("an expiry");
            assert!(text.len() == 20 && text.ends_with('Z'), "{text}");
        }
        // A proxy or a client must not keep it.
        assert_eq!(got.header("cache-control"), Some("no-store"));
    }
    let response = server.get(server.sender(), &format!("{PATH}/KC{}", "0".repeat(32))).expect("an answer");
    assert_refused("without a certificate", &response, 401);
}

fn the_operator_sees_no_secrets(site: &mut Installation) {
    site.set("[log]\nlevel = \"trace\"");
    let server = site.start();
    let recipient = site.person(Kind::P384);
    let capsule = Capsule::new(Kind::P384, &recipient);
    let at = server.keep(&capsule);
    assert_eq!(server.get(&site.client(&recipient), &at).expect("an answer").status, 200);
    assert_eq!(server.operations("/healthz").0, 200);
    assert_eq!(server.operations("/readyz").0, 200);
    let (status, metrics) = server.operations("/metrics");
    assert_eq!(status, 200);
    assert_eq!(server.operations(&at).0, 404);
    let value = capsule.value();
    let id = at.trim_start_matches("/key-capsules/");
    let secrets = [
        id,
        value["recipient_id"].as_str().expect("text"),
        value["ephemeral_key_material"].as_str().expect("text"),
        "60001017727",
        "MAASIKAS",
    ];
    for (place, text) in [("the metrics", metrics), ("the log", server.log())] {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is in {place}:\n{text}");
        }
    }
}
