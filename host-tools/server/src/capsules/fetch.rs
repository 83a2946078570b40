//! GET /key-capsules/{transactionId}: UC.KTS.02.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use cdoc2_api::TransactionId;
use cdoc2_api::id::Malformed;

use super::{NO_CAPSULE, Shared};
use crate::connection::Client;
use crate::expiry;
use crate::refusal::Refusal;

pub(super) async fn fetch(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<Arc<Client>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    if !client.has_certificate {
        return Err(Refusal::Unauthorized("a client certificate is needed"));
    }
    let Path(id) = id.map_err(|_| Refusal::BadRequest("the transaction id is not UTF-8".into()))?;
    let id: TransactionId = id.parse().map_err(|malformed| match malformed {
        Malformed::Length => Refusal::BadRequest(malformed.to_string().into()),
        // The interface sets lengths only, so this is merely an id that no server gave.
        Malformed::Character => NO_CAPSULE,
    })?;
    let now = expiry::now()?;
    let found = shared.store.capsule(&id, now).await.map_err(|_| Refusal::Unavailable)?;
    // The store may compare with a clock of its own; this one is what the answer promises.
    let found = found.filter(|stored| stored.expiry > now);
    let recipient = client.recipient.as_ref().ok_or(NO_CAPSULE)?;
    let stored = recipient.claim(found, |stored| &stored.capsule).ok_or(NO_CAPSULE)?;
    let mut response = Json(&stored.capsule).into_response();
    expiry::write(stored.expiry, response.headers_mut())?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
