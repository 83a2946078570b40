//! Keys behind a PKCS#11 module: an HSM, a card with a driver of its own, a store in software.
//!
//! A [`Module`] is loaded from its library; a [`ModuleHolder`] opens containers with the keys of its tokens, by ECDH
//! (`CKM_ECDH1_DERIVE` without key derivation) or RSA-OAEP with SHA-256. Which key a record is for is decided by the certificates and public
//! keys that a token shows without a PIN.

mod error;
mod holder;
mod key;
mod module;

pub use error::Error;
pub use holder::{Dialogue, ModuleHolder, PinQuestion};
pub use module::{Choice, Module};
