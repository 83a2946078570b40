//! POST /key-capsules: UC.KTS.01.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use cdoc2_api::{Capsule, TransactionId, capsule};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;

use super::{Capsules, EXPIRY, EXPIRY_ADJUSTED, expiry, now, validation};
use crate::refusal::Refusal;
use crate::store::{self, StoredCapsule};

/// An id that is taken means that the random numbers are not random; one more attempt tells that from chance.
const ATTEMPTS: u32 = 2;
/// Octets of the longest text about malformed JSON.
const MAX_ERROR_LEN: usize = 200;

pub(super) async fn put(State(capsules): State<Arc<Capsules>>, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    if !is_json(&headers) {
        return Err(Refusal::NotJson);
    }
    let granted = expiry::grant(&headers, &capsules.expiry, now()?)?;
    let octets = read(body, &capsules).await?;
    let capsule: Capsule = serde_json::from_slice(&octets).map_err(|error| no_capsule(&error))?;
    validation::check(&capsule)?;
    let id = keep(&capsules, &StoredCapsule { capsule, expiry: granted.expiry }).await?;
    let mut response = StatusCode::CREATED.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, value(&format!("{}/{id}", capsule::PATH))?);
    headers.insert(EXPIRY, value(&granted.expiry.to_string())?);
    if granted.adjusted {
        headers.insert(EXPIRY_ADJUSTED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// RFC 8259 has no parameters for the type; what comes with them is taken, since Java's clients say `charset`.
fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The whole body, within the limits of length and time.
async fn read(body: Body, capsules: &Capsules) -> Result<axum::body::Bytes, Refusal> {
    let limit = capsules.limits.body_len;
    if body.size_hint().lower() > limit as u64 {
        return Err(Refusal::TooLong(limit));
    }
    match tokio::time::timeout(capsules.limits.body_timeout, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLong(limit)),
        Ok(Err(_)) => Err(Refusal::BadRequest("the body is cut short or malformed".into())),
        Err(_) => Err(Refusal::TooSlow),
    }
}

/// What is wrong with the body. Serde repeats values of a wrong type, however long they are; then the place must do.
fn no_capsule(error: &serde_json::Error) -> Refusal {
    let what = error.to_string();
    let text = if what.len() > MAX_ERROR_LEN {
        format!("the body is no capsule, from line {}, column {} on", error.line(), error.column())
    } else {
        format!("the body is no capsule: {what}")
    };
    Refusal::BadRequest(text.into())
}

async fn keep(capsules: &Capsules, stored: &StoredCapsule) -> Result<TransactionId, Refusal> {
    for _ in 0..ATTEMPTS {
        let id = random_id()?;
        match capsules.store.put_capsule(&id, stored).await {
            Ok(()) => return Ok(id),
            Err(store::Error::Taken) => tracing::error!("a random transaction id was taken already"),
            Err(_) => return Err(Refusal::Unavailable),
        }
    }
    Err(Refusal::Unavailable)
}

/// "KC" and 128 random bits: UC.KTS.01, step 3.
fn random_id() -> Result<TransactionId, Refusal> {
    let mut octets = [0; 16];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| Refusal::Unavailable)?;
    format!("KC{:032x}", u128::from_be_bytes(octets)).parse().map_err(|_| Refusal::Unavailable)
}

fn value(text: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(text).map_err(|_| Refusal::Unavailable)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_have_the_form_and_differ() {
        let ids: HashSet<String> = (0..1000).map(|_| random_id().unwrap().to_string()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert!(id.len() == 34 && id.starts_with("KC"), "{id}");
            assert!(id[2..].bytes().all(|octet| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet)), "{id}");
        }
    }

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
