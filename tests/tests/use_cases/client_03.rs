//! UC.Client.03: encrypt CDOC2 container using key shares.

use std::collections::BTreeSet;

use base64ct::{Base64, Encoding as _};
use cdoc2_tests::shares_server::Generation;
use serde_json::Value;

use crate::http::day;
use crate::relay::{Deed, Kind, answer};
use crate::scene::{MARI, code, has_unfit_files, more_than_a_header};
use crate::signing::{ENCRYPT, MARI_ID, Signing, Store, shares};

#[test]
fn uc_client_03_encrypt_with_key_shares() {
    let signing = Signing::with(Store::Sqlite, [Generation::Token, Generation::Ticket, Generation::Token], "");
    signing.done("encrypt -o in.cdoc2 -r share:60001017727 -r share:PNOEE-38001085718 a.txt");
    let records = signing.records("in.cdoc2");
    assert_eq!(records.len(), 2);
    let recipients = [MARI_ID, "etsi/PNOEE-38001085718"];
    let mut seen = BTreeSet::new();
    for (place, (record, recipient)) in records.iter().zip(recipients).enumerate() {
        assert_eq!(record["shares_recipient_id"], recipient);
        let shares = shares(record);
        assert_eq!(shares.len(), 3);
        for ((url, id), arm) in shares.into_iter().zip(&signing.arms) {
            assert_eq!(url, arm.relay.url());
            assert!(seen.insert(id), "an id is there twice");
            let sent: Value = serde_json::from_str(&arm.relay.heard_of(Kind::Put)[place].body).unwrap();
            assert_eq!(sent["recipient"], recipient);
            let share = sent["share"].as_str().unwrap().to_owned();
            assert_eq!(Base64::decode_vec(&share).unwrap().len(), 32);
            assert!(seen.insert(share), "a share was sent twice");
        }
    }
    for arm in &signing.arms {
        assert_eq!(arm.relay.heard().len(), 2, "something else was asked for");
    }
}

#[test]
fn uc_client_03_2_recipient_from_ldap_or_a_certificate() {
    let signing = Signing::with_directory();
    let card = signing.card_of_mari();
    signing.done("encrypt -o in.cdoc2 -r share:id:60001017727 a.txt");
    signing.opens("in.cdoc2", &card);
    let (key, identity) = signing.key_of(MARI);
    signing.write("mari.pem", identity.certificate_pem());
    signing.done("encrypt -o in.cdoc2 --force -r share:cert:mari.pem a.txt");
    signing.opens("in.cdoc2", &key);
    // a mistyped code; and an organisation, which does not sign in
    for recipient in ["share:60001017728", "share:70000310"] {
        signing.fails(code::USAGE, &format!("encrypt -o out.cdoc2 -r {recipient} a.txt"), &["share:"]);
    }
}

#[test]
fn uc_client_03_5a_no_connection() {
    let mut signing = Signing::new();
    signing.arms[1].relay.hang_up();
    let url = signing.arms[1].relay.url();
    signing.fails(code::NETWORK, &ENCRYPT.replace("in.cdoc2", "out.cdoc2"), &[&url]);
    // 5 again: the sender has waited
    signing.arms[1].relay.listen_again();
    signing.done(ENCRYPT);
}

#[test]
fn uc_client_03_6a_certificate_of_another_server() {
    let signing = Signing::new();
    // of the same authority and for the same name
    signing.configure_set(&signing.entries(|_| &signing.arms[0].identity));
    let url = signing.arms[1].relay.url();
    signing.fails(code::NETWORK, &ENCRYPT.replace("in.cdoc2", "out.cdoc2"), &[&url, "certificate"]);
    assert_eq!(signing.arms[1].relay.heard().len(), 0, "a share was sent");
}

#[test]
fn uc_client_03_6b_expiry_from_the_policy_service() {
    let signing = Signing::new();
    signing.bed.policy().set(200, r#"{"version":1,"capsule_expires":"7d"}"#);
    signing.done(ENCRYPT);
    for arm in &signing.arms {
        let sent = arm.relay.heard_of(Kind::Put);
        assert!(sent[0].header("x-expiry-time").unwrap().starts_with(&day(7)), "{sent:?}");
    }
    assert!(signing.records("in.cdoc2")[0]["expires"].as_str().unwrap().starts_with(&day(7)));

    // Without the service's word nothing is sent.
    signing.bed.policy().set(503, "");
    signing.fails(code::NETWORK, &ENCRYPT.replace("in.cdoc2", "out.cdoc2"), &["policy"]);
    assert!(signing.arms.iter().all(|arm| arm.relay.heard().len() == 1));
}

#[test]
fn uc_client_03_6c_expiry_longer_than_allowed() {
    let signing = Signing::with(Store::Sqlite, Generation::ALL, "[expiry]\ndefault = \"30d\"\nmax = \"30d\"");
    signing.fails(code::NETWORK, "encrypt -o out.cdoc2 --expires 31d -r share:60001017727 a.txt", &["expir"]);
    signing.done(&format!("{ENCRYPT} --expires 29d"));
}

#[test]
fn uc_client_03_7a_server_does_not_take_it() {
    let mut signing = Signing::new();
    let words = ENCRYPT.replace("in.cdoc2", "out.cdoc2");
    let url = signing.arms[0].relay.url();
    for status in [400, 413, 500, 503] {
        signing.arms[0].relay.behave(move |_| answer(status, &[], "{\"error\":\"no\"}"));
        signing.fails(code::NETWORK, &words, &[&url]);
    }
    signing.arms[0].relay.behave(|_| Deed::Close);
    signing.fails(code::NETWORK, &words, &[&url]);
    // the server itself is gone, and what stands before it is not
    signing.arms[0].kill();
    signing.arms[0].relay.behave(|_| Deed::Pass);
    signing.fails(code::NETWORK, &words, &[&url]);
}

#[test]
fn uc_client_03_7b_no_share_identifier() {
    let signing = Signing::new();
    let (words, url) = (ENCRYPT.replace("in.cdoc2", "out.cdoc2"), signing.arms[0].relay.url());
    for location in
        ["/key-shares/", "/key-shares/0123", "/key-shares/0123456789abcdef01/../x", "https://elsewhere.example/", "none"]
    {
        signing.arms[0].relay.behave(move |_| match location {
            "none" => answer(201, &[], ""),
            location => answer(201, &[("location", location)], ""),
        });
        signing.fails(code::NETWORK, &words, &[&url]);
    }
    // an id that the other server has given, so that both are one
    for arm in &signing.arms {
        arm.relay.behave(|_| answer(201, &[("location", "/key-shares/0123456789abcdef01")], ""));
    }
    signing.fails(code::NETWORK, &words, &["id"]);
}

#[test]
fn uc_client_03_8a_header_too_long() {
    let signing = Signing::new();
    more_than_a_header(&signing, "recipients");
    signing.fails(code::LIMIT, "encrypt -o out.cdoc2 --no-server -r share:60001017727 -R recipients a.txt", &["header"]);
    assert!(signing.arms.iter().all(|arm| arm.relay.heard().is_empty()), "a share was sent for a container that cannot be");
}

#[test]
fn uc_client_03_9a_files_not_correct() {
    let signing = Signing::new();
    has_unfit_files(&signing, "-r share:60001017727");
    assert!(signing.arms.iter().all(|arm| arm.relay.heard().is_empty()), "a share was sent for a container that cannot be");
}

/// Step 5 again, with nobody to send to.
#[test]
fn uc_client_03_5_no_servers_in_the_configuration() {
    let signing = Signing::new();
    signing.configure("empty.toml", "");
    signing.fails(code::USAGE, "encrypt -o out.cdoc2 --config empty.toml -r share:60001017727 a.txt", &["shares servers"]);
    // one server alone could open what is split, and so could one owner
    let entries = signing.entries(|arm| &arm.identity);
    let one_owner = entries.replace("Owner 1", "Owner 0");
    let alone = &entries[..entries.rfind("[[shares_set.server]]").unwrap()];
    for (entries, says) in [(alone, "two servers"), (&one_owner, "owner")] {
        signing.configure_set(entries);
        signing.fails(code::USAGE, &ENCRYPT.replace("in.cdoc2", "out.cdoc2"), &[says]);
    }
    assert!(signing.arms.iter().all(|arm| arm.relay.heard().is_empty()));
}
