//! What can be said about a container without a key, for people and for programs.
//!
//! The names of the fields are a contract: they are documented in the manual page of `cdoc2 inspect`, and [`VERSION`] counts up when one of
//! them changes its meaning or goes. New ones may be added at any time.

use std::path::Path;

use base64ct::{Base64, Encoding as _};
use cdoc2::core::Curve;
use cdoc2::core::wire::capsule::{
    Capsule, EccPublicKeyCapsule, EllipticCurve, FmkEncryptionMethod, KdfAlgorithmIdentifier, KeyDetails, PayloadEncryptionMethod,
    Pbkdf2Capsule, Text,
};
use cdoc2::core::wire::envelope;
use cdoc2::core::wire::header::RecipientRecord;
use cdoc2::core::wire::label::{KeyLabel, LabelField};
use cdoc2::keys::{EcPublicKey, RsaPublicKey};
use cdoc2::{Container, label};
use cdoc2_client::shares_server;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::text;

/// The name of the schema of `cdoc2 inspect --json`.
const SCHEMA: &str = "cdoc2-inspect";
/// Its version.
const VERSION: u32 = 1;

/// A container from outside.
#[derive(Debug, Serialize)]
pub(crate) struct Inspection {
    schema: &'static str,
    version: u32,
    /// As it was typed, with U+FFFD for what is not UTF-8.
    pub(crate) file: String,
    pub(crate) envelope_version: u8,
    pub(crate) header_len: usize,
    pub(crate) payload_len: u64,
    pub(crate) payload_encryption_method: String,
    pub(crate) records: Vec<Record>,
}

/// A recipient record.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    /// Counted from 1.
    pub(crate) index: usize,
    pub(crate) capsule_type: String,
    /// The number of the type on the wire.
    pub(crate) capsule_type_id: u8,
    /// "SC.01" to "SC.07".
    pub(crate) scheme: Option<&'static str>,
    pub(crate) label: Label,
    pub(crate) fmk_encryption_method: String,
    /// What this program opens it with: "key", "password", "secret" or "auth"; none if it cannot.
    pub(crate) opened_by: Option<&'static str>,
    #[serde(flatten)]
    pub(crate) details: Details,
}

/// A key label.
#[derive(Debug, Serialize)]
pub(crate) struct Label {
    /// The whole label as it is stored, with U+FFFD for what is not UTF-8.
    pub(crate) text: String,
    /// The stored octets, if they are not UTF-8.
    pub(crate) base64: Option<String>,
    /// What the label calls the recipient.
    pub(crate) name: String,
    /// The decoded fields of a machine-readable label, in their order.
    pub(crate) fields: Option<Vec<Field>>,
}

/// A field of a machine-readable label.
#[derive(Debug, Serialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// What only some capsules have.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) curve: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rsa_modulus_bits: Option<usize>,
    /// SHA-256 of the recipient's public key as it is stored, in lower-case hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_key_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_id: Option<String>,
    /// Who runs the server, as the configuration says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transaction_id: Option<String>,
    /// When the capsule expires on its server, or the certificate that it was made for, as the label says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shares: Option<Vec<Share>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shares_recipient_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kdf: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kdf_iterations: Option<i32>,
}

/// Where a key share is.
#[derive(Debug, Serialize)]
pub(crate) struct Share {
    pub(crate) server_url: String,
    /// Who runs the server, as the configuration says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_owner: Option<String>,
    pub(crate) share_id: String,
}

/// Who runs a server, by what a container says of it: a capsule server by its id, a shares server by its address.
pub(crate) trait Owners {
    /// The owner of the capsule server with this id.
    fn of_capsule_server(&self, id: &str) -> Option<String>;

    /// The owner of the shares server at this address.
    fn of_shares_server(&self, url: &str) -> Option<String>;
}

impl Inspection {
    /// Looks at `container`, which came from `input`.
    pub(crate) fn new(input: &Path, container: &Container, owners: &impl Owners) -> Self {
        let envelope = container.envelope();
        let header = envelope.header();
        let payload = header.payload_encryption_method();
        let is_known = matches!(payload, PayloadEncryptionMethod::ChaCha20Poly1305);
        Self {
            schema: SCHEMA,
            version: VERSION,
            file: input.to_string_lossy().into_owned(),
            envelope_version: envelope::VERSION,
            header_len: header.octets().len(),
            payload_len: container.payload_len(),
            payload_encryption_method: match payload {
                PayloadEncryptionMethod::ChaCha20Poly1305 => "CHACHA20POLY1305".to_owned(),
                PayloadEncryptionMethod::Unknown(value) => unknown(value),
            },
            records: (1..).zip(header.records()).map(|(index, record)| Record::new(index, &record, is_known, owners)).collect(),
        }
    }
}

impl Record {
    fn new(index: usize, record: &RecipientRecord<'_>, is_payload_known: bool, owners: &impl Owners) -> Self {
        let (capsule_type, scheme, opened_by, mut details) = capsule(&record.capsule);
        let server_owner = details.server_id.as_deref().and_then(|id| owners.of_capsule_server(id));
        for share in details.shares.iter_mut().flatten() {
            share.server_owner = owners.of_shares_server(&share.server_url);
        }
        let is_usable = is_payload_known && record.xored_fmk().is_ok();
        Self {
            index,
            capsule_type,
            capsule_type_id: record.capsule.capsule_type(),
            scheme,
            label: Label::new(&record.key_label),
            fmk_encryption_method: match record.fmk_encryption_method {
                FmkEncryptionMethod::Xor => "XOR".to_owned(),
                FmkEncryptionMethod::Unknown(value) => unknown(value),
            },
            opened_by: opened_by.filter(|_| is_usable),
            details: Details { expires: expires(&record.key_label), server_owner, ..details },
        }
    }
}

impl Label {
    fn new(label: &KeyLabel<'_>) -> Self {
        let octets = label.octets();
        let fields = label.fields().map(|fields| {
            let field = |(name, value)| Field { name: lossy(&label::octets(&name)), value: lossy(&label::octets(&value)) };
            fields.iter().map(field).collect()
        });
        Self {
            text: lossy(octets),
            base64: std::str::from_utf8(octets).is_err().then(|| Base64::encode_string(octets)),
            name: lossy(&label::name(label)),
            fields,
        }
    }
}

/// The name of the capsule, its scheme, what opens it, and the rest.
fn capsule(capsule: &Capsule<'_>) -> (String, Option<&'static str>, Option<&'static str>, Details) {
    let mut details = Details::default();
    let (name, scheme, opened_by) = match capsule {
        Capsule::EccPublicKey(ecc) => {
            details.ecc(ecc.curve, ecc.recipient_public_key);
            ("ECCPublicKeyCapsule", Some("SC.01"), is_sound(ecc).then_some("key"))
        }
        Capsule::RsaPublicKey(rsa) => {
            details.rsa(rsa.recipient_public_key);
            ("RSAPublicKeyCapsule", Some("SC.02"), details.rsa_modulus_bits.map(|_| "key"))
        }
        Capsule::KeyServer(server) => {
            let mut is_key = false;
            let scheme = match server.recipient_key_details {
                KeyDetails::Ecc { curve, recipient_public_key } => {
                    details.ecc(curve, recipient_public_key);
                    is_key = matches!(curve, EllipticCurve::Known(curve) if EcPublicKey::new(curve, recipient_public_key).is_ok());
                    Some("SC.03")
                }
                KeyDetails::Rsa { recipient_public_key } => {
                    details.rsa(recipient_public_key);
                    is_key = details.rsa_modulus_bits.is_some();
                    Some("SC.04")
                }
                KeyDetails::Unknown(_) => None,
            };
            details.server_id = Some(string(server.keyserver_id));
            details.transaction_id = Some(string(server.transaction_id));
            ("KeyServerCapsule", scheme, is_key.then_some("key"))
        }
        Capsule::SymmetricKey(_) => ("SymmetricKeyCapsule", Some("SC.05"), Some("secret")),
        Capsule::Pbkdf2(Pbkdf2Capsule { kdf_algorithm_identifier: kdf, kdf_iterations, .. }) => {
            let is_known = matches!(kdf, KdfAlgorithmIdentifier::Pbkdf2WithHmacSha256);
            details.kdf = Some(match kdf {
                KdfAlgorithmIdentifier::Pbkdf2WithHmacSha256 => "PBKDF2WithHmacSHA256".to_owned(),
                KdfAlgorithmIdentifier::Unknown(value) => unknown(*value),
            });
            details.kdf_iterations = Some(*kdf_iterations);
            ("PBKDF2Capsule", Some("SC.06"), (is_known && *kdf_iterations > 0).then_some("password"))
        }
        Capsule::KeyShares(shares) => {
            let share = |share: cdoc2::core::wire::capsule::ShareLocation<'_>| Share {
                server_url: string(share.server_base_url),
                server_owner: None,
                share_id: string(share.share_id),
            };
            details.shares = Some(shares.shares.iter().map(share).collect());
            details.shares_recipient_id = Some(string(shares.recipient_id));
            ("KeySharesCapsule", Some("SC.07"), shares_server::recipient(shares).is_ok().then_some("auth"))
        }
        Capsule::Unknown(value) => return (unknown(*value), None, None, details),
    };
    (name.to_owned(), scheme, opened_by, details)
}

impl Details {
    fn ecc(&mut self, curve: EllipticCurve, recipient_public_key: &[u8]) {
        self.curve = Some(match curve {
            EllipticCurve::Known(curve) => curve.name().to_owned(),
            EllipticCurve::Unknown(value) => unknown(value),
        });
        self.public_key_sha256 = Some(sha256(recipient_public_key));
    }

    fn rsa(&mut self, recipient_public_key: &[u8]) {
        self.rsa_modulus_bits = RsaPublicKey::from_pkcs1(recipient_public_key).ok().map(|key| key.bits());
        self.public_key_sha256 = Some(sha256(recipient_public_key));
    }
}

fn is_sound(capsule: &EccPublicKeyCapsule<'_>) -> bool {
    let is_point = |curve: Curve, octets| EcPublicKey::new(curve, octets).is_ok();
    match capsule.curve {
        EllipticCurve::Known(curve) => is_point(curve, capsule.recipient_public_key) && is_point(curve, capsule.sender_public_key),
        EllipticCurve::Unknown(_) => false,
    }
}

/// `server_exp` of the label, as a date where it is one.
fn expires(label: &KeyLabel<'_>) -> Option<String> {
    let value = lossy(&label::octets(&label.fields()?.get(LabelField::ServerExp)?));
    Some(value.parse().ok().and_then(text::moment).unwrap_or(value))
}

/// The same words for every value that no schema lists.
fn unknown(value: impl std::fmt::Display) -> String {
    format!("unknown ({value})")
}

fn string(text: Text<'_>) -> String {
    text.to_string()
}

fn lossy(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn sha256(octets: &[u8]) -> String {
    Sha256::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}
