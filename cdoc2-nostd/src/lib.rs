//! The CDOC2 protocol itself, for a host, a card or an HSM: no `std`, no allocation, no `unsafe`, no I/O, no clock.
//!
//! CDOC2 is the format in which Estonian eID software exchanges encrypted files. A container is an [envelope](wire::envelope) around a
//! [header](wire::header) with one [record](wire::header::RecipientRecord) a recipient, a MAC, and a [payload]. Everything here works on octets that the
//! caller lends, and gives back views of them.
//!
//! # Reading
//! ```
//! # #[cfg(all(feature = "payload", feature = "write"))] {
//! # use cdoc2_nostd::{decrypt, encrypt, key, symmetric::SymmetricKey};
//! # use cdoc2_nostd::wire::{capsule::*, header::RecipientRecord, label::KeyLabel};
//! # struct Rng; impl rand_core::TryRng for Rng { type Error = core::convert::Infallible;
//! # fn try_next_u32(&mut self) -> Result<u32, Self::Error> { Ok(4) } fn try_next_u64(&mut self) -> Result<u64, Self::Error> { Ok(4) }
//! # fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> { out.fill(4); Ok(()) } }
//! # impl rand_core::TryCryptoRng for Rng {}
//! # let secret = [7; 32]; let fmk = key::Fmk::generate(&mut Rng)?;
//! # let kek = cdoc2_nostd::derive::kek_from_symmetric_key(&secret, &[1; 32], b"label")?;
//! # let record = RecipientRecord { capsule: Capsule::SymmetricKey(SymmetricKeyCapsule { salt: &[1; 32] }), key_label: KeyLabel::new(b"label"),
//! #   encrypted_fmk: &kek.encrypt_fmk(&fmk), fmk_encryption_method: FmkEncryptionMethod::Xor };
//! # let mut buffer = [0; 1024]; let sealed = encrypt::seal(&fmk, &[record], &mut buffer)?;
//! # let mut container = [0; 2048]; let n = sealed.octets().len(); container[..n].copy_from_slice(sealed.octets());
//! # let mut encryptor = sealed.encryptor(&[5; 12])?; let mut text = *b"text"; encryptor.encrypt(&mut text)?;
//! # container[n..n + 12].copy_from_slice(&[5; 12]); container[n + 12..n + 16].copy_from_slice(&text);
//! # container[n + 16..n + 32].copy_from_slice(&encryptor.finish()); let container = &mut container[..n + 32];
//! use cdoc2_nostd::wire::envelope::Envelope;
//!
//! let (envelope, payload) = Envelope::parse(&container)?;
//! let record = envelope.header().records().next().unwrap();
//! let verified = decrypt::unlock(envelope, &record, &mut SymmetricKey::new(&secret))?;
//!
//! let (nonce, rest) = payload.split_first_chunk().unwrap();
//! let (ciphertext, tag) = rest.split_last_chunk().unwrap();
//! let mut authenticator = verified.authenticator(nonce)?;
//! authenticator.update(ciphertext)?;
//! authenticator.finish(tag)?; // the payload is authentic, and no plaintext exists yet
//! # }
//! # Ok::<(), cdoc2_nostd::Error>(())
//! ```
//!
//! # Modules
//! - [`wire`]: octets in, octets out.
//! - [`key`], [`mod@derive`]: one type a role, one function a formula.
//! - [`holder`]: the trait of whoever holds a recipient's key; [`symmetric`] and `ecdh` implement it in software.
//! - [`decrypt`], `encrypt`, `payload`: the pipelines, each step a type that only the step before can make.
//!
//! # Features
//! `p384`, `p256`, `p521` (software keys on those curves), `pbkdf2` (passwords), `payload`, `write`. Each only adds.
//!
//! # Panics
//! None from this crate's own code, whatever the octets: the lints below refuse what can panic, and a gate looks at the compiled objects.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::large_stack_arrays
    )
)]

mod curve;
mod error;
#[cfg(test)]
mod testing;

pub mod decrypt;
pub mod derive;
#[cfg(any(feature = "p256", feature = "p384", feature = "p521"))]
pub mod ecdh;
#[cfg(feature = "write")]
pub mod encrypt;
pub mod holder;
pub mod key;
#[cfg(feature = "payload")]
pub mod payload;
pub mod symmetric;
pub mod wire;

pub use curve::Curve;
pub use error::{Error, Feature, Field, Limit};
