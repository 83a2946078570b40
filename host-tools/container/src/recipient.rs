//! Recipients: who shall be able to open a container, and the record that makes them able to.

use cdoc2_nostd::key::{Fmk, KEY_LEN, Kek, KeyShare};
use cdoc2_nostd::wire::emit::MIN_KDF_ITERATIONS;
use cdoc2_nostd::wire::label::{LabelField, LabelType, NewKeyLabel};
use cdoc2_nostd::{Field, derive};
use getrandom::SysRng;
use getrandom::rand_core::TryRng as _;
use zeroize::Zeroizing;

use crate::Error;
use crate::holder::agree;
use crate::keys::{Certificate, EcPrivateKey, EcPublicKey, EidType, PublicKey, RsaPublicKey};
use crate::record::{OwnCapsule, OwnLocation, Record};
use crate::server::Receipt;
use crate::shares::{self, ShareReceipt};

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
    /// Whoever can sign in as somebody at all of several [shares servers](crate::SharesServers).
    KeyShares {
        /// As who, such as "etsi/PNOEE-48010010101" (specification, "ETSI semantics identifier" and "Private company issuer identifier").
        recipient_id: String,
    },
}

/// Without personal codes.
impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let label = if self.shares_recipient_id().is_some() { "" } else { self.label_text() };
        f.debug_struct("Recipient").field("label", &label).finish_non_exhaustive()
    }
}

impl Recipient {
    /// The public key, if it is one that identifies the recipient.
    #[must_use]
    pub fn public_key(&self) -> Option<&PublicKey> {
        match self {
            Self::Certificate(certificate) => Some(certificate.public_key()),
            Self::PublicKey { key, .. } => Some(key),
            Self::Password { .. } | Self::SymmetricKey { .. } | Self::KeyShares { .. } => None,
        }
    }

    /// As who the recipient signs in, if it is by that.
    #[must_use]
    pub fn shares_recipient_id(&self) -> Option<&str> {
        match self {
            Self::KeyShares { recipient_id } => Some(recipient_id),
            Self::Certificate(_) | Self::PublicKey { .. } | Self::Password { .. } | Self::SymmetricKey { .. } => None,
        }
    }

    /// What a person calls this recipient.
    #[must_use]
    pub fn label_text(&self) -> &str {
        match self {
            Self::Certificate(certificate) => certificate.common_name().unwrap_or_default(),
            Self::PublicKey { label, .. } | Self::Password { label, .. } | Self::SymmetricKey { label, .. } => label,
            Self::KeyShares { recipient_id } => recipient_id,
        }
    }

    /// The label as it is stored: machine-readable, as DigiDoc4 and the Java implementation write it. `server_exp` is when the capsule, or the first
    /// of its shares, expires on its server, in seconds after 1970. Appendix D has it for certificates only, and lets everybody add fields.
    fn key_label(&self, server_exp: Option<u64>) -> Result<Vec<u8>, cdoc2_nostd::Error> {
        let (label_type, mut fields) = match self {
            Self::Certificate(certificate) => certificate_label(certificate),
            Self::PublicKey { label, .. } => (LabelType::PublicKey, vec![(LabelField::Label, label.clone())]),
            Self::Password { label, .. } => (LabelType::Password, vec![(LabelField::Label, label.clone())]),
            Self::SymmetricKey { label, .. } => (LabelType::Secret, vec![(LabelField::Label, label.clone())]),
            Self::KeyShares { recipient_id } => (LabelType::Auth, vec![(LabelField::Sn, recipient_id.clone())]),
        };
        fields.extend(server_exp.map(|seconds| (LabelField::ServerExp, seconds.to_string())));
        let fields: Vec<_> =
            fields.iter().filter(|(_, value)| !value.is_empty()).map(|(field, value)| (*field, value.as_str())).collect();
        let label = NewKeyLabel::new(label_type, &fields)?;
        let mut octets = vec![0; label.encoded_len()];
        label.emit(&mut octets)?;
        Ok(octets)
    }

    /// The record that lets this recipient obtain `fmk`, and the shares of its KEK for `shares_servers`, if it is one of those that are split. Such a
    /// record lacks the ids of the shares.
    pub(crate) fn record(&self, fmk: &Fmk, shares_servers: &[&str]) -> Result<(Record, Vec<KeyShare>), Error> {
        let key_label = self.key_label(None)?;
        let mut shares = Vec::new();
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
            Self::KeyShares { recipient_id } => {
                let salt = random()?;
                let kek = shares::kek(recipient_id, &salt)?;
                shares = shares::split(&kek, shares_servers.len())?;
                (OwnCapsule::KeyShares { recipient_id: recipient_id.clone(), salt, locations: Vec::new() }, kek)
            }
        };
        Ok((Record { capsule, key_label, encrypted_fmk: kek.encrypt_fmk(fmk) }, shares))
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

    /// `record`, one of this recipient, with its shares on `servers`, which gave `receipts` for them.
    pub(crate) fn on_shares_servers(
        &self,
        record: &Record,
        servers: &[&str],
        receipts: Vec<ShareReceipt>,
    ) -> Result<Record, Error> {
        let OwnCapsule::KeyShares { recipient_id, salt, .. } = &record.capsule else {
            return Err(cdoc2_nostd::Error::InvalidInput(Field::Shares).into());
        };
        let expiry = receipts.iter().filter_map(|receipt| receipt.expiry).min();
        let location = |(server, receipt): (&&str, ShareReceipt)| OwnLocation {
            server_base_url: (*server).to_owned(),
            share_id: receipt.share_id,
        };
        let locations = servers.iter().zip(receipts).map(location).collect();
        let capsule = OwnCapsule::KeyShares { recipient_id: recipient_id.clone(), salt: *salt, locations };
        Ok(Record { capsule, key_label: self.key_label(expiry)?, encrypted_fmk: record.encrypted_fmk })
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
