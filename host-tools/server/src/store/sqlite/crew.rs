//! Threads that own connections, and the queue of what they are asked to do.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::error;
use crate::store::Error;

/// How many may wait. More than that wait for a place.
const QUEUE_LEN: usize = 1024;

/// How long anybody waits for a place. At the rates of a disk that works the whole queue is done in a fraction of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much is made durable together at most. It bounds how long one transaction holds the lock that other processes wait for.
const MAX_GROUP: usize = 512;

/// One question to a database, and somebody who waits for the answer.
trait Work: Send {
    /// Asks it, and remembers what came out. It is one statement, so that its failure takes back no more than itself.
    fn run(&mut self, connection: &Connection) -> Result<(), Error>;

    /// Hands over what came out, or `failure` if that was taken back.
    fn answer(self: Box<Self>, failure: Option<&Error>);
}

/// [`Work`] by a closure.
struct Task<F, T> {
    work: F,
    outcome: Option<Result<T, Error>>,
    asker: oneshot::Sender<Result<T, Error>>,
}

impl<F: FnMut(&Connection) -> rusqlite::Result<T> + Send, T: Send> Work for Task<F, T> {
    fn run(&mut self, connection: &Connection) -> Result<(), Error> {
        let outcome = (self.work)(connection).map_err(|reason| error(&reason));
        let failure = outcome.as_ref().err().cloned();
        self.outcome = Some(outcome);
        failure.map_or(Ok(()), Err)
    }

    fn answer(self: Box<Self>, failure: Option<&Error>) {
        let outcome = match (failure, self.outcome) {
            (None, Some(outcome)) => outcome,
            (Some(failure), _) => Err(failure.clone()),
            (None, None) => Err(Error::Unavailable("it was not asked".into())),
        };
        // Nobody may be waiting any more.
        let _ = self.asker.send(outcome);
    }
}

/// Threads with a queue in front of them. Dropping it lets them finish what is in the queue, and closes their connections.
pub(super) struct Crew {
    /// `None` while being dropped.
    queue: Option<mpsc::Sender<Box<dyn Work>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// One thread that writes: all that waits when it begins goes into one transaction, which is made durable once, and is answered after that. Then
    /// `done` gets the connection.
    pub(super) fn writer(mut connection: Connection, mut done: impl FnMut(&Connection) + Send + 'static) -> io::Result<Self> {
        let (queue, mut waiting) = mpsc::channel(QUEUE_LEN);
        let thread = thread::Builder::new().name("sqlite-writer".into()).spawn(move || {
            let mut group: Vec<Box<dyn Work>> = Vec::with_capacity(MAX_GROUP);
            while waiting.blocking_recv_many(&mut group, MAX_GROUP) > 0 {
                let failure = commit(&mut connection, &mut group).err();
                group.drain(..).for_each(|work| work.answer(failure.as_ref()));
                done(&connection);
            }
        })?;
        Ok(Self { queue: Some(queue), threads: vec![thread] })
    }

    /// A thread for each of `connections`, none of which writes.
    pub(super) fn readers(connections: Vec<Connection>) -> io::Result<Self> {
        let (queue, waiting) = mpsc::channel::<Box<dyn Work>>(QUEUE_LEN);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut crew = Self { queue: Some(queue), threads: Vec::with_capacity(connections.len()) };
        for connection in connections {
            let waiting = Arc::clone(&waiting);
            // Whoever has the lock waits for work; the others wait for the lock.
            let next = move || waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
            crew.threads.push(thread::Builder::new().name("sqlite-reader".into()).spawn(move || {
                while let Some(mut work) = next() {
                    let failure = work.run(&connection).err();
                    work.answer(failure.as_ref());
                }
            })?);
        }
        Ok(crew)
    }

    /// What `work` finds, which is to be one statement.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let ended = || Error::Unavailable("its thread ended".into());
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        let place = timeout(PATIENCE, queue.reserve()).await.map_err(|_| Error::Unavailable("too many wait for it".into()))?;
        let (asker, answer) = oneshot::channel();
        place.map_err(|_| ended())?.send(Box::new(Task { work, outcome: None, asker }));
        answer.await.map_err(|_| ended())?
    }
}

/// Does `group` in one transaction. One that fails takes back no other, unless SQLite rolls back all of it, as it may when the disk is full.
fn commit(connection: &mut Connection, group: &mut [Box<dyn Work>]) -> Result<(), Error> {
    let sql = |reason| error(&reason);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
    for work in group {
        let outcome = work.run(&transaction);
        if transaction.is_autocommit() {
            return outcome;
        }
    }
    transaction.commit().map_err(sql)
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}
