//! The store as handlers see it: every call is timed, counted and bounded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cdoc2_api::{ExpiryTime, Nonce, ShareId, TransactionId};

use crate::metrics;
use crate::store::{Answer, Error, Store, StoredCapsule, StoredShare};

/// A store that answers within a time, or is not available.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) timeout: Duration,
}

impl Watched {
    pub(crate) fn new_id(&self) -> Result<u128, Error> {
        self.store.new_id()
    }

    pub(crate) async fn put_capsule(&self, id: &TransactionId, stored: &StoredCapsule) -> Result<(), Error> {
        self.watch("put_capsule", self.store.put_capsule(id, stored)).await
    }

    pub(crate) async fn capsule(&self, id: &TransactionId, now: ExpiryTime) -> Result<Option<StoredCapsule>, Error> {
        self.watch("capsule", self.store.capsule(id, now)).await
    }

    pub(crate) async fn put_share(&self, id: &ShareId, stored: &StoredShare) -> Result<(), Error> {
        self.watch("put_share", self.store.put_share(id, stored)).await
    }

    pub(crate) async fn share(&self, id: &ShareId, now: ExpiryTime) -> Result<Option<StoredShare>, Error> {
        self.watch("share", self.store.share(id, now)).await
    }

    pub(crate) async fn put_nonce(&self, id: &ShareId, nonce: &Nonce, expiry: ExpiryTime) -> Result<(), Error> {
        self.watch("put_nonce", self.store.put_nonce(id, nonce, expiry)).await
    }

    pub(crate) async fn take_nonce(&self, id: &ShareId, nonce: &Nonce, now: ExpiryTime) -> Result<bool, Error> {
        self.watch("take_nonce", self.store.take_nonce(id, nonce, now)).await
    }

    pub(crate) async fn oldest_expired(&self, now: ExpiryTime) -> Result<Option<ExpiryTime>, Error> {
        self.watch("oldest_expired", self.store.oldest_expired(now)).await
    }

    pub(crate) async fn check(&self) -> Result<(), Error> {
        self.watch("check", self.store.check()).await
    }

    async fn watch<T>(&self, operation: &'static str, answer: Answer<'_, T>) -> Result<T, Error> {
        let begin = Instant::now();
        let result = tokio::time::timeout(self.timeout, answer)
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable(format!("no answer in {:?}", self.timeout))));
        metrics::store_answered(operation, begin.elapsed(), result.as_ref().err());
        if let Err(error) = &result {
            tracing::error!(operation, %error, "store");
        }
        result
    }
}
