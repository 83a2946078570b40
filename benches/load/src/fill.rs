//! Capsules or shares in the store before anything is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cdoc2_api::ExpiryTime;
use cdoc2_server::store::{Error, Store};
use tokio::task::JoinSet;

use crate::drive::unix_now;

/// On their way at a time: the store writes what waits together.
const TASKS: usize = 1024;
/// When those expire that are to stay.
const YEAR: i64 = 365 * 24 * 3600;

/// What expires while the servers are measured, so that the clean-up has something to do all the while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiring {
    pub(crate) count: u64,
    /// The first expires after so many seconds.
    pub(crate) from: i64,
    /// The last one before so many.
    pub(crate) until: i64,
}

impl Expiring {
    /// When the one of this number expires.
    fn expiry(&self, number: u64) -> i64 {
        let span = (self.until - self.from) as f64;
        self.from + (span * number as f64 / self.count as f64) as i64
    }
}

/// What can be stored by its number.
pub(crate) trait Kept: Send + Sync + 'static {
    /// How many stay.
    fn count(&self) -> u64;

    /// Stores number `number`, or one like it, if there are not so many.
    fn put(&self, store: &dyn Store, number: u64, expiry: ExpiryTime) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Stores all of `kept`, and `expiring` ones after them.
pub(crate) async fn fill<K: Kept>(store: &Arc<dyn Store>, kept: &Arc<K>, expiring: Expiring) -> Result<(), Error> {
    let next = Arc::new(AtomicU64::new(0));
    let now = unix_now();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (store, kept, next) = (Arc::clone(store), Arc::clone(kept), Arc::clone(&next));
        tasks.spawn(async move {
            let stay = kept.count();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let seconds = match number.checked_sub(stay) {
                    None => YEAR,
                    Some(number) if number < expiring.count => expiring.expiry(number),
                    Some(_) => return Ok(()),
                };
                let expiry = ExpiryTime::from_unix(now + seconds).expect("this century can be written");
                kept.put(&*store, number, expiry).await?;
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.expect("filling does not panic")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_spread() {
        let expiring = Expiring { count: 10, from: 5, until: 25 };
        assert_eq!([0, 1, 9].map(|number| expiring.expiry(number)), [5, 7, 23]);
    }
}
