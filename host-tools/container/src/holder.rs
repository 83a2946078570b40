//! Private keys of a host as holders of a recipient's key.

use std::convert::Infallible;

use cdoc2_nostd::holder::{Fit, KeyHolder, Released};
use cdoc2_nostd::key::{Kek, SharedSecret};
use cdoc2_nostd::symmetric::{Password, SymmetricKey};
use cdoc2_nostd::wire::capsule::{Capsule, EccPublicKeyCapsule, EllipticCurve, RsaPublicKeyCapsule};
use cdoc2_nostd::wire::envelope::Envelope;
use cdoc2_nostd::wire::header::RecipientRecord;
use cdoc2_nostd::{Curve, Feature, Field, derive};
use zeroize::Zeroizing;

use crate::Error;
use crate::keys::{self, EcPrivateKey, PrivateKey};

/// What opens a container.
pub enum Unlock {
    /// The private key of an elliptic-curve or RSA recipient.
    PrivateKey(PrivateKey),
    /// A password, UTF-8 as it was typed.
    Password(Zeroizing<Vec<u8>>),
    /// A pre-shared symmetric key.
    SymmetricKey(Zeroizing<Vec<u8>>),
}

impl std::fmt::Debug for Unlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Unlock").field(&self.what()).finish_non_exhaustive()
    }
}

impl Unlock {
    /// What it is, in a word.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::PrivateKey(_) => "key",
            Self::Password(_) => "password",
            Self::SymmetricKey(_) => "secret",
        }
    }

    /// The key with the bound on password hashing that it works under, over all its records.
    #[must_use]
    pub fn holder(&self, max_kdf_iterations: u32) -> Holder<'_> {
        Holder { unlock: self, max_kdf_iterations, kdf_iterations: 0 }
    }
}

/// An error of a key holder, as far as the opening of a container has to understand it.
pub trait UnlockError: From<Error> {
    /// The error, if it concerns the record that was tried, so that another may open; `None` if it concerns the holder: a card that was
    /// taken out, a wrong PIN.
    fn about_record(&self) -> Option<&Error>;
}

impl UnlockError for Error {
    fn about_record(&self) -> Option<&Self> {
        Some(self)
    }
}

/// An [`Unlock`] at work.
#[derive(Debug)]
pub struct Holder<'u> {
    unlock: &'u Unlock,
    max_kdf_iterations: u32,
    /// Those that were run.
    kdf_iterations: u32,
}

impl Holder<'_> {
    /// The KEK of `record` by the password, and the iterations of all records before it counted in.
    fn kek_from_password(&mut self, octets: &[u8], record: &RecipientRecord<'_>) -> Result<Kek, Error> {
        let left = self.max_kdf_iterations.saturating_sub(self.kdf_iterations);
        let kek = Password::new(octets).with_max_iterations(left).kek(record).map_err(Error::from);
        match kek {
            Err(Error::KdfIterations { asked, .. }) => {
                Err(Error::KdfIterations { asked: asked + u64::from(self.kdf_iterations), limit: self.max_kdf_iterations })
            }
            kek => {
                if let Capsule::Pbkdf2(capsule) = record.capsule {
                    let run = u32::try_from(capsule.kdf_iterations).unwrap_or(0);
                    self.kdf_iterations = self.kdf_iterations.saturating_add(run);
                }
                kek
            }
        }
    }
}

impl KeyHolder for Holder<'_> {
    type Error = Error;

    fn fit(&self, record: &RecipientRecord<'_>) -> Fit {
        match self.unlock {
            Unlock::PrivateKey(key) => {
                let public_key = key.public_key();
                let fits = match record.capsule {
                    Capsule::EccPublicKey(EccPublicKeyCapsule {
                        curve: EllipticCurve::Known(curve), recipient_public_key, ..
                    }) => public_key.is_ec_recipient(curve, recipient_public_key),
                    Capsule::RsaPublicKey(capsule) => public_key.is_rsa_recipient(capsule.recipient_public_key),
                    _ => false,
                };
                if fits { Fit::Yes } else { Fit::No }
            }
            Unlock::Password(password) => Password::new(password).fit(record),
            Unlock::SymmetricKey(key) => SymmetricKey::new(key).fit(record),
        }
    }

    fn release(&mut self, _: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<Released, Error> {
        let kek = match (self.unlock, record.capsule) {
            (Unlock::PrivateKey(PrivateKey::Ec(key)), Capsule::EccPublicKey(capsule)) => ecc_kek(key, &capsule),
            (Unlock::PrivateKey(PrivateKey::Rsa(key)), Capsule::RsaPublicKey(RsaPublicKeyCapsule { encrypted_kek, .. })) => {
                // Any failure looks like a wrong key: what RSA-OAEP says of it must not be told apart.
                Kek::decrypted(|kek| key.decrypt_kek(encrypted_kek, kek)).map_err(|_| Error::Rejected)
            }
            (Unlock::Password(password), Capsule::Pbkdf2(_)) => self.kek_from_password(password, record),
            (Unlock::SymmetricKey(key), Capsule::SymmetricKey(_)) => Ok(SymmetricKey::new(key).kek(record)?),
            _ => Err(Error::Unsupported(Feature::Capsule)),
        };
        kek.map(Released::Kek)
    }
}

fn ecc_kek(key: &EcPrivateKey, capsule: &EccPublicKeyCapsule<'_>) -> Result<Kek, Error> {
    let shared = agree(key, capsule.sender_public_key).map_err(|error| match error {
        keys::Error::InvalidPoint => Error::Malformed(Field::SenderPublicKey),
        other => Error::Key(other),
    })?;
    Ok(derive::kek_from_shared_secret(&shared, capsule.recipient_public_key, capsule.sender_public_key)?)
}

/// ECDH of `key` with the point of `peer`.
pub(crate) fn agree(key: &EcPrivateKey, peer: &[u8]) -> Result<SharedSecret, keys::Error> {
    let x = key.agree(peer)?;
    let curve: Curve = key.public_key().curve();
    let Ok(shared) = SharedSecret::try_fill(curve, |octets| {
        octets.copy_from_slice(&x);
        Ok::<(), Infallible>(())
    });
    Ok(shared)
}
