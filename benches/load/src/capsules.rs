//! What clients want of a capsule server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cdoc2_api::{TransactionId, capsule, expiry};

use crate::connection::{Answer, Connection, Fault};
use crate::drive::{Errand, unix_now};
use crate::population::{self, Population};

/// Ids of capsules that each worker put, which are kept for looking whether they are there.
const SAMPLE: usize = 8;
/// Those expire after so many seconds.
const SAMPLE_FOR: i64 = 3600;

/// Capsules that were stored beforehand, each by its recipient.
#[derive(Clone, Debug)]
pub(crate) struct Get {
    population: Arc<Population>,
    to: SocketAddr,
    /// Octets of an answer's body.
    body_len: usize,
    rng: fastrand::Rng,
    request: Vec<u8>,
}

impl Get {
    /// From the server at `to`, which answers so many octets.
    pub(crate) fn new(population: &Arc<Population>, to: SocketAddr, body_len: usize) -> Self {
        Self { population: Arc::clone(population), to, body_len, rng: fastrand::Rng::new(), request: Vec::new() }
    }
}

impl Errand for Get {
    fn prepare(&mut self, client: Option<usize>) -> usize {
        let number = choose(&self.population, client, &mut self.rng);
        self.request = get(self.to, &population::id(number));
        self.population.owner(number)
    }

    async fn run(&mut self, connection: &mut Connection) -> Result<Duration, Fault> {
        let answer = connection.exchange(&self.request).await?.with_status(200)?;
        if answer.body.len() == self.body_len { Ok(Duration::ZERO) } else { Err(Fault::Body) }
    }
}

/// New capsules; the first few of each worker stay.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    population: Arc<Population>,
    to: SocketAddr,
    /// The others expire so many seconds later.
    seconds: i64,
    rng: fastrand::Rng,
    request: Vec<u8>,
    owner: usize,
    /// Those that stay, and the numbers of their recipients.
    pub(crate) put: Vec<(TransactionId, usize)>,
}

impl Post {
    /// To the server at `to`.
    pub(crate) fn new(population: &Arc<Population>, to: SocketAddr, seconds: i64) -> Self {
        let population = Arc::clone(population);
        Self { population, to, seconds, rng: fastrand::Rng::new(), request: Vec::new(), owner: 0, put: Vec::new() }
    }

    fn stays(&self) -> bool {
        self.put.len() < SAMPLE
    }
}

impl Errand for Post {
    fn prepare(&mut self, client: Option<usize>) -> usize {
        let number = choose(&self.population, client, &mut self.rng);
        self.owner = self.population.owner(number);
        let seconds = if self.stays() { SAMPLE_FOR } else { self.seconds };
        let body = serde_json::to_string(&self.population.capsule(number)).expect("a capsule is JSON");
        self.request = post(self.to, capsule::PATH, &body, seconds);
        self.owner
    }

    async fn run(&mut self, connection: &mut Connection) -> Result<Duration, Fault> {
        let answer = connection.exchange(&self.request).await?.with_status(201)?;
        let id = created(&answer, capsule::PATH).ok_or(Fault::Body)?;
        if self.stays() {
            self.put.push((id, self.owner));
        }
        Ok(Duration::ZERO)
    }
}

/// Any capsule, or one of those whose recipient has the connection.
fn choose(population: &Population, client: Option<usize>, rng: &mut fastrand::Rng) -> u64 {
    match client {
        Some(owner) => population.any_of(owner, rng),
        None => population.any(rng),
    }
}

/// The request for capsule `id`.
pub(crate) fn get(to: SocketAddr, id: &TransactionId) -> Vec<u8> {
    format!("GET {}/{id} HTTP/1.1\r\nHost: {to}\r\nAccept: application/json\r\n\r\n", capsule::PATH).into_bytes()
}

/// The request to keep `body` for so many seconds.
pub(crate) fn post(to: SocketAddr, path: &str, body: &str, seconds: i64) -> Vec<u8> {
    let until = expiry::ExpiryTime::from_unix(unix_now() + seconds).expect("expiry is in this century");
    format!(
        "POST {path} HTTP/1.1\r\nHost: {to}\r\nContent-Type: application/json\r\n{}: {until}\r\nContent-Length: {}\r\n\r\n{body}",
        expiry::HEADER,
        body.len()
    )
    .into_bytes()
}

/// The id of what was put below `path`.
pub(crate) fn created<I: std::str::FromStr>(answer: &Answer<'_>, path: &str) -> Option<I> {
    answer.location.as_deref()?.strip_prefix(path)?.strip_prefix('/')?.parse().ok()
}
