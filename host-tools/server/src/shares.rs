//! The shares server: a sender puts a key share; its recipient asks for a nonce, signs it, and fetches the share with the ticket.

mod fetch;
mod nonce;
mod presented;
mod put;
mod rejection;
mod signer;
mod verification;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use cdoc2_api::share;
use cdoc2_auth_token::BaseUrl;
use cdoc2_auth_token::purpose::Authentication;
use revocation::Ocsp;
use rustls::pki_types::CertificateDer;
use rustls::{RootCertStore, ServerConfig};
use serde::Serialize;

use crate::config::{self, Config};
use crate::current::Current;
use crate::refusal::Refusal;
use crate::server::{Base, Kind, StartError};
use crate::watched::Watched;
use crate::{files, tls};

const NO_SHARE: Refusal = Refusal::NotFound("there is no such share");
const WRONG_METHOD: Refusal = Refusal::MethodNotAllowed(
    "senders POST /key-shares, recipients POST /key-shares/{shareId}/nonce and GET /key-shares/{shareId}",
);

/// Where a shares server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SharesAddresses {
    /// For senders and recipients.
    pub shares: SocketAddr,
    /// For /healthz, /readyz and /metrics.
    pub operations: SocketAddr,
}

/// Who issues the certificates that sign tickets.
pub(crate) type Authorities = revocation::Authorities<Authentication>;

/// What is in files.
#[derive(Debug)]
pub struct Loaded {
    tls: Arc<ServerConfig>,
    authorities: Arc<Authorities>,
}

/// What is used of them at the moment.
#[derive(Debug)]
pub struct Live {
    tls: Arc<Current<ServerConfig>>,
    authorities: Arc<Current<Authorities>>,
}

impl Kind for config::Shares {
    type Addresses = SharesAddresses;
    type Loaded = Loaded;
    type Live = Live;

    fn load(config: &Config<Self>, _ocsp: Option<Ocsp>) -> Result<Loaded, StartError> {
        let Self { certificate, key, authorities, intermediates, .. } = &config.interface;
        let tls = tls::server_config("shares", certificate, key, None)?;
        let roots = files::roots("shares", "authorities", authorities)?;
        let mut authorities = self::authorities(roots, files::authorities("shares", "intermediates", intermediates)?)?;
        if let Some(lists) = files::lists(&config.crl.files)? {
            authorities = authorities.with_lists(lists);
        }
        Ok(Loaded { tls, authorities: Arc::new(authorities) })
    }

    fn serve(config: &Config<Self>, loaded: Loaded, base: &mut Base) -> Result<(Live, SharesAddresses), StartError> {
        let live = Live { tls: Current::new(loaded.tls), authorities: Current::new(loaded.authorities) };
        let shared = Shared::new(base.store.clone(), config, live.authorities.clone(), base.ocsp.clone());
        let addresses = SharesAddresses {
            shares: base.listen("shares", config.interface.address, &live.tls, router(Arc::new(shared)))?,
            operations: base.operations,
        };
        Ok((live, addresses))
    }

    fn replace(live: &Live, loaded: Loaded) {
        live.tls.replace(loaded.tls);
        live.authorities.replace(loaded.authorities);
    }
}

/// People whose certificates are not verified again: as many as come in a while. A certificate takes some 2 KiB.
const REMEMBERED: usize = 4096;

/// Trusts `roots` with the certificates of people.
pub(crate) fn authorities(roots: RootCertStore, intermediates: Vec<CertificateDer<'static>>) -> Result<Authorities, StartError> {
    Authorities::new(roots, intermediates, Authentication, &tls::crypto_provider())
        .map(|authorities| authorities.with_memory(REMEMBERED))
        .map_err(|error| StartError::new(format!("shares: {error}")))
}

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Shared {
    store: Watched,
    expiry: config::Expiry,
    limits: config::Limits,
    url: BaseUrl,
    nonce_lifetime: Duration,
    authorities: Arc<Current<Authorities>>,
    ocsp: Option<Ocsp>,
}

impl Shared {
    pub(crate) fn new(
        store: Watched,
        config: &Config<config::Shares>,
        authorities: Arc<Current<Authorities>>,
        ocsp: Option<Ocsp>,
    ) -> Self {
        Self {
            store,
            expiry: config.expiry.clone(),
            limits: config.limits.clone(),
            url: config.interface.url.clone(),
            nonce_lifetime: config.interface.nonce_lifetime,
            authorities,
            ocsp,
        }
    }
}

/// The interface: below the path of the server's address, and without it, for a proxy may take it away.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let one = format!("{}/{{shareId}}", share::PATH);
    let path = shared.url.path().to_owned();
    let shares = Router::new()
        .route(share::PATH, post(put::put))
        .route(&one, get(fetch::fetch))
        .route(&format!("{one}{}", share::NONCE_PATH), post(nonce::nonce))
        .method_not_allowed_fallback(|| async { WRONG_METHOD })
        .with_state(shared);
    let all = if path.is_empty() { shares } else { shares.clone().nest(&path, shares) };
    all.fallback(|| async { NO_SHARE })
}
