//! GET /key-capsules/{transactionId}: UC.KTS.02.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::{Json, extract::rejection::PathRejection};
use cdoc2_api::TransactionId;
use cdoc2_api::id::Malformed;

use super::{Capsules, EXPIRY, now};
use crate::connection::Client;
use crate::refusal::Refusal;

pub(super) async fn fetch(
    State(capsules): State<Arc<Capsules>>,
    Extension(client): Extension<Arc<Client>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    if !client.has_certificate {
        return Err(Refusal::NoCertificate);
    }
    let Path(id) = id.map_err(|_| Refusal::BadRequest("the transaction id is not UTF-8".into()))?;
    let id: TransactionId = id.parse().map_err(|malformed| match malformed {
        Malformed::Length => Refusal::BadRequest(malformed.to_string().into()),
        // The interface sets lengths only, so this is merely an id that no server gave.
        Malformed::Character => Refusal::NotFound,
    })?;
    let now = now()?;
    let found = capsules.store.capsule(&id, now).await.map_err(|_| Refusal::Unavailable)?;
    // The store may compare with a clock of its own; this one is what the answer promises.
    let found = found.filter(|stored| stored.expiry > now);
    let recipient = client.recipient.as_ref().ok_or(Refusal::NotFound)?;
    let stored = recipient.claim(found, |stored| &stored.capsule).ok_or(Refusal::NotFound)?;
    let mut response = Json(&stored.capsule).into_response();
    let expiry = HeaderValue::from_str(&stored.expiry.to_string()).map_err(|_| Refusal::Unavailable)?;
    response.headers_mut().insert(EXPIRY, expiry);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
