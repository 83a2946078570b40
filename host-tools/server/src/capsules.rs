//! The capsule server: a sender puts a capsule, its recipient fetches it.

mod fetch;
mod put;
mod recipient;
mod validation;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, post};
use cdoc2_api::capsule;
use revocation::{ClientVerifier, Ocsp};
use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use serde::Serialize;

use crate::config::{self, Config};
use crate::current::Current;
use crate::refusal::Refusal;
use crate::server::{Base, Kind, StartError};
use crate::watched::Watched;
use crate::{files, tls};

pub(crate) use recipient::Recipient;

const NO_CAPSULE: Refusal = Refusal::NotFound("there is no such capsule for this certificate");
const WRONG_METHOD: Refusal =
    Refusal::MethodNotAllowed("senders POST /key-capsules on their port, recipients GET /key-capsules/{transactionId} on theirs");

/// Where a capsule server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CapsuleAddresses {
    /// For POST /key-capsules.
    pub sender: SocketAddr,
    /// For GET /key-capsules/{transactionId}.
    pub recipient: SocketAddr,
    /// For /healthz, /readyz and /metrics.
    pub operations: SocketAddr,
}

/// Both listeners' settings, made of files.
#[derive(Debug)]
pub struct Loaded {
    sender: Arc<ServerConfig>,
    recipient: Arc<ServerConfig>,
}

/// Both listeners' settings at the moment.
#[derive(Debug)]
pub struct Live {
    sender: Arc<Current<ServerConfig>>,
    recipient: Arc<Current<ServerConfig>>,
}

impl Kind for config::Capsules {
    type Addresses = CapsuleAddresses;
    type Loaded = Loaded;
    type Live = Live;

    fn load(config: &Config, ocsp: Option<Ocsp>) -> Result<Loaded, StartError> {
        let config::Capsules { sender, recipient } = &config.interface;
        let verifier = client_verifier(config, ocsp)?;
        Ok(Loaded {
            sender: tls::server_config("sender", &sender.certificate, &sender.key, None)?,
            recipient: tls::server_config("recipient", &recipient.certificate, &recipient.key, Some(verifier))?,
        })
    }

    fn serve(config: &Config, loaded: Loaded, base: &mut Base) -> Result<(Live, CapsuleAddresses), StartError> {
        let config::Capsules { sender, recipient } = &config.interface;
        let shared = Arc::new(Shared::new(base.store.clone(), config));
        let live = Live { sender: Current::new(loaded.sender), recipient: Current::new(loaded.recipient) };
        let addresses = CapsuleAddresses {
            sender: base.listen("sender", sender.address, &live.sender, self::sender(shared.clone()))?,
            recipient: base.listen("recipient", recipient.address, &live.recipient, self::recipient(shared))?,
            operations: base.operations,
        };
        Ok((live, addresses))
    }

    fn replace(live: &Live, loaded: Loaded) {
        live.sender.replace(loaded.sender);
        live.recipient.replace(loaded.recipient);
    }
}

/// Verifies client certificates: UC.KTS.04. Clients without one get as far as the answer 401.
fn client_verifier(config: &Config, ocsp: Option<Ocsp>) -> Result<Arc<dyn ClientCertVerifier>, StartError> {
    let recipient = &config.interface.recipient;
    let roots = files::roots("recipient", "client_authorities", &recipient.client_authorities)?;
    let intermediates = files::authorities("recipient", "client_intermediates", &recipient.client_intermediates)?;
    let mut builder = ClientVerifier::builder(roots, &tls::crypto_provider())
        .intermediates(intermediates)
        .allow_anonymous()
        .max_waiting(config.ocsp.pending);
    if let Some(ocsp) = ocsp {
        builder = builder.ocsp(ocsp);
    }
    if let Some(lists) = files::lists(&config.crl.files)? {
        builder = builder.crls(lists);
    }
    let verifier = builder.build().map_err(|error| StartError::new(format!("recipient: {error}")))?;
    Ok(Arc::new(verifier))
}

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Shared {
    store: Watched,
    expiry: config::Expiry,
    limits: config::Limits,
}

impl Shared {
    pub(crate) fn new(store: Watched, config: &Config) -> Self {
        Self { store, expiry: config.expiry.clone(), limits: config.limits.clone() }
    }
}

/// The sender's interface. What the recipient's answers with is "method not allowed" here, and the other way round.
pub(crate) fn sender(shared: Arc<Shared>) -> Router {
    let one = format!("{}/{{transactionId}}", capsule::PATH);
    Router::new()
        .route(capsule::PATH, post(put::put))
        .route(&one, any(|| async { WRONG_METHOD }))
        .method_not_allowed_fallback(|| async { WRONG_METHOD })
        .fallback(|| async { NO_CAPSULE })
        .with_state(shared)
}

/// The recipient's interface.
pub(crate) fn recipient(shared: Arc<Shared>) -> Router {
    let one = format!("{}/{{transactionId}}", capsule::PATH);
    Router::new()
        .route(&one, get(fetch::fetch))
        .route(capsule::PATH, any(|| async { WRONG_METHOD }))
        .method_not_allowed_fallback(|| async { WRONG_METHOD })
        .fallback(|| async { NO_CAPSULE })
        .with_state(shared)
}
