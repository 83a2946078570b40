//! Recipients: who shall be able to open a container, and the record that makes them able to.

use cdoc2_nostd::key::{Fmk, KEY_LEN, Kek};
use cdoc2_nostd::wire::capsule::{
    Capsule, EccPublicKeyCapsule, EllipticCurve, FmkEncryptionMethod, KdfAlgorithmIdentifier, KeyDetails, KeyServerCapsule,
    Pbkdf2Capsule, RsaPublicKeyCapsule, SymmetricKeyCapsule,
};
use cdoc2_nostd::wire::emit::MIN_KDF_ITERATIONS;
use cdoc2_nostd::wire::header::RecipientRecord;
use cdoc2_nostd::wire::label::{KeyLabel, LabelField, LabelType, NewKeyLabel};
use cdoc2_nostd::{Curve, Field, derive};
use getrandom::SysRng;
use getrandom::rand_core::TryRng as _;
use zeroize::Zeroizing;

use crate::Error;
use crate::holder::agree;
use crate::keys::{Certificate, EcPrivateKey, EcPublicKey, EidType, PublicKey, RsaPublicKey};
use crate::server::{Receipt, ServerCapsule};

/// Octets of the shortest symmetric key that is written. Java refuses a shorter one; libcdoc wants exactly this many.
pub const MIN_SYMMETRIC_KEY_LEN: usize = KEY_LEN;

/// Somebody who shall be able to open the container.
pub enum Recipient {
    /// The holder of a certificate's private key. The label names the holder.
    Certificate(Box<Certificate>),
    /// The holder of a private key.
    PublicKey {
        /// The public half.
        key: PublicKey,
        /// What the key is called, for example the name of its file.
        label: String,
    },
    /// Whoever knows a password.
    Password {
        /// UTF-8, as it was typed.
        password: Zeroizing<Vec<u8>>,
        /// The hint that is shown to whoever opens the container.
        label: String,
    },
    /// Whoever has a symmetric key.
    SymmetricKey {
        /// At least [`MIN_SYMMETRIC_KEY_LEN`] octets.
        key: Zeroizing<Vec<u8>>,
        /// What the key is called.
        label: String,
    },
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recipient").field("label", &self.label_text()).finish_non_exhaustive()
    }
}

impl Recipient {
    /// The public key, if it is one that identifies the recipient.
    #[must_use]
    pub fn public_key(&self) -> Option<&PublicKey> {
        match self {
            Self::Certificate(certificate) => Some(certificate.public_key()),
            Self::PublicKey { key, .. } => Some(key),
            Self::Password { .. } | Self::SymmetricKey { .. } => None,
        }
    }

    /// What a person calls this recipient.
    #[must_use]
    pub fn label_text(&self) -> &str {
        match self {
            Self::Certificate(certificate) => certificate.common_name().unwrap_or_default(),
            Self::PublicKey { label, .. } | Self::Password { label, .. } | Self::SymmetricKey { label, .. } => label,
        }
    }

    /// The label as it is stored: machine-readable, as DigiDoc4 and the Java implementation write it. `server_exp` is when the capsule expires
    /// on its server, in seconds after 1970. Appendix D has it for certificates only, and lets everybody add fields.
    fn key_label(&self, server_exp: Option<u64>) -> Result<Vec<u8>, cdoc2_nostd::Error> {
        let (label_type, mut fields) = match self {
            Self::Certificate(certificate) => certificate_label(certificate),
            Self::PublicKey { label, .. } => (LabelType::PublicKey, vec![(LabelField::Label, label.clone())]),
            Self::Password { label, .. } => (LabelType::Password, vec![(LabelField::Label, label.clone())]),
            Self::SymmetricKey { label, .. } => (LabelType::Secret, vec![(LabelField::Label, label.clone())]),
        };
        fields.extend(server_exp.map(|seconds| (LabelField::ServerExp, seconds.to_string())));
        let fields: Vec<_> =
            fields.iter().filter(|(_, value)| !value.is_empty()).map(|(field, value)| (*field, value.as_str())).collect();
        let label = NewKeyLabel::new(label_type, &fields)?;
        let mut octets = vec![0; label.encoded_len()];
        label.emit(&mut octets)?;
        Ok(octets)
    }

    /// The record that lets this recipient obtain `fmk`.
    pub(crate) fn record(&self, fmk: &Fmk) -> Result<Record, Error> {
        let key_label = self.key_label(None)?;
        let (capsule, kek) = match self {
            Self::Certificate(certificate) => public_key_capsule(certificate.public_key())?,
            Self::PublicKey { key, .. } => public_key_capsule(key)?,
            Self::Password { password, .. } => {
                let (salt, password_salt) = (random()?, random()?);
                let iterations =
                    MIN_KDF_ITERATIONS.try_into().map_err(|_| cdoc2_nostd::Error::InvalidInput(Field::KdfIterations))?;
                let kek = derive::kek_from_password(password, &password_salt, iterations, &salt, &key_label)?;
                (OwnCapsule::Pbkdf2 { salt, password_salt }, kek)
            }
            Self::SymmetricKey { key, .. } => {
                if key.len() < MIN_SYMMETRIC_KEY_LEN {
                    return Err(cdoc2_nostd::Error::InvalidInput(Field::Secret).into());
                }
                let salt = random()?;
                let kek = derive::kek_from_symmetric_key(key, &salt, &key_label)?;
                (OwnCapsule::SymmetricKey { salt }, kek)
            }
        };
        Ok(Record { capsule, key_label, encrypted_fmk: kek.encrypt_fmk(fmk) })
    }

    /// `record`, one of this recipient, with its capsule on the server called `server`, which gave `receipt` for it.
    pub(crate) fn on_server(&self, record: &Record, server: &str, receipt: Receipt) -> Result<Record, Error> {
        let (curve, recipient_public_key) = match &record.capsule {
            OwnCapsule::Ecc { curve, recipient_public_key, .. } => (Some(*curve), recipient_public_key),
            OwnCapsule::Rsa { recipient_public_key, .. } => (None, recipient_public_key),
            _ => return Err(cdoc2_nostd::Error::InvalidInput(Field::RecipientKeyDetails).into()),
        };
        let capsule = OwnCapsule::KeyServer {
            curve,
            recipient_public_key: recipient_public_key.clone(),
            server: server.to_owned(),
            transaction_id: receipt.transaction_id,
        };
        Ok(Record { capsule, key_label: self.key_label(receipt.expiry)?, encrypted_fmk: record.encrypted_fmk })
    }
}

fn certificate_label(certificate: &Certificate) -> (LabelType, Vec<(LabelField, String)>) {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let cn = (LabelField::Cn, text(certificate.common_name()));
    let eid = match certificate.eid_type() {
        Some(EidType::IdCard) => LabelType::IdCard,
        Some(EidType::DigiId) => LabelType::DigiId,
        Some(EidType::DigiIdEResident) => LabelType::DigiIdEResident,
        None => return (LabelType::Certificate, vec![cn, (LabelField::CertSha1, certificate.sha1_hex())]),
    };
    let fields = vec![
        cn,
        (LabelField::SerialNumber, text(certificate.serial_number())),
        (LabelField::LastName, text(certificate.surname())),
        (LabelField::FirstName, text(certificate.given_name())),
    ];
    (eid, fields)
}

/// A record whose octets it owns: public data, no key.
pub(crate) struct Record {
    capsule: OwnCapsule,
    key_label: Vec<u8>,
    encrypted_fmk: [u8; KEY_LEN],
}

enum OwnCapsule {
    Ecc {
        curve: Curve,
        recipient_public_key: Vec<u8>,
        sender_public_key: Vec<u8>,
    },
    Rsa {
        recipient_public_key: Vec<u8>,
        encrypted_kek: Vec<u8>,
    },
    /// `curve` is that of an elliptic-curve key.
    KeyServer {
        curve: Option<Curve>,
        recipient_public_key: Vec<u8>,
        server: String,
        transaction_id: String,
    },
    SymmetricKey {
        salt: [u8; KEY_LEN],
    },
    Pbkdf2 {
        salt: [u8; KEY_LEN],
        password_salt: [u8; KEY_LEN],
    },
}

impl Record {
    /// What a server would keep of it: `key` is the recipient's.
    pub(crate) fn server_capsule<'a>(&'a self, key: &'a PublicKey) -> Option<ServerCapsule<'a>> {
        let ephemeral_key_material = match &self.capsule {
            OwnCapsule::Ecc { sender_public_key, .. } => sender_public_key,
            OwnCapsule::Rsa { encrypted_kek, .. } => encrypted_kek,
            _ => return None,
        };
        Some(ServerCapsule { recipient: key, ephemeral_key_material })
    }

    pub(crate) fn view(&self) -> RecipientRecord<'_> {
        let capsule = match &self.capsule {
            OwnCapsule::Ecc { curve, recipient_public_key, sender_public_key } => {
                let curve = EllipticCurve::Known(*curve);
                Capsule::EccPublicKey(EccPublicKeyCapsule { curve, recipient_public_key, sender_public_key })
            }
            OwnCapsule::Rsa { recipient_public_key, encrypted_kek } => {
                Capsule::RsaPublicKey(RsaPublicKeyCapsule { recipient_public_key, encrypted_kek })
            }
            OwnCapsule::KeyServer { curve, recipient_public_key, server, transaction_id } => {
                let recipient_key_details = match curve {
                    Some(curve) => KeyDetails::Ecc { curve: EllipticCurve::Known(*curve), recipient_public_key },
                    None => KeyDetails::Rsa { recipient_public_key },
                };
                let (keyserver_id, transaction_id) = (server.as_str().into(), transaction_id.as_str().into());
                Capsule::KeyServer(KeyServerCapsule { recipient_key_details, keyserver_id, transaction_id })
            }
            OwnCapsule::SymmetricKey { salt } => Capsule::SymmetricKey(SymmetricKeyCapsule { salt }),
            OwnCapsule::Pbkdf2 { salt, password_salt } => Capsule::Pbkdf2(Pbkdf2Capsule {
                salt,
                password_salt,
                kdf_algorithm_identifier: KdfAlgorithmIdentifier::Pbkdf2WithHmacSha256,
                // Java reads every container with this number, whatever the container says.
                kdf_iterations: MIN_KDF_ITERATIONS.cast_signed(),
            }),
        };
        RecipientRecord {
            capsule,
            key_label: KeyLabel::new(&self.key_label),
            encrypted_fmk: &self.encrypted_fmk,
            fmk_encryption_method: FmkEncryptionMethod::Xor,
        }
    }
}

fn public_key_capsule(key: &PublicKey) -> Result<(OwnCapsule, Kek), Error> {
    match key {
        PublicKey::Ec(key) => ecc_capsule(key),
        PublicKey::Rsa(key) => rsa_capsule(key),
    }
}

/// A fresh ephemeral key for each recipient, so that nothing links two of them.
fn ecc_capsule(recipient: &EcPublicKey) -> Result<(OwnCapsule, Kek), Error> {
    let ephemeral = EcPrivateKey::generate(recipient.curve())?;
    let recipient_public_key = recipient.point().to_vec();
    let sender_public_key = ephemeral.public_key().point().to_vec();
    let shared = agree(&ephemeral, &recipient_public_key)?;
    let kek = derive::kek_from_shared_secret(&shared, &recipient_public_key, &sender_public_key)?;
    Ok((OwnCapsule::Ecc { curve: recipient.curve(), recipient_public_key, sender_public_key }, kek))
}

fn rsa_capsule(recipient: &RsaPublicKey) -> Result<(OwnCapsule, Kek), Error> {
    let kek = Kek::generate(&mut SysRng)?;
    let encrypted_kek = recipient.encrypt_kek(kek.expose())?;
    Ok((OwnCapsule::Rsa { recipient_public_key: recipient.pkcs1().to_vec(), encrypted_kek }, kek))
}

pub(crate) fn random<const LEN: usize>() -> Result<[u8; LEN], Error> {
    let mut octets = [0; LEN];
    SysRng.try_fill_bytes(&mut octets).map_err(|_| Error::Random)?;
    Ok(octets)
}
