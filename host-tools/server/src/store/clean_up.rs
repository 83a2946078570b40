//! Deleting what has expired, for as long as a server runs.

use std::time::{Duration, Instant, SystemTime};

use cdoc2_api::ExpiryTime;
use tokio::time::sleep;

use super::{Error, Store};

/// What this process deleted.
const DELETED: &str = "cdoc2_expired_deleted_total";

/// Longest pause after failures, unless the interval is longer.
const MAX_BACK_OFF: Duration = Duration::from_secs(60);
/// Pause after the first failure; each further one doubles it.
const FIRST_BACK_OFF: Duration = Duration::from_millis(500);

/// Deletes what has expired by `clock`, in batches of at most `batch` until none is left, then again after every `interval`. It never ends; drop it
/// to stop it, between two batches or while one goes on, which is then finished or not done at all.
///
/// After each batch as much time as it took is left to others, so that a long clean-up takes half of the database at most. A failure is logged and
/// followed by a pause.
pub async fn run(store: &dyn Store, clock: impl Fn() -> SystemTime, interval: Duration, batch: u32) -> ! {
    metrics::describe_counter!(DELETED, "Capsules, shares and nonces deleted after they expired");
    let mut back_off = FIRST_BACK_OFF;
    loop {
        match drain(store, &clock, batch).await {
            Ok(count) => {
                if count > 0 {
                    tracing::info!(count, "what expired was deleted");
                }
                back_off = FIRST_BACK_OFF;
                sleep(interval).await;
            }
            Err(reason) => {
                tracing::warn!(%reason, pause_s = back_off.as_secs_f64(), "what expired cannot be deleted");
                sleep(back_off).await;
                back_off = (back_off * 2).min(MAX_BACK_OFF.max(interval));
            }
        }
    }
}

/// Deletes what has expired by `clock` until none is left; how many it were.
///
/// # Errors
/// Those of the store. What was deleted before stays deleted.
pub async fn drain(store: &dyn Store, clock: impl Fn() -> SystemTime, batch: u32) -> Result<u64, Error> {
    let batch = batch.max(1);
    let mut sum = 0;
    loop {
        let now = ExpiryTime::try_from(clock())
            .map_err(|reason| Error::Unsound(format!("the clock shows no time that can be written: {reason}")))?;
        let start = Instant::now();
        let count = store.delete_expired(now, batch).await?;
        sum += u64::from(count);
        // Another server may have taken some of this batch's rows; whoever finds none is done.
        if count == 0 {
            return Ok(sum);
        }
        metrics::counter!(DELETED).increment(count.into());
        sleep(start.elapsed()).await;
    }
}
