//! Tickets for shares servers, written from the specification ("Client authentication protocol"), RFC 7515 and RFC 9901, and with nothing of
//! this project's own.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Octets of a salt.
const SALT_LEN: usize = 16;
/// Octets of a coordinate on P-256.
const COORDINATE_LEN: usize = 32;

/// What a ticket says that it is for: the share `id` on the server at `url`, by a nonce of that server.
#[must_use]
pub fn audience(url: &str, id: &str, nonce: &str) -> String {
    format!("{url}/key-shares/{id}?nonce={nonce}")
}

/// One token that `person` signs with `key`, which is on P-256; and of it a ticket for each of `audiences`.
///
/// # Panics
/// The key is another, or the system has no random octets.
#[must_use]
pub fn sign(person: &str, audiences: &[String], key: &KeyPair) -> Vec<String> {
    let elements: Vec<_> = audiences.iter().map(|audience| disclosure(&json!([salt(), audience]))).collect();
    let digests: Vec<_> = elements.iter().map(|element| json!({ "...": digest(element) })).collect();
    let aud = disclosure(&json!([salt(), "aud", digests]));
    let header = disclosure(&json!({ "typ": "vnd.cdoc2.auth-token.v1+sd-jwt", "alg": "ES256" }));
    let payload = disclosure(&json!({ "iss": person, "_sd": [digest(&aud)], "_sd_alg": "sha-256" }));
    let input = format!("{header}.{payload}");
    let signature = raw(&key.sign(input.as_bytes()).expect("a signature"));
    let signature = Base64UrlUnpadded::encode_string(&signature);
    elements.iter().map(|element| format!("{input}.{signature}~{aud}~{element}~")).collect()
}

fn disclosure(json: &Value) -> String {
    Base64UrlUnpadded::encode_string(json.to_string().as_bytes())
}

fn digest(disclosure: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(disclosure.as_bytes()))
}

fn salt() -> String {
    let mut octets = [0; SALT_LEN];
    getrandom::fill(&mut octets).expect("random octets");
    Base64UrlUnpadded::encode_string(&octets)
}

/// `r` and `s` side by side (RFC 7518, 3.4), out of a sequence of two integers (RFC 3279, 2.2.3).
fn raw(der: &[u8]) -> [u8; 2 * COORDINATE_LEN] {
    let mut raw = [0; 2 * COORDINATE_LEN];
    let (halves, _) = raw.as_chunks_mut::<COORDINATE_LEN>();
    // The sequence's tag and length, which is below 128.
    let mut rest = &der[2..];
    for half in halves {
        let (tag_and_len, tail) = rest.split_at(2);
        let (integer, tail) = tail.split_at(tag_and_len[1].into());
        rest = tail;
        // One octet of zeros comes before the highest bit; small numbers are shorter.
        let integer = &integer[integer.len().saturating_sub(COORDINATE_LEN)..];
        half[COORDINATE_LEN - integer.len()..].copy_from_slice(integer);
    }
    raw
}
