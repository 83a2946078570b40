//! Puts, several in one statement.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use cdoc2_api::TransactionId;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use super::{Database, column};
use crate::store::{Error, Stored};

/// Statements at the same time, each over a connection of its own. While the database makes one durable it works at another.
pub(super) const TASKS: usize = 4;
/// Rows of one statement at most.
const MAX_GROUP: usize = 256;
/// How many may wait. More than that wait for a place.
const QUEUE_LEN: usize = 1024;
/// How long anybody waits for a place.
const PATIENCE: Duration = Duration::from_secs(10);

/// A capsule, and somebody who waits until it is kept.
struct Put {
    id: TransactionId,
    stored: Stored,
    asker: oneshot::Sender<Result<(), Error>>,
}

/// Tasks with a queue in front of them. They end when it is dropped and the queue is empty.
pub(super) struct Writer(mpsc::Sender<Put>);

impl Writer {
    pub(super) fn new(database: Database) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_LEN);
        let shared = Arc::new((database, Mutex::new(waiting)));
        for _ in 0..TASKS {
            tokio::spawn(write(Arc::clone(&shared)));
        }
        Self(queue)
    }

    pub(super) async fn put(&self, id: TransactionId, stored: Stored) -> Result<(), Error> {
        let ended = || Error::Unavailable("its task ended".into());
        let place = timeout(PATIENCE, self.0.reserve()).await.map_err(|_| Error::Unavailable("too many wait for it".into()))?;
        let (asker, answer) = oneshot::channel();
        place.map_err(|_| ended())?.send(Put { id, stored, asker });
        answer.await.map_err(|_| ended())?
    }
}

async fn write(shared: Arc<(Database, Mutex<mpsc::Receiver<Put>>)>) {
    let (database, waiting) = &*shared;
    let mut group = Vec::with_capacity(MAX_GROUP);
    while waiting.lock().await.recv_many(&mut group, MAX_GROUP).await > 0 {
        let mut outcome = insert(database, &group).await;
        for put in group.drain(..) {
            let answer = match &mut outcome {
                // Taken out, so that of two puts with one id one is answered so.
                Ok(kept) => kept.remove(put.id.as_str().as_bytes()).then_some(()).ok_or(Error::Taken),
                Err(reason) => Err(reason.clone()),
            };
            // Nobody may be waiting any more.
            let _ = put.asker.send(answer);
        }
    }
}

/// Inserts all that it can; their ids.
async fn insert(database: &Database, group: &[Put]) -> Result<HashSet<Vec<u8>>, Error> {
    let ids: Vec<&[u8]> = group.iter().map(|put| put.id.as_str().as_bytes()).collect();
    let types: Vec<&str> = group.iter().map(|put| put.stored.capsule.capsule_type.name()).collect();
    let recipients: Vec<&[u8]> = group.iter().map(|put| put.stored.capsule.recipient_id.as_slice()).collect();
    let materials: Vec<&[u8]> = group.iter().map(|put| put.stored.capsule.ephemeral_key_material.as_slice()).collect();
    let expiries: Vec<i64> = group.iter().map(|put| put.stored.expiry.as_unix()).collect();
    let sql = "INSERT INTO capsules (id, type, recipient_id, ephemeral_key_material, expiry)
               SELECT * FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::bytea[], $5::bigint[])
               ON CONFLICT (id) DO NOTHING RETURNING id";
    let rows = database.query(sql, &[&ids, &types, &recipients, &materials, &expiries]).await?;
    rows.iter().map(|row| column(row, 0)).collect()
}
