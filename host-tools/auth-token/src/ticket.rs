//! Reading a ticket. Sources: specification, "Verifying SD-JWT (verifying authentication ticket)"; RFC 9901, "Verification of the SD-JWT".

use std::collections::BTreeSet;
use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use cdoc2_api::{RecipientId, recipient_id};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::disclosure::{Digest, Disclosure, Place};
use crate::json::{Object, present};
use crate::{Algorithm, Audience, TYPE, Unverified, audience};

/// Characters of the longest ticket that is read: enough for [`crate::MAX_AUDIENCES`] servers and RSA with 8192 bits.
pub const MAX_LEN: usize = 8192;

/// A ticket whose disclosures are right. Nothing in it is true before [`Ticket::verify_signature`] has said so.
pub struct Ticket {
    algorithm: Algorithm,
    issuer: RecipientId,
    audience: Audience,
    signing_input: String,
    signature: Vec<u8>,
}

/// Text that is no ticket. All that a reader is free to ignore is an error here: a claim such as `exp` or `cnf` narrows what was signed, and a server that
/// does not know it would grant more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More than [`MAX_LEN`] characters.
    #[error("a ticket has at most {MAX_LEN} characters")]
    Length,
    /// Not `HEADER.PAYLOAD.SIGNATURE~DISCLOSURE~...~`, or with a proof of a key behind it.
    #[error("a ticket is HEADER.PAYLOAD.SIGNATURE~DISCLOSURE~DISCLOSURE~")]
    Form,
    /// Not an object with `typ` and `alg` alone.
    #[error("the ticket's header is not a JSON object with typ and alg alone")]
    Header,
    /// Another `typ`.
    #[error("the ticket's typ is not {TYPE}")]
    Type,
    /// Another `alg`, such as `none`.
    #[error("the ticket's alg is none of ES256, ES384, RS256, PS256")]
    Algorithm,
    /// Not an object with `iss`, `_sd`, `_sd_alg` and `aud` alone, each of its type.
    #[error("the ticket's payload is not a JSON object with iss, _sd, _sd_alg and aud alone")]
    Payload,
    /// Another `_sd_alg` than `sha-256`.
    #[error("the ticket's _sd_alg is not sha-256")]
    DigestAlgorithm,
    /// `iss` is no recipient's id.
    #[error("the ticket's iss: {0}")]
    Issuer(recipient_id::Malformed),
    /// Not base64url.
    #[error("the ticket's signature is not base64url")]
    Signature,
    /// Neither `[salt, "aud", [{"...": digest}, ...]]` nor `[salt, text]`, or `aud` twice.
    #[error("a disclosure of the ticket is neither aud nor one element of it")]
    Disclosure,
    /// A digest stands in two places.
    #[error("a digest is twice in the ticket")]
    DuplicateDigest,
    /// A disclosure whose digest does not stand where it belongs.
    #[error("a disclosure is not one of the signed ones")]
    UnknownDisclosure,
    /// There is no `aud`, or not exactly one element of it is disclosed.
    #[error("a ticket discloses exactly one aud")]
    NotOneAudience,
    /// What is disclosed is no audience.
    #[error("the ticket's aud: {0}")]
    Audience(audience::Malformed),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    iss: String,
    #[serde(default, rename = "_sd")]
    sd: Vec<Digest>,
    #[serde(default, rename = "_sd_alg", deserialize_with = "present")]
    sd_alg: Option<String>,
    /// The form of the specification; libcdoc and Java disclose it.
    #[serde(default, deserialize_with = "present")]
    aud: Option<Vec<Object<Place>>>,
}

impl Ticket {
    /// Reads a ticket and checks all of it but the signature.
    ///
    /// # Errors
    /// [`Malformed`]: the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let presented = Presented::parse(text)?;
        Ok(Self {
            algorithm: presented.algorithm,
            issuer: presented.issuer.parse().map_err(Malformed::Issuer)?,
            audience: presented.audience.parse().map_err(Malformed::Audience)?,
            signing_input: presented.signing_input.to_owned(),
            signature: presented.signature,
        })
    }

    /// What it says that it is signed with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Who says that the ticket is theirs.
    #[must_use]
    pub fn issuer(&self) -> &RecipientId {
        &self.issuer
    }

    /// The one share that it is for.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Checks the signature by the key in a DER `SubjectPublicKeyInfo`, which the algorithm must fit.
    ///
    /// # Errors
    /// [`Unverified`].
    pub fn verify_signature(&self, public_key_info: &[u8]) -> Result<(), Unverified> {
        self.algorithm.verify(public_key_info, self.signing_input.as_bytes(), &self.signature)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("algorithm", &self.algorithm).field("audience", &self.audience).finish_non_exhaustive()
    }
}

/// A ticket as SD-JWT: who signs and what is disclosed are still text.
struct Presented<'t> {
    algorithm: Algorithm,
    issuer: String,
    audience: Zeroizing<String>,
    signing_input: &'t str,
    signature: Vec<u8>,
}

impl<'t> Presented<'t> {
    fn parse(text: &'t str) -> Result<Self, Malformed> {
        if text.len() > MAX_LEN {
            return Err(Malformed::Length);
        }
        let mut parts = text.split('~');
        let (Some(token), Some("")) = (parts.next(), parts.next_back()) else { return Err(Malformed::Form) };
        let (signing_input, signature) = token.rsplit_once('.').ok_or(Malformed::Form)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Malformed::Form)?;

        let header: Header = object(header).ok_or(Malformed::Header)?;
        if header.typ != TYPE {
            return Err(Malformed::Type);
        }
        let algorithm = Algorithm::of_name(&header.alg).ok_or(Malformed::Algorithm)?;
        let payload: Payload = object(payload).ok_or(Malformed::Payload)?;
        if payload.sd_alg.is_some_and(|name| name != "sha-256") {
            return Err(Malformed::DigestAlgorithm);
        }
        let signature = Base64UrlUnpadded::decode_vec(signature).map_err(|_| Malformed::Signature)?;
        let aud = payload.aud.map(|aud| aud.into_iter().map(|Object(place)| place).collect());
        let audience = disclosed(&payload.sd, aud, parts)?;
        Ok(Self { algorithm, issuer: payload.iss, audience, signing_input, signature })
    }
}

/// An object in base64url.
fn object<T: DeserializeOwned>(text: &str) -> Option<T> {
    let json = Base64UrlUnpadded::decode_vec(text).ok()?;
    serde_json::from_slice(&json).ok().map(|Object(object)| object)
}

/// The one audience that is disclosed: by the places in the payload, or by those that another disclosure puts there. Each digest stands in one place, and
/// each disclosure belongs to a place of its kind.
fn disclosed<'t>(
    sd: &[Digest],
    aud: Option<Vec<Place>>,
    disclosures: impl Iterator<Item = &'t str>,
) -> Result<Zeroizing<String>, Malformed> {
    let mut places = aud;
    let mut audience = None;
    for text in disclosures {
        match Disclosure::parse(text)? {
            Disclosure::Audiences(_) if places.is_some() => return Err(Malformed::Disclosure),
            Disclosure::Audiences(_) if !sd.contains(&Digest::of(text)) => return Err(Malformed::UnknownDisclosure),
            Disclosure::Audiences(disclosed) => places = Some(disclosed),
            Disclosure::Audience(_) if audience.is_some() => return Err(Malformed::NotOneAudience),
            Disclosure::Audience(value) => audience = Some((Digest::of(text), value)),
        }
    }
    let (Some(places), Some((digest, audience))) = (places, audience) else { return Err(Malformed::NotOneAudience) };
    let mut seen = BTreeSet::new();
    if !sd.iter().chain(places.iter().map(|Place { digest }| digest)).all(|digest| seen.insert(digest)) {
        return Err(Malformed::DuplicateDigest);
    }
    if places.iter().any(|place| place.digest == digest) { Ok(audience) } else { Err(Malformed::UnknownDisclosure) }
}
