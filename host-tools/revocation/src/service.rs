//! Asks OCSP responders, remembers what they said, and decides.
//!
//! - An answer is remembered until its nextUpdate, but no longer than [`Rules::max_age`]. One that is used in the last quarter of
//!   that time is asked for anew in the background: who comes often never waits.
//! - A certificate is asked about once at a time: all who wait share the answer. So many questions are under way at most, and
//!   whoever comes then is told at once that there is no answer.
//! - A responder that fails repeatedly is left alone for a while ([`BreakerSettings`]): nobody waits for it.
//! - Where there is no answer, the [`Policy`] decides. What a responder did say is never softened: a certificate that was revoked
//!   stays so until a responder says otherwise (a suspension may end).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls_pki_types::UnixTime;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use x509_cert::serial_number::SerialNumber;

use crate::clock::{Clock, SystemClock};
use crate::http::Client;
pub use crate::http::HttpError;
use crate::issuer::Issuer;
use crate::metric;
use crate::ocsp::{
    CertId, Fault, HashAlgorithm, Nonce, NonceRule, ParseError, Refusal, Request, Response, Rules, Status, Verified, plus,
};

mod breaker;
mod cache;

use breaker::Breaker;
pub use breaker::BreakerSettings;
use cache::{Cache, Entry, Key};

/// An unknown certificate may just have been issued: it is asked about again after this time.
const UNKNOWN: Duration = Duration::from_secs(60);
/// So long after a background request another one is made, if the first brought nothing.
const REFRESH_AGAIN: Duration = Duration::from_secs(10);

/// What is done with a certificate where there is no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// It is refused.
    #[default]
    Hard,
    /// It is taken if it was good, for so long after that answer's nextUpdate.
    Grace(Duration),
    /// It is taken, unless it was revoked or unknown before.
    Soft,
}

/// How responders are asked. Made with [`Settings::default`] and changed where needed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The responder for all certificates, in place of the one that a certificate names (authority information access).
    pub url: Option<String>,
    /// What is done where there is no answer.
    pub policy: Policy,
    /// How long a question may take.
    pub timeout: Duration,
    /// What is asked of a response.
    pub rules: Rules,
    /// When a responder is left alone.
    pub breaker: BreakerSettings,
    /// How many certificates are remembered that are revoked; and as many that are not.
    pub max_remembered: usize,
    /// How many questions may be under way.
    pub max_pending: usize,
}

impl Default for Settings {
    /// [`Policy::Hard`]; 5 seconds; clocks may differ by a minute; 15 minutes; an optional nonce; 50 000 certificates; 64 questions.
    fn default() -> Self {
        Self {
            url: None,
            policy: Policy::Hard,
            timeout: Duration::from_secs(5),
            rules: Rules {
                clock_skew: Duration::from_secs(60),
                max_age: Duration::from_secs(15 * 60),
                nonce: NonceRule::Optional,
                require_nocheck: false,
            },
            breaker: BreakerSettings::default(),
            max_remembered: 50_000,
            max_pending: 64,
        }
    }
}

/// The certificate that is asked about. It must have been verified before: its responder is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who issued it.
    pub issuer: Issuer,
    /// Its serial number.
    pub serial: SerialNumber,
    /// The responder that it names.
    pub responder: Option<String>,
}

/// Why a certificate is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It is revoked, or on hold.
    #[error("the certificate is revoked")]
    Revoked,
    /// The responder does not know it.
    #[error("the responder does not know the certificate")]
    Unknown,
    /// There is no answer.
    #[error("the certificate's status cannot be found out: {0}")]
    NoAnswer(#[from] Failure),
}

impl Denied {
    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Unknown => "unknown_to_responder",
            Self::NoAnswer(_) => "no_answer",
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Neither the certificate nor the configuration names a responder.
    #[error("there is no responder for it")]
    NoResponder,
    /// Revocation lists decide, and there is none of its issuer that holds.
    #[error("there is no revocation list of its issuer that holds")]
    NoList,
    /// The responder cannot be asked, or does not answer as it should.
    #[error("OCSP responder: {0}")]
    Http(#[from] HttpError),
    /// It says that it does not answer.
    #[error("OCSP responder: {0}")]
    Refused(#[from] Refusal),
    /// The response cannot be read.
    #[error("OCSP response: {0}")]
    Parse(#[from] ParseError),
    /// The response is not believed.
    #[error("OCSP response: {0}")]
    Fault(#[from] Fault),
    /// The responder failed repeatedly and is left alone for a while.
    #[error("the OCSP responder failed repeatedly and is left alone for a while")]
    LeftAlone,
    /// Too many questions are under way.
    #[error("too many OCSP requests are under way")]
    Busy,
    /// The question cannot be encoded, no random numbers, or the runtime is shutting down.
    #[error("the question could not be put")]
    Internal,
}

impl Failure {
    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoResponder => "no_responder",
            Self::NoList => "no_list",
            Self::Http(HttpError::Timeout) => "timeout",
            Self::Http(_) => "http",
            Self::Refused(_) => "refused",
            Self::Parse(_) => "malformed",
            Self::Fault(_) => "not_believed",
            Self::LeftAlone => "left_alone",
            Self::Busy => "busy",
            Self::Internal => "internal",
        }
    }

    /// Whether the responder is out of order, rather than one question or its answer.
    const fn is_outage(self) -> bool {
        match self {
            Self::Http(error) => !matches!(error, HttpError::Address),
            Self::Refused(refusal) => matches!(refusal, Refusal::InternalError | Refusal::TryLater),
            Self::NoResponder | Self::NoList | Self::Parse(_) | Self::Fault(_) | Self::LeftAlone | Self::Busy | Self::Internal => {
                false
            }
        }
    }
}

pub(crate) type Outcome = Result<Status, Failure>;

/// Asks, remembers and decides. Clones share everything.
#[derive(Clone, Debug)]
pub struct Ocsp(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    client: Client,
    pending: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    cache: Cache,
    in_flight: HashMap<Key, watch::Receiver<Option<Outcome>>>,
    /// By address. Addresses come from certificates of trusted authorities, which have few.
    breakers: HashMap<String, Breaker>,
}

impl Ocsp {
    /// A service whose requests run on `runtime`.
    #[must_use]
    pub fn new(settings: Settings, runtime: Handle) -> Self {
        Self::with_clock(settings, runtime, Arc::new(SystemClock))
    }

    /// The same, in somebody else's time.
    #[must_use]
    pub fn with_clock(settings: Settings, runtime: Handle, clock: Arc<dyn Clock>) -> Self {
        let state =
            State { cache: Cache::new(settings.max_remembered.max(1)), in_flight: HashMap::new(), breakers: HashMap::new() };
        let pending = Arc::new(Semaphore::new(settings.max_pending));
        Self(Arc::new(Shared { settings, clock, runtime, client: Client::new(), pending, state: Mutex::new(state) }))
    }

    /// Whether the certificate may be taken, if that is known without asking. `None`: it has to be asked.
    #[must_use]
    pub fn recall(&self, question: &Question) -> Option<Result<(), Denied>> {
        let shared = &self.0;
        let key = Key::new(&question.issuer, &question.serial);
        let now = shared.clock.now();
        let mut state = shared.lock();
        let Some(entry) = state.cache.get_mut(&key) else {
            metric::cache("miss");
            return None;
        };
        if now >= entry.stale_at {
            metric::cache("expired");
            return None;
        }
        metric::cache("hit");
        let status = entry.status;
        let refresh = now >= entry.refresh_at;
        if refresh {
            entry.refresh_at = plus(now, REFRESH_AGAIN);
        }
        drop(state);
        if refresh {
            // What comes of it is remembered; until then the old answer serves.
            let _ = self.ask(key, question);
        }
        Some(decided(verdict(status)))
    }

    /// Whether the certificate may be taken; asks the responder where that is not known.
    ///
    /// # Errors
    /// It may not.
    pub async fn check(&self, question: &Question) -> Result<(), Denied> {
        self.check_or(question, || None).await
    }

    /// The same; where there is no answer, `other_source` is asked before the policy decides, as
    /// [`Authorities::listed`](crate::Authorities::listed).
    ///
    /// # Errors
    /// It may not.
    pub async fn check_or(
        &self,
        question: &Question,
        other_source: impl FnOnce() -> Option<Result<(), Denied>>,
    ) -> Result<(), Denied> {
        if let Some(decision) = self.recall(question) {
            return decision;
        }
        match self.status(question).await {
            Ok(status) => decided(verdict(status)),
            Err(failure) => self.without_answer(question, failure, other_source),
        }
    }

    /// Where requests run.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// What the responder says, whatever is remembered.
    pub(crate) async fn status(&self, question: &Question) -> Outcome {
        let mut answer = self.ask(Key::new(&question.issuer, &question.serial), question)?;
        match answer.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.unwrap_or(Err(Failure::Internal)),
            Err(_) => Err(Failure::Internal),
        }
    }

    /// Whether a certificate may be taken for which there is no answer: no, if the responder said so before; else as another
    /// source says; else by the policy.
    ///
    /// # Errors
    /// It is refused.
    pub(crate) fn without_answer(
        &self,
        question: &Question,
        failure: Failure,
        other_source: impl FnOnce() -> Option<Result<(), Denied>>,
    ) -> Result<(), Denied> {
        let shared = &self.0;
        let now = shared.clock.now();
        let key = Key::new(&question.issuer, &question.serial);
        let last = shared.lock().cache.get_mut(&key).map(|entry| *entry);
        if let Some(denied) = last.and_then(|entry| verdict(entry.status).err()) {
            return decided(Err(denied));
        }
        if let Some(decision) = other_source() {
            tracing::info!(%failure, "a revocation list decided about a certificate, for want of an OCSP response");
            return decided_by_list(decision);
        }
        let taken = match shared.settings.policy {
            Policy::Hard => false,
            Policy::Grace(grace) => last.is_some_and(|good| now < plus(good.valid_until, grace)),
            Policy::Soft => true,
        };
        if !taken {
            return decided(Err(Denied::NoAnswer(failure)));
        }
        tracing::warn!(%failure, "a client certificate was taken without an answer of its OCSP responder");
        metric::decision("accepted_without_answer");
        Ok(())
    }

    /// Puts a question, unless the same is under way.
    fn ask(&self, key: Key, question: &Question) -> Result<watch::Receiver<Option<Outcome>>, Failure> {
        let mut state = self.0.lock();
        if let Some(answer) = state.in_flight.get(&key) {
            return Ok(answer.clone());
        }
        let (permit, url) = self.admit(&mut state, question).inspect_err(|failure| metric::request(failure.name()))?;
        let (sender, answer) = watch::channel(None);
        state.in_flight.insert(key, answer.clone());
        // A runtime that shuts down drops the task at once, which then takes the lock.
        drop(state);
        metric::pending(1.0);
        let flight = Flight { shared: Arc::clone(&self.0), key, sender, _permit: permit };
        self.0.runtime.spawn(flight.run(question.clone(), url));
        Ok(answer)
    }

    fn admit(&self, state: &mut State, question: &Question) -> Result<(OwnedSemaphorePermit, String), Failure> {
        let Settings { url, breaker, .. } = &self.0.settings;
        let url = url.as_ref().or(question.responder.as_ref()).ok_or(Failure::NoResponder)?;
        let permit = Arc::clone(&self.0.pending).try_acquire_owned().map_err(|_| Failure::Busy)?;
        if !state.breakers.entry(url.clone()).or_insert(Breaker::new()).admit(*breaker, self.0.clock.now()) {
            return Err(Failure::LeftAlone);
        }
        Ok((permit, url.clone()))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if something did, an old answer would be all the harm.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(&self, question: &Question, url: &str) -> Result<Verified, Failure> {
        let Settings { rules, timeout, .. } = &self.settings;
        let certificate = CertId::new(HashAlgorithm::Sha1, &question.issuer, &question.serial);
        let nonce = match rules.nonce {
            NonceRule::Omitted => None,
            NonceRule::Optional | NonceRule::Required => Some(Nonce::random().map_err(|_| Failure::Internal)?),
        };
        let request = Request { certificates: vec![certificate.clone()], nonce };
        let octets = request.to_der().map_err(|_| Failure::Internal)?;
        let body = self.client.post(url, octets, *timeout).await?;
        match Response::parse(&body)? {
            Response::Refused(refusal) => Err(refusal.into()),
            Response::Basic(response) => {
                Ok(response.verify(&certificate, request.nonce.as_ref(), &question.issuer, rules, self.clock.now())?)
            }
        }
    }
}

/// A question under way. Whatever becomes of it, it does not stay in the list.
struct Flight {
    shared: Arc<Shared>,
    key: Key,
    sender: watch::Sender<Option<Outcome>>,
    _permit: OwnedSemaphorePermit,
}

impl Flight {
    async fn run(self, question: Question, url: String) {
        let start = Instant::now();
        let answer = self.shared.exchange(&question, &url).await.and_then(|verified| self.newer(verified));
        metric::seconds(&url, start.elapsed());
        metric::request(match &answer {
            Ok(verified) => status_name(verified.status),
            Err(failure) => failure.name(),
        });
        if let Err(failure) = &answer {
            tracing::warn!(responder = %url, %failure, "no answer from an OCSP responder");
        }

        let Shared { settings, clock, .. } = &*self.shared;
        let now = clock.now();
        let mut state = self.shared.lock();
        let breaker = state.breakers.entry(url.clone()).or_insert(Breaker::new());
        let was_open = breaker.is_open();
        match &answer {
            Err(failure) if failure.is_outage() => breaker.failed(settings.breaker, now),
            Ok(_) | Err(_) => breaker.answered(),
        }
        let is_open = breaker.is_open();
        if let Ok(verified) = &answer {
            state.cache.insert(self.key, entry(verified, settings.rules.max_age, now));
        }
        drop(state);
        if was_open != is_open {
            metric::breaker(&url, is_open);
        }
        self.sender.send_replace(Some(answer.map(|verified| verified.status)));
    }

    /// Refuses what was said before the certificate was revoked: a replay must not clear it.
    fn newer(&self, verified: Verified) -> Result<Verified, Failure> {
        let remembered = self.shared.lock().cache.get_mut(&self.key).map(|entry| *entry);
        let revoked_later = remembered
            .is_some_and(|entry| matches!(entry.status, Status::Revoked { .. }) && verified.this_update < entry.this_update);
        if revoked_later { Err(Fault::Outdated.into()) } else { Ok(verified) }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.shared.lock().in_flight.remove(&self.key);
        metric::pending(-1.0);
    }
}

/// What is remembered of an answer that came now.
fn entry(verified: &Verified, max_age: Duration, now: UnixTime) -> Entry {
    let keep = if verified.status == Status::Unknown { max_age.min(UNKNOWN) } else { max_age };
    let stale_at = verified.valid_until.min(plus(now, keep));
    let lifetime = Duration::from_secs(stale_at.as_secs().saturating_sub(now.as_secs()));
    Entry {
        status: verified.status,
        this_update: verified.this_update,
        valid_until: verified.valid_until,
        stale_at,
        refresh_at: plus(now, lifetime * 3 / 4),
    }
}

pub(crate) const fn verdict(status: Status) -> Result<(), Denied> {
    match status {
        Status::Good => Ok(()),
        Status::Revoked { .. } => Err(Denied::Revoked),
        Status::Unknown => Err(Denied::Unknown),
    }
}

pub(crate) fn decided(decision: Result<(), Denied>) -> Result<(), Denied> {
    metric::decision(match &decision {
        Ok(()) => "accepted",
        Err(Denied::Revoked) => "revoked",
        Err(Denied::Unknown) => "unknown",
        Err(Denied::NoAnswer(_)) => "refused_without_answer",
    });
    decision
}

/// What a list says: who is good by it is counted apart, for it is older than what a responder says.
pub(crate) fn decided_by_list(decision: Result<(), Denied>) -> Result<(), Denied> {
    if decision.is_err() {
        return decided(decision);
    }
    metric::decision("accepted_by_list");
    decision
}

const fn status_name(status: Status) -> &'static str {
    match status {
        Status::Good => "good",
        Status::Revoked { .. } => "revoked",
        Status::Unknown => "unknown",
    }
}
