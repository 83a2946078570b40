//! POST /key-shares: UC.KTS.06.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use cdoc2_api::{KeyShare, ShareId, share};

use super::Shared;
use crate::refusal::Refusal;
use crate::store::StoredShare;
use crate::{body, created, expiry, random};

/// Lengths and forms are checked by the types of the interface: step 2.
pub(super) async fn put(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    if !body::is_json(&headers) {
        return Err(Refusal::NotJson);
    }
    let granted = expiry::grant(&headers, &shared.expiry, expiry::now()?)?;
    let share: KeyShare = body::parse(&body::read(body, &shared.limits).await?, "key share")?;
    let (store, stored) = (&shared.store, &StoredShare { share, expiry: granted.expiry });
    // Step 3.
    let new_id = || store.new_id().map(ShareId::from_bits);
    let id = random::keep(new_id, |id| async move { store.put_share(&id, stored).await }).await?;
    // Clients take what comes after "/key-shares/", whatever their server's address begins with.
    created::response(&format!("{}/{id}", share::PATH), granted)
}
