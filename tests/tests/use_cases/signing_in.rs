//! What holds for everybody who signs in, whatever the step: with both generations of the interface and on both databases, whatever OCSP says, with
//! servers that want what is not theirs, and as to what each of them hears.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use cdoc2_testbed::ocsp::{Mode, Standing};
use cdoc2_tests::https::Request;
use cdoc2_tests::shares_server::{Generation, PATH, nonce, nonce_path};
use serde_json::json;

use crate::relay::{Deed, Heard, Kind, answer};
use crate::scene::{JAAN, MARI, code, holder};
use crate::signing::{ENCRYPT, PHONE, Signing, Store};

/// Somebody else.
const ZANNA: (&str, &str) = ("ÕUN,ŽANNA", "60001019906");
/// And somebody else.
const TEST: (&str, &str) = ("TESTNUMBER,TEST", "60001019939");

/// Options by which [`MARI`] signs in, each in its own way.
fn all_means(signing: &Signing) -> [String; 4] {
    signing.bed.smart_id_account(&holder(MARI)).unwrap();
    signing.bed.mobile_id_account(&holder(MARI), PHONE).unwrap();
    let (key, _) = signing.key_of(MARI);
    ["--auth smart-id".into(), format!("--auth mobile-id --phone {PHONE}"), signing.card_of_mari(), key]
}

fn opens_by_all_means(store: Store, generation: Generation) {
    let signing = Signing::with(store, [generation; 2], "");
    signing.done(ENCRYPT);
    let means = all_means(&signing);
    for options in &means {
        signing.opens("in.cdoc2", options);
    }
    for arm in &signing.arms {
        assert_eq!(arm.server().tickets("accepted"), 4.0);
        let gets = arm.relay.heard_of(Kind::Get);
        assert_eq!(gets.len(), means.len());
        for other in Generation::ALL {
            assert!(gets.iter().all(|heard| heard.header(other.header()).is_some() == (other == generation)), "{other:?}");
        }
    }
}

#[test]
fn newer_interface_on_sqlite() {
    opens_by_all_means(Store::Sqlite, Generation::Token);
}

#[test]
fn newer_interface_on_postgresql() {
    opens_by_all_means(Store::Postgresql, Generation::Token);
}

#[test]
fn older_interface_on_sqlite() {
    opens_by_all_means(Store::Sqlite, Generation::Ticket);
}

#[test]
fn older_interface_on_postgresql() {
    opens_by_all_means(Store::Postgresql, Generation::Ticket);
}

/// A container for four people, of whom two have certificates that are no good; then the responder is down.
fn by_policy(policy: &str, is_open_without_an_answer: bool) {
    let signing = Signing::with(Store::Sqlite, Generation::ALL, &format!("[ocsp]\npolicy = \"{policy}\""));
    let people = [MARI, JAAN, ZANNA, TEST];
    let recipients: Vec<_> = people.iter().map(|(_, code)| format!("-r share:{code}")).collect();
    signing.done(&format!("encrypt -o in.cdoc2 {} a.txt", recipients.join(" ")));
    let [good, revoked, unknown, late] = people.map(|who| signing.key_of(who));
    signing.bed.ocsp().set(&revoked.1.serial(), Standing::Revoked);
    signing.bed.ocsp().set(&unknown.1.serial(), Standing::Unknown);
    let refused = |options: &str, says: &str| signing.fails(code::NETWORK, &format!("decrypt in.cdoc2 -o out {options}"), &[says]);
    signing.opens("in.cdoc2", &good.0);
    refused(&revoked.0, "refuses the authentication");
    refused(&unknown.0, "refuses the authentication");
    signing.bed.ocsp().set_mode(Mode::Down);
    // who was good a moment ago still is
    signing.opens("in.cdoc2", &good.0);
    if is_open_without_an_answer {
        signing.opens("in.cdoc2", &late.0);
    } else {
        refused(&late.0, "try again");
    }
}

#[test]
fn without_ocsp_nobody_new_is_let_in_under_hard() {
    by_policy("hard", false);
}

#[test]
fn without_ocsp_nobody_new_is_let_in_under_grace() {
    by_policy("grace", false);
}

#[test]
fn without_ocsp_everybody_is_let_in_under_soft() {
    by_policy("soft", true);
}

/// What a person showed a server that does not answer.
fn shown(signing: &Signing, arm: usize) -> (String, String, Heard) {
    let heard = signing.arms[arm].relay.heard_of(Kind::Get).pop().unwrap();
    let header = |name: &str| heard.header(name).unwrap().to_owned();
    (header(signing.arms[arm].generation.header()), header("x-cdoc2-auth-x5c"), heard)
}

/// "Protection against compromised CSS servers": the first server shows the second one what it was shown.
#[test]
fn server_that_replays_its_ticket_to_the_other_gets_nothing() {
    let signing = Signing::with(Store::Sqlite, [Generation::Token; 2], "");
    signing.done(ENCRYPT);
    let (card, ids) = (signing.card_of_mari(), signing.share_ids("in.cdoc2"));
    // Neither ticket reaches its server, so that neither nonce is used.
    for arm in &signing.arms {
        arm.relay.behave_at(Kind::Get, |_| Deed::Close);
    }
    let words = format!("decrypt in.cdoc2 -o out {card}");
    signing.ends(code::NETWORK, &words);
    let [(ticket, certificate, _), (other_ticket, other_certificate, _)] = [0, 1].map(|arm| shown(&signing, arm));
    let other = signing.arms[1].server();
    let ask = |id: &str, ticket: &str, certificate: &str| {
        let path = format!("{PATH}/{id}");
        other.request(&Request::get(&path).header("x-cdoc2-auth-token", ticket).header("x-cdoc2-auth-x5c", certificate)).status
    };
    for id in &ids {
        assert_eq!(ask(id, &ticket, &certificate), 404);
    }
    assert_eq!(other.tickets("other_server"), 2.0);
    // What would open it is in the ticket for the other server alone.
    let disclosed = other_ticket.rsplit('~').nth(1).unwrap();
    assert!(!ticket.contains(disclosed));
    assert_eq!(other.tickets("accepted"), 0.0);
    // None of it was in the way of the person.
    assert_eq!(ask(&ids[1], &other_ticket, &other_certificate), 200);
}

/// "Protection against CSS server compromise and nonce reuse": the first server gives a nonce that it has from the second one.
#[test]
fn server_that_passes_on_the_nonce_of_the_other_gets_nothing() {
    let signing = Signing::with(Store::Sqlite, [Generation::Token; 2], "");
    signing.done(ENCRYPT);
    let (card, ids) = (signing.card_of_mari(), signing.share_ids("in.cdoc2"));
    let (other, client) = (signing.arms[1].server(), signing.arms[1].server().client().clone());
    let (address, path) = (other.address, nonce_path(&ids[1]));
    signing.arms[0].relay.behave(move |heard| match heard.kind() {
        Kind::Nonce => {
            let foreign = nonce(&client.request(address, &Request::post(&path, "")).unwrap());
            answer(200, &[("content-type", "application/json")], &json!({ "nonce": foreign }).to_string())
        }
        _ => Deed::Close,
    });
    signing.ends(code::NETWORK, &format!("decrypt in.cdoc2 -o out {card}"));
    let (ticket, certificate, _) = shown(&signing, 0);
    for id in &ids {
        let path = format!("{PATH}/{id}");
        let request = Request::get(&path).header("x-cdoc2-auth-token", &ticket).header("x-cdoc2-auth-x5c", &certificate);
        assert_eq!(other.request(&request).status, 404);
    }
    assert_eq!([other.tickets("other_server"), other.tickets("accepted")], [2.0, 1.0]);
    // Nor is the nonce good at the first server, which never gave it.
    signing.arms[0].relay.behave_at(Kind::Get, |_| Deed::Pass);
    signing.opens("in.cdoc2", &card);
}

/// A container can name any server: only those of the configuration are asked, and none of them if one is not there.
#[test]
fn servers_that_are_not_listed_are_not_asked() {
    let signing = Signing::with(Store::Sqlite, [Generation::Token; 3], "");
    signing.done(ENCRYPT);
    let card = signing.card_of_mari();
    let entries = signing.entries(|arm| &arm.identity);
    signing.configure_set(&entries[..entries.rfind("[[shares_set.server]]").unwrap()]);
    let url = signing.arms[2].relay.url();
    signing.fails(code::NO_RECORD, &format!("decrypt in.cdoc2 -o out {card}"), &["in.cdoc2", &url]);
    assert!(signing.arms.iter().all(|arm| arm.relay.heard_of(Kind::Nonce).is_empty()));
    signing.configure_set(&entries);
    signing.opens("in.cdoc2", &card);
}

/// All that a server was sent, and what can be read in it: base64 of any kind, out of tickets and certificates.
fn unfolded(heard: &[Heard]) -> Vec<u8> {
    let mut all: Vec<u8> = heard.iter().flat_map(|heard| heard.octets.clone()).collect();
    let text = String::from_utf8_lossy(&all).into_owned();
    for part in text.split(|character: char| !character.is_ascii_alphanumeric() && !"-_+/".contains(character)) {
        let urlsafe = part.replace('+', "-").replace('/', "_");
        all.extend(Base64UrlUnpadded::decode_vec(&urlsafe).unwrap_or_default());
        all.push(b'\n');
    }
    all
}

/// What a server receives contains no octet of another server's share, share id, nonce or address, as far as ten characters are not the same by chance.
#[test]
fn no_server_hears_of_what_is_at_another() {
    const RUN: usize = 10;
    let signing = Signing::with(Store::Sqlite, [Generation::Token, Generation::Ticket, Generation::Token], "");
    signing.done(ENCRYPT);
    for options in all_means(&signing) {
        signing.opens("in.cdoc2", &options);
    }
    let ids = signing.share_ids("in.cdoc2");
    let heard: Vec<_> = signing.arms.iter().map(|arm| unfolded(&arm.relay.heard())).collect();
    let is_in = |run: &[u8], heard: &[u8]| heard.windows(run.len()).any(|part| part == run);
    for (number, arm) in signing.arms.iter().enumerate() {
        let own = String::from_utf8_lossy(&heard[number]).into_owned();
        let mut secrets: Vec<String> = own.split("?nonce=").skip(1).map(|rest| rest[..16].to_owned()).collect();
        assert_eq!(secrets.len(), 4, "a nonce for each time that somebody signed in");
        let share: serde_json::Value = serde_json::from_str(&arm.relay.heard_of(Kind::Put)[0].body).unwrap();
        secrets.extend([ids[number].clone(), share["share"].as_str().unwrap().to_owned(), arm.relay.url()[8..].to_owned()]);
        for secret in &secrets {
            assert!(is_in(secret.as_bytes(), &heard[number]), "what the server itself heard is found");
            let run = if secret.contains(':') { secret.len() } else { RUN };
            for (_, other) in heard.iter().enumerate().filter(|(other, _)| *other != number) {
                assert!(!secret.as_bytes().windows(run).any(|part| is_in(part, other)), "another server heard of {secret}");
            }
        }
    }
}
