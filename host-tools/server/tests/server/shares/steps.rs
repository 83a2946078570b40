//! The nine steps of the specification, "Verifying SD-JWT": each fails alone. The client is told the same each time, and the nonce is not used up.

use std::time::{Duration, SystemTime};

use cdoc2_api::{ExpiryTime, Nonce, ShareId};
use cdoc2_auth_token::{Algorithm, Audience};
use cdoc2_server::store::Store as _;
use rcgen::{CertificateParams, KeyUsagePurpose};

use super::bed::{OTHER, Person, SharesBed, URL, certificate_of, mari};
use super::forged::Forged;
use crate::support::{Authority, Identity};

/// A server that keeps a share for Mari, and Mari.
struct Scene {
    bed: SharesBed,
    mari: Person,
    id: ShareId,
}

impl Scene {
    fn new(algorithm: Algorithm) -> Self {
        let bed = SharesBed::new();
        let mari = bed.person(algorithm);
        let id = bed.put(&mari.id);
        Self { bed, mari, id }
    }

    /// What is refused for `reason`, by both versions of the interface; then a sound ticket with the same nonce opens.
    fn refuses(&self, reason: &str, person: &Person, ticket: impl Fn(&Audience) -> String) {
        let audience = self.bed.audience(&self.id);
        self.bed.refuses(&self.id, &person.newer(&ticket(&audience)), reason);
        self.bed.refuses(&self.id, &person.older(&ticket(&audience)), reason);
        assert_eq!(self.bed.get(&self.id, &self.mari.newer(&self.mari.ticket(&audience))).status, 200, "{reason}");
    }
}

#[test]
fn step_1_the_certificates_key_signed_it() {
    for algorithm in Algorithm::ALL {
        let scene = Scene::new(algorithm);
        let Scene { bed, mari, .. } = &scene;
        // Mari's certificate, another key.
        let thief = bed.person(algorithm);
        scene.refuses("signature", mari, |audience| thief.ticket(audience));
        // Something was changed after it was signed.
        scene.refuses("signature", mari, |audience| {
            let ticket = mari.ticket(audience);
            let (signed, disclosures) = ticket.split_once('~').unwrap();
            let (input, signature) = signed.rsplit_once('.').unwrap();
            let first = if signature.starts_with('A') { "B" } else { "A" };
            format!("{input}.{first}{}~{disclosures}", &signature[1..])
        });
        scene.refuses("signature", mari, |audience| {
            let sound = Forged::new(mari, algorithm, audience);
            let signed = sound.signed(mari, algorithm);
            let elsewhere = audience.to_string().replace("localhost", "elsewhere.example");
            let other = Forged::disclosing(mari, algorithm, &[audience.to_string(), elsewhere]);
            let changed = Forged { disclosures: sound.disclosures, ..other }.signed(mari, algorithm);
            // The signature of one over the payload of the other.
            let signature = signed.split('~').next().unwrap().rsplit_once('.').unwrap().1;
            let (token, disclosures) = changed.split_once('~').unwrap();
            format!("{}.{signature}~{disclosures}", token.rsplit_once('.').unwrap().0)
        });
    }
}

#[test]
fn step_1_the_algorithm_is_one_for_the_key() {
    let scene = Scene::new(Algorithm::Es256);
    let Scene { bed, mari, .. } = &scene;
    let rsa = bed.person(Algorithm::Rs256);
    for named in [Algorithm::Es384, Algorithm::Rs256, Algorithm::Ps256] {
        scene.refuses("algorithm", mari, |audience| {
            // As long as a signature of this algorithm, so that the length is not what is wrong.
            let person = if named == Algorithm::Es384 { &bed.person(Algorithm::Es384) } else { &rsa };
            Forged::new(mari, named, audience).signed(person, named)
        });
    }
    // Each padding of RSA is good for itself only.
    scene.refuses("signature", &rsa, |audience| Forged::new(&rsa, Algorithm::Ps256, audience).signed(&rsa, Algorithm::Rs256));
    scene.refuses("signature", &rsa, |audience| Forged::new(&rsa, Algorithm::Rs256, audience).signed(&rsa, Algorithm::Ps256));
    for name in ["none", "None", "HS256", "ES512", "EdDSA", "es256", ""] {
        scene.refuses("algorithm", mari, |audience| {
            let mut forged = Forged::new(mari, Algorithm::Es256, audience);
            forged.header = forged.header.replace("ES256", name);
            forged.signed(mari, Algorithm::Es256)
        });
    }
}

#[test]
fn step_2_a_trusted_authority_issued_the_certificate() {
    let scene = Scene::new(Algorithm::Es256);
    let Scene { bed, mari, .. } = &scene;
    // The same names, another key.
    let stranger = mari.renewed(&Authority::new(), &certificate_of(&mari.id));
    scene.refuses("bad_path", &stranger, |audience| stranger.ticket(audience));
    // An authority that nobody knows, below a trusted one.
    let below = mari.renewed(&bed.files.authority.intermediate(), &certificate_of(&mari.id));
    scene.refuses("unknown_issuer", &below, |audience| below.ticket(audience));
    let key = mari.same_key();
    let certificate = certificate_of(&mari.id).self_signed(&key).unwrap().der().clone();
    let own = mari.with_identity(Identity { certificate, key });
    scene.refuses("unknown_issuer", &own, |audience| own.ticket(audience));
}

#[test]
fn step_2_the_certificate_is_for_authentication() {
    let scene = Scene::new(Algorithm::Es256);
    let Scene { bed, mari, .. } = &scene;
    let with = |change: &dyn Fn(&mut CertificateParams)| {
        let mut parameters = certificate_of(&mari.id);
        change(&mut parameters);
        mari.renewed(&bed.files.authority, &parameters)
    };
    let smart_id = rcgen::ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 62306, 5, 7, 0]);
    let other = rcgen::ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 62306, 5, 7, 1]);
    for purposes in [vec![], vec![smart_id.clone()], vec![other.clone(), smart_id]] {
        let person = with(&|parameters| parameters.extended_key_usages.clone_from(&purposes));
        assert_eq!(bed.get(&scene.id, &person.newer(&bed.ticket(&person, &scene.id))).status, 200, "{purposes:?}");
    }
    for purposes in [vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth], vec![rcgen::ExtendedKeyUsagePurpose::EmailProtection, other]]
    {
        let person = with(&|parameters| parameters.extended_key_usages.clone_from(&purposes));
        scene.refuses("purpose", &person, |audience| person.ticket(audience));
    }
    for usages in [vec![], vec![KeyUsagePurpose::ContentCommitment], vec![KeyUsagePurpose::KeyAgreement]] {
        let person = with(&|parameters| parameters.key_usages.clone_from(&usages));
        scene.refuses("key_usage", &person, |audience| person.ticket(audience));
    }
    let authority = with(&|parameters| parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    scene.refuses("bad_path", &authority, |audience| authority.ticket(audience));
}

#[test]
fn step_3_the_certificate_is_valid() {
    let scene = Scene::new(Algorithm::Es256);
    let Scene { bed, mari, .. } = &scene;
    for (years, reason) in [([2020, 2021], "expired"), ([2100, 2101], "not_yet_valid")] {
        let mut parameters = certificate_of(&mari.id);
        [parameters.not_before, parameters.not_after] = years.map(|year| rcgen::date_time_ymd(year, 1, 1));
        let person = mari.renewed(&bed.files.authority, &parameters);
        scene.refuses(reason, &person, |audience| person.ticket(audience));
    }
}

#[test]
fn step_4_exactly_one_audience_is_disclosed() {
    let scene = Scene::new(Algorithm::Es384);
    let Scene { bed, mari, id } = &scene;
    let forged = |audiences: &[String]| Forged::disclosing(mari, Algorithm::Es384, audiences).signed(mari, Algorithm::Es384);
    let other = OTHER.to_owned();
    scene.refuses("not_one_audience", mari, |_| forged(&[]));
    scene.refuses("not_one_audience", mari, |audience| forged(&[audience.to_string(), other.clone()]));
    // As does a client that forgets to leave them out.
    let token = |audience: &Audience| mari.token(&[audience.clone(), other.parse().unwrap()]);
    scene.refuses("not_one_audience", mari, |audience| {
        let [first, second] = [0, 1].map(|index| token(audience).ticket(index).unwrap().to_string());
        let disclosure = second.trim_end_matches('~').rsplit_once('~').unwrap().1;
        format!("{first}{disclosure}~")
    });
    // Two tokens: the disclosure of one is none of the other.
    scene.refuses("disclosure", mari, |audience| {
        let [one, other] = [(); 2].map(|()| token(audience).ticket(0).unwrap().to_string());
        let disclosure = |ticket: &str| ticket.trim_end_matches('~').rsplit_once('~').map(|(_, last)| last.to_owned()).unwrap();
        one.replace(&disclosure(&one), &disclosure(&other))
    });
    scene.refuses("malformed_ticket", mari, |audience| mari.ticket(audience).trim_end_matches('~').to_owned());
    scene.refuses("malformed_ticket", mari, |_| "ticket".into());
    scene.refuses("malformed_ticket", mari, |audience| format!("{}{}", mari.ticket(audience), "a".repeat(8192)));
    // Claims that would narrow what is granted are not ignored.
    scene.refuses("malformed_ticket", mari, |audience| {
        let mut forged = Forged::new(mari, Algorithm::Es384, audience);
        forged.payload = forged.payload.replacen('{', r#"{"exp":1,"#, 1);
        forged.signed(mari, Algorithm::Es384)
    });
    assert_eq!(bed.get(id, &mari.newer(&bed.ticket(mari, id))).status, 200);
}

#[test]
fn step_5_the_audience_has_a_server_a_share_and_a_nonce() {
    let scene = Scene::new(Algorithm::Es256);
    let Scene { mari, .. } = &scene;
    for (from, to) in [("?nonce=", "?once="), ("/key-shares/", "/shares/"), ("https:", "http:"), ("?nonce=", "/?nonce=")] {
        scene.refuses("malformed_audience", mari, |audience| {
            let audience = audience.to_string().replacen(from, to, 1);
            Forged::disclosing(mari, Algorithm::Es256, &[audience]).signed(mari, Algorithm::Es256)
        });
    }
}

#[test]
fn step_6_the_audience_is_this_server() {
    let scene = Scene::new(Algorithm::Es256);
    let Scene { mari, .. } = &scene;
    for server in ["https://other.example:8443", "https://localhost:8444", "https://localhost", "https://localhost:8443/path"] {
        scene.refuses("other_server", mari, |audience| {
            mari.ticket(&Audience { server: server.parse().unwrap(), ..audience.clone() })
        });
    }
    // It does not matter how it is written.
    let Scene { bed, mari, id } = &scene;
    for server in ["https://LOCALHOST:8443", "https://localhost:8443/"] {
        let audience = bed.audience(id).to_string().replacen(URL, server, 1).replace("//key", "/key");
        let forged = Forged::disclosing(mari, Algorithm::Es256, &[audience]).signed(mari, Algorithm::Es256);
        assert_eq!(bed.get(id, &mari.newer(&forged)).status, 200, "{server}");
    }
}

#[test]
fn step_7_the_share_is_here_and_the_one_that_is_asked_for() {
    let scene = Scene::new(Algorithm::Es256);
    let Scene { bed, mari, id } = &scene;
    let second = bed.put(&mari.id);
    scene.refuses("other_share", mari, |audience| mari.ticket(&Audience { share_id: second.clone(), ..audience.clone() }));
    // Nobody keeps this one, though there is a nonce for it.
    let unknown: ShareId = "9a7c3717d21f5cf19d18fa4fa5adee21".parse().unwrap();
    let nonce: Nonce = "AAECAwQFBgcICQoL".parse().unwrap();
    let expiry = ExpiryTime::try_from(SystemTime::now() + Duration::from_secs(60)).unwrap();
    bed.runtime.block_on(bed.store().put_nonce(&unknown, &nonce, expiry)).unwrap();
    let audience = Audience { server: URL.parse().unwrap(), share_id: unknown.clone(), nonce };
    bed.refuses(&unknown, &mari.newer(&mari.ticket(&audience)), "no_share");
    assert_eq!(bed.get(id, &mari.newer(&bed.ticket(mari, id))).status, 200);
}

#[test]
fn step_7_the_share_has_not_expired() {
    let bed = SharesBed::with("[clean_up]\ninterval = \"1h\"");
    let mari = bed.person(Algorithm::Es256);
    let past = ExpiryTime::try_from(SystemTime::now() - Duration::from_secs(1)).unwrap();
    let future = ExpiryTime::try_from(SystemTime::now() + Duration::from_secs(60)).unwrap();
    let (id, nonce): (ShareId, Nonce) = ("9a7c3717d21f5cf19d18fa4fa5adee21".parse().unwrap(), "AAECAwQFBgcICQoL".parse().unwrap());
    let store = bed.store();
    let stored = cdoc2_server::store::StoredShare { share: super::bed::share_of(&mari.id), expiry: past };
    bed.runtime.block_on(store.put_share(&id, &stored)).unwrap();
    bed.runtime.block_on(store.put_nonce(&id, &nonce, future)).unwrap();
    let audience = Audience { server: URL.parse().unwrap(), share_id: id.clone(), nonce };
    bed.refuses(&id, &mari.newer(&mari.ticket(&audience)), "no_share");
}

#[test]
fn step_8_the_nonce_is_known_and_of_this_share() {
    let scene = Scene::new(Algorithm::Es256);
    let Scene { bed, mari, id } = &scene;
    let second = bed.put(&mari.id);
    let of_second = bed.audience(&second);
    for nonce in ["AAECAwQFBgcICQoL".parse().unwrap(), of_second.nonce.clone()] {
        scene.refuses("nonce", mari, |audience| mari.ticket(&Audience { nonce: nonce.clone(), ..audience.clone() }));
    }
    assert_eq!(bed.get(&second, &mari.newer(&mari.ticket(&of_second))).status, 200, "it was not taken by another's id");
    // One that is taken is not known any more.
    let fields = mari.newer(&bed.ticket(mari, id));
    assert_eq!(bed.get(id, &fields).status, 200);
    bed.refuses(id, &fields, "nonce");
}

#[test]
fn step_8_the_nonce_is_fresh() {
    let bed = SharesBed::with("[clean_up]\ninterval = \"1h\"");
    let mari = bed.person(Algorithm::Es256);
    let id = bed.put(&mari.id);
    let nonce: Nonce = "AAECAwQFBgcICQoL".parse().unwrap();
    let now = ExpiryTime::try_from(SystemTime::now()).unwrap();
    bed.runtime.block_on(bed.store().put_nonce(&id, &nonce, now)).unwrap();
    let audience = Audience { server: URL.parse().unwrap(), share_id: id.clone(), nonce };
    bed.refuses(&id, &mari.newer(&mari.ticket(&audience)), "nonce");
}

#[test]
fn step_8_the_nonce_lives_as_long_as_is_configured() {
    let files = crate::support::Files::new();
    let text = files.shares_text("[clean_up]\ninterval = \"1h\"").replace("[operations]", "nonce_lifetime = \"30m\"\n[operations]");
    let bed = SharesBed::start(files, &text);
    let id = bed.put(&mari());
    let begin = SystemTime::now();
    let nonce = bed.audience(&id).nonce;
    let at = |minutes: u64| ExpiryTime::try_from(begin + Duration::from_secs(minutes * 60)).unwrap();
    let store = bed.store();
    assert_eq!(bed.runtime.block_on(store.take_nonce(&id, &nonce, at(31))), Ok(false));
    assert_eq!(bed.runtime.block_on(store.take_nonce(&id, &nonce, at(29))), Ok(true));
}

#[test]
fn step_9_issuer_certificate_and_recipient_are_one_person() {
    let scene = Scene::new(Algorithm::Es256);
    let Scene { bed, mari, .. } = &scene;
    let jaan = "etsi/PNOEE-38001085718".parse().unwrap();
    // Jaan's certificate; the ticket says Mari.
    let liar = Person::with(&bed.files.authority, Algorithm::Es256, &certificate_of(&jaan));
    scene.refuses("other_issuer", &liar, |audience| liar.ticket(audience));
    // Jaan says so, and it is so: the share is not his.
    let honest = liar.saying(&jaan);
    scene.refuses("other_recipient", &honest, |audience| honest.ticket(audience));
    // Mari's certificate, and a ticket that says Jaan.
    let other = mari.renewed(&bed.files.authority, &certificate_of(&mari.id)).saying(&jaan);
    scene.refuses("other_issuer", &other, |audience| other.ticket(audience));
}

#[test]
fn step_9_the_certificate_names_one_person() {
    let scene = Scene::new(Algorithm::Es256);
    let Scene { bed, mari, .. } = &scene;
    let with = |numbers: &[&str]| {
        let mut parameters = certificate_of(&mari.id);
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        for number in numbers {
            parameters.distinguished_name.push(rcgen::DnType::CustomDnType(vec![2, 5, 4, 5]), *number);
        }
        mari.renewed(&bed.files.authority, &parameters)
    };
    let code = crate::support::PERSONAL_CODE;
    for (numbers, reason) in [
        (vec![], "no_person"),
        (vec![code], "no_person"),
        (vec!["private/A/60001017727"], "no_person"),
        (vec!["PNOEE-38001085718"], "other_issuer"),
        (vec!["PNOLV-60001017727"], "other_issuer"),
    ] {
        let person = with(&numbers);
        scene.refuses(reason, &person, |audience| person.ticket(audience));
    }
}

/// A share for a company's own identifier is kept, but no certificate names such a recipient.
#[test]
fn step_9_companies_identifiers_are_in_no_certificate() {
    let bed = SharesBed::new();
    let person = "private/VENDOR/70000349".parse().unwrap();
    let id = bed.put(&person);
    let claimant = bed.person(Algorithm::Es256).saying(&person);
    let audience = bed.audience(&id);
    bed.refuses(&id, &claimant.newer(&claimant.ticket(&audience)), "other_issuer");
}
