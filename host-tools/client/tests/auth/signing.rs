//! People who sign, by every means that a test bed has.

use std::time::Duration;

use cdoc2::keys::Certificate;
use cdoc2_api::RecipientId;
use cdoc2_auth_token::{Audience, Unsigned};
use cdoc2_client::auth::{Algorithm, AuthSigner, CardSigner, Error, MobileId, Service as Kind, SmartId, Untrusted};
use cdoc2_client::token::{Cache, Dialogue, Direct, Fault, Pin, PinQuestion, Token};
use cdoc2_testbed::card::PIN1;
use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::phone::smart_id::Behaviour;
use cdoc2_testbed::phone::{Timing, mobile_id};
use cdoc2_testbed::{Algorithm as KeyAlgorithm, Authority, Content, Identity, oid};
use simulator::inserted::insert;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::KeyUsages;

use crate::bed::Bed;
use crate::phone::{PHONE, Terminal, holder, mari, pace};

struct KnowsPin1;

impl Dialogue for KnowsPin1 {
    fn pin(&mut self, question: &PinQuestion) -> Option<Pin> {
        Some(Pin::new(question.pin, PIN1.as_bytes()).unwrap())
    }

    fn touch(&mut self) {
        panic!("nothing is touched to sign in");
    }
}

/// A token for two servers, signed: what shares servers verify. The certificate comes with it.
fn sign_token(person: &RecipientId, signer: &mut impl AuthSigner, terminal: &mut Terminal<'_>) -> (Algorithm, Vec<u8>) {
    let audiences: Vec<Audience> = ["https://a.example:443", "https://b.example:8443"]
        .iter()
        .map(|base| format!("{base}/key-shares/9a7c3717d21f5cf19d18fa4fa5adee21?nonce=AAECAwQFBgcICQoL").parse().unwrap())
        .collect();
    let algorithm = signer.algorithm(person).unwrap();
    let unsigned = Unsigned::new(person, algorithm, &audiences, &mut getrandom::SysRng).unwrap();
    let signed = signer.sign(person, unsigned.signing_input(), algorithm, terminal).unwrap();
    let certificate = Certificate::parse(&signed.certificate).unwrap();
    // Of her card as well as of her phone.
    assert_eq!(certificate.serial_number(), person.semantics_identifier());
    let certificate = x509_cert::Certificate::from_der(&signed.certificate).unwrap();
    let key = certificate.tbs_certificate().subject_public_key_info().to_der().unwrap();
    unsigned.sign(signed.signature).unwrap().verify_signature(&key).unwrap();
    (algorithm, signed.certificate)
}

#[test]
fn one_person_signs_by_phone_and_by_card() {
    let bed = Bed::new();
    let config = bed.config();
    let mut terminal = Terminal::new();
    let mut smart_id = SmartId::new(config.smart_id().unwrap(), pace());
    let (algorithm, certificate) = sign_token(&mari(), &mut smart_id, &mut terminal);
    assert_eq!((algorithm, &certificate[..]), (Algorithm::Rs256, bed.smart_id.identity().certificate()));

    let mut mobile_id = MobileId::new(config.mobile_id().unwrap(), PHONE.parse().unwrap(), pace());
    let (algorithm, certificate) = sign_token(&mari(), &mut mobile_id, &mut terminal);
    assert_eq!((algorithm, &certificate[..]), (Algorithm::Es256, bed.mobile_id.identity().certificate()));
    assert_eq!(terminal.codes.len(), 2);

    let card = bed.testbed.card(&holder("MAASIKAS,MARI", "60001017727")).unwrap();
    let reader = Direct::new("simulated", insert(&card.path).unwrap(), |refused| Fault::Other(refused.to_string())).unwrap();
    let mut token = Token::open(Box::new(reader), &mut Cache::default()).unwrap();
    let (algorithm, certificate) = sign_token(&mari(), &mut CardSigner::new(&mut token, KnowsPin1), &mut terminal);
    assert_eq!((algorithm, certificate), (Algorithm::Es384, card.certificate));
}

/// The services compute it by themselves.
#[test]
fn the_code_on_the_phone_is_the_one_that_is_shown() {
    let bed = Bed::new();
    let config = bed.config();
    let mut terminal = Terminal::new();
    for _ in 0..4 {
        bed.by_smart_id(config.smart_id().unwrap(), &mut terminal).unwrap();
        bed.by_mobile_id(config.mobile_id().unwrap(), &mut terminal).unwrap();
    }
    let shown = |kind| {
        let codes = terminal.codes.iter().filter(move |(service, _)| *service == kind);
        codes.map(|(_, code)| code.to_string()).collect::<Vec<_>>()
    };
    let displayed = bed.smart_id.displayed();
    assert_eq!(displayed.iter().map(|displayed| displayed.code.clone()).collect::<Vec<_>>(), shown(Kind::SmartId));
    assert!(displayed.iter().all(|displayed| displayed.interaction == Some("confirmationMessageAndVerificationCodeChoice")));
    let displayed = bed.mobile_id.displayed();
    assert_eq!(displayed.iter().map(|displayed| displayed.code.clone()).collect::<Vec<_>>(), shown(Kind::MobileId));
}

#[test]
fn a_sim_with_rsa_is_found_out_and_asked_again() {
    let bed = Bed::new();
    let mari_holder = holder("MAASIKAS,MARI", "60001017727");
    let content = content::for_rsa(content::mobile_id(&mari_holder).unwrap());
    let identity = bed.testbed.authority().identity(&content, KeyAlgorithm::Rsa).unwrap();
    bed.testbed.mobile_id().open(&mari_holder, PHONE, &identity).unwrap();
    let config = bed.config();
    let mut signer = MobileId::new(config.mobile_id().unwrap(), PHONE.parse().unwrap(), pace());
    let algorithm = signer.algorithm(&mari()).unwrap();
    let error = signer.sign(&mari(), &bed.input(), algorithm, &mut Terminal::new()).unwrap_err();
    assert!(matches!(error, Error::Untrusted(Untrusted::Algorithm(Algorithm::Rs256))), "{error}");
    assert!(error.may_be_tried_again());
    assert_eq!(sign_token(&mari(), &mut signer, &mut Terminal::new()).0, Algorithm::Rs256);
}

#[test]
fn certificates_must_be_the_persons_and_good_for_it() {
    let bed = Bed::new();
    let (authority, identity) = (bed.testbed.authority(), bed.smart_id.identity());
    let mari_holder = holder("MAASIKAS,MARI", "60001017727");
    let mari = || content::smart_id(&mari_holder).unwrap();
    let purposes = |purposes: Vec<ObjectIdentifier>| Content { purposes, ..mari() };
    let config = bed.config();
    let reason = |certificate: &Identity| {
        bed.testbed.smart_id().open(&mari_holder, certificate).unwrap();
        match bed.by_smart_id(config.smart_id().unwrap(), &mut Terminal::new()) {
            Ok(_) => None,
            Err(Error::Untrusted(reason)) => Some(reason),
            Err(error) => panic!("{error}"),
        }
    };
    for (content, expected) in [
        (mari(), None),
        (content::for_rsa(content::person(&mari_holder, Document::MobileId).unwrap()), None),
        (purposes(vec![]), None),
        (purposes(vec![oid::SERVER_AUTH, content::SMART_ID_AUTHENTICATION]), None),
        (purposes(vec![oid::SERVER_AUTH]), Some(Untrusted::Usage)),
        (content::without_usage(mari(), KeyUsages::DigitalSignature), Some(Untrusted::Usage)),
        (content::signature(&mari_holder).unwrap(), Some(Untrusted::Usage)),
        (content::smart_id(&holder("TAMM,JAAN", "38001085718")).unwrap(), Some(Untrusted::OtherPerson)),
        (content::expired(mari()), Some(Untrusted::Expired)),
        (content::not_yet_valid(mari()), Some(Untrusted::NotYetValid)),
    ] {
        let shown = authority.certify_again(identity, &content).unwrap();
        assert_eq!(reason(&shown), expected, "{content:?}");
    }
    // Of the same name, and not the same.
    let stranger = Authority::new("CDOC2 test bed", None).unwrap().certify_again(identity, &mari()).unwrap();
    assert_eq!(reason(&stranger), Some(Untrusted::Issuer));
}

#[test]
fn phones_may_be_looked_at_late() {
    let bed = Bed::new();
    let config = bed.config();
    bed.smart_id.set_behaviour(Behaviour::Ignores);
    // The signer asks several times a second, also while the service keeps its answer back.
    let mut looks_at_it = Terminal::giving_up(|| {
        if !bed.smart_id.displayed().is_empty() {
            bed.smart_id.set_behaviour(Behaviour::Accepts);
        }
        false
    });
    bed.by_smart_id(config.smart_id().unwrap(), &mut looks_at_it).unwrap();

    bed.mobile_id.set_behaviour(mobile_id::Behaviour::Ignores);
    let mut gives_up = Terminal::giving_up(|| !bed.mobile_id.displayed().is_empty());
    let error = bed.by_mobile_id(config.mobile_id().unwrap(), &mut gives_up).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
}

#[test]
fn sessions_run_for_a_while_before_they_end() {
    let bed = Bed::new();
    let timing = Timing { thinks: Duration::from_millis(200), long_poll: Default::default(), ..Timing::default() };
    bed.testbed.smart_id().set_timing(timing);
    bed.by_smart_id(bed.config().smart_id().unwrap(), &mut Terminal::new()).unwrap();
    // One begins it, and those after the second have heard that it runs.
    assert!(bed.testbed.smart_id().requests() > 2);
}
