//! What clients want of a shares server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cdoc2_api::{Nonce, NonceResponse, ShareId, share};
use cdoc2_auth_token::{Audience, BaseUrl};

use crate::capsules::{created, post};
use crate::connection::{Connection, Fault};
use crate::drive::Errand;
use crate::people::{self, People};

/// Ids of shares that each worker put, which are kept for looking whether they are there.
const SAMPLE: usize = 8;
/// Those expire after so many seconds.
const SAMPLE_FOR: i64 = 3600;

/// A shares server, and whom it keeps shares for.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) people: Arc<People>,
    address: SocketAddr,
    url: BaseUrl,
}

/// A request that a ticket was signed for, and the body of its answer.
#[derive(Debug)]
pub(crate) struct Prepared {
    request: Vec<u8>,
    body: Vec<u8>,
}

impl Place {
    /// The server at `address`, by which its clients know it, too.
    pub(crate) fn new(people: &Arc<People>, address: SocketAddr) -> Self {
        let url = format!("https://{address}").parse().expect("it is a base URL");
        Self { people: Arc::clone(people), address, url }
    }

    /// Asks for a nonce of share `id`, signs it and fetches the share, which must be that of number `number`; how long signing took.
    pub(crate) async fn fetch(&self, connection: &mut Connection, id: &ShareId, number: u64) -> Result<Duration, Fault> {
        let nonce = self.nonce(connection, id).await?;
        let begin = Instant::now();
        let prepared = self.sign(id, number, nonce);
        let busy = begin.elapsed();
        prepared.present(connection).await?;
        Ok(busy)
    }

    async fn nonce(&self, connection: &mut Connection, id: &ShareId) -> Result<Nonce, Fault> {
        let to = self.address;
        let path = share::PATH;
        let request = format!("POST {path}/{id}{} HTTP/1.1\r\nHost: {to}\r\nContent-Length: 0\r\n\r\n", share::NONCE_PATH);
        let answer = connection.exchange(request.as_bytes()).await?.with_status(200)?;
        serde_json::from_slice(answer.body).map(|NonceResponse { nonce }| nonce).map_err(|_| Fault::Body)
    }

    /// The request for share `id` with a ticket of the owner of share `number`.
    fn sign(&self, id: &ShareId, number: u64, nonce: Nonce) -> Prepared {
        let audience = Audience { server: self.url.clone(), share_id: id.clone(), nonce };
        let (ticket, x5c) = self.people.ticket(number, audience);
        let request = format!(
            "GET {}/{id} HTTP/1.1\r\nHost: {}\r\n{}: {}\r\n{}: {x5c}\r\n\r\n",
            share::PATH,
            self.address,
            share::TOKEN_HEADER,
            *ticket,
            share::CERTIFICATE_HEADER
        );
        let body = serde_json::to_vec(&self.people.share(number)).expect("a share is JSON");
        Prepared { request: request.into_bytes(), body }
    }
}

impl Prepared {
    async fn present(&self, connection: &mut Connection) -> Result<(), Fault> {
        let answer = connection.exchange(&self.request).await?.with_status(200)?;
        if answer.body == self.body { Ok(()) } else { Err(Fault::Body) }
    }
}

/// A nonce, and the share that it is for.
#[derive(Debug)]
pub(crate) struct Given {
    number: u64,
    nonce: Nonce,
}

impl Given {
    /// The request that it is good for.
    pub(crate) fn sign(self, place: &Place) -> Prepared {
        place.sign(&people::id(self.number), self.number, self.nonce)
    }
}

/// Nonces alone.
#[derive(Debug)]
pub(crate) struct Nonces {
    place: Place,
    rng: fastrand::Rng,
    number: u64,
    /// What came.
    pub(crate) given: Vec<Given>,
}

impl Nonces {
    /// Of the shares in `place`.
    pub(crate) fn new(place: &Place) -> Self {
        Self { place: place.clone(), rng: fastrand::Rng::new(), number: 0, given: Vec::new() }
    }
}

impl Errand for Nonces {
    fn prepare(&mut self, client: Option<usize>) -> usize {
        self.number = self.place.people.any(&mut self.rng);
        client.unwrap_or_default()
    }

    async fn run(&mut self, connection: &mut Connection) -> Result<Duration, Fault> {
        let nonce = self.place.nonce(connection, &people::id(self.number)).await?;
        self.given.push(Given { number: self.number, nonce });
        Ok(Duration::ZERO)
    }
}

/// Shares alone, with tickets that were signed before. There are as many errands as tickets at most.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    prepared: Arc<Vec<Prepared>>,
    next: Arc<AtomicUsize>,
    /// Which one it is.
    index: usize,
}

impl Present {
    /// All of these, each once among the clones of this.
    pub(crate) fn new(prepared: Vec<Prepared>) -> Self {
        Self { prepared: Arc::new(prepared), next: Arc::default(), index: 0 }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.prepared.len() as u64
    }
}

impl Errand for Present {
    fn prepare(&mut self, client: Option<usize>) -> usize {
        self.index = self.next.fetch_add(1, Ordering::Relaxed);
        client.unwrap_or_default()
    }

    async fn run(&mut self, connection: &mut Connection) -> Result<Duration, Fault> {
        self.prepared[self.index].present(connection).await?;
        Ok(Duration::ZERO)
    }
}

/// A nonce, a signature, a share: what a recipient does.
#[derive(Debug)]
pub(crate) struct Pairs {
    place: Place,
    rng: fastrand::Rng,
    number: u64,
}

impl Pairs {
    /// Of the shares in `place`.
    pub(crate) fn new(place: &Place) -> Self {
        Self { place: place.clone(), rng: fastrand::Rng::new(), number: 0 }
    }
}

impl Errand for Pairs {
    fn prepare(&mut self, client: Option<usize>) -> usize {
        self.number = self.place.people.any(&mut self.rng);
        client.unwrap_or_default()
    }

    async fn run(&mut self, connection: &mut Connection) -> Result<Duration, Fault> {
        self.place.fetch(connection, &people::id(self.number), self.number).await
    }
}

/// New shares; the first few of each worker stay.
#[derive(Debug)]
pub(crate) struct Post {
    place: Place,
    /// The others expire so many seconds later.
    seconds: i64,
    rng: fastrand::Rng,
    number: u64,
    request: Vec<u8>,
    /// Those that stay, and a number whose share is the same.
    pub(crate) put: Vec<(ShareId, u64)>,
}

impl Post {
    /// To the server of `place`.
    pub(crate) fn new(place: &Place, seconds: i64) -> Self {
        let place = place.clone();
        Self { place, seconds, rng: fastrand::Rng::new(), number: 0, request: Vec::new(), put: Vec::new() }
    }

    fn stays(&self) -> bool {
        self.put.len() < SAMPLE
    }
}

impl Errand for Post {
    fn prepare(&mut self, client: Option<usize>) -> usize {
        self.number = self.place.people.any(&mut self.rng);
        let body = serde_json::to_string(&self.place.people.share(self.number)).expect("a share is JSON");
        let seconds = if self.stays() { SAMPLE_FOR } else { self.seconds };
        self.request = post(self.place.address, share::PATH, &body, seconds);
        client.unwrap_or_default()
    }

    async fn run(&mut self, connection: &mut Connection) -> Result<Duration, Fault> {
        let answer = connection.exchange(&self.request).await?.with_status(201)?;
        let id = created(&answer, share::PATH).ok_or(Fault::Body)?;
        if self.stays() {
            self.put.push((id, self.number));
        }
        Ok(Duration::ZERO)
    }
}
