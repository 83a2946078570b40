//! Tickets part by part, so that each can be anything.

use aws_lc_rs::digest::{SHA256, digest};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use cdoc2_auth_token::{Algorithm, Audience, TYPE};

use super::bed::{OTHER, Person};

/// The parts of a ticket.
#[derive(Clone)]
pub(crate) struct Forged {
    pub(crate) header: String,
    pub(crate) payload: String,
    pub(crate) disclosures: Vec<String>,
}

/// `[salt, text]`.
pub(crate) fn element(text: &str) -> String {
    base64(format!(r#"["AAAAAAAAAAAAAAAAAAAAAA","{text}"]"#))
}

/// `[{"...": digest}, ...]`.
fn places(disclosures: &[String]) -> String {
    let places: Vec<String> =
        disclosures.iter().map(|disclosure| format!(r#"{{"...":"{}"}}"#, base64(digest(&SHA256, disclosure.as_bytes())))).collect();
    format!("[{}]", places.join(","))
}

fn base64(octets: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(octets.as_ref())
}

impl Forged {
    /// A sound one of `person` in the specification's own form, with `aud` in the payload. One server more is hidden in it.
    pub(crate) fn new(person: &Person, algorithm: Algorithm, audience: &Audience) -> Self {
        Self::disclosing(person, algorithm, &[audience.to_string()])
    }

    /// One that discloses all of these.
    pub(crate) fn disclosing(person: &Person, algorithm: Algorithm, audiences: &[String]) -> Self {
        let disclosures: Vec<String> = audiences.iter().map(|audience| element(audience)).collect();
        let mut all = disclosures.clone();
        all.push(element(OTHER));
        Self {
            header: format!(r#"{{"typ":"{TYPE}","alg":"{}"}}"#, algorithm.name()),
            payload: format!(r#"{{"iss":"{}","aud":{},"_sd_alg":"sha-256"}}"#, person.id, places(&all)),
            disclosures,
        }
    }

    /// With a signature of `person`.
    pub(crate) fn signed(&self, person: &Person, algorithm: Algorithm) -> String {
        let signing_input = format!("{}.{}", base64(&self.header), base64(&self.payload));
        let signature = base64(person.sign(algorithm, signing_input.as_bytes()));
        let disclosures: String = self.disclosures.iter().map(|disclosure| format!("{disclosure}~")).collect();
        format!("{signing_input}.{signature}~{disclosures}")
    }
}
