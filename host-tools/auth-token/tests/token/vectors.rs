//! Tickets that other programs made, with their own answers.

use base64ct::{Base64, Encoding as _};
use cdoc2_api::id;
use cdoc2_auth_token::{Algorithm, BaseUrl, Malformed, Ticket, Unverified, audience};
use serde::Deserialize;

use crate::support::decoded;

#[derive(Deserialize)]
struct Vector {
    name: String,
    ticket: String,
    public_key_info: String,
    algorithm: String,
    issuer: String,
    server: String,
    share_id: String,
    nonce: String,
    expect: Expect,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
enum Expect {
    #[serde(rename = "success")]
    Success,
    /// The key is too short for its signature to count.
    #[serde(rename = "signature")]
    Signature,
    /// All is sound but the share's id.
    #[serde(rename = "share id")]
    ShareId,
}

fn check(vector: &Vector) {
    let Vector { name, ticket, .. } = vector;
    let algorithm = Algorithm::of_name(&vector.algorithm).unwrap();
    let public_key_info = Base64::decode_vec(&vector.public_key_info).unwrap();
    assert!(Algorithm::of_public_key(&public_key_info).contains(&algorithm), "{name}");
    let verified = if vector.expect == Expect::Signature { Err(Unverified::Signature) } else { Ok(()) };

    let (signing_input, signature) = ticket.split_once('~').unwrap().0.rsplit_once('.').unwrap();
    assert_eq!(algorithm.verify(&public_key_info, signing_input.as_bytes(), &decoded(signature)), verified, "{name}");

    let read = Ticket::parse(ticket);
    if vector.expect == Expect::ShareId {
        let reason = Malformed::Audience(audience::Malformed::ShareId(id::Malformed::Length));
        assert_eq!(read.map(drop), Err(reason), "{name}");
        return;
    }
    let read = read.unwrap();
    assert_eq!(read.algorithm(), algorithm, "{name}");
    assert_eq!(read.issuer().as_str(), vector.issuer, "{name}");
    assert_eq!(read.audience().server, vector.server.parse::<BaseUrl>().unwrap(), "{name}");
    assert_eq!(read.audience().share_id.as_str(), vector.share_id, "{name}");
    assert_eq!(read.audience().nonce.as_str(), vector.nonce, "{name}");
    assert_eq!(read.verify_signature(&public_key_info), verified, "{name}");
}

#[test]
fn published_tickets_are_read() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/published.json")).unwrap();
    assert_eq!(vectors.len(), 2);
    vectors.iter().for_each(check);
}

#[test]
fn tickets_of_an_independent_program_are_read() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/made.json")).unwrap();
    assert_eq!(vectors.len(), 8);
    vectors.iter().for_each(check);
}
