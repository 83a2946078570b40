//! POST /key-capsules: UC.KTS.01.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use cdoc2_api::{Capsule, TransactionId, capsule};

use super::{Shared, validation};
use crate::refusal::Refusal;
use crate::store::StoredCapsule;
use crate::{body, created, expiry, random};

pub(super) async fn put(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    if !body::is_json(&headers) {
        return Err(Refusal::NotJson);
    }
    let granted = expiry::grant(&headers, &shared.expiry, expiry::now()?)?;
    let capsule: Capsule = body::parse(&body::read(body, &shared.limits).await?, "capsule")?;
    validation::check(&capsule)?;
    let (store, stored) = (&shared.store, &StoredCapsule { capsule, expiry: granted.expiry });
    // Step 3.
    let new_id = || store.new_id().map(TransactionId::from_bits);
    let id = random::keep(new_id, |id| async move { store.put_capsule(&id, stored).await }).await?;
    created::response(&format!("{}/{id}", capsule::PATH), granted)
}
