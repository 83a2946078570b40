//! A header as plain owned values, with which both readers and both writers are compared.
//!
//! Enumerations are numbers here, as on the wire, so that unknown values need no case of their own.

use std::string::FromUtf8Error;

use cdoc2_nostd::Curve;
use cdoc2_nostd::wire::capsule::{
    self, EccPublicKeyCapsule, EllipticCurve, FmkEncryptionMethod, KdfAlgorithmIdentifier, KeyServerCapsule, KeyShareRecipientType,
    KeySharesCapsule, Pbkdf2Capsule, RsaPublicKeyCapsule, ShareLocation, Shares, SharesScheme, SymmetricKeyCapsule, Text,
};
use cdoc2_nostd::wire::header::RecipientRecord;
use cdoc2_nostd::wire::label::KeyLabel;

/// `Header`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the schema")]
pub struct Header {
    pub recipients: Vec<Record>,
    pub payload_encryption_method: i8,
}

/// `RecipientRecord`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the schema")]
pub struct Record {
    pub capsule: Capsule,
    pub key_label: String,
    pub encrypted_fmk: Vec<u8>,
    pub fmk_encryption_method: i8,
}

/// `Capsule`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the schema")]
pub enum Capsule {
    EccPublicKey {
        curve: i8,
        recipient_public_key: Vec<u8>,
        sender_public_key: Vec<u8>,
    },
    RsaPublicKey {
        recipient_public_key: Vec<u8>,
        encrypted_kek: Vec<u8>,
    },
    KeyServer {
        recipient_key_details: KeyDetails,
        keyserver_id: String,
        transaction_id: String,
    },
    SymmetricKey {
        salt: Vec<u8>,
    },
    Pbkdf2 {
        salt: Vec<u8>,
        password_salt: Vec<u8>,
        kdf_algorithm_identifier: i8,
        kdf_iterations: i32,
    },
    KeyShares {
        shares: Vec<Share>,
        salt: Vec<u8>,
        recipient_type: i8,
        shares_scheme: i8,
        recipient_id: String,
    },
    /// A type that the schema does not list, or 0 for none.
    Unknown(u8),
}

/// `KeyDetailsUnion`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the schema")]
pub enum KeyDetails {
    Ecc {
        curve: i8,
        recipient_public_key: Vec<u8>,
    },
    Rsa {
        recipient_public_key: Vec<u8>,
    },
    /// A type that the schema does not list, or 0 for none.
    Unknown(u8),
}

/// `KeyShare`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the schema")]
pub struct Share {
    pub server_base_url: String,
    pub share_id: String,
}

impl Header {
    /// The values that the core reads.
    ///
    /// # Errors
    /// A string is not UTF-8: the core keeps such strings, the schema does not allow them.
    pub fn from_core(header: &cdoc2_nostd::wire::header::Header<'_>) -> Result<Self, FromUtf8Error> {
        Ok(Self {
            recipients: header.records().map(|record| Record::from_core(&record)).collect::<Result<_, _>>()?,
            payload_encryption_method: header.payload_encryption_method().to_wire(),
        })
    }

    /// Lends the records to `write` in the form that the core writes.
    pub fn with_records<R>(&self, write: impl FnOnce(&[RecipientRecord<'_>]) -> R) -> R {
        let shares: Vec<Vec<ShareLocation<'_>>> = self.recipients.iter().map(|record| record.capsule.shares()).collect();
        let records: Vec<_> = self.recipients.iter().zip(&shares).map(|(record, shares)| record.to_core(shares)).collect();
        write(&records)
    }
}

impl Record {
    fn from_core(record: &RecipientRecord<'_>) -> Result<Self, FromUtf8Error> {
        Ok(Self {
            capsule: Capsule::from_core(&record.capsule)?,
            key_label: String::from_utf8(record.key_label.octets().to_vec())?,
            encrypted_fmk: record.encrypted_fmk.to_vec(),
            fmk_encryption_method: record.fmk_encryption_method.to_wire(),
        })
    }

    fn to_core<'b>(&'b self, shares: &'b [ShareLocation<'b>]) -> RecipientRecord<'b> {
        RecipientRecord {
            capsule: self.capsule.to_core(shares),
            key_label: KeyLabel::new(self.key_label.as_bytes()),
            encrypted_fmk: &self.encrypted_fmk,
            fmk_encryption_method: match self.fmk_encryption_method {
                1 => FmkEncryptionMethod::Xor,
                other => FmkEncryptionMethod::Unknown(other),
            },
        }
    }
}

impl Capsule {
    fn shares(&self) -> Vec<ShareLocation<'_>> {
        let Self::KeyShares { shares, .. } = self else { return Vec::new() };
        shares.iter().map(Share::to_core).collect()
    }

    fn from_core(capsule: &capsule::Capsule<'_>) -> Result<Self, FromUtf8Error> {
        Ok(match capsule {
            capsule::Capsule::EccPublicKey(capsule) => Self::EccPublicKey {
                curve: capsule.curve.to_wire(),
                recipient_public_key: capsule.recipient_public_key.to_vec(),
                sender_public_key: capsule.sender_public_key.to_vec(),
            },
            capsule::Capsule::RsaPublicKey(capsule) => Self::RsaPublicKey {
                recipient_public_key: capsule.recipient_public_key.to_vec(),
                encrypted_kek: capsule.encrypted_kek.to_vec(),
            },
            capsule::Capsule::KeyServer(capsule) => Self::KeyServer {
                recipient_key_details: KeyDetails::from_core(&capsule.recipient_key_details),
                keyserver_id: text(capsule.keyserver_id)?,
                transaction_id: text(capsule.transaction_id)?,
            },
            capsule::Capsule::SymmetricKey(capsule) => Self::SymmetricKey { salt: capsule.salt.to_vec() },
            capsule::Capsule::Pbkdf2(capsule) => Self::Pbkdf2 {
                salt: capsule.salt.to_vec(),
                password_salt: capsule.password_salt.to_vec(),
                kdf_algorithm_identifier: capsule.kdf_algorithm_identifier.to_wire(),
                kdf_iterations: capsule.kdf_iterations,
            },
            capsule::Capsule::KeyShares(capsule) => Self::KeyShares {
                shares: capsule.shares.iter().map(|share| Share::from_core(&share)).collect::<Result<_, _>>()?,
                salt: capsule.salt.to_vec(),
                recipient_type: capsule.recipient_type.to_wire(),
                shares_scheme: capsule.shares_scheme.to_wire(),
                recipient_id: text(capsule.recipient_id)?,
            },
            capsule::Capsule::Unknown(capsule_type) => Self::Unknown(*capsule_type),
        })
    }

    fn to_core<'b>(&'b self, shares: &'b [ShareLocation<'b>]) -> capsule::Capsule<'b> {
        match self {
            Self::EccPublicKey { curve, recipient_public_key, sender_public_key } => {
                capsule::Capsule::EccPublicKey(EccPublicKeyCapsule {
                    curve: elliptic_curve(*curve),
                    recipient_public_key,
                    sender_public_key,
                })
            }
            Self::RsaPublicKey { recipient_public_key, encrypted_kek } => {
                capsule::Capsule::RsaPublicKey(RsaPublicKeyCapsule { recipient_public_key, encrypted_kek })
            }
            Self::KeyServer { recipient_key_details, keyserver_id, transaction_id } => {
                capsule::Capsule::KeyServer(KeyServerCapsule {
                    recipient_key_details: recipient_key_details.to_core(),
                    keyserver_id: keyserver_id.as_str().into(),
                    transaction_id: transaction_id.as_str().into(),
                })
            }
            Self::SymmetricKey { salt } => capsule::Capsule::SymmetricKey(SymmetricKeyCapsule { salt }),
            Self::Pbkdf2 { salt, password_salt, kdf_algorithm_identifier, kdf_iterations } => {
                capsule::Capsule::Pbkdf2(Pbkdf2Capsule {
                    salt,
                    password_salt,
                    kdf_algorithm_identifier: match *kdf_algorithm_identifier {
                        1 => KdfAlgorithmIdentifier::Pbkdf2WithHmacSha256,
                        other => KdfAlgorithmIdentifier::Unknown(other),
                    },
                    kdf_iterations: *kdf_iterations,
                })
            }
            Self::KeyShares { salt, recipient_type, shares_scheme, recipient_id, .. } => {
                capsule::Capsule::KeyShares(KeySharesCapsule {
                    shares: Shares::new(shares),
                    salt,
                    recipient_type: match *recipient_type {
                        1 => KeyShareRecipientType::SidMid,
                        other => KeyShareRecipientType::Unknown(other),
                    },
                    shares_scheme: match *shares_scheme {
                        1 => SharesScheme::NOfN,
                        other => SharesScheme::Unknown(other),
                    },
                    recipient_id: recipient_id.as_str().into(),
                })
            }
            Self::Unknown(capsule_type) => capsule::Capsule::Unknown(*capsule_type),
        }
    }
}

impl KeyDetails {
    fn from_core(details: &capsule::KeyDetails<'_>) -> Self {
        match details {
            capsule::KeyDetails::Ecc { curve, recipient_public_key } => {
                Self::Ecc { curve: curve.to_wire(), recipient_public_key: recipient_public_key.to_vec() }
            }
            capsule::KeyDetails::Rsa { recipient_public_key } => Self::Rsa { recipient_public_key: recipient_public_key.to_vec() },
            capsule::KeyDetails::Unknown(kind) => Self::Unknown(*kind),
        }
    }

    fn to_core(&self) -> capsule::KeyDetails<'_> {
        match self {
            Self::Ecc { curve, recipient_public_key } => {
                capsule::KeyDetails::Ecc { curve: elliptic_curve(*curve), recipient_public_key }
            }
            Self::Rsa { recipient_public_key } => capsule::KeyDetails::Rsa { recipient_public_key },
            Self::Unknown(kind) => capsule::KeyDetails::Unknown(*kind),
        }
    }
}

impl Share {
    fn from_core(share: &ShareLocation<'_>) -> Result<Self, FromUtf8Error> {
        Ok(Self { server_base_url: text(share.server_base_url)?, share_id: text(share.share_id)? })
    }

    fn to_core(&self) -> ShareLocation<'_> {
        ShareLocation { server_base_url: self.server_base_url.as_str().into(), share_id: self.share_id.as_str().into() }
    }
}

fn text(text: Text<'_>) -> Result<String, FromUtf8Error> {
    String::from_utf8(text.0.to_vec())
}

fn elliptic_curve(value: i8) -> EllipticCurve {
    match value {
        1 => EllipticCurve::Known(Curve::Secp384r1),
        2 => EllipticCurve::Known(Curve::Secp256r1),
        3 => EllipticCurve::Known(Curve::Secp521r1),
        other => EllipticCurve::Unknown(other),
    }
}
