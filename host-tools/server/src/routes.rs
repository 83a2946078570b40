//! What the servers answer to requests, without a network, TLS and limits of rate: for tests and fuzzers that try many.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::{Extension, Router};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::capsules::{self, Recipient};
use crate::config::{Config, Shares};
use crate::connection::Client;
use crate::current::Current;
use crate::server::StartError;
use crate::shares;
use crate::store::Store;
use crate::watched::Watched;

/// Both interfaces of a capsule server, as services of `tower`.
#[derive(Clone, Debug)]
pub struct Routes {
    /// POST /key-capsules.
    pub sender: Router,
    /// GET /key-capsules/{transactionId}, from a client who showed a certificate, or none.
    pub recipient: Router,
}

impl Routes {
    /// Over `store`, by the rules for expiry, lengths and times of `config`. `certificate` is taken as it is: it is TLS that verifies certificates.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, config: &Config, certificate: Option<&CertificateDer<'_>>) -> Self {
        let store = Watched { store, timeout: config.limits.store_timeout };
        let shared = Arc::new(capsules::Shared::new(store, config));
        let client = Client {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            has_certificate: certificate.is_some(),
            recipient: certificate.and_then(Recipient::of),
        };
        let recipient = capsules::recipient(shared.clone()).layer(Extension(Arc::new(client)));
        Self { sender: capsules::sender(shared), recipient }
    }
}

/// The interface of a shares server over `store`, by the rules of `config`, as a service of `tower`. It trusts what `authorities` issued, and asks nobody
/// whether that is revoked.
///
/// # Errors
/// There are no authorities, or one of them is none.
pub fn shares(
    store: Arc<dyn Store>,
    config: &Config<Shares>,
    authorities: &[CertificateDer<'static>],
) -> Result<Router, StartError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|error| StartError::new(format!("no certificate of an authority: {error}")))?;
    }
    let store = Watched { store, timeout: config.limits.store_timeout };
    let authorities = Current::new(Arc::new(shares::authorities(roots, Vec::new())?));
    Ok(shares::router(Arc::new(shares::Shared::new(store, config, authorities, None))))
}
