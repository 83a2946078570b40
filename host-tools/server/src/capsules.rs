//! The interface: a sender puts a capsule, its recipient fetches it.

mod expiry;
mod fetch;
mod put;
mod recipient;
mod validation;

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::http::HeaderName;
use axum::routing::{get, post};
use cdoc2_api::{ExpiryTime, capsule, expiry as api_expiry};

use crate::config;
use crate::refusal::Refusal;
use crate::watched::Watched;

pub(crate) use recipient::Recipient;

const EXPIRY: HeaderName = HeaderName::from_static(api_expiry::HEADER);
const EXPIRY_ADJUSTED: HeaderName = HeaderName::from_static(api_expiry::ADJUSTED_HEADER);

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Capsules {
    pub(crate) store: Watched,
    pub(crate) expiry: config::Expiry,
    pub(crate) limits: Arc<config::Limits>,
}

/// The sender's interface. What the recipient's answers with is "method not allowed" here, and the other way round.
pub(crate) fn sender(capsules: Arc<Capsules>) -> Router {
    let one = format!("{}/{{transactionId}}", capsule::PATH);
    Router::new()
        .route(capsule::PATH, post(put::put))
        .route(&one, axum::routing::any(not_allowed))
        .method_not_allowed_fallback(not_allowed)
        .fallback(unknown)
        .with_state(capsules)
}

/// The recipient's interface.
pub(crate) fn recipient(capsules: Arc<Capsules>) -> Router {
    let one = format!("{}/{{transactionId}}", capsule::PATH);
    Router::new()
        .route(&one, get(fetch::fetch))
        .route(capsule::PATH, axum::routing::any(not_allowed))
        .method_not_allowed_fallback(not_allowed)
        .fallback(unknown)
        .with_state(capsules)
}

async fn unknown() -> Refusal {
    Refusal::NotFound
}

async fn not_allowed() -> Refusal {
    Refusal::MethodNotAllowed
}

/// Now, in whole seconds.
fn now() -> Result<ExpiryTime, Refusal> {
    ExpiryTime::try_from(SystemTime::now()).map_err(|_| Refusal::Unavailable)
}
