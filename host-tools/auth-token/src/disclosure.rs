//! What stands in a ticket behind the token: salted values, and their digests. Source: RFC 9901, "SD-JWT and SD-JWT+KB Data Formats".

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use rand_core::TryCryptoRng;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::Audience;
use crate::issue::Error;
use crate::json::Object;
use crate::ticket::Malformed;

/// The claim that is disclosed.
pub(crate) const AUD: &str = "aud";

/// Octets of a salt: RFC 9901, "Entropy of the Salt".
pub(crate) const SALT_LEN: usize = 16;

/// SHA-256 of a disclosure's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(text: &str) -> Self {
        let mut octets = [0; 32];
        octets.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(octets)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64UrlUnpadded::encode_string(&self.0))
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut octets = [0; 32];
        match Base64UrlUnpadded::decode(&text, &mut octets) {
            Ok(decoded) if decoded.len() == 32 => Ok(Self(octets)),
            _ => Err("not the SHA-256 of anything"),
        }
    }
}

/// The place of an element of an array: `{"...": digest}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    #[serde(rename = "...")]
    pub(crate) digest: Digest,
}

/// A disclosure of a ticket.
pub(crate) enum Disclosure {
    /// `[salt, "aud", places]`.
    Audiences(Vec<Place>),
    /// `[salt, text]`: an element of `aud`.
    Audience(Zeroizing<String>),
}

impl Disclosure {
    /// What `text` discloses.
    ///
    /// # Errors
    /// Neither form, or of another claim.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let json = Zeroizing::new(Base64UrlUnpadded::decode_vec(text).map_err(|_| Malformed::Disclosure)?);
        if let Ok((_, value)) = serde_json::from_slice::<(String, String)>(&json) {
            return Ok(Self::Audience(Zeroizing::new(value)));
        }
        let (_, name, places): (String, String, Vec<Object<Place>>) =
            serde_json::from_slice(&json).map_err(|_| Malformed::Disclosure)?;
        if name != AUD {
            return Err(Malformed::Disclosure);
        }
        Ok(Self::Audiences(places.into_iter().map(|Object(place)| place).collect()))
    }
}

/// The text of the disclosure of all audiences.
pub(crate) fn of_audiences<R: TryCryptoRng + ?Sized>(digests: &[Digest], rng: &mut R) -> Result<Zeroizing<String>, Error> {
    let places: Vec<String> = digests.iter().map(|digest| format!(r#"{{"...":"{digest}"}}"#)).collect();
    Ok(text(&format!(r#"["{}","{AUD}",[{}]]"#, *salt(rng)?, places.join(","))))
}

/// The text of the disclosure of one of them.
pub(crate) fn of_audience<R: TryCryptoRng + ?Sized>(audience: &Audience, rng: &mut R) -> Result<Zeroizing<String>, Error> {
    // No character of an audience is one that JSON escapes.
    Ok(text(&Zeroizing::new(format!(r#"["{}","{audience}"]"#, *salt(rng)?))))
}

fn salt<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Zeroizing<String>, Error> {
    let mut octets = Zeroizing::new([0; SALT_LEN]);
    rng.try_fill_bytes(octets.as_mut_slice()).map_err(|_| Error::Random)?;
    Ok(Zeroizing::new(Base64UrlUnpadded::encode_string(octets.as_slice())))
}

fn text(json: &str) -> Zeroizing<String> {
    Zeroizing::new(Base64UrlUnpadded::encode_string(json.as_bytes()))
}
