//! POST /key-shares/{shareId}/nonce: UC.KTS.07, step 1.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse as _, Response};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use cdoc2_api::id::Malformed;
use cdoc2_api::{Nonce, NonceResponse, ShareId};
use serde::de::IgnoredAny;

use super::{NO_SHARE, Shared};
use crate::refusal::Refusal;
use crate::store::Error;
use crate::{body, expiry, random};

/// Octets of a nonce: as many as the 16 characters of the interface hold.
const LEN: usize = 12;

/// Anybody may ask for a nonce: whoever has the container knows the id. It is worth nothing without the recipient's signature.
pub(super) async fn nonce(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Response, Refusal> {
    let id = &share_id(id)?;
    is_empty(&body::read(body, &shared.limits).await?)?;
    let now = expiry::now()?;
    let store = &shared.store;
    let found = store.share(id, now).await.map_err(|_| Refusal::Unavailable)?;
    // The store may compare with a clock of its own.
    found.filter(|stored| stored.expiry > now).ok_or(NO_SHARE)?;
    let expiry = expiry::after(now, shared.nonce_lifetime)?;
    let nonce = random::keep(random_nonce, |nonce| async move { store.put_nonce(id, &nonce, expiry).await }).await?;
    let mut response = Json(NonceResponse { nonce }).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The id in a path.
pub(super) fn share_id(path: Result<Path<String>, PathRejection>) -> Result<ShareId, Refusal> {
    let Path(id) = path.map_err(|_| Refusal::BadRequest("the share id is not UTF-8".into()))?;
    id.parse().map_err(|malformed| match malformed {
        Malformed::Length => Refusal::BadRequest(malformed.to_string().into()),
        // The interface sets lengths only, so this is merely an id that no server gave.
        Malformed::Character => NO_SHARE,
    })
}

/// Nothing, null, or an object, of which nothing is wanted.
fn is_empty(octets: &[u8]) -> Result<(), Refusal> {
    if octets.is_empty() {
        return Ok(());
    }
    body::parse::<Option<HashMap<Cow<'_, str>, IgnoredAny>>>(octets, "object").map(drop)
}

/// 96 random bits in base64url.
fn random_nonce() -> Result<Nonce, Error> {
    let nonce = Base64UrlUnpadded::encode_string(&random::octets::<LEN>()?);
    Ok(nonce.parse().expect("16 characters of base64url are a nonce"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nonces_have_the_form_and_differ() {
        let nonces: HashSet<Nonce> = (0..1000).map(|_| random_nonce().unwrap()).collect();
        assert_eq!(nonces.len(), 1000);
        assert!(nonces.iter().all(|nonce| nonce.as_str().len() == 16));
    }

    #[test]
    fn bodies_are_empty() {
        for empty in ["", "null", "{}", " { } ", r#"{"later":[1,{"a":2}]}"#] {
            assert_eq!(is_empty(empty.as_bytes()), Ok(()), "{empty}");
        }
        for other in ["[]", "\"\"", "0", "true", "{", "{}{}", "nul", "\u{feff}{}"] {
            assert!(matches!(is_empty(other.as_bytes()), Err(Refusal::BadRequest(_))), "{other}");
        }
    }
}
