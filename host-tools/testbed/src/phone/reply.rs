//! What the services have in common in what they take and answer.

use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64ct::{Base64, Encoding as _};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A request that is not answered: with which status, and why, for whoever has written it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) reason: &'static str,
}

impl Refusal {
    pub(super) const fn bad_request(reason: &'static str) -> Self {
        Self { status: 400, reason }
    }

    pub(super) const NO_SESSION: Self = Self { status: 404, reason: "there is no such session" };
    pub(super) const INTERNAL: Self = Self { status: 500, reason: "the test bed cannot sign with this account's key" };
}

/// The JSON of a request.
pub(super) fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Refusal> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Refusal { status: 415, reason: "only application/json is understood" });
    }
    serde_json::from_slice(body).map_err(|_| Refusal::bad_request("a member is missing, or is not what it should be"))
}

/// For how long an answer may be kept back, as the query says.
pub(super) fn long_poll(query: Option<&str>, default: Duration) -> Result<Duration, Refusal> {
    let mut values = query.unwrap_or_default().split('&').filter_map(|pair| pair.strip_prefix("timeoutMs="));
    match (values.next(), values.next()) {
        (None, _) => Ok(default),
        (Some(text), None) => text.parse().map(Duration::from_millis).map_err(|_| Refusal::bad_request("timeoutMs is no number")),
        (Some(_), Some(_)) => Err(Refusal::bad_request("timeoutMs is there twice")),
    }
}

/// A status that may be one of Smart-ID's own.
pub(super) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

pub(super) fn json(code: u16, value: &Value) -> Response {
    (status(code), [(header::CONTENT_TYPE, "application/json;charset=UTF-8")], value.to_string()).into_response()
}

pub(super) fn base64(octets: &[u8]) -> String {
    Base64::encode_string(octets)
}

/// The time in UTC, to the second: `2019-07-23T11:36:16`.
pub(super) fn time() -> String {
    let now = x509_cert::der::DateTime::from_system_time(SystemTime::now());
    now.map(|now| now.to_string().trim_end_matches('Z').to_owned()).unwrap_or_default()
}
