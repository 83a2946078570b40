//! Everything that CDOC2 needs around it, on one machine and for tests.
//!
//! Nothing here is safe to rely on: keys lie in files, and whoever asks gets certificates.

pub mod authority;
pub mod card;
pub mod content;
mod error;
pub mod identity;
mod key;

pub use authority::Authority;
pub use card::Card;
pub use error::Error;
pub use identity::{Algorithm, Identity};
pub use simulator::certificate::{Content, Subject, oid};
pub use simulator::holder::{Holder, PersonalCode};
