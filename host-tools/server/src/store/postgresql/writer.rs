//! What is to be put or taken, several in one statement.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use super::Database;
use crate::store::Error;

/// Statements of one kind at the same time, each over a connection of its own. While the database makes one durable it works at another.
pub(super) const TASKS: usize = 4;
/// Rows of one statement at most.
const MAX_GROUP: usize = 256;
/// How many may wait. More than that wait for a place.
const QUEUE_LEN: usize = 1024;
/// How long anybody waits for a place.
const PATIENCE: Duration = Duration::from_secs(10);

/// A change of one row, of a kind that one statement does for many.
pub(super) trait Change: Sized + Send + Sync + 'static {
    /// Does all of `group` that it can; for each whether it was done.
    fn make(group: &[Self], database: &Database) -> impl Future<Output = Result<Vec<bool>, Error>> + Send;
}

/// Somebody who waits until a change is made, and is told whether it was.
type Asker = oneshot::Sender<Result<bool, Error>>;

/// Tasks with a queue in front of them. They end when it is dropped and the queue is empty.
pub(super) struct Writer<C>(mpsc::Sender<(C, Asker)>);

impl<C: Change> Writer<C> {
    pub(super) fn new(database: &Arc<Database>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_LEN);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..TASKS {
            tokio::spawn(write(Arc::clone(database), Arc::clone(&waiting)));
        }
        Self(queue)
    }

    /// Makes `change`; whether it was made.
    pub(super) async fn ask(&self, change: C) -> Result<bool, Error> {
        let ended = || Error::Unavailable("its task ended".into());
        let place = timeout(PATIENCE, self.0.reserve()).await.map_err(|_| Error::Unavailable("too many wait for it".into()))?;
        let (asker, answer) = oneshot::channel();
        place.map_err(|_| ended())?.send((change, asker));
        answer.await.map_err(|_| ended())?
    }

    /// Makes `change`, which puts something, unless its id is taken.
    pub(super) async fn put(&self, change: C) -> Result<(), Error> {
        if self.ask(change).await? { Ok(()) } else { Err(Error::Taken) }
    }
}

async fn write<C: Change>(database: Arc<Database>, waiting: Arc<Mutex<mpsc::Receiver<(C, Asker)>>>) {
    let mut group = Vec::with_capacity(MAX_GROUP);
    while waiting.lock().await.recv_many(&mut group, MAX_GROUP).await > 0 {
        let (changes, askers): (Vec<C>, Vec<Asker>) = group.drain(..).unzip();
        let mut outcome = C::make(&changes, &database).await.map(Vec::into_iter);
        for asker in askers {
            let answer = match &mut outcome {
                Ok(made) => made.next().ok_or_else(|| Error::Unsound("it answers too little".into())),
                Err(reason) => Err(reason.clone()),
            };
            // Nobody may be waiting any more.
            let _ = asker.send(answer);
        }
    }
}
