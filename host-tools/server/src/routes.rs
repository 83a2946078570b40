//! What the server answers to requests, without a network, TLS and limits of rate: for tests and fuzzers that try many.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::{Extension, Router};
use rustls::pki_types::CertificateDer;

use crate::capsules::{self, Capsules, Recipient};
use crate::config::Config;
use crate::connection::Client;
use crate::store::Store;
use crate::watched::Watched;

/// Both interfaces, as services of `tower`.
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
        let limits = Arc::new(config.limits.clone());
        let store = Watched { store, timeout: limits.store_timeout };
        let capsules = Arc::new(Capsules { store, expiry: config.expiry.clone(), limits });
        let client = Client {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            has_certificate: certificate.is_some(),
            recipient: certificate.and_then(Recipient::of),
        };
        let recipient = capsules::recipient(capsules.clone()).layer(Extension(Arc::new(client)));
        Self { sender: capsules::sender(capsules), recipient }
    }
}
