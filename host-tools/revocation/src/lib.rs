//! Client certificates for rustls: chain, dates, key usage, and revocation by OCSP.
//!
//! - [`verifier::ClientVerifier`] is a [`rustls::server::danger::ClientCertVerifier`].
//! - [`service::Ocsp`] asks responders, remembers what they said, and decides by a [`service::Policy`].
//! - [`ocsp`] has the messages of both sides, and needs neither a network nor a clock.

pub mod clock;
mod http;
pub mod issuer;
mod metric;
pub mod ocsp;
pub mod service;
pub mod verifier;

pub use clock::{Clock, SystemClock};
pub use issuer::Issuer;
pub use metric::describe as describe_metrics;
pub use service::{Ocsp, Policy, Settings};
pub use verifier::ClientVerifier;
