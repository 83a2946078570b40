//! What is put, what comes back, and how long it is kept.

use std::time::{Duration, SystemTime};

use cdoc2_api::{ExpiryTime, KeyShare, Nonce, NonceResponse, ShareId};
use cdoc2_auth_token::{Algorithm, Audience};
use cdoc2_server::store::{Store as _, StoredShare};

use super::bed::{SharesBed, URL, body, mari, share_of};
use super::forged::Forged;

fn from_now(seconds: u64) -> String {
    ExpiryTime::try_from(SystemTime::now() + Duration::from_secs(seconds)).unwrap().to_string()
}

#[test]
fn recipients_with_every_algorithm_fetch_what_was_put() {
    let bed = SharesBed::new();
    let id = bed.put(&mari());
    for algorithm in Algorithm::ALL {
        let mari = bed.person(algorithm);
        let older = mari.older(&bed.ticket(&mari, &id));
        let newer = mari.newer(&bed.ticket(&mari, &id));
        // With the claim `aud` in the payload.
        let form = Forged::new(&mari, algorithm, &bed.audience(&id)).signed(&mari, algorithm);
        for fields in [older, newer, mari.newer(&form)] {
            let response = bed.get(&id, &fields);
            assert_eq!(response.status, 200, "{algorithm:?}: {response:?}");
            assert_eq!(serde_json::from_str::<KeyShare>(&response.body).unwrap(), share_of(&mari.id));
            assert_eq!(response.header("content-type"), Some("application/json"));
            assert_eq!(response.header("cache-control"), Some("no-store"));
            assert!(response.header("x-expiry-time").unwrap().parse::<ExpiryTime>().is_ok());
            assert_eq!(bed.reason(), None);
        }
    }
}

#[test]
fn several_servers_are_in_one_token() {
    let bed = SharesBed::new();
    let mari = bed.person(Algorithm::Es384);
    let id = bed.put(&mari.id);
    let other = |number: u8| -> Audience {
        let address = format!("https://css{number}.example:8443/key-shares/ff0102030405060708090a0b0c0e0dff?nonce=AAECAwQFBgcI");
        address.parse().unwrap()
    };
    let mut audiences: Vec<Audience> = (1..32).map(other).collect();
    audiences.insert(17, bed.audience(&id));
    let ticket = mari.token(&audiences).ticket(17).unwrap();
    assert_eq!(bed.get(&id, &mari.newer(&ticket)).status, 200);
}

/// Drafts of the interface add headers. They are not needed, and not in the way.
#[test]
fn headers_of_drafts_are_left_alone() {
    let bed = SharesBed::new();
    let mari = bed.person(Algorithm::Es256);
    let id = bed.put(&mari.id);
    let session = ["x-cdoc2-session-token: a.b.c~", "x-cdoc2-session-x5c: MA", "x-cdoc2-sid-rpv3-signature-parameters: e30"];
    let path = format!("/key-shares/{id}/nonce");
    let response = bed.http().post_to(&path, "{}", &session);
    let NonceResponse { nonce } = serde_json::from_str(&response.body).unwrap();
    let audience = Audience { server: URL.parse().unwrap(), share_id: id.clone(), nonce };
    let mut fields = mari.newer(&mari.ticket(&audience));
    fields.extend(session.map(str::to_owned));
    assert_eq!(bed.get(&id, &fields).status, 200);
}

#[test]
fn location_and_expiry_are_told() {
    let bed = SharesBed::new();
    let mari = bed.person(Algorithm::Es256);
    let expiry = from_now(3600);
    let mut http = bed.http();
    let response = http.post_to("/key-shares", &body(&mari.id), &[&format!("X-Expiry-Time: {expiry}")]);
    assert_eq!(response.status, 201, "{response:?}");
    assert_eq!(response.header("x-expiry-time"), Some(&*expiry));
    assert_eq!(response.header("x-expiry-time-adjusted"), None);
    let location = response.header("location").unwrap();
    let id = location.strip_prefix("/key-shares/").unwrap();
    assert!(id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
    let id = id.parse().unwrap();
    assert_eq!(bed.get(&id, &mari.newer(&bed.ticket(&mari, &id))).header("x-expiry-time"), Some(&*expiry));
    // The same once more is another share.
    assert_ne!(http.post_to("/key-shares", &body(&mari.id), &[]).header("location"), Some(location));
}

#[test]
fn expiry_beyond_the_limit_is_refused_or_cut() {
    let wish = format!("x-expiry-time: {}", from_now(3600));
    for (too_long, status) in [("reject", 400), ("clamp", 201)] {
        let bed = SharesBed::with(&format!("[expiry]\ndefault = \"1m\"\nmax = \"10m\"\ntoo_long = \"{too_long}\""));
        let response = bed.http().post_to("/key-shares", &body(&mari()), &[&wish]);
        assert_eq!(response.status, status, "{response:?}");
        if status == 201 {
            assert_eq!(response.header("x-expiry-time-adjusted"), Some("true"));
            assert!(response.header("x-expiry-time").unwrap() <= &*from_now(600));
        } else {
            assert!(response.error().starts_with("x-expiry-time is later than this server allows"));
        }
        let response = bed.http().post_to("/key-shares", &body(&mari()), &[]);
        assert!(response.header("x-expiry-time").unwrap() <= &*from_now(60), "{response:?}");
        let past = bed.http().post_to("/key-shares", &body(&mari()), &["x-expiry-time: 2020-01-01T00:00:00Z"]);
        assert_eq!((past.status, past.error().as_str()), (400, "x-expiry-time is in the past"));
    }
}

/// UC.KTS.06, 2a, and everything else that is no share.
#[test]
fn bodies_that_are_no_shares_are_refused() {
    let bed = SharesBed::new();
    let sound = body(&mari());
    let mut http = bed.http();
    assert_eq!(http.post_to("/key-shares", &sound, &["Content-Type: application/json; charset=utf-8"]).status, 201);
    let of = |share_len: usize, recipient: &str| {
        use base64ct::{Base64, Encoding as _};
        let share = Base64::encode_string(&vec![7; share_len]);
        format!(r#"{{"share":"{share}","recipient":"{recipient}"}}"#)
    };
    let person = "etsi/PNOEE-48010010101";
    for (len, status) in [(0, 400), (31, 400), (32, 201), (128, 201), (129, 400), (500, 400)] {
        assert_eq!(http.post_to("/key-shares", &of(len, person), &[]).status, status, "{len} octets");
    }
    for (recipient, status) in [
        (person, 201),
        ("etsi/PASKZ-1234567", 201),
        ("private/VENDOR/70000349", 201),
        ("PNOEE-48010010101", 400),
        ("etsi/48010010101", 400),
        ("etsi/PNOEE-", 400),
        ("private/70000349", 400),
        ("other/PNOEE-48010010101", 400),
        ("etsi/PNOEE-480100101010000000000", 400),
        ("", 400),
    ] {
        assert_eq!(http.post_to("/key-shares", &of(32, recipient), &[]).status, status, "{recipient}");
    }
    for (what, body) in [
        ("nothing", String::new()),
        ("no JSON", "share".into()),
        ("cut short", sound[..sound.len() - 1].into()),
        ("something after it", format!("{sound}x")),
        ("a list", format!("[{sound}]")),
        ("null", "null".into()),
        ("a number for base64", sound.replacen("\"share\":\"", "\"share\":1,\"x\":\"", 1)),
        ("no recipient", sound.replace("recipient", "recipients")),
        ("a field twice", sound.replacen('{', "{\"recipient\":\"etsi/PNOEE-48010010101\",", 1)),
        ("base64 of URLs", sound.replacen("\"share\":\"", "\"share\":\"-_", 1)),
        ("base64 without padding", sound.replace('=', "")),
        ("brackets without end", "[".repeat(8000)),
    ] {
        let response = http.post_to("/key-shares", &body, &[]);
        assert_eq!(response.status, 400, "{what}: {response:?}");
        assert!(!response.error().is_empty());
    }
    for declared in ["text/plain", "application/x-www-form-urlencoded"] {
        assert_eq!(http.post_to("/key-shares", &sound, &[&format!("Content-Type: {declared}")]).status, 415, "{declared}");
    }
}

#[test]
fn nonces_are_new_each_time() {
    let bed = SharesBed::new();
    let id = bed.put(&mari());
    let path = format!("/key-shares/{id}/nonce");
    let mut http = bed.http();
    let mut nonces = Vec::new();
    for (body, fields) in [("", vec![]), ("null", vec![]), ("{}", vec![]), ("", vec!["Content-Type: text/plain"])] {
        let response = http.post_to(&path, body, &fields);
        assert_eq!(response.status, 200, "{body}: {response:?}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("content-type"), Some("application/json"));
        let NonceResponse { nonce } = serde_json::from_str(&response.body).unwrap();
        assert!((12..=16).contains(&nonce.as_str().len()));
        nonces.push(nonce.as_str().to_owned());
    }
    // As libcdoc's HTTP library sends nothing, and as others do.
    http.send(format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(http.receive().unwrap().status, 200);
    http.send(format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert_eq!(http.receive().unwrap().status, 200);
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), 4);
    for body in ["[]", "nonce", "{"] {
        assert_eq!(http.post_to(&path, body, &[]).status, 400, "{body}");
    }
}

/// UC.KTS.07, 1a.
#[test]
fn shares_that_are_not_there_have_no_nonces() {
    let bed = SharesBed::with("[clean_up]\ninterval = \"1h\"");
    let mari = bed.person(Algorithm::Es256);
    let expired: ShareId = "9a7c3717d21f5cf19d18fa4fa5adee21".parse().unwrap();
    let past = ExpiryTime::try_from(SystemTime::now() - Duration::from_secs(1)).unwrap();
    let stored = StoredShare { share: share_of(&mari.id), expiry: past };
    bed.runtime.block_on(bed.store().put_share(&expired, &stored)).unwrap();
    let mut http = bed.http();
    for (id, status) in [
        (expired.as_str(), 404),
        ("00000000000000000000000000000000", 404),
        ("000000000000000000", 404),
        ("00000000000000000", 400),
        ("00000000000000000000000000000000000", 400),
        ("0000000000000000000000000000000%2F", 404),
        ("%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF%FF", 400),
    ] {
        let response = http.post_to(&format!("/key-shares/{id}/nonce"), "", &[]);
        assert_eq!(response.status, status, "{id}");
        assert!(status == 400 || response.error() == "there is no such share");
        // Somebody with a nonce for it gets no further.
        let nonce: Nonce = "AAECAwQFBgcICQoL".parse().unwrap();
        let audience = Audience { server: URL.parse().unwrap(), share_id: expired.clone(), nonce };
        assert_eq!(http.get_with(&format!("/key-shares/{id}"), &mari.newer(&mari.ticket(&audience))).status, status, "{id}");
    }
}

#[test]
fn methods_and_paths_are_those_of_the_interface() {
    let bed = SharesBed::new();
    let id = bed.put(&mari());
    let mut http = bed.http();
    for (method, path) in [
        ("GET", "/key-shares".to_owned()),
        ("PUT", "/key-shares".to_owned()),
        ("POST", format!("/key-shares/{id}")),
        ("DELETE", format!("/key-shares/{id}")),
        ("GET", format!("/key-shares/{id}/nonce")),
    ] {
        http.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"));
        let response = http.receive().unwrap();
        assert_eq!(response.status, 405, "{method} {path}");
        assert!(response.error().starts_with("senders POST /key-shares"));
    }
    let unknown =
        ["/", "/healthz", "/metrics", "/key-capsules", "//key-shares", "/session_nonce", &format!("/key-shares/{id}/share")];
    for path in unknown {
        assert_eq!(http.get(path).status, 404, "{path}");
    }
}

/// A proxy may take the path away, or leave it.
#[test]
fn path_of_the_address_works() {
    for path in ["/cdoc2", "/a/b~c", "/key-shares"] {
        let files = crate::support::Files::new();
        let url = format!("https://css.example.org{path}");
        let text = files.shares_text("").replace(URL, &url);
        let bed = SharesBed::start(files, &text);
        let mari = bed.person(Algorithm::Es256);
        let mut http = bed.http();
        for prefix in ["", path] {
            let response = http.post_to(&format!("{prefix}/key-shares"), &body(&mari.id), &[]);
            assert_eq!(response.status, 201, "{response:?}");
            let location = response.header("location").unwrap().to_owned();
            let share_id: ShareId = location.strip_prefix("/key-shares/").unwrap().parse().unwrap();
            let mut audience = bed.audience(&share_id);
            let nonce = http.post_to(&format!("{prefix}{location}/nonce"), "", &[]);
            audience.nonce = serde_json::from_str::<NonceResponse>(&nonce.body).unwrap().nonce;
            let ours = Audience { server: url.parse().unwrap(), ..audience.clone() };
            for (audience, status) in [(audience, 404), (ours, 200)] {
                let response = http.get_with(&format!("{prefix}{location}"), &mari.newer(&mari.ticket(&audience)));
                assert_eq!(response.status, status, "{prefix}: {audience:?}");
            }
        }
        assert_eq!(http.get("/other/key-shares").status, 404);
    }
}
