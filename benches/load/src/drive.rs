//! Requests at a server: as fast as it answers, or at a fixed rate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cdoc2_api::{TransactionId, capsule, expiry};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::connection::{Answer, Client, Connection, Fault};
use crate::outcome::Tally;
use crate::population::{self, Population};

/// The longest that one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// At a fixed rate, what could not be sent this long after the end is not sent.
const GRACE: Duration = Duration::from_secs(3);
/// Ids of capsules that were put, which are kept for looking whether they are there.
const SAMPLE: usize = 8;
/// Those expire after so many seconds.
const SAMPLE_FOR: i64 = 3600;

/// How connections are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// A full handshake for each request.
    New,
    /// One handshake for all requests of a worker.
    KeptAlive,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Each worker sends the next one when it has the answer to the last.
    Closed,
    /// So many a second, whatever the answers take. Latency counts from when a request ought to have been sent, so that a server
    /// that stalls is not spared the requests that it kept from being sent.
    Open(f64),
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// Capsules that were stored beforehand, each by its recipient. The answer's body has this many octets.
    Get(usize),
    /// New capsules, which expire so many seconds later; the first few of each worker stay.
    Post(i64),
}

/// A server as its clients see it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Clients in the order of the recipients.
    pub(crate) clients: Vec<Client>,
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) job: Job,
    pub(crate) connections: Connections,
    pub(crate) pace: Pace,
    pub(crate) workers: usize,
    /// No request begins later.
    pub(crate) duration: Duration,
    /// Nor are there more.
    pub(crate) max_requests: u64,
}

/// What all workers of a run share.
struct Run {
    target: Arc<Target>,
    population: Arc<Population>,
    plan: Plan,
    start: Instant,
    sent: AtomicU64,
}

/// Runs `plan` against `target`. `numbers` is where the numbers of new capsules come from.
pub(crate) async fn run(target: &Arc<Target>, population: &Arc<Population>, plan: Plan) -> Tally {
    let workers = plan.workers;
    let run = Arc::new(Run {
        target: Arc::clone(target),
        population: Arc::clone(population),
        plan,
        start: Instant::now(),
        sent: AtomicU64::new(0),
    });
    let mut tasks = JoinSet::new();
    for number in 0..workers {
        tasks.spawn(Worker::new(Arc::clone(&run), number).work());
    }
    let mut sum = Tally::default();
    while let Some(tally) = tasks.join_next().await {
        sum.merge(&tally.expect("a worker does not panic"));
    }
    sum.elapsed = run.start.elapsed();
    sum
}

/// One request after the other.
struct Worker {
    run: Arc<Run>,
    /// Whose certificate it shows on a connection that is kept.
    owner: usize,
    connection: Option<Connection>,
    rng: fastrand::Rng,
    request: Vec<u8>,
    /// Whether the capsule that is put stays.
    stays: bool,
    tally: Tally,
}

impl Worker {
    fn new(run: Arc<Run>, number: usize) -> Self {
        let owner = number % run.target.clients.len();
        Self { run, owner, connection: None, rng: fastrand::Rng::new(), request: Vec::new(), stays: false, tally: Tally::default() }
    }

    async fn work(mut self) -> Tally {
        while let Some(due) = self.next().await {
            let result = match timeout(REQUEST_TIMEOUT, self.request()).await {
                Ok(result) => result,
                Err(_) => Err(Fault::Timeout),
            };
            match result {
                Ok(id) => {
                    self.tally.answered(due.elapsed());
                    if let Some(id) = id
                        && self.stays
                    {
                        self.tally.put.push((id, self.owner));
                    }
                }
                Err(fault) => {
                    self.connection = None;
                    self.tally.failed(fault);
                }
            }
        }
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
        self.tally
    }

    /// Waits until the next request is due, and says when that was.
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

    /// Sends one request; the id, if it has put a capsule.
    async fn request(&mut self) -> Result<Option<TransactionId>, Fault> {
        self.prepare();
        let Run { target, plan, .. } = &*self.run;
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(&target.clients[self.owner], target.address).await?),
        };
        let id = check(&plan.job, &connection.exchange(&self.request).await?)?;
        if plan.connections == Connections::New
            && let Some(connection) = self.connection.take()
        {
            connection.close().await;
        }
        Ok(id)
    }

    /// Writes the next request, and chooses whose it is.
    fn prepare(&mut self) {
        let Run { population, plan, target, .. } = &*self.run;
        let number = match plan.connections {
            Connections::New => population.any(&mut self.rng),
            Connections::KeptAlive => population.any_of(self.owner, &mut self.rng),
        };
        self.owner = population.owner(number);
        self.stays = self.tally.put.len() < SAMPLE;
        self.request = match plan.job {
            Job::Get(_) => get(target.address, &population::id(number)),
            Job::Post(seconds) => post(target.address, population, number, if self.stays { SAMPLE_FOR } else { seconds }),
        };
    }
}

/// The request for capsule `id`.
pub(crate) fn get(to: SocketAddr, id: &TransactionId) -> Vec<u8> {
    format!("GET {}/{id} HTTP/1.1\r\nHost: {to}\r\nAccept: application/json\r\n\r\n", capsule::PATH).into_bytes()
}

/// The request to keep one more capsule like `number` for so many seconds.
fn post(to: SocketAddr, population: &Population, number: u64, seconds: i64) -> Vec<u8> {
    let body = serde_json::to_string(&population.capsule(number)).expect("a capsule is JSON");
    let until = expiry::ExpiryTime::from_unix(unix_now() + seconds).expect("expiry is in this century");
    format!(
        "POST {} HTTP/1.1\r\nHost: {to}\r\nContent-Type: application/json\r\n{}: {until}\r\nContent-Length: {}\r\n\r\n{body}",
        capsule::PATH,
        expiry::HEADER,
        body.len()
    )
    .into_bytes()
}

/// Seconds after 1970.
pub(crate) fn unix_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_secs().try_into().unwrap_or(i64::MAX)
}

/// Whether `answer` is what the job expects; the id of what was put.
fn check(job: &Job, answer: &Answer<'_>) -> Result<Option<TransactionId>, Fault> {
    let expected = match job {
        Job::Get(_) => 200,
        Job::Post(_) => 201,
    };
    if answer.status != expected {
        return Err(Fault::Status(answer.status));
    }
    match job {
        Job::Get(body_len) if answer.body.len() == *body_len => Ok(None),
        Job::Get(_) => Err(Fault::Body),
        Job::Post(_) => {
            let location = answer.location.as_deref().and_then(|path| path.strip_prefix(capsule::PATH)?.strip_prefix('/'));
            location.and_then(|id| id.parse().ok()).map(Some).ok_or(Fault::Body)
        }
    }
}
