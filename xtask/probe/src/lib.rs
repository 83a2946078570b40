//! Gives the generic functions of core and firmware types, so that they are compiled and `cargo xtask panics` can look at them.
//!
//! Nothing here runs. A generic function that one of them gains must be called here: the gate compares the names.
#![no_std]
#![allow(clippy::missing_errors_doc, reason = "each function is named after the one that it calls, and answers the same")]

pub mod board;
pub mod token;

use cdoc2_nostd::decrypt::{self, Verified};
use cdoc2_nostd::ecdh::{self, Point, SoftKey};
use cdoc2_nostd::holder::{Fit, KeyHolder};
use cdoc2_nostd::key::{self, Fmk, Kek, KeyShare, SharedSecret};
use cdoc2_nostd::symmetric::{Password, SymmetricKey};
use cdoc2_nostd::wire::envelope::Envelope;
use cdoc2_nostd::wire::header::RecipientRecord;
use cdoc2_nostd::{Curve, Error, Field};
use rand_core::{TryCryptoRng, TryRng};

/// A generator that may fail, of which nothing is known here.
#[derive(Debug)]
pub struct Rng(fn(&mut [u8]) -> bool);

impl TryRng for Rng {
    type Error = Error;

    fn try_next_u32(&mut self) -> Result<u32, Error> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets).map(|()| u32::from_le_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Error> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets).map(|()| u64::from_le_bytes(octets))
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Error> {
        if (self.0)(octets) { Ok(()) } else { Err(Error::Random) }
    }
}

impl TryCryptoRng for Rng {}

/// Something that fills a buffer, such as a card.
pub type Fill = fn(&mut [u8]) -> Result<(), Error>;

/// [`Fmk::generate`].
pub fn fmk(rng: &mut Rng) -> Result<Fmk, Error> {
    Fmk::generate(rng)
}

/// [`Kek::generate`].
pub fn kek(rng: &mut Rng) -> Result<Kek, Error> {
    Kek::generate(rng)
}

/// [`Kek::decrypted`].
pub fn kek_decrypted(fill: Fill) -> Result<Kek, Error> {
    Kek::decrypted(|octets| fill(octets))
}

/// [`KeyShare::received`].
pub fn share(fill: Fill) -> Result<KeyShare, Error> {
    KeyShare::received(|octets| fill(octets))
}

/// [`key::split`].
pub fn split(kek: &Kek, shares: &mut [Option<KeyShare>], rng: &mut Rng) -> Result<(), Error> {
    key::split(kek, shares, rng)
}

/// [`key::combine`].
pub fn combine(shares: &[KeyShare]) -> Result<Kek, Error> {
    key::combine(shares)
}

/// [`SharedSecret::try_fill`].
pub fn shared_secret(curve: Curve, fill: Fill) -> Result<SharedSecret, Error> {
    SharedSecret::try_fill(curve, fill)
}

/// [`decrypt::unlock`] with a symmetric key.
pub fn unlock_symmetric<'b>(
    envelope: Envelope<'b>,
    record: &RecipientRecord<'_>,
    holder: &mut SymmetricKey<'_>,
) -> Result<Verified<'b>, Error> {
    decrypt::unlock(envelope, record, holder)
}

/// [`decrypt::unlock`] with a password.
pub fn unlock_password<'b>(
    envelope: Envelope<'b>,
    record: &RecipientRecord<'_>,
    holder: &mut Password<'_>,
) -> Result<Verified<'b>, Error> {
    decrypt::unlock(envelope, record, holder)
}

macro_rules! curve {
    ($name:ident, $curve:ty) => {
        #[doc = concat!("A software key on `", stringify!($curve), "`.")]
        pub mod $name {
            use super::*;

            /// Its type.
            pub type Key = SoftKey<$curve>;

            /// [`SoftKey::generate`].
            pub fn generate(rng: &mut Rng) -> Result<Key, Error> {
                Key::generate(rng)
            }

            /// [`SoftKey::from_scalar`].
            pub fn from_scalar(octets: &[u8]) -> Result<Key, Error> {
                Key::from_scalar(octets)
            }

            /// [`SoftKey::public_key`].
            pub fn public_key(key: &Key) -> &Point {
                key.public_key()
            }

            /// [`SoftKey::agree`].
            pub fn agree(key: &Key, peer: &[u8]) -> Result<SharedSecret, Error> {
                key.agree(peer, Field::SenderPublicKey)
            }

            /// [`ecdh::agree`].
            pub fn agree_with_scalar(scalar: &[u8], peer: &[u8]) -> Result<SharedSecret, Error> {
                ecdh::agree::<$curve>(scalar, peer, Field::SenderPublicKey)
            }

            /// [`SoftKey::encapsulate`].
            pub fn encapsulate(key: &Key, recipient_public_key: &[u8]) -> Result<Kek, Error> {
                key.encapsulate(recipient_public_key)
            }

            /// [`KeyHolder::fit`].
            pub fn fit(key: &Key, record: &RecipientRecord<'_>) -> Fit {
                key.fit(record)
            }

            /// [`SoftKey::kek`].
            pub fn kek(key: &Key, record: &RecipientRecord<'_>) -> Result<Kek, Error> {
                key.kek(record)
            }

            /// [`decrypt::unlock`].
            pub fn unlock<'b>(envelope: Envelope<'b>, record: &RecipientRecord<'_>, key: &mut Key) -> Result<Verified<'b>, Error> {
                decrypt::unlock(envelope, record, key)
            }
        }
    };
}

curve!(secp256r1, p256::NistP256);
curve!(secp384r1, p384::NistP384);
curve!(secp521r1, p521::NistP521);
