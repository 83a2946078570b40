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
    let id = random::keep(random_id, |id| async move { store.put_capsule(&id, stored).await }).await?;
    created::response(&format!("{}/{id}", capsule::PATH), granted)
}

/// "KC" and 128 random bits: UC.KTS.01, step 3.
fn random_id() -> Result<TransactionId, Refusal> {
    format!("KC{}", random::hexadecimal()?).parse().map_err(|_| Refusal::Unavailable)
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
}
