//! Client certificates for rustls: chain, dates, key usage, and revocation by OCSP.
//!
//! [`ocsp`] has the messages of both sides, and needs neither a network nor a clock.

pub mod issuer;
pub mod ocsp;
