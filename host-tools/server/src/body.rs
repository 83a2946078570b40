//! Bodies of requests: what is read of them, and what they may be.

use std::fmt::Display;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde::de::DeserializeOwned;

use crate::config::Limits;
use crate::refusal::Refusal;

/// Octets of the longest text about malformed JSON.
const MAX_ERROR_LEN: usize = 200;

/// Whether the body is declared as JSON.
///
/// RFC 8259 has no parameters for the type; what comes with them is taken, since Java's clients say `charset`.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The whole body, within the limits of length and time.
pub(crate) async fn read(body: Body, limits: &Limits) -> Result<Bytes, Refusal> {
    let limit = limits.body_len;
    if body.size_hint().lower() > limit as u64 {
        return Err(Refusal::TooLong(limit));
    }
    match tokio::time::timeout(limits.body_timeout, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLong(limit)),
        Ok(Err(_)) => Err(Refusal::BadRequest("the body is cut short or malformed".into())),
        Err(_) => Err(Refusal::TooSlow),
    }
}

/// What `octets` say in JSON; `what` it is to be is for the text of the refusal.
pub(crate) fn parse<T: DeserializeOwned>(octets: &[u8], what: impl Display) -> Result<T, Refusal> {
    serde_json::from_slice(octets).map_err(|error| malformed(&error, what))
}

/// What is wrong. Serde repeats values of a wrong type, however long they are; then the place must do.
fn malformed(error: &serde_json::Error, what: impl Display) -> Refusal {
    let text = error.to_string();
    let text = if text.len() > MAX_ERROR_LEN {
        format!("the body is no {what}, from line {}, column {} on", error.line(), error.column())
    } else {
        format!("the body is no {what}: {text}")
    };
    Refusal::BadRequest(text.into())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn json_is_declared() {
        for (declared, fits) in [
            ("application/json", true),
            ("Application/JSON", true),
            ("application/json; charset=UTF-8", true),
            ("application/jsonx", false),
            ("text/plain", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(declared))]);
            assert_eq!(is_json(&headers), fits, "{declared}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
