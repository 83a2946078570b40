//! UC.KTS.07: request capsule shares.

use cdoc2_testbed::content::{self, Document, person};
use cdoc2_testbed::ocsp::{Mode, Standing};
use cdoc2_testbed::phone::Behaviour;
use cdoc2_testbed::phone::smart_id::End;
use cdoc2_testbed::{Algorithm, Authority, identity};
use cdoc2_tests::https::{Request, Response};
use cdoc2_tests::shares_server::{Generation, PATH, get, share};
use cdoc2_tests::ticket::{audience, sign};

use crate::relay::Kind;
use crate::scene::{JAAN, MARI, code, holder};
use crate::signing::{ENCRYPT, MARI_ID, Person, Signing, Store};

/// One server with a share for [`MARI`], and its id.
fn server_with_share() -> (Signing, String) {
    let signing = Signing::with(Store::Sqlite, [Generation::Token], "");
    let id = signing.arms[0].server().keep(&share(MARI_ID));
    (signing, id)
}

#[test]
fn uc_kts_07_request_capsule_shares() {
    let signing = Signing::with(Store::Sqlite, [Generation::Token, Generation::Ticket, Generation::Token], "");
    let mari = Person::new(&signing);
    let sent: Vec<_> = signing.arms.iter().map(|_| share(MARI_ID)).collect();
    let ids: Vec<_> = signing.arms.iter().zip(&sent).map(|(arm, share)| arm.server().keep(share)).collect();
    // 1 to 4: a nonce from each, and one signature over all of them
    let audiences: Vec<_> =
        signing.arms.iter().zip(&ids).map(|(arm, id)| audience(&arm.relay.url(), id, &arm.server().nonce(id))).collect();
    let tickets = sign(MARI_ID, &audiences, &mari.key);
    // 5 to 7: to each its own ticket, in either generation of the interface; once
    for (((arm, id), ticket), share) in signing.arms.iter().zip(&ids).zip(&tickets).zip(&sent) {
        let answer = arm.server().get(id, ticket, mari.certificate(), arm.generation);
        assert_eq!((answer.status, answer.json()), (200, share.clone()));
        for generation in Generation::ALL {
            assert_eq!(arm.server().get(id, ticket, mari.certificate(), generation).status, 404);
        }
        assert_eq!([arm.server().tickets("accepted"), arm.server().tickets("nonce")], [1.0, 2.0]);
    }
}

#[test]
fn uc_kts_07_1a_share_not_found() {
    let (signing, id) = server_with_share();
    let (arm, mari) = (&signing.arms[0], Person::new(&signing));
    let unknown = "0".repeat(32);
    assert_eq!(arm.server().post_nonce(&unknown).status, 404);
    // a nonce of a share that is there is no help
    let ticket = mari.tickets(&[audience(&arm.relay.url(), &unknown, &arm.server().nonce(&id))]).remove(0);
    let answer = arm.server().get(&unknown, &ticket, mari.certificate(), arm.generation);
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("error"), "{}", answer.text());
}

#[test]
fn uc_kts_07_3a_recipient_does_not_sign() {
    let signing = Signing::with_container();
    let mari = signing.bed.smart_id_account(&holder(MARI)).unwrap();
    mari.set_behaviour(Behaviour::Ends(End::UserRefused));
    signing.fails(code::REJECTED, "decrypt in.cdoc2 -o out --auth smart-id", &["refused"]);
    for arm in &signing.arms {
        assert_eq!([Kind::Nonce, Kind::Get].map(|kind| arm.relay.heard_of(kind).len()), [1, 0]);
    }
    // what was given without use is in nobody's way
    mari.set_behaviour(Behaviour::Accepts);
    signing.opens("in.cdoc2", "--auth smart-id");
}

/// The same answer, whatever is wrong, but for what differs from one answer to the next; and the reason in the metrics.
#[track_caller]
fn is_refused(signing: &Signing, request: &Request<'_>, reason: &str, what: &str) {
    let (server, uniform) = (signing.arms[0].server(), |mut response: Response| {
        response.headers.retain(|(name, _)| name != "x-request-id" && name != "date");
        (response.status, response.headers.clone(), response.text())
    });
    let before = server.tickets(reason);
    let refused = uniform(server.request(request));
    assert_eq!(server.tickets(reason), before + 1.0, "{what}: {refused:?}");
    let unknown = format!("{PATH}/{}", "0".repeat(32));
    let nothing = uniform(server.request(&Request { target: &unknown, ..request.clone() }));
    assert_eq!((refused.0, &refused), (404, &nothing), "{what}");
}

#[test]
fn uc_kts_07_6a_validation_finds_an_error() {
    let (signing, id) = server_with_share();
    let (arm, mari, path) = (&signing.arms[0], Person::new(&signing), format!("{PATH}/{id}"));
    let (server, url) = (arm.server(), arm.relay.url());
    let authority = signing.bed.authority();
    let certified = |content| Person::from(authority.identity(&content, Algorithm::P256).unwrap());
    let own = person(&holder(MARI), Document::IdCard).unwrap();
    let jaan = certified(person(&holder(JAAN), Document::IdCard).unwrap());
    let stranger = Authority::new("Stranger", Some(&signing.bed.ocsp().url())).unwrap();
    let stranger = Person::from(stranger.identity(&own, Algorithm::P256).unwrap());
    let [revoked, unknown] = [Standing::Revoked, Standing::Unknown].map(|standing| {
        let person = certified(own.clone());
        signing.bed.ocsp().set(&identity::serial(person.certificate()), standing);
        person
    });
    let expired = certified(content::expired(own.clone()));
    let early = certified(content::not_yet_valid(own.clone()));

    let audience_of = |url: &str, id: &str| audience(url, id, &server.nonce(id));
    let mine = || audience_of(&url, &id);
    let other = server.keep(&share(MARI_ID));
    let of_other = audience(&url, &id, &server.nonce(&other));
    let [used, fresh] = [mine(), mine()];
    let ticket = mari.tickets(&[used]).remove(0);
    assert_eq!(server.get(&id, &ticket, mari.certificate(), arm.generation).status, 200);
    let whole = mari.tickets(&[fresh.clone(), audience_of(&url, &other)]);
    let two = format!("{}{}~", whole[0], whole[1].rsplit('~').nth(1).unwrap());

    for generation in Generation::ALL {
        for (who, certificate, ticket, reason) in [
            ("signature of another key", &mari, jaan.tickets(&[mine()]).remove(0), "signature"),
            ("somebody else", &jaan, jaan.sign_as("etsi/PNOEE-38001085718", &[mine()]).remove(0), "other_recipient"),
            ("somebody else who says that they are the recipient", &jaan, jaan.tickets(&[mine()]).remove(0), "other_issuer"),
            ("authority that is not trusted", &stranger, stranger.tickets(&[mine()]).remove(0), "unknown_issuer"),
            ("expired certificate", &expired, expired.tickets(&[mine()]).remove(0), "expired"),
            ("certificate of tomorrow", &early, early.tickets(&[mine()]).remove(0), "not_yet_valid"),
            ("revoked certificate", &revoked, revoked.tickets(&[mine()]).remove(0), "revoked"),
            (
                "certificate that its authority does not know",
                &unknown,
                unknown.tickets(&[mine()]).remove(0),
                "unknown_to_responder",
            ),
            ("another server", &mari, mari.tickets(&[audience_of("https://localhost:1", &id)]).remove(0), "other_server"),
            ("nonce of another share", &mari, mari.tickets(std::slice::from_ref(&of_other)).remove(0), "nonce"),
            ("nonce that was used", &mari, ticket.clone(), "nonce"),
            ("nonce that nobody gave", &mari, mari.tickets(&[audience(&url, &id, "AAECAwQFBgcICQoL")]).remove(0), "nonce"),
            ("two audiences", &mari, two.clone(), "not_one_audience"),
            ("no token", &mari, "e30.e30.AA~".to_owned(), "malformed_ticket"),
        ] {
            is_refused(&signing, &get(&path, &ticket, certificate.certificate(), generation), reason, who);
        }
    }
    // without a ticket there is nothing to judge
    assert_eq!(server.request(&Request::get(&path)).status, 401);
    // none of that has used the recipient's own nonce up
    let ticket = mari.tickets(&[fresh]).remove(0);
    assert_eq!(server.get(&id, &ticket, mari.certificate(), arm.generation).status, 200);
}

#[test]
fn uc_kts_07_6a_nobody_can_say_whether_the_certificate_is_valid() {
    for mode in [Mode::Down, Mode::TryLater, Mode::WrongSigner, Mode::Expired, Mode::Garbage] {
        let (signing, id) = server_with_share();
        let (arm, mari) = (&signing.arms[0], Person::new(&signing));
        signing.bed.ocsp().set_mode(mode);
        let ticket = mari.ticket(arm, &id);
        let answer = arm.server().get(&id, &ticket, mari.certificate(), arm.generation);
        assert_eq!((answer.status, arm.server().tickets("no_answer")), (503, 1.0), "{mode:?}");
    }
}

/// The same as the person sees it.
#[test]
fn uc_kts_07_6a_client_is_told_to_try_again() {
    let signing = Signing::new();
    signing.done(ENCRYPT);
    let card = signing.card_of_mari();
    signing.bed.ocsp().set_mode(Mode::Down);
    signing.fails(code::NETWORK, &format!("decrypt in.cdoc2 -o out {card}"), &["try again"]);
}
