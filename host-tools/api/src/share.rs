//! Key shares as they are sent to a shares server and fetched from it. Source: the OpenAPI file `cdoc2-key-shares` 1.2.1.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use base64ct::{Base64, Encoding as _};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::RecipientId;

/// Where shares are sent to; a share's id after it is where one is fetched from.
pub const PATH: &str = "/key-shares";
/// After a share's path: where its nonces come from.
pub const NONCE_PATH: &str = "/nonce";

/// Octets of a share. A client here sends 32, the length of a KEK.
pub const LEN: RangeInclusive<usize> = 32..=128;

/// The header with the ticket: an SD-JWT that discloses one `aud`.
pub const TOKEN_HEADER: &str = "x-cdoc2-auth-token";
/// The header with the certificate that signed the ticket: DER in base64url without padding, or, with [`TICKET_HEADER`], PEM without line ends.
pub const CERTIFICATE_HEADER: &str = "x-cdoc2-auth-x5c";
/// What versions of the interface before 1.2 call [`TOKEN_HEADER`].
pub const TICKET_HEADER: &str = "x-cdoc2-auth-ticket";

/// What a shares server keeps for a recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyShare {
    /// The share.
    pub share: Share,
    /// Who may fetch it.
    pub recipient: RecipientId,
}

/// The octets of a share, wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Share(Zeroizing<Vec<u8>>);

/// Octets that are no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a share has {} to {} octets", LEN.start(), LEN.end())]
pub struct WrongLength;

impl Share {
    /// A share of these octets.
    ///
    /// # Errors
    /// They are too few or too many.
    pub fn new(octets: Vec<u8>) -> Result<Self, WrongLength> {
        let octets = Zeroizing::new(octets);
        if LEN.contains(&octets.len()) { Ok(Self(octets)) } else { Err(WrongLength) }
    }

    /// The octets.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share")
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(Base64::encode_string(&self.0)))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let octets = Base64::decode_vec(&text).map_err(|_| D::Error::custom("not base64"))?;
        Self::new(octets).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_that_of_the_interface() {
        let share = KeyShare { share: Share::new(vec![0xFF; 32]).unwrap(), recipient: "etsi/PNOEE-48010010101".parse().unwrap() };
        let json = r#"{"share":"//////////////////////////////////////////8=","recipient":"etsi/PNOEE-48010010101"}"#;
        assert_eq!(serde_json::to_string(&share).unwrap(), json);
        assert_eq!(serde_json::from_str::<KeyShare>(json).unwrap(), share);
        assert_eq!(format!("{share:?}"), "KeyShare { share: Share, recipient: RecipientId }");
    }

    #[test]
    fn lengths_are_those_of_the_interface() {
        for (len, fits) in [(0, false), (31, false), (32, true), (128, true), (129, false)] {
            assert_eq!(Share::new(vec![1; len]).is_ok(), fits, "{len}");
            let json = format!(r#"{{"share":"{}","recipient":"private/JIO/70000349"}}"#, Base64::encode_string(&vec![1; len]));
            assert_eq!(serde_json::from_str::<KeyShare>(&json).is_ok(), fits, "{len}");
        }
    }
}
