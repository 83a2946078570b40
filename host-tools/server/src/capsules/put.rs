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
    let new_id = || store.new_id().map(transaction_id);
    let id = random::keep(new_id, |id| async move { store.put_capsule(&id, stored).await }).await?;
    created::response(&format!("{}/{id}", capsule::PATH), granted)
}

/// "KC" and 128 random bits: UC.KTS.01, step 3.
fn transaction_id(bits: u128) -> TransactionId {
    format!("KC{bits:032x}").parse().expect("KC and 32 hexadecimal digits are an id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_form() {
        assert_eq!(transaction_id(0xAB).as_str(), "KC000000000000000000000000000000ab");
        assert_eq!(transaction_id(u128::MAX).as_str().len(), 34);
    }
}
