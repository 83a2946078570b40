//! GET /key-shares/{shareId}: UC.KTS.07, steps 6 and 7.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};

use super::nonce::share_id;
use super::presented::Presented;
use super::{Shared, verification};
use crate::refusal::Refusal;
use crate::{expiry, metrics};

pub(super) async fn fetch(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let presented = match Presented::of(&headers) {
        Ok(presented) => presented,
        Err(rejection) => return Ok(rejection.into_response()),
    };
    let id = share_id(id)?;
    let stored = match verification::verify(&shared, presented, &id).await {
        Ok(stored) => stored,
        Err(rejection) => return Ok(rejection.into_response()),
    };
    metrics::ticket("accepted");
    let mut response = Json(&stored.share).into_response();
    expiry::write(stored.expiry, response.headers_mut())?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
