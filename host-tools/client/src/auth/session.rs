//! Sessions with a service that signs by somebody's phone: one request begins it, others ask how it does until it has ended.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding as _};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{EndState, Error, Interaction, Service};
use crate::config::SigningService;
use crate::https::{self, Answer, Http, Timeouts, below};
use crate::parallel::{self, Stopped, TICK};

/// What the way to a service takes, on top of the time for which it was asked to wait.
const MARGIN: Duration = Duration::from_secs(10);

/// How patient a signer is. The defaults suit the real services and nonces, which last five minutes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From the first request until there must be a signature.
    pub deadline: Duration,
    /// For how long the service is asked to keep back an answer that says nothing new (`timeoutMs`).
    pub long_poll: Duration,
    /// Between the beginnings of two such requests, at least: some services do not wait.
    pub interval: Duration,
    /// After the first failure, and twice as long after each that follows.
    pub back_off: Duration,
    /// Failures in a row after which it is given up.
    pub max_failures: u32,
    /// For every other request.
    pub timeouts: Timeouts,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(180),
            long_poll: Duration::from_secs(20),
            interval: Duration::from_secs(1),
            back_off: Duration::from_millis(500),
            max_failures: 5,
            timeouts: Timeouts::default(),
        }
    }
}

/// A service, for one session.
pub(super) struct Session<'i> {
    service: Service,
    http: Arc<Http>,
    base: Url,
    pace: Pace,
    interaction: &'i mut dyn Interaction,
    end: Instant,
    failures: u32,
}

/// `sessionID`: part of an address, so that nothing may be in it that means something there.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct SessionId(String);

impl TryFrom<String> for SessionId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_id = (1..=64).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        if is_id { Ok(Self(text)) } else { Err("not the id of a session") }
    }
}

/// What a request to begin a session is answered with.
#[derive(Deserialize)]
struct Begun {
    #[serde(rename = "sessionID")]
    session_id: SessionId,
}

/// How a session does. Members that are not known are left alone: services may add some.
#[derive(Deserialize)]
#[serde(tag = "state", rename_all = "UPPERCASE")]
enum Status<T> {
    Running,
    Complete(T),
}

/// `signature` of a session that has ended.
#[derive(Deserialize)]
pub(super) struct Signature {
    pub(super) value: Octets,
    pub(super) algorithm: String,
}

/// Octets in base64.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Octets(pub(super) Vec<u8>);

impl TryFrom<String> for Octets {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Base64::decode_vec(&text).map(Self).map_err(|_| "not base64")
    }
}

/// `hash` of a request.
pub(super) fn base64(octets: &[u8]) -> String {
    Base64::encode_string(octets)
}

impl<'i> Session<'i> {
    pub(super) fn new(
        service: Service,
        config: &SigningService,
        pace: Pace,
        interaction: &'i mut dyn Interaction,
    ) -> Result<Self, Error> {
        let http = Http::new(&config.url, &config.certificates, None, pace.timeouts);
        let http = Arc::new(http.map_err(|reason| Error::Service { service, reason })?);
        Ok(Self { service, http, base: config.url.clone(), pace, interaction, end: Instant::now() + pace.deadline, failures: 0 })
    }

    /// Begins the session by sending `body` to `path`. A service that could not take it now, as `is_busy` says by the status, is sent it again;
    /// `end_state` says what other statuses mean.
    pub(super) fn begin(
        &mut self,
        path: &str,
        body: &impl Serialize,
        is_busy: fn(StatusCode) -> bool,
        end_state: fn(StatusCode) -> Option<EndState>,
    ) -> Result<SessionId, Error> {
        let url = below(&self.base, path);
        let body = serde_json::to_vec(body).map_err(|error| self.failed(https::Error::Internal(error.to_string())))?;
        loop {
            let (http, url, body) = (Arc::clone(&self.http), url.clone(), body.clone());
            let post = move || http.send(|client| client.post(url).header(CONTENT_TYPE, JSON).header(ACCEPT, JSON).body(body));
            let answer = self.unless_cancelled(post)?.map_err(|reason| self.failed(reason))?;
            if is_busy(answer.status) {
                self.after_failure(of_status(&answer), answer.retry_after())?;
                continue;
            }
            self.failures = 0;
            let begun: Begun = self.read(&answer, end_state)?;
            return Ok(begun.session_id);
        }
    }

    /// Asks below `path` until the session `id` has ended, and returns with what.
    pub(super) fn wait<T: DeserializeOwned>(&mut self, path: &str, id: &SessionId) -> Result<T, Error> {
        let url = below(&self.base, &format!("{path}/{}", id.0));
        loop {
            let begun = Instant::now();
            let left = self.end.saturating_duration_since(begun);
            if left.is_zero() {
                return Err(Error::Unfinished(self.service));
            }
            let wait = left.min(self.pace.long_poll);
            let (http, mut url) = (Arc::clone(&self.http), url.clone());
            url.set_query(Some(&format!("timeoutMs={}", wait.as_millis())));
            let get = move || http.send(|client| client.get(url).header(ACCEPT, JSON).timeout(wait + MARGIN));
            match self.unless_cancelled(get)? {
                Ok(answer) if is_passing(answer.status) => self.after_failure(of_status(&answer), answer.retry_after())?,
                Err(reason) if reason.is_passing() => self.after_failure(reason, None)?,
                Err(reason) => return Err(self.failed(reason)),
                Ok(answer) => {
                    self.failures = 0;
                    let unknown = |status| (status == StatusCode::NOT_FOUND).then_some(EndState::UnknownSession);
                    match self.read(&answer, unknown)? {
                        Status::Complete(result) => return Ok(result),
                        Status::Running => self.pause(self.pace.interval.saturating_sub(begun.elapsed()))?,
                    }
                }
            }
        }
    }

    /// That the session has ended without a signature.
    pub(super) fn ended(&self, state: EndState) -> Error {
        Error::Ended { service: self.service, state }
    }

    /// That the answer lacks something, or has it twice.
    pub(super) fn nonsense(&self, what: &'static str) -> Error {
        self.failed(https::Error::Nonsense(what))
    }

    fn failed(&self, reason: https::Error) -> Error {
        Error::Service { service: self.service, reason }
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer, end_state: impl Fn(StatusCode) -> Option<EndState>) -> Result<T, Error> {
        if answer.status != StatusCode::OK {
            let state = end_state(answer.status).or_else(|| common_end_state(answer.status));
            return Err(state.map_or_else(|| self.failed(of_status(answer)), |state| self.ended(state)));
        }
        serde_json::from_slice(&answer.body).map_err(|_| self.nonsense("it is not the JSON that this interface has"))
    }

    /// Waits longer after each failure in a row, and not at all after the last one, or if the service wants to be left alone for too long.
    fn after_failure(&mut self, reason: https::Error, wanted: Option<Duration>) -> Result<(), Error> {
        let wait = self.pace.back_off.saturating_mul(2_u32.saturating_pow(self.failures)).max(wanted.unwrap_or_default());
        self.failures += 1;
        if self.failures >= self.pace.max_failures || wait >= self.end.saturating_duration_since(Instant::now()) {
            return Err(self.failed(reason));
        }
        self.pause(wait)
    }

    fn pause(&mut self, wait: Duration) -> Result<(), Error> {
        let until = Instant::now() + wait;
        loop {
            if self.interaction.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(TICK));
        }
    }

    /// Does `job` on another thread, which is left to its time limit if the person gives up: there is nothing that it could change any more.
    fn unless_cancelled<T: Send + 'static>(&mut self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        parallel::run_one(job, self.interaction).map_err(|stopped| match stopped {
            Stopped::Cancelled => Error::Cancelled,
            Stopped::Failed(reason) => self.failed(https::Error::Internal(reason)),
        })
    }
}

const JSON: &str = "application/json";

/// Statuses that mean the same wherever they come from.
fn common_end_state(status: StatusCode) -> Option<EndState> {
    match status.as_u16() {
        401 => Some(EndState::UnknownRelyingParty),
        403 => Some(EndState::Forbidden),
        480 => Some(EndState::TooOld),
        580 => Some(EndState::Maintenance),
        _ => None,
    }
}

/// Whether a question about a session may find better times: it changes nothing, so it may be put again.
pub(super) fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() && common_end_state(status).is_none()
}

/// What any other status means. A service's own words are left out: they may repeat whose phone it is.
fn of_status(answer: &Answer) -> https::Error {
    match answer.status {
        StatusCode::BAD_REQUEST => https::Error::Refused(String::new()),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => https::Error::Busy(answer.retry_after()),
        status => https::Error::Status(status.as_u16()),
    }
}
