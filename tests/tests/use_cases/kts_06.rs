//! UC.KTS.06: forward capsule shares.

use base64ct::{Base64, Encoding as _};
use cdoc2_tests::https::Request;
use cdoc2_tests::shares_server::{Generation, PATH, id, share};
use serde_json::{Value, json};

use crate::http::seconds_from_now;
use crate::signing::{MARI_ID, Person, Signing, Store};

const DAY: i64 = 24 * 60 * 60;

#[test]
fn uc_kts_06_forward_capsule_shares() {
    for store in [Store::Sqlite, Store::Postgresql] {
        let signing = Signing::with(store, Generation::ALL, "");
        let mari = Person::new(&signing);
        // 1: to each server its own share, with whose it is
        let until = seconds_from_now(DAY).to_string();
        let sent: Vec<Value> = signing.arms.iter().map(|_| share(MARI_ID)).collect();
        for (arm, sent) in signing.arms.iter().zip(&sent) {
            let server = arm.server();
            let put = Request::post(PATH, sent.to_string()).header("x-expiry-time", until.as_str());
            // 3 and 5: an id for each, and never the same
            let [one, other] = [(); 2].map(|()| id(&server.request(&put)));
            assert_ne!(one, other);
            // 4: it is kept as it came
            let ticket = mari.ticket(arm, &one);
            let kept = server.get(&one, &ticket, mari.certificate(), arm.generation);
            assert_eq!((kept.status, kept.header("x-expiry-time")), (200, Some(until.as_str())));
            assert_eq!(kept.json(), *sent);
        }
    }
}

#[test]
fn uc_kts_06_2a_share_too_long() {
    let signing = Signing::with(Store::Sqlite, [Generation::Token], "");
    let server = signing.arms[0].server();
    let of_len = |len: usize| json!({ "share": Base64::encode_string(&vec![7; len]), "recipient": MARI_ID });
    for (len, status) in [(31, 400), (32, 201), (128, 201), (129, 400), (16 * 1024, 413)] {
        let answer = server.put(&of_len(len));
        assert_eq!(answer.status, status, "{len}: {}", answer.text());
        assert_eq!(answer.text().contains("error"), status != 201, "{}", answer.text());
    }
    // nor is anything but a person's or a company's identifier taken
    for recipient in ["", "60001017727", "etsi/", "etsi/PNOEE-60001017727/../x"] {
        assert_eq!(server.put(&share(recipient)).status, 400, "{recipient}");
    }
}
