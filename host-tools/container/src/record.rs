//! Recipient records that are about to be written.

use cdoc2_nostd::Curve;
use cdoc2_nostd::key::KEY_LEN;
use cdoc2_nostd::wire::capsule::{
    Capsule, EccPublicKeyCapsule, EllipticCurve, FmkEncryptionMethod, KdfAlgorithmIdentifier, KeyDetails, KeyServerCapsule,
    KeyShareRecipientType, KeySharesCapsule, Pbkdf2Capsule, RsaPublicKeyCapsule, ShareLocation, Shares, SharesScheme,
    SymmetricKeyCapsule,
};
use cdoc2_nostd::wire::emit::MIN_KDF_ITERATIONS;
use cdoc2_nostd::wire::header::RecipientRecord;
use cdoc2_nostd::wire::label::KeyLabel;

use crate::keys::PublicKey;
use crate::server::ServerCapsule;

/// A record whose octets it owns: public data, no key.
pub(crate) struct Record {
    pub(crate) capsule: OwnCapsule,
    pub(crate) key_label: Vec<u8>,
    pub(crate) encrypted_fmk: [u8; KEY_LEN],
}

pub(crate) enum OwnCapsule {
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
    /// Without locations until the servers have said which they are.
    KeyShares {
        recipient_id: String,
        salt: [u8; KEY_LEN],
        locations: Vec<OwnLocation>,
    },
}

/// Where a key share is.
pub(crate) struct OwnLocation {
    pub(crate) server_base_url: String,
    pub(crate) share_id: String,
}

impl OwnLocation {
    fn view(&self) -> ShareLocation<'_> {
        ShareLocation { server_base_url: self.server_base_url.as_str().into(), share_id: self.share_id.as_str().into() }
    }
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

    /// Where its shares are: what a [`view`](Self::view) borrows.
    pub(crate) fn locations(&self) -> Vec<ShareLocation<'_>> {
        let OwnCapsule::KeyShares { locations, .. } = &self.capsule else { return Vec::new() };
        locations.iter().map(OwnLocation::view).collect()
    }

    /// The record as it is written; `locations` are its own.
    pub(crate) fn view<'a>(&'a self, locations: &'a [ShareLocation<'a>]) -> RecipientRecord<'a> {
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
            OwnCapsule::KeyShares { recipient_id, salt, .. } => Capsule::KeyShares(KeySharesCapsule {
                shares: Shares::new(locations),
                salt,
                recipient_type: KeyShareRecipientType::SidMid,
                shares_scheme: SharesScheme::NOfN,
                recipient_id: recipient_id.as_str().into(),
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
