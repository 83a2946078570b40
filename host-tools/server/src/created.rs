//! The answer to a sender whose capsule or share is kept.

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use crate::expiry::Granted;
use crate::refusal::Refusal;

/// It is at `path`, for as long as `granted` says.
pub(crate) fn response(path: &str, granted: Granted) -> Result<Response, Refusal> {
    let mut response = StatusCode::CREATED.into_response();
    let location = HeaderValue::from_str(path).map_err(|_| Refusal::Unavailable)?;
    response.headers_mut().insert(LOCATION, location);
    granted.write(response.headers_mut())?;
    Ok(response)
}
