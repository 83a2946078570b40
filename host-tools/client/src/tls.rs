//! TLS to servers that are known by their certificates.
//!
//! TLS 1.3 only. A server is the one that is meant if it shows a pinned certificate itself, or one for its name that chains to a pinned
//! authority. The authorities of the system are never asked: interception by an organisation's proxy shows as a certificate that is not pinned.

mod pins;

use std::sync::Arc;

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, version};

pub use pins::NotPinned;
pub(crate) use pins::{Pins, is_authority, not_after};

/// The cryptography of every connection. None is installed for the whole process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A configuration for servers that `pins` take; `identity` authenticates the client, if the server wants that.
pub(crate) fn client_config(pins: Arc<Pins>, identity: Option<Arc<dyn ResolvesClientCert>>) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&version::TLS13])?;
    let builder = builder.dangerous().with_custom_certificate_verifier(pins);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity),
        None => builder.with_no_client_auth(),
    };
    // A session that is resumed shows no certificate.
    config.resumption = Resumption::disabled();
    Ok(config)
}
