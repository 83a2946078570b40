//! Capsules as they are sent to a capsule server and fetched from it.

use std::borrow::Cow;

use base64ct::Base64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where capsules are sent to; a transaction id after it is where one is fetched from.
pub const PATH: &str = "/key-capsules";

/// Octets of the longest `recipient_id` and of the longest `ephemeral_key_material`. The interface says 2100 characters "format: byte", and counts
/// 2086 octets of an RSA key of 16384 bits among them.
pub const MAX_FIELD_LEN: usize = 2100;

/// What a capsule server keeps for a recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capsule {
    /// The recipient's public key: the point `04 || X || Y`, or DER of `RSAPublicKey` (RFC 8017, A.1.1).
    #[serde(with = "base64")]
    pub recipient_id: Vec<u8>,
    /// The sender's ephemeral public key in the same form, or the KEK encrypted to the RSA key.
    #[serde(with = "base64")]
    pub ephemeral_key_material: Vec<u8>,
    /// What the other two are.
    pub capsule_type: CapsuleType,
}

/// The kind of a capsule. Servers may add kinds, which clients must tolerate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CapsuleType {
    /// Keys on P-256.
    EccSecp256r1,
    /// Keys on P-384.
    EccSecp384r1,
    /// Keys on P-521.
    EccSecp521r1,
    /// An RSA key, and a KEK under it.
    Rsa,
    /// A kind that this version does not know.
    Unknown(String),
}

impl CapsuleType {
    /// The name in the interface.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::EccSecp256r1 => "ecc_secp256r1",
            Self::EccSecp384r1 => "ecc_secp384r1",
            Self::EccSecp521r1 => "ecc_secp521r1",
            Self::Rsa => "rsa",
            Self::Unknown(name) => name,
        }
    }
}

impl From<&str> for CapsuleType {
    fn from(name: &str) -> Self {
        let known = [Self::EccSecp256r1, Self::EccSecp384r1, Self::EccSecp521r1, Self::Rsa];
        known.into_iter().find(|known| known.name() == name).unwrap_or_else(|| Self::Unknown(name.to_owned()))
    }
}

impl Serialize for CapsuleType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for CapsuleType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Cow::<str>::deserialize(deserializer)?.as_ref().into())
    }
}

/// `format: byte`: base64 with padding (RFC 4648, 4).
mod base64 {
    use super::{Base64, Cow, Deserialize, Deserializer, Serializer};
    use base64ct::Encoding as _;
    use serde::de::Error as _;

    pub(super) fn serialize<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Base64::encode_string(octets))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Base64::decode_vec(&text).map_err(|_| D::Error::custom("not base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_that_of_the_interface() {
        let capsule = Capsule { recipient_id: vec![4, 1, 2], ephemeral_key_material: vec![0xFF], capsule_type: CapsuleType::Rsa };
        let json = r#"{"recipient_id":"BAEC","ephemeral_key_material":"/w==","capsule_type":"rsa"}"#;
        assert_eq!(serde_json::to_string(&capsule).unwrap(), json);
        assert_eq!(serde_json::from_str::<Capsule>(json).unwrap(), capsule);
    }

    #[test]
    fn kinds_of_tomorrow_are_kept() {
        let read: CapsuleType = serde_json::from_str(r#""ml_kem_1024""#).unwrap();
        assert_eq!(read, CapsuleType::Unknown("ml_kem_1024".into()));
        assert_eq!(serde_json::to_string(&read).unwrap(), r#""ml_kem_1024""#);
    }
}
