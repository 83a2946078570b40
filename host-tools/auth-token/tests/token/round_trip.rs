//! What is issued here is read here, and shows each server only what is its own.

use std::collections::BTreeSet;

use cdoc2_auth_token::issue::Error;
use cdoc2_auth_token::{Algorithm, MAX_AUDIENCES, Ticket, Unsigned, ticket};
use rand_core::{TryCryptoRng, TryRng};

use crate::support::{Deterministic, Signer, audiences, decoded, issuer};

#[test]
fn every_server_reads_its_own_ticket() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::of(algorithm);
        let public_key_info = signer.public_key_info();
        for count in (2..=10).chain([MAX_AUDIENCES]) {
            let mut rng = Deterministic(1000 * count as u64);
            let audiences = audiences(count, &mut rng);
            let token = signer.token(algorithm, &audiences, &mut rng);
            assert_eq!(token.verify_signature(&public_key_info), Ok(()));
            for (index, audience) in audiences.iter().enumerate() {
                let text = token.ticket(index).unwrap();
                let ticket = Ticket::parse(&text).unwrap();
                assert_eq!(ticket.algorithm(), algorithm);
                assert_eq!(ticket.issuer(), &issuer());
                assert_eq!(ticket.audience(), audience);
                assert_eq!(ticket.verify_signature(&public_key_info), Ok(()));
            }
            assert!(token.ticket(count).is_none());
        }
    }
}

/// The salts of a ticket's disclosures.
fn salts(ticket: &str) -> Vec<Vec<u8>> {
    let disclosures = ticket.split('~').skip(1).filter(|text| !text.is_empty());
    disclosures
        .map(|text| {
            let value: serde_json::Value = serde_json::from_slice(&decoded(text)).unwrap();
            decoded(value[0].as_str().unwrap())
        })
        .collect()
}

/// Octets that `hay` has in common with `needle`, at least as many as a chance would not make.
fn share_octets(hay: &[u8], needle: &[u8]) -> bool {
    needle.windows(8).any(|part| hay.windows(8).any(|octets| octets == part))
}

#[test]
fn a_ticket_has_nothing_of_another_server() {
    let signer = Signer::p256();
    for count in 2..=10 {
        let mut rng = Deterministic(7000 * count as u64);
        let audiences = audiences(count, &mut rng);
        let token = signer.token(Algorithm::Es256, &audiences, &mut rng);
        let tickets: Vec<_> = (0..count).map(|index| token.ticket(index).unwrap()).collect();
        for (index, ticket) in tickets.iter().enumerate() {
            // As it is sent, and all that is in it.
            let mut seen = vec![ticket.as_bytes().to_vec()];
            seen.extend(ticket.split(['.', '~']).map(decoded));
            seen.extend(salts(ticket));
            let shows = |needle: &[u8]| seen.iter().any(|hay| share_octets(hay, needle));
            for (other, audience) in audiences.iter().enumerate() {
                let own = other == index;
                let [_, salt] = &salts(&tickets[other])[..] else { panic!("two disclosures") };
                assert_eq!(shows(audience.share_id.as_str().as_bytes()), own);
                assert_eq!(shows(audience.nonce.as_str().as_bytes()), own);
                assert_eq!(shows(audience.server.host().trim_end_matches(".example").as_bytes()), own);
                assert_eq!(shows(salt), own);
            }
        }
    }
}

#[test]
fn salts_are_fresh_and_long() {
    let signer = Signer::p256();
    let mut seen = BTreeSet::new();
    let mut rng = Deterministic(1);
    let audiences = audiences(3, &mut rng);
    for _ in 0..3 {
        let unsigned = Unsigned::new(&issuer(), Algorithm::Es256, &audiences, &mut getrandom::SysRng).unwrap();
        let signature = signer.sign(Algorithm::Es256, unsigned.signing_input());
        let token = unsigned.sign(signature).unwrap();
        for index in 0..3 {
            let salts = salts(&token.ticket(index).unwrap());
            assert!(salts.iter().all(|salt| salt.len() == 16));
            // The first is that of all audiences, in each ticket of one token.
            assert!(seen.insert(salts[1].clone()));
            assert_eq!(seen.insert(salts[0].clone()), index == 0);
        }
    }
}

#[test]
fn a_token_is_for_several_servers() {
    let mut rng = Deterministic(2);
    for (count, expected) in [(0, false), (1, false), (2, true), (MAX_AUDIENCES, true), (MAX_AUDIENCES + 1, false)] {
        let audiences = audiences(count, &mut rng);
        let unsigned = Unsigned::new(&issuer(), Algorithm::Es256, &audiences, &mut rng);
        assert_eq!(unsigned.is_ok(), expected, "{count}");
        assert!(expected || unsigned.is_err_and(|error| error == Error::Audiences));
    }
}

#[test]
fn the_longest_ticket_is_read() {
    let mut rng = Deterministic(3);
    let path = "/a".repeat(240);
    let audience = format!("https://css.example{path}/key-shares/{}?nonce={}", "9".repeat(34), "A".repeat(64));
    let audiences = vec![audience.parse().unwrap(); MAX_AUDIENCES];
    let person = format!("etsi/PNOEE-{}", "1".repeat(20)).parse().unwrap();
    let unsigned = Unsigned::new(&person, Algorithm::Rs256, &audiences, &mut rng).unwrap();
    let text = unsigned.sign(vec![0xFF; 1024]).unwrap().ticket(0).unwrap();
    assert!(text.len() <= ticket::MAX_LEN, "{}", text.len());
    assert_eq!(Ticket::parse(&text).unwrap().audience(), &audiences[0]);
}

#[test]
fn signatures_of_another_length_are_not_taken() {
    let mut rng = Deterministic(4);
    let audiences = audiences(2, &mut rng);
    for (algorithm, len, expected) in [
        (Algorithm::Es256, 64, true),
        (Algorithm::Es256, 0, false),
        (Algorithm::Es256, 70, false),
        (Algorithm::Es256, 96, false),
        (Algorithm::Es384, 96, true),
        (Algorithm::Es384, 64, false),
        (Algorithm::Rs256, 128, false),
        (Algorithm::Rs256, 256, true),
        (Algorithm::Ps256, 1024, true),
        (Algorithm::Ps256, 1025, false),
    ] {
        let unsigned = Unsigned::new(&issuer(), algorithm, &audiences, &mut rng).unwrap();
        let token = unsigned.sign(vec![1; len]);
        assert_eq!(token.is_ok(), expected, "{algorithm:?} {len}");
        assert!(expected || token.is_err_and(|error| error == Error::SignatureLength));
    }
}

#[test]
fn a_generator_that_fails_makes_no_token() {
    #[derive(Debug)]
    struct Broken;

    impl TryRng for Broken {
        type Error = std::fmt::Error;

        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Err(std::fmt::Error)
        }

        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Err(std::fmt::Error)
        }

        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
            Err(std::fmt::Error)
        }
    }

    impl TryCryptoRng for Broken {}

    let audiences = audiences(2, &mut Deterministic(5));
    assert_eq!(Unsigned::new(&issuer(), Algorithm::Es256, &audiences, &mut Broken).map(drop), Err(Error::Random));
}

#[test]
fn nothing_shows_the_person_or_a_nonce() {
    let mut rng = Deterministic(6);
    let audiences = audiences(2, &mut rng);
    let signer = Signer::p256();
    let unsigned = Unsigned::new(&issuer(), Algorithm::Es256, &audiences, &mut rng).unwrap();
    let token = signer.token(Algorithm::Es256, &audiences, &mut rng);
    let ticket = Ticket::parse(&token.ticket(0).unwrap()).unwrap();
    for shown in [format!("{unsigned:?}"), format!("{token:?}"), format!("{ticket:?}"), format!("{audiences:?}")] {
        assert!(!shown.contains("48010010101"), "{shown}");
        assert!(!shown.contains("eyJ"), "{shown}");
        assert!(audiences.iter().all(|audience| !shown.contains(audience.nonce.as_str())), "{shown}");
    }
}
