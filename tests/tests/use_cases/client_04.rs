//! UC.Client.04: decrypt CDOC2 container using multiserver authentication.

use std::fs;
use std::thread;

use base64ct::{Base64, Encoding as _};
use cdoc2_testbed::content::smart_id;
use cdoc2_testbed::ocsp::Standing;
use cdoc2_testbed::phone::mobile_id::End as MobileIdEnd;
use cdoc2_testbed::phone::smart_id::End as SmartIdEnd;
use cdoc2_testbed::phone::{Behaviour, Displayed};
use cdoc2_testbed::{Algorithm, identity};
use cdoc2_tests::https::Response;
use serde_json::Value;

use crate::relay::{Deed, Kind, answer};
use crate::scene::{JAAN, MARI, code, holder};
use crate::signing::{ENCRYPT, PHONE, Signing};
use crate::terminal::Terminal;

/// Signs in by Smart-ID, to open the usual container.
const SMART_ID: &str = "decrypt in.cdoc2 -o out --auth smart-id";

/// What the phone displayed is what was said on the screen.
#[track_caller]
fn codes_agree(said: &str, displayed: &[Displayed]) {
    assert_eq!(displayed.len(), 1, "asked once");
    assert!(said.contains(&format!("Verification code: {}", displayed[0].code)), "{displayed:?} is not in:\n{said}");
}

/// Each server was asked for one nonce and one share.
#[track_caller]
fn each_was_asked_once(signing: &Signing) {
    for arm in &signing.arms {
        let asked = [Kind::Nonce, Kind::Get].map(|kind| arm.relay.heard_of(kind).len());
        assert_eq!((asked, arm.server().tickets("accepted")), ([1, 1], 1.0));
    }
}

#[test]
fn uc_client_04_decrypt_by_smart_id() {
    let signing = Signing::with_container();
    let mari = signing.bed.smart_id_account(&holder(MARI)).unwrap();
    let said = signing.opens("in.cdoc2", "--auth smart-id --person 60001017727");
    codes_agree(&said, &mari.displayed());
    each_was_asked_once(&signing);
    // 14: re-encrypted for long-term storage
    signing.write("secret", [0x5A; 32]);
    signing.done("reencrypt in.cdoc2 -o kept.cdoc2 --auth smart-id -r secret:kept:secret");
    let mut signing = signing;
    signing.arms.iter_mut().for_each(|arm| arm.relay.hang_up());
    signing.opens("kept.cdoc2", "--secret secret");
}

#[test]
fn uc_client_04_decrypt_by_mobile_id() {
    let signing = Signing::with_container();
    let mari = signing.bed.mobile_id_account(&holder(MARI), PHONE).unwrap();
    let said = signing.opens("in.cdoc2", &format!("--auth mobile-id --phone {PHONE}"));
    codes_agree(&said, &mari.displayed());
    each_was_asked_once(&signing);
}

/// By a module, whichever way its key signs: ES256, ES384, RS256.
#[test]
fn uc_client_04_decrypt_by_pkcs11_token() {
    let signing = Signing::with_container();
    let algorithms = [Algorithm::P256, Algorithm::P384, Algorithm::Rsa];
    let (tokens, _) = signing.tokens(&algorithms);
    for algorithm in algorithms {
        signing.opens_by_module("in.cdoc2", &format!("--auth pkcs11 --token-label {}", algorithm.name()), &tokens);
    }
    let asked = |kind| signing.arms.iter().map(|arm| arm.relay.heard_of(kind).len()).collect::<Vec<_>>();
    assert_eq!((asked(Kind::Nonce), asked(Kind::Get)), (vec![3, 3], vec![3, 3]));
}

#[test]
fn uc_client_04_decrypt_by_id_card() {
    let signing = Signing::with_container();
    let card = signing.card_of_mari();
    signing.opens("in.cdoc2", &card);
    each_was_asked_once(&signing);
}

#[test]
fn uc_client_04_2a_header_too_long() {
    let signing = Signing::with_container();
    let mut octets = fs::read(signing.path("in.cdoc2")).unwrap();
    octets[5..9].copy_from_slice(&((1_u32 << 20) + 1).to_be_bytes());
    octets.resize(2 << 20, 0);
    signing.write("long.cdoc2", octets);
    signing.fails(code::FORMAT, "decrypt long.cdoc2 -o out --auth smart-id", &["long.cdoc2", "header"]);
    assert!(signing.arms.iter().all(|arm| arm.relay.heard_of(Kind::Nonce).is_empty()));
}

#[test]
fn uc_client_04_8a_authentication_is_not_successful() {
    let signing = Signing::with_container();
    signing.fails(code::NETWORK, SMART_ID, &["no Smart-ID account"]);
    let mari = signing.bed.smart_id_account(&holder(MARI)).unwrap();
    for (behaviour, code, says) in [
        (Behaviour::Ends(SmartIdEnd::UserRefused), code::REJECTED, "refused on the phone"),
        (Behaviour::Ends(SmartIdEnd::WrongVc), code::REJECTED, "another verification code"),
        (Behaviour::Ends(SmartIdEnd::Timeout), code::NETWORK, "nobody answered"),
        (Behaviour::Status(580), code::NETWORK, "maintenance"),
    ] {
        mari.set_behaviour(behaviour);
        signing.fails(code, SMART_ID, &[says]);
    }
    let by_mobile_id = format!("decrypt in.cdoc2 -o out --auth mobile-id --phone {PHONE}");
    let mari = signing.bed.mobile_id_account(&holder(MARI), PHONE).unwrap();
    for (end, code, says) in [
        (MobileIdEnd::UserCancelled, code::REJECTED, "refused on the phone"),
        (MobileIdEnd::PhoneAbsent, code::NETWORK, "switched off"),
        (MobileIdEnd::NotMidClient, code::NETWORK, "no Mobile-ID"),
    ] {
        mari.set_behaviour(Behaviour::Ends(end));
        signing.fails(code, &by_mobile_id, &[says]);
    }
    let card = signing.card_of_mari();
    signing.write("wrong", "9999");
    let wrong = card.replace("--pin-file pin", "--pin-file wrong");
    signing.fails(code::REJECTED, &format!("decrypt in.cdoc2 -o out {wrong}"), &["PIN1", "2 tries"]);
    assert!(signing.arms.iter().all(|arm| arm.relay.heard_of(Kind::Get).is_empty()), "a share was asked for");
}

/// The rest of 8a: whoever is at the terminal is asked, and goes on from step 6, with new nonces.
#[test]
fn uc_client_04_8a_is_offered_to_try_again() {
    let signing = Signing::with_container();
    let mari = signing.bed.smart_id_account(&holder(MARI)).unwrap();
    mari.set_behaviour(Behaviour::Ends(SmartIdEnd::UserRefused));
    let mut terminal = Terminal::new(&signing, SMART_ID);
    let seen = terminal.until("Try again? [y/N]");
    assert!(seen.contains("Verification code: ") && seen.contains("refused on the phone"), "{seen}");
    mari.set_behaviour(Behaviour::Accepts);
    let seen = terminal.answer("y");
    assert!(seen.contains("Verification code: ") && seen.contains("ended with 0"), "{seen}");
    assert!(signing.path("out/a.txt").exists());
    for arm in &signing.arms {
        assert_eq!([Kind::Nonce, Kind::Get].map(|kind| arm.relay.heard_of(kind).len()), [2, 1]);
    }
    // who does not want to is told what the first attempt came to
    mari.set_behaviour(Behaviour::Ends(SmartIdEnd::UserRefused));
    let mut terminal = Terminal::new(&signing, "decrypt in.cdoc2 -o other --auth smart-id");
    terminal.until("Try again? [y/N]");
    let seen = terminal.answer("n");
    assert!(seen.contains("ended with 5"), "{seen}");
}

#[test]
fn uc_client_04_10a_no_record_of_the_person() {
    let signing = Signing::with_container();
    signing.fails(code::NO_RECORD, &format!("{SMART_ID} --person 38001085718"), &["in.cdoc2", "no record"]);
    let jaan = signing.card(JAAN);
    let by_card = format!("decrypt in.cdoc2 -o out --auth id-card --reader {jaan} --pin-file pin");
    signing.fails(code::NO_RECORD, &by_card, &["in.cdoc2", "no record"]);
    let asked = |kind| signing.arms.iter().map(|arm| arm.relay.heard_of(kind).len()).sum::<usize>();
    assert_eq!(asked(Kind::Nonce), 0, "somebody else was told to the servers");

    // 9: the certificate that comes with the signature is somebody else's
    let authority = signing.bed.authority();
    let jaan = authority.identity(&smart_id(&holder(JAAN)).unwrap(), Algorithm::Rsa).unwrap();
    signing.bed.smart_id().open(&holder(MARI), &jaan).unwrap();
    signing.fails(code::NETWORK, SMART_ID, &["certificate"]);
    assert_eq!(asked(Kind::Get), 0, "a server was shown what somebody else has signed");
}

#[test]
fn uc_client_04_11a_authentication_is_not_believed() {
    let signing = Signing::with_container();
    let (key, identity) = signing.key_of(MARI);
    let words = format!("decrypt in.cdoc2 -o out {key}");
    signing.bed.ocsp().set(&identity.serial(), Standing::Revoked);
    signing.fails(code::NETWORK, &words, &["refuses the authentication"]);
    assert!(signing.arms.iter().all(|arm| arm.server().tickets("revoked") == 1.0));

    // one server's word is enough
    signing.bed.ocsp().set(&identity.serial(), Standing::Good);
    let card = signing.card_of_mari();
    let url = signing.arms[1].relay.url();
    for status in [401, 403] {
        signing.arms[1].relay.behave_at(Kind::Get, move |_| answer(status, &[], "{}"));
        signing.fails(code::NETWORK, &format!("decrypt in.cdoc2 -o out {card}"), &[&url, "refuses the authentication"]);
    }
    signing.arms[1].relay.behave(|_| Deed::Pass);
    signing.opens("in.cdoc2", &card);
}

/// A server that hangs, before the person signs or after: two commands at once, since a client waits for long.
#[test]
fn uc_client_04_12a_request_timed_out() {
    let [before, after] = [(); 2].map(|()| Signing::with_container());
    before.arms[0].relay.gate().shut();
    let gate = after.arms[0].relay.gate();
    after.arms[0].relay.behave_at(Kind::Nonce, move |_| {
        gate.shut();
        Deed::Pass
    });
    thread::scope(|scope| {
        for signing in [&before, &after] {
            scope.spawn(|| {
                let card = signing.card_of_mari();
                let url = signing.arms[0].relay.url();
                signing.fails(code::NETWORK, &format!("decrypt in.cdoc2 -o out {card}"), &[&url, "try again"]);
            });
        }
    });
    let gets = |signing: &Signing| signing.arms[1].relay.heard_of(Kind::Get).len();
    assert_eq!((gets(&before), gets(&after)), (0, 1), "the person has signed in the second case only");
}

/// The rest of it: the person is asked, and starts anew from step 3.
#[test]
fn uc_client_04_12a_is_offered_to_try_again() {
    let mut signing = Signing::with_container();
    let card = signing.card_of_mari();
    signing.arms[1].relay.hang_up();
    let words = format!("decrypt in.cdoc2 -o out {card}");
    signing.fails(code::NETWORK, &words, &[&signing.arms[1].relay.url(), "try again"]);
    let mut terminal = Terminal::new(&signing, &words);
    terminal.until("Try again? [y/N]");
    signing.arms[1].relay.listen_again();
    let seen = terminal.answer("y");
    assert!(seen.contains("ended with 0"), "{seen}");

    // a server that has too much to do says so
    signing.arms[1].relay.behave(|_| answer(503, &[("retry-after", "3600")], "{}"));
    signing.fails(code::NETWORK, &format!("decrypt in.cdoc2 -o other {card}"), &["try again"]);
}

#[test]
fn uc_client_04_12a_share_is_missing_or_expired() {
    const GONE: &str = "the share is missing or has expired; the container cannot be decrypted any more";
    for change in ["DELETE FROM shares", "UPDATE shares SET expiry = 1"] {
        let mut signing = Signing::with_container();
        let mari = signing.bed.smart_id_account(&holder(MARI)).unwrap();
        let url = signing.arms[1].relay.url();
        signing.arms[1].kill();
        rusqlite::Connection::open(signing.arms[1].site.path().join("shares.sqlite")).unwrap().execute(change, []).unwrap();
        signing.arms[1].start();
        signing.fails(code::NETWORK, SMART_ID, &[&url, GONE]);
        assert!(mari.displayed().is_empty(), "she was asked to sign for what is gone");
    }
}

#[test]
fn uc_client_04_13a_decryption_fails() {
    const CORRUPTED: &str = "the container is corrupted";
    let signing = Signing::with_container();
    let card = signing.card_of_mari();
    let mut octets = fs::read(signing.path("in.cdoc2")).unwrap();
    let header_len = usize::try_from(u32::from_be_bytes(octets[5..9].try_into().unwrap())).unwrap();
    octets[9 + header_len] ^= 1;
    signing.write("altered.cdoc2", octets);
    signing.fails(code::REJECTED, &format!("decrypt altered.cdoc2 -o out {card}"), &["altered.cdoc2", CORRUPTED]);

    // A server that lies: another share, of the same length.
    let url = signing.arms[0].relay.url();
    let words = format!("decrypt in.cdoc2 -o out {card}");
    let lie = |change: fn(&mut Value)| {
        signing.arms[0].relay.behave_at(Kind::Get, move |_| {
            Deed::Alter(Box::new(move |response: &mut Response| {
                let mut share = response.json();
                change(&mut share);
                response.body = share.to_string().into_bytes();
            }))
        });
    };
    lie(|share| share["share"] = Base64::encode_string(&[7; 32]).into());
    signing.fails(code::REJECTED, &words, &["in.cdoc2", CORRUPTED]);
    lie(|share| share["share"] = Base64::encode_string(&[7; 33]).into());
    signing.fails(code::NETWORK, &words, &[&url, "33 octets"]);
    lie(|share| share["recipient"] = "etsi/PNOEE-38001085718".into());
    signing.fails(code::NETWORK, &words, &[&url, "somebody else's"]);
    lie(|_| {});
    signing.opens("in.cdoc2", &card);
}

/// Two containers, and a server that gives the share of the other one.
#[test]
fn uc_client_04_13a_share_of_another_container() {
    let signing = Signing::with_container();
    signing.done(&ENCRYPT.replace("in.cdoc2", "other.cdoc2"));
    let card = signing.card_of_mari();
    let bodies: Vec<_> = signing.arms[0].relay.heard_of(Kind::Put).into_iter().map(|heard| heard.body).collect();
    let other = bodies[1].clone();
    signing.arms[0].relay.behave_at(Kind::Get, move |_| answer(200, &[("content-type", "application/json")], &other));
    signing.fails(code::REJECTED, &format!("decrypt in.cdoc2 -o out {card}"), &["in.cdoc2", "corrupted"]);
    signing.opens("other.cdoc2", &card);
}

/// 11: the certificate that the card shows is the one that servers look up.
#[test]
fn uc_client_04_11a_card_is_revoked() {
    let signing = Signing::with_container();
    let card = signing.bed.card(&holder(MARI)).unwrap();
    signing.bed.ocsp().set(&identity::serial(&card.certificate), Standing::Revoked);
    let words = format!("decrypt in.cdoc2 -o out --auth id-card --reader sim:{} --pin-file pin", card.path.display());
    signing.fails(code::NETWORK, &words, &["refuses the authentication"]);
}
