//! Requests at a server: as fast as it answers, or at a fixed rate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::connection::{Client, Connection, Fault};
use crate::outcome::Tally;

/// The longest that one errand may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// At a fixed rate, what could not be sent this long after the end is not sent.
const GRACE: Duration = Duration::from_secs(3);

/// How connections are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// A full handshake for each errand.
    New,
    /// One handshake for all errands of a worker, before anything is measured.
    KeptAlive,
}

/// When errands begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Each worker begins the next one when the last is done.
    Closed,
    /// So many a second, whatever the answers take. Latency counts from when an errand ought to have begun, so that a server that stalls is not spared the
    /// requests that it kept from being sent.
    Open(f64),
}

/// What a worker does again and again: one request, or several that belong together.
pub(crate) trait Errand: Send + 'static {
    /// Chooses what is asked for next, and which of the server's clients asks: `client`, if a connection of theirs is kept.
    fn prepare(&mut self, client: Option<usize>) -> usize;

    /// Asks for what was chosen. The answer is for how long the worker was busy with something that the server has no part in: it does not count.
    fn run(&mut self, connection: &mut Connection) -> impl Future<Output = Result<Duration, Fault>> + Send;
}

/// A server as its clients see it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Where there are recipients' certificates, clients in the order of the recipients.
    pub(crate) clients: Vec<Client>,
}

impl Target {
    /// Who makes connection `number`: all take turns.
    pub(crate) fn client_of(&self, number: usize) -> usize {
        number % self.clients.len()
    }
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) connections: Connections,
    pub(crate) pace: Pace,
    pub(crate) workers: usize,
    /// No errand begins later.
    pub(crate) duration: Duration,
    /// Nor are there more.
    pub(crate) max_requests: u64,
}

/// What all workers of a run share.
struct Run {
    target: Arc<Target>,
    plan: Plan,
    start: Instant,
    sent: AtomicU64,
}

/// Runs `plan` against `target`: each worker has an errand of its own. They come back, in no order.
pub(crate) async fn run<E: Errand>(target: &Arc<Target>, plan: Plan, mut errand: impl FnMut() -> E) -> (Tally, Vec<E>) {
    let mut connections = Vec::with_capacity(plan.workers);
    for number in 0..plan.workers {
        connections.push(match plan.connections {
            // Should one fail, the worker tries again, and tells.
            Connections::KeptAlive => Connection::open(&target.clients[target.client_of(number)], target.address).await.ok(),
            Connections::New => None,
        });
    }
    let run = Arc::new(Run { target: Arc::clone(target), plan, start: Instant::now(), sent: AtomicU64::new(0) });
    let mut tasks = JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        tasks.spawn(Worker::new(Arc::clone(&run), number, connection, errand()).work());
    }
    let (mut sum, mut errands) = (Tally::default(), Vec::with_capacity(tasks.len()));
    while let Some(done) = tasks.join_next().await {
        let (tally, errand) = done.expect("a worker does not panic");
        sum.merge(&tally);
        errands.push(errand);
    }
    sum.elapsed = run.start.elapsed();
    (sum, errands)
}

/// One errand after the other.
struct Worker<E> {
    run: Arc<Run>,
    /// Whose connection is kept.
    client: usize,
    connection: Option<Connection>,
    errand: E,
    tally: Tally,
}

impl<E: Errand> Worker<E> {
    fn new(run: Arc<Run>, number: usize, connection: Option<Connection>, errand: E) -> Self {
        let client = run.target.client_of(number);
        Self { run, client, connection, errand, tally: Tally::default() }
    }

    async fn work(mut self) -> (Tally, E) {
        while let Some(due) = self.next().await {
            let result = match timeout(REQUEST_TIMEOUT, self.request()).await {
                Ok(result) => result,
                Err(_) => Err(Fault::Timeout),
            };
            match result {
                Ok(busy) => self.tally.answered(due.elapsed().saturating_sub(busy)),
                Err(fault) => {
                    self.connection = None;
                    self.tally.failed(fault);
                }
            }
        }
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
        (self.tally, self.errand)
    }

    /// Waits until the next errand is due, and says when that was.
    async fn next(&mut self) -> Option<Instant> {
        let Run { plan, start, sent, .. } = &*self.run;
        loop {
            let number = sent.fetch_add(1, Ordering::Relaxed);
            if number >= plan.max_requests {
                return None;
            }
            let now = Instant::now();
            let end = *start + plan.duration;
            let due = match plan.pace {
                Pace::Closed => now,
                Pace::Open(rate) => *start + Duration::from_secs_f64(number as f64 / rate),
            };
            if due >= end {
                return None;
            }
            if now >= end + GRACE {
                self.tally.failed(Fault::Unsent);
                continue;
            }
            // Even a deadline that has passed would cost a turn of the timer.
            if due > now {
                sleep_until(due).await;
            }
            return Some(due);
        }
    }

    /// Does one errand; how long it was busy by itself.
    async fn request(&mut self) -> Result<Duration, Fault> {
        let Run { target, plan, .. } = &*self.run;
        let is_kept = plan.connections == Connections::KeptAlive;
        self.client = self.errand.prepare(is_kept.then_some(self.client));
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(&target.clients[self.client], target.address).await?),
        };
        let busy = self.errand.run(connection).await?;
        if !is_kept && let Some(connection) = self.connection.take() {
            connection.close().await;
        }
        Ok(busy)
    }
}

/// Seconds after 1970.
pub(crate) fn unix_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_secs().try_into().unwrap_or(i64::MAX)
}
