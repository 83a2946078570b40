//! What is believed of a response, and what is not.

use std::time::Duration;

use proptest::prelude::*;
use rcgen::{
    ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256,
    PKCS_RSA_SHA384, PKCS_RSA_SHA512, RsaKeySize, SigningKey as _, date_time_ymd,
};
use revocation::ocsp::build::{ResponseBuilder, SignatureAlgorithm, refuse};
use revocation::ocsp::{
    CertId, Fault, HashAlgorithm, MAX_LEN, Nonce, NonceRule, ParseError, Refusal, Request, ResponderId, Response, Rules, Status,
    Verified,
};

use crate::pki::{NOON, Owner, asked, at, client, delegate, ecdsa, response_of, revoked, says, serial};

const RULES: Rules = Rules {
    clock_skew: Duration::from_secs(60),
    max_age: Duration::from_secs(900),
    nonce: NonceRule::Optional,
    require_nocheck: false,
};

/// What `octets` say of certificate 7 of `root` at `now`.
fn verify_at(octets: &[u8], root: &Owner, nonce: Option<&Nonce>, rules: &Rules, now: u64) -> Result<Verified, Fault> {
    match Response::parse(octets).unwrap() {
        Response::Basic(response) => response.verify(&asked(&root.issuer()), nonce, &root.issuer(), rules, at(now)),
        Response::Refused(refusal) => panic!("{refusal}"),
    }
}

fn verify(octets: &[u8], root: &Owner) -> Result<Status, Fault> {
    verify_at(octets, root, None, &RULES, NOON).map(|verified| verified.status)
}

/// `status` of certificate 7, as `root` says at noon.
fn said_by(root: &Owner, status: Status) -> ResponseBuilder {
    response_of(root, at(NOON), None).answer(says(asked(&root.issuer()), status, at(NOON)))
}

/// That it is good, as `signer` says on behalf of `root`.
fn delegated(root: &Owner, signer: &Owner) -> Vec<u8> {
    let response = response_of(signer, at(NOON), None).answer(says(asked(&root.issuer()), Status::Good, at(NOON)));
    signer.sign(response.certificate(signer.certificate.clone()))
}

#[test]
fn every_status_comes_through() {
    let root = Owner::root("root");
    for status in [Status::Good, revoked(), Status::Unknown, Status::Revoked { at: at(NOON), reason: None }] {
        assert_eq!(verify(&root.sign(said_by(&root, status)), &root), Ok(status));
    }
}

#[test]
fn every_algorithm_is_understood() {
    let ec = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P521_SHA512];
    let rsa = [&PKCS_RSA_SHA256, &PKCS_RSA_SHA384, &PKCS_RSA_SHA512];
    let keys = ec.into_iter().map(|algorithm| KeyPair::generate_for(algorithm).unwrap());
    let rsa_key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let rsa_keys = rsa
        .into_iter()
        .map(|algorithm| KeyPair::from_pkcs8_der_and_sign_algo(&rsa_key.serialized_der().into(), algorithm).unwrap());
    for key in keys.chain(rsa_keys) {
        let algorithm = key.algorithm();
        let root = Owner::root_with("root", key);
        let response = root.sign(said_by(&root, Status::Good));
        assert_eq!(verify(&response, &root), Ok(Status::Good), "{algorithm:?} as issuer");
        let above = Owner::root("above");
        let signer = above.issue_for(delegate(), root.key);
        assert_eq!(verify(&delegated(&above, &signer), &above), Ok(Status::Good), "{algorithm:?} as delegate");
    }
}

#[test]
fn algorithm_that_does_not_fit_the_key_is_refused() {
    let root = Owner::root("root");
    let response = said_by(&root, Status::Good).sign(SignatureAlgorithm::RsaSha256, |octets| root.key.sign(octets)).unwrap();
    assert_eq!(verify(&response, &root), Err(Fault::Algorithm));
    let response = said_by(&root, Status::Good).sign(SignatureAlgorithm::EcdsaSha384, |octets| root.key.sign(octets)).unwrap();
    assert_eq!(verify(&response, &root), Err(Fault::Signature));
}

#[test]
fn signer_may_be_named_by_its_key() {
    let root = Owner::root("root");
    let signer = root.issue(delegate());
    for (by, certificates) in [(&root, None), (&signer, Some(signer.certificate.clone()))] {
        let mut response = ResponseBuilder::new(ResponderId::by_key(&by.issuer()).unwrap(), at(NOON)).answer(says(
            asked(&root.issuer()),
            Status::Good,
            at(NOON),
        ));
        if let Some(certificate) = certificates {
            response = response.certificate(certificate);
        }
        assert_eq!(verify(&by.sign(response), &root), Ok(Status::Good));
    }
}

#[test]
fn delegate_is_believed() {
    let root = Owner::root("root");
    assert_eq!(verify(&delegated(&root, &root.issue(delegate())), &root), Ok(Status::Good));
}

#[test]
fn delegate_without_ocsp_signing_is_not_believed() {
    let root = Owner::root("root");
    for purposes in [vec![], vec![ExtendedKeyUsagePurpose::ClientAuth], vec![ExtendedKeyUsagePurpose::Any]] {
        let mut params = delegate();
        params.extended_key_usages = purposes;
        assert_eq!(verify(&delegated(&root, &root.issue(params)), &root), Err(Fault::NotDelegated));
    }
}

#[test]
fn delegate_out_of_its_dates_is_not_believed() {
    let root = Owner::root("root");
    let mut expired = delegate();
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut early = delegate();
    early.not_before = date_time_ymd(2040, 1, 1);
    for params in [expired, early] {
        assert_eq!(verify(&delegated(&root, &root.issue(params)), &root), Err(Fault::NotDelegated));
    }
}

#[test]
fn delegate_of_another_authority_is_not_believed() {
    let root = Owner::root("root");
    let other = Owner::root("other");
    assert_eq!(verify(&delegated(&root, &other.issue(delegate())), &root), Err(Fault::NotDelegated));
    let namesake = Owner::root("root");
    assert_eq!(verify(&delegated(&root, &namesake.issue(delegate())), &root), Err(Fault::NotDelegated));
}

#[test]
fn delegate_below_a_delegate_is_not_believed() {
    let root = Owner::root("root");
    let below = root.intermediate("below").issue(delegate());
    assert_eq!(verify(&delegated(&root, &below), &root), Err(Fault::NotDelegated));
}

#[test]
fn delegate_without_nocheck_is_believed_unless_asked_for() {
    let root = Owner::root("root");
    let mut params = delegate();
    params.custom_extensions.clear();
    let response = delegated(&root, &root.issue(params));
    assert_eq!(verify(&response, &root), Ok(Status::Good));
    let strict = Rules { require_nocheck: true, ..RULES };
    assert_eq!(verify_at(&response, &root, None, &strict, NOON), Err(Fault::NoNocheck));
    assert!(verify_at(&delegated(&root, &root.issue(delegate())), &root, None, &strict, NOON).is_ok());
}

#[test]
fn stranger_is_not_believed() {
    let root = Owner::root("root");
    let stranger = Owner::root("stranger");
    // under its own name, without a certificate; with one of its own; under the issuer's name; with the delegate's certificate
    let good = || says(asked(&root.issuer()), Status::Good, at(NOON));
    let own = stranger.sign(response_of(&stranger, at(NOON), None).answer(good()));
    assert_eq!(verify(&own, &root), Err(Fault::UnknownSigner));
    assert_eq!(verify(&delegated(&root, &stranger), &root), Err(Fault::NotDelegated));
    assert_eq!(verify(&stranger.sign(said_by(&root, Status::Good)), &root), Err(Fault::Signature));
    let signer = root.issue(delegate());
    let posing = response_of(&signer, at(NOON), None).answer(good()).certificate(signer.certificate.clone());
    assert_eq!(verify(&stranger.sign(posing), &root), Err(Fault::Signature));
}

#[test]
fn client_cannot_vouch_for_itself() {
    let root = Owner::root("root");
    assert_eq!(verify(&delegated(&root, &root.issue(client(7))), &root), Err(Fault::NotDelegated));
}

#[test]
fn answer_about_another_certificate_is_not_taken() {
    let root = Owner::root("root");
    let namesake = Owner::root("root");
    let ids = [
        CertId::new(HashAlgorithm::Sha1, &root.issuer(), &serial(8)),
        CertId::new(HashAlgorithm::Sha256, &root.issuer(), &serial(7)),
        asked(&namesake.issuer()),
    ];
    for id in ids {
        let response = root.sign(response_of(&root, at(NOON), None).answer(says(id, Status::Good, at(NOON))));
        assert_eq!(verify(&response, &root), Err(Fault::OtherCertificate));
    }
    assert_eq!(verify(&root.sign(response_of(&root, at(NOON), None)), &root), Err(Fault::OtherCertificate));
}

#[test]
fn answer_is_found_among_others_but_must_be_one() {
    let root = Owner::root("root");
    let other = says(CertId::new(HashAlgorithm::Sha1, &root.issuer(), &serial(8)), Status::Good, at(NOON));
    assert_eq!(verify(&root.sign(said_by(&root, revoked()).answer(other)), &root), Ok(revoked()));
    let twice = said_by(&root, revoked()).answer(says(asked(&root.issuer()), Status::Good, at(NOON)));
    assert_eq!(verify(&root.sign(twice), &root), Err(Fault::Ambiguous));
}

#[test]
fn answer_holds_in_its_time_only() {
    let root = Owner::root("root");
    let response = root.sign(said_by(&root, Status::Good));
    let at_time = |now| verify_at(&response, &root, None, &RULES, now).map(|verified| verified.valid_until.as_secs());
    assert_eq!(at_time(NOON - 61), Err(Fault::Future));
    assert_eq!(at_time(NOON - 60), Ok(NOON + 3600));
    assert_eq!(at_time(NOON + 3660), Ok(NOON + 3600));
    assert_eq!(at_time(NOON + 3661), Err(Fault::Expired));
}

#[test]
fn answer_without_next_update_holds_for_the_maximum_age() {
    let root = Owner::root("root");
    let mut answer = says(asked(&root.issuer()), Status::Good, at(NOON));
    answer.next_update = None;
    let response = root.sign(response_of(&root, at(NOON), None).answer(answer));
    let at_time = |now| verify_at(&response, &root, None, &RULES, now).map(|verified| verified.valid_until.as_secs());
    assert_eq!(at_time(NOON + 960), Ok(NOON + 900));
    assert_eq!(at_time(NOON + 961), Err(Fault::Expired));
}

#[test]
fn answer_that_is_signed_in_the_future_or_ends_before_it_begins_is_not_taken() {
    let root = Owner::root("root");
    let answer = says(asked(&root.issuer()), Status::Good, at(NOON));
    let early = root.sign(response_of(&root, at(NOON + 61), None).answer(answer.clone()));
    assert_eq!(verify(&early, &root), Err(Fault::Future));
    let mut backwards = answer;
    backwards.next_update = Some(at(NOON - 1));
    let backwards = root.sign(response_of(&root, at(NOON), None).answer(backwards));
    assert_eq!(verify(&backwards, &root), Err(Fault::Expired));
}

#[test]
fn nonce_must_be_the_one_sent() {
    let root = Owner::root("root");
    let (sent, other) = (Nonce::random().unwrap(), Nonce::random().unwrap());
    let with = |nonce| root.sign(said_by(&root, Status::Good).nonce(nonce));
    let required = Rules { nonce: NonceRule::Required, ..RULES };
    for rules in [&RULES, &required] {
        let verdict = |octets: &[u8]| verify_at(octets, &root, Some(&sent), rules, NOON).map(|verified| verified.status);
        assert_eq!(verdict(&with(Some(sent.clone()))), Ok(Status::Good));
        assert_eq!(verdict(&with(Some(other.clone()))), Err(Fault::OtherNonce));
        let without = if rules.nonce == NonceRule::Required { Err(Fault::NoNonce) } else { Ok(Status::Good) };
        assert_eq!(verdict(&with(None)), without);
    }
}

#[test]
fn refusals_come_through() {
    use Refusal::{InternalError, MalformedRequest, SigRequired, TryLater, Unauthorized};

    for refusal in [MalformedRequest, InternalError, TryLater, SigRequired, Unauthorized] {
        assert_eq!(Response::parse(&refuse(refusal).unwrap()), Ok(Response::Refused(refusal)));
    }
    // no status 4 and 7; success without an answer
    for status in [4, 7, 0] {
        assert!(matches!(Response::parse(&[0x30, 3, 0x0A, 1, status]), Err(ParseError::Malformed(_))));
    }
}

#[test]
fn response_of_another_type_is_told_apart() {
    let root = Owner::root("root");
    let mut octets = root.sign(said_by(&root, Status::Good));
    let basic = [0x2B, 6, 1, 5, 5, 7, 0x30, 1, 1];
    let place = octets.windows(basic.len()).position(|window| window == basic).unwrap();
    octets[place + basic.len() - 1] = 9;
    assert!(matches!(Response::parse(&octets), Err(ParseError::Type(_))));
}

#[test]
fn request_comes_through() {
    let root = Owner::root("root").issuer();
    let certificates = [HashAlgorithm::Sha1, HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512]
        .map(|hash| CertId::new(hash, &root, &serial(200)));
    for nonce in [None, Some(Nonce::random().unwrap())] {
        let request = Request { certificates: certificates.to_vec(), nonce };
        let octets = request.to_der().unwrap();
        let parsed = Request::parse(&octets).unwrap();
        assert_eq!(parsed, request);
        assert!(parsed.certificates.iter().all(|id| id.is_issued_by(&root) && id.serial() == serial(200).as_bytes()));
        for len in 0..octets.len() {
            assert!(Request::parse(&octets[..len]).is_err());
        }
    }
    assert!(Request { certificates: vec![], nonce: None }.to_der().is_ok_and(|octets| Request::parse(&octets).is_err()));
    assert!(!certificates[0].is_issued_by(&Owner::root("root").issuer()));
}

#[test]
fn nonce_has_1_to_128_octets() {
    assert!(Nonce::new(&[]).is_err() && Nonce::new(&[1; 129]).is_err());
    assert!(Nonce::new(&[1]).is_ok() && Nonce::new(&[1; 128]).is_ok());
}

#[test]
fn longer_than_the_limit_is_not_read() {
    assert_eq!(Response::parse(&vec![0x30; MAX_LEN + 1]), Err(ParseError::TooLong));
    assert_eq!(Request::parse(&vec![0x30; MAX_LEN + 1]), Err(ParseError::TooLong));
}

#[test]
fn serial_number_stays_out_of_debug() {
    let root = Owner::root("root").issuer();
    let id = CertId::new(HashAlgorithm::Sha1, &root, &serial(0xC3));
    assert!(!format!("{id:?}").contains("195"), "{id:?}");
}

/// Whether anything is believed of `octets`.
fn believed(octets: &[u8], root: &Owner) -> bool {
    match Response::parse(octets) {
        Ok(Response::Basic(response)) => response.verify(&asked(&root.issuer()), None, &root.issuer(), &RULES, at(NOON)).is_ok(),
        Ok(Response::Refused(_)) | Err(_) => false,
    }
}

#[test]
fn every_truncation_and_every_bit_flip_is_refused() {
    let root = Owner::root("root");
    let signer = root.issue_for(delegate(), ecdsa());
    for octets in [root.sign(said_by(&root, Status::Good)), delegated(&root, &signer)] {
        assert!(believed(&octets, &root));
        for len in 0..octets.len() {
            assert!(!believed(&octets[..len], &root), "cut to {len}");
        }
        for bit in 0..octets.len() * 8 {
            let mut flipped = octets.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!believed(&flipped, &root), "bit {bit}");
        }
        let longer = [octets.as_slice(), &[0]].concat();
        assert!(!believed(&longer, &root), "an octet more");
    }
}

proptest! {
    #[test]
    fn noise_is_refused(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Response::parse(&octets).is_err() || matches!(Response::parse(&octets), Ok(Response::Refused(_))));
        let _ = Request::parse(&octets);
    }

    #[test]
    fn several_changes_are_refused(changes in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..8)) {
        thread_local! {
            static SAMPLE: (Owner, Vec<u8>) = {
                let root = Owner::root("root");
                let octets = root.sign(said_by(&root, Status::Good));
                (root, octets)
            };
        }
        SAMPLE.with(|(root, octets)| {
            let mut changed = octets.clone();
            for (place, mask) in &changes {
                let place = place.index(changed.len());
                changed[place] ^= mask;
            }
            prop_assert!(changed == *octets || !believed(&changed, root));
            Ok(())
        })?;
    }
}
