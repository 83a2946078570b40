//! Sound tickets with anything altered: nothing but the unaltered ones is believed.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use cdoc2_auth_token::{Algorithm, Audience, Ticket};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::support::{Deterministic, Signer, audiences, base64, decoded};

/// One person's tokens for the same four servers, by each algorithm.
struct World {
    tokens: Vec<Signed>,
    audiences: Vec<Audience>,
}

struct Signed {
    key: Vec<u8>,
    tickets: Vec<String>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut rng = Deterministic(42);
    let audiences = audiences(4, &mut rng);
    let signed = |algorithm: Algorithm| {
        let signer = Signer::of(algorithm);
        let token = signer.token(algorithm, &audiences, &mut rng);
        let tickets = (0..audiences.len()).map(|index| token.ticket(index).unwrap().to_string()).collect();
        Signed { key: signer.public_key_info(), tickets }
    };
    let tokens = [Algorithm::Es256, Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256, Algorithm::Ps256].map(signed).into();
    World { tokens, audiences }
});

/// The audience of a ticket that its signer's key has signed.
fn believed(text: &str, key: &[u8]) -> Option<Audience> {
    let ticket = Ticket::parse(text).ok()?;
    ticket.verify_signature(key).ok()?;
    Some(ticket.audience().clone())
}

/// Token and disclosures.
fn split(ticket: &str) -> (&str, Vec<&str>) {
    let (token, disclosures) = ticket.trim_end_matches('~').split_once('~').unwrap();
    (token, disclosures.split('~').collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_character(token in 0..5_usize, at: Index, character in select(b"ABYZabyz0189-_=+/.~ \"\n".to_vec())) {
        let Signed { key, tickets } = &WORLD.tokens[token];
        let mut text = tickets[0].clone().into_bytes();
        let at = at.index(text.len());
        text[at] = character;
        let text = String::from_utf8(text).unwrap();
        prop_assert_eq!(believed(&text, key).is_some(), text == tickets[0]);
    }

    /// Of what stands in base64url: header, payload, signature, either disclosure.
    #[test]
    fn one_bit(token in 0..5_usize, part in 0..5_usize, at: Index, bit in 0..8_u32) {
        let Signed { key, tickets } = &WORLD.tokens[token];
        let parts: Vec<&str> = tickets[0].trim_end_matches('~').split(['.', '~']).collect();
        let mut octets = decoded(parts[part]);
        let at = at.index(octets.len());
        octets[at] ^= 1 << bit;
        let altered = tickets[0].replace(parts[part], &base64(octets));
        prop_assert_ne!(&altered, &tickets[0]);
        prop_assert_eq!(believed(&altered, key), None);
    }

    #[test]
    fn cut_or_joined(token in 0..5_usize, from: Index, to: Index, other in 0..4_usize) {
        let Signed { key, tickets } = &WORLD.tokens[token];
        let [from, to] = [from.index(tickets[0].len()), to.index(tickets[other].len() + 1)];
        prop_assert_eq!(believed(&tickets[0][..from], key), None);
        let joined = format!("{}{}", &tickets[0][..from], &tickets[other][to..]);
        prop_assert_eq!(believed(&joined, key).is_some(), tickets.contains(&joined));
    }

    /// Any disclosures in any order, dropped, doubled, those of another token: it is believed with the token's own `aud` and one of its elements.
    #[test]
    fn disclosures(token in 0..5_usize, chosen in vec((0..5_usize, 0..5_usize), 0..5)) {
        let Signed { key, tickets } = &WORLD.tokens[token];
        let (jwt, _) = split(&tickets[0]);
        let pick = |&(token, which): &(usize, usize)| match which {
            0 => split(&WORLD.tokens[token].tickets[0]).1[0],
            which => split(&WORLD.tokens[token].tickets[which - 1]).1[1],
        };
        let texts: Vec<&str> = chosen.iter().map(pick).collect();
        let text = format!("{jwt}~{}~", texts.join("~"));
        let own: BTreeSet<usize> = chosen.iter().filter(|(from, _)| *from == token).map(|(_, which)| *which).collect();
        let expected = (chosen.len() == 2 && own.len() == 2 && own.contains(&0)).then(|| WORLD.audiences[own.last().unwrap() - 1].clone());
        prop_assert_eq!(believed(&text, key), expected);
    }

    #[test]
    fn somebody_elses_key(token in 0..5_usize, key in 0..5_usize, index in 0..4_usize) {
        let expected = (token == key).then(|| WORLD.audiences[index].clone());
        prop_assert_eq!(believed(&WORLD.tokens[token].tickets[index], &WORLD.tokens[key].key), expected);
    }

    #[test]
    fn any_text(text in "[A-Za-z0-9_.~-]{0,300}", octets in vec(any::<u8>(), 0..300)) {
        prop_assert!(Ticket::parse(&text).is_err());
        prop_assert!(Ticket::parse(&String::from_utf8_lossy(&octets)).is_err());
    }

    /// Any signature and any key.
    #[test]
    fn any_octets(token in 0..5_usize, signature in vec(any::<u8>(), 0..300), key in vec(any::<u8>(), 0..300)) {
        let Signed { key: own, tickets } = &WORLD.tokens[token];
        let (jwt, disclosures) = split(&tickets[0]);
        let (signing_input, _) = jwt.rsplit_once('.').unwrap();
        let text = format!("{signing_input}.{}~{}~", base64(&signature), disclosures.join("~"));
        prop_assert_eq!(believed(&text, own), None);
        prop_assert_eq!(believed(&tickets[0], &key), None);
    }
}
