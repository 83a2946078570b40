//! Any octets as a ticket, as the parts of one whose digests are right, and as a change to a signed one. What is read says the same when it is written
//! again; nothing is believed but what was signed.
#![no_main]

mod key;
mod person;

use std::sync::LazyLock;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use cdoc2_auth_token::{Algorithm, Audience, Ticket, ticket};
use libfuzzer_sys::fuzz_target;
use p256::ecdsa::{Signature, signature::Signer as _};
use p256::pkcs8::EncodePublicKey as _;
use person::{Person, signed};
use sha2::{Digest as _, Sha256};

/// What Mari has signed, once and for all, and what she gives to no server but its own.
const AUDIENCES: [&str; 2] = [
    "https://localhost:8443/key-shares/9a7c3717d21f5cf19d18fa4fa5adee21?nonce=AAECAwQFBgcICQoL",
    "https://css.example.org:443/other/path/key-shares/ff0102030405060708090a0b0c0e0dff?nonce=DA0ODxAREhMUFRYX",
];

struct World {
    mari: Person,
    /// DER of `SubjectPublicKeyInfo`.
    public_key: Vec<u8>,
    audiences: Vec<Audience>,
    tickets: Vec<String>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mari = Person::new(7, "etsi/PNOEE-60001017727");
    let public_key = mari.key.key.verifying_key().to_public_key_der().unwrap().into_vec();
    let audiences: Vec<Audience> = AUDIENCES.iter().map(|text| text.parse().unwrap()).collect();
    let token = mari.token(&audiences);
    let tickets = (0..audiences.len()).map(|index| token.ticket(index).unwrap().to_string()).collect();
    World { mari, public_key, audiences, tickets }
});

/// Reads a ticket: what it says reads back, and is believed only if it is what Mari signed.
fn check(text: &str, world: &World) -> Option<Ticket> {
    let ticket = Ticket::parse(text).ok()?;
    assert!(text.len() <= ticket::MAX_LEN && text.ends_with('~'));
    let again = ticket.audience().to_string();
    assert_eq!(again.parse().as_ref(), Ok(ticket.audience()), "{again}");
    assert_eq!(ticket.issuer().as_str().parse().as_ref(), Ok(ticket.issuer()));
    // Neither the nonce nor who signs is shown.
    let shown = format!("{ticket:?}");
    assert!(!shown.contains(ticket.audience().nonce.as_str()) && !shown.contains(ticket.issuer().as_str()), "{shown}");
    if ticket.verify_signature(&world.public_key).is_ok() {
        assert!(world.tickets.iter().any(|good| signed(good) == signed(text)), "{text}");
        assert!(world.audiences.contains(ticket.audience()), "{text}");
        assert_eq!((ticket.issuer(), ticket.algorithm()), (&world.mari.id, Algorithm::Es256));
    }
    Some(ticket)
}

/// Lines as header, payload and disclosures of a ticket that somebody signs. In a line, `#` and a digit stand for the digest of that disclosure, which
/// must be a later line.
fn assemble(octets: &[u8], world: &World) {
    let Ok(text) = str::from_utf8(octets) else { return };
    let mut lines: Vec<String> = text.split('\n').take(2 + 10).map(str::to_owned).collect();
    if lines.len() < 2 {
        return;
    }
    for index in (0..lines.len()).rev() {
        lines[index] = Base64UrlUnpadded::encode_string(lines[index].as_bytes());
        if let Some(number) = index.checked_sub(2) {
            let digest = Base64UrlUnpadded::encode_string(&Sha256::digest(lines[index].as_bytes()));
            for earlier in &mut lines[..index] {
                *earlier = earlier.replace(&format!("#{number}"), &digest);
            }
        }
    }
    let somebody = Person::new(8, "etsi/PNOEE-38001085718");
    let signing_input = lines[..2].join(".");
    let signature: Signature = somebody.key.key.sign(signing_input.as_bytes());
    let signature = Base64UrlUnpadded::encode_string(&signature.to_bytes());
    let disclosures: String = lines[2..].iter().map(|line| format!("{line}~")).collect();
    let Some(ticket) = check(&format!("{signing_input}.{signature}~{disclosures}"), world) else { return };
    let key = somebody.key.key.verifying_key().to_public_key_der().unwrap();
    assert_eq!(ticket.verify_signature(key.as_bytes()).is_ok(), ticket.algorithm() == Algorithm::Es256);

    // The same said by us.
    let again = Person { key: somebody.key, id: ticket.issuer().clone() };
    let again = again.token(&[ticket.audience().clone(), world.audiences[0].clone()]).ticket(0).unwrap();
    let again = Ticket::parse(&again).unwrap();
    assert_eq!((again.audience(), again.issuer()), (ticket.audience(), ticket.issuer()));
    assert_eq!(again.verify_signature(key.as_bytes()), Ok(()));
}

/// The first octet chooses a good ticket, the next two where the rest goes over it.
fn alter(octets: &[u8], world: &World) {
    let Some(([which, at @ ..], patch)) = octets.split_first_chunk::<3>() else { return };
    let good = &world.tickets[usize::from(which & 1)];
    let mut altered = good.clone().into_bytes();
    let at = usize::from(u16::from_le_bytes(*at)) % altered.len();
    for (octet, value) in altered[at..].iter_mut().zip(patch) {
        *octet ^= value;
    }
    let Ok(altered) = String::from_utf8(altered) else { return };
    let ticket = check(&altered, world);
    let is_believed = ticket.is_some_and(|ticket| ticket.verify_signature(&world.public_key).is_ok());
    // A long change may make one good ticket into the other.
    assert_eq!(is_believed, world.tickets.contains(&altered), "{altered}");
}

fuzz_target!(|octets: &[u8]| {
    let world = &*WORLD;
    if let Ok(text) = str::from_utf8(octets) {
        check(text, world);
    }
    assemble(octets, world);
    alter(octets, world);
});
