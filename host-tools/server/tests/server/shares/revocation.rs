//! Step 3, second half: certificates that were revoked, and responders that do not say.

use std::sync::Arc;

use cdoc2_api::ShareId;
use cdoc2_auth_token::Algorithm;

use super::bed::{Person, SharesBed, certificate_of};
use crate::responder::{Responder, Says};
use crate::support::{Authority, Files};

/// A server that asks a responder of another authority than its own certificate's.
struct Scene {
    bed: SharesBed,
    people: Arc<Authority>,
    responder: Responder,
    mari: Person,
    id: ShareId,
}

impl Scene {
    fn new(policy: &str, says: Says) -> Self {
        Self::with(policy, says, "")
    }

    /// With further sections. `people.crl` is a list of the people's authority, with nobody on it.
    fn with(policy: &str, says: Says, more: &str) -> Self {
        let people = Arc::new(Authority::new());
        let responder = Responder::start(&people, says);
        let files = Files::new();
        std::fs::write(files.path("people.pem"), people.certificate.pem()).unwrap();
        std::fs::write(files.path("people.crl"), people.list(&[], 2100)).unwrap();
        let ocsp = format!("url = \"{}\"\npolicy = \"{policy}\"", responder.url);
        let text = files.shares_text(more).replace("enabled = false", &ocsp);
        let bed = SharesBed::start(files, &text.replace("authorities = [\"authority.pem\"]", "authorities = [\"people.pem\"]"));
        let mari = Person::new(&people, Algorithm::Es256);
        let id = bed.put(&mari.id);
        Self { bed, people, responder, mari, id }
    }
}

#[test]
fn good_certificates_are_asked_about_once() {
    let scene = Scene::new("hard", Says::Good);
    let Scene { bed, mari, id, responder, .. } = &scene;
    for _ in 0..3 {
        assert_eq!(bed.get(id, &mari.newer(&bed.ticket(mari, id))).status, 200);
    }
    assert_eq!(responder.asked(), 1, "the answer is remembered");
}

#[test]
fn revoked_and_unknown_ones_are_refused_whatever_the_policy() {
    for policy in ["hard", "grace", "soft"] {
        for (says, reason) in [(Says::Revoked, "revoked"), (Says::Unknown, "unknown_to_responder")] {
            let Scene { bed, mari, id, responder, .. } = Scene::new(policy, says);
            let fields = mari.newer(&bed.ticket(&mari, &id));
            bed.refuses(&id, &fields, reason);
            // What it said is not forgotten when it says nothing more.
            responder.now(Says::Nothing);
            bed.refuses(&id, &fields, reason);
        }
    }
}

#[test]
fn without_an_answer_the_policy_decides() {
    for (policy, status) in [("hard", 503), ("grace", 503), ("soft", 200)] {
        let Scene { bed, mari, id, responder, .. } = Scene::new(policy, Says::Nothing);
        let fields = mari.newer(&bed.ticket(&mari, &id));
        let response = bed.get(&id, &fields);
        assert_eq!(response.status, status, "{policy}: {response:?}");
        if status == 503 {
            assert_eq!(bed.reason().as_deref(), Some("no_answer"));
            assert!(response.header("retry-after").is_some());
            // It is no verdict, so the ticket is still good.
            responder.now(Says::Good);
            assert_eq!(bed.get(&id, &fields).status, 200, "{policy}");
        }
    }
}

#[test]
fn lists_are_looked_at_while_no_responder_answers() {
    let Scene { bed, people, mari, id, .. } = Scene::with("hard", Says::Nothing, "[crl]\nfiles = [\"people.crl\"]");
    let fields = mari.newer(&bed.ticket(&mari, &id));
    assert_eq!(bed.get(&id, &fields).status, 200);
    std::fs::write(bed.files.path("people.crl"), people.list(&[&mari.identity], 2100)).unwrap();
    bed.runtime.block_on(bed.server.as_ref().unwrap().reload()).unwrap();
    bed.refuses(&id, &mari.newer(&bed.ticket(&mari, &id)), "revoked");
}

/// Nobody but the recipient makes the server ask.
#[test]
fn forged_tickets_cost_no_question() {
    let Scene { bed, people, responder, mari, id } = Scene::new("hard", Says::Good);
    let audience = bed.audience(&id);
    let thief = Person::new(&people, Algorithm::Es256);
    bed.refuses(&id, &mari.newer(&thief.ticket(&audience)), "signature");
    let stranger = mari.renewed(&Authority::new(), &certificate_of(&mari.id));
    bed.refuses(&id, &stranger.newer(&stranger.ticket(&audience)), "bad_path");
    let jaan = "etsi/PNOEE-38001085718".parse().unwrap();
    let jaan = Person::with(&people, Algorithm::Es256, &certificate_of(&jaan)).saying(&jaan);
    bed.refuses(&id, &jaan.newer(&jaan.ticket(&audience)), "other_recipient");
    // The responder says "good" of expired certificates, too: it is not asked.
    let mut parameters = certificate_of(&mari.id);
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let expired = mari.renewed(&people, &parameters);
    bed.refuses(&id, &expired.newer(&expired.ticket(&audience)), "expired");
    assert_eq!(responder.asked(), 0);
    assert_eq!(bed.get(&id, &mari.newer(&mari.ticket(&audience))).status, 200);
    assert_eq!(responder.asked(), 1);
}
