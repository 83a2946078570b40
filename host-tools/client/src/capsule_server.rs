//! Capsule servers: capsules are put there when a container is made, and fetched when it is opened.
//!
//! - [`Sender`] is the [`cdoc2::CapsuleServer`] of one server of the configuration.
//! - [`ServerHolder`] is a [`KeyHolder`](cdoc2::core::holder::KeyHolder) around another one that can [`Authenticate`]: it fetches the capsule of
//!   a record that says where it is, and lets the other open it.
//! - [`check`] tells how a server does.
//!
//! Source: the OpenAPI file `cdoc2-key-capsules` 3.1.1, and the specification's chapter "CDOC2 CCS". Answers of older servers, without the
//! headers about expiry, are taken.

mod authenticate;
mod check;
mod error;
mod fetch;
mod holder;
mod sender;

pub(crate) use authenticate::ecdsa_scheme;
pub use authenticate::{Authenticate, Credentials, Failure, SoftwareHolder};
pub use cdoc2_api::{CapsuleType, ExpiryTime};
pub use check::{Checked, check};
pub use error::Error;
pub use holder::{ServerHolder, without_server};
pub use sender::Sender;
