//! Sessions: one request begins them, others ask for how they have ended.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use getrandom::fill;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::hash::Hash;
use super::reply::Refusal;
use super::{Behaviour, Displayed, EndState, Timing};
use crate::Identity;

/// For how long the same request finds the session that it has begun (Smart-ID RP API 2.0, "Idempotent behaviour").
const SAME_REQUEST_FOR: Duration = Duration::from_secs(15);

/// The accounts of a service, and its sessions with them.
pub(super) struct Sessions<E> {
    shared: Mutex<Shared<E>>,
    /// Somebody behaves otherwise, or everything takes another time.
    changed: Notify,
}

struct Shared<E> {
    accounts: HashMap<String, Holder<E>>,
    sessions: HashMap<String, Session<E>>,
    timing: Timing,
    /// What every request is answered with instead.
    status: Option<u16>,
    requests: u64,
}

struct Holder<E> {
    person: String,
    identity: Identity,
    behaviour: Behaviour<E>,
    displayed: Vec<Displayed>,
}

struct Session<E> {
    account: String,
    request: Request,
    begun: Instant,
    ended: Option<(Instant, Outcome<E>)>,
}

/// What a session is to be about.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) hash: Hash,
    pub(super) displayed: Displayed,
    /// The whole of it, where the same request finds its session again.
    pub(super) same: Option<String>,
    /// What was wished for and is not there.
    pub(super) ignored: Vec<String>,
}

/// How a session has ended.
#[derive(Clone)]
pub(super) enum Outcome<E> {
    Signed(Box<Signed>),
    Ended(E),
    /// The key cannot sign: the test bed is to blame.
    Failed,
}

#[derive(Clone)]
pub(super) struct Signed {
    pub(super) signature: Vec<u8>,
    pub(super) identity: Identity,
    /// What the account is called.
    pub(super) account: String,
    pub(super) request: Request,
}

impl<E: EndState> Sessions<E> {
    pub(super) fn new() -> Self {
        let shared =
            Shared { accounts: HashMap::new(), sessions: HashMap::new(), timing: Timing::default(), status: None, requests: 0 };
        Self { shared: Mutex::new(shared), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Shared<E>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the account called `name`, of `person`; one of that name is closed.
    pub(super) fn open(&self, name: &str, person: String, identity: Identity) {
        let holder = Holder { person, identity, behaviour: Behaviour::default(), displayed: Vec::new() };
        self.lock().accounts.insert(name.to_owned(), holder);
    }

    pub(super) fn set_behaviour(&self, name: &str, behaviour: Behaviour<E>) {
        if let Some(holder) = self.lock().accounts.get_mut(name) {
            holder.behaviour = behaviour;
        }
        self.changed.notify_waiters();
    }

    pub(super) fn displayed(&self, name: &str) -> Vec<Displayed> {
        self.lock().accounts.get(name).map_or_else(Vec::new, |holder| holder.displayed.clone())
    }

    pub(super) fn set_timing(&self, timing: Timing) {
        self.lock().timing = timing;
        self.changed.notify_waiters();
    }

    pub(super) fn timing(&self) -> Timing {
        self.lock().timing
    }

    pub(super) fn set_status(&self, status: Option<u16>) {
        self.lock().status = status;
    }

    pub(super) fn requests(&self) -> u64 {
        self.lock().requests
    }

    /// Counts a request, and says if it is to be answered.
    pub(super) fn admit(&self) -> Result<(), Refusal> {
        let mut shared = self.lock();
        shared.requests += 1;
        match shared.status {
            None => Ok(()),
            Some(status) => Err(Refusal { status, reason: "the service was told to answer so" }),
        }
    }

    /// Begins a session with the account called `name`, if it is that of `person`; its id. `None`: there is no such account.
    pub(super) fn begin(&self, name: &str, person: &str, request: Request) -> Option<Result<String, Refusal>> {
        let mut shared = self.lock();
        let now = shared.settle();
        let is_same = |session: &Session<E>| {
            session.account == name
                && request.same.is_some()
                && session.request.same == request.same
                && now.duration_since(session.begun) < SAME_REQUEST_FOR
        };
        let begun = shared.sessions.iter().find(|(_, session)| is_same(session)).map(|(id, _)| id.clone());
        let holder = shared.accounts.get_mut(name).filter(|holder| holder.person == person)?;
        if let Behaviour::Status(status) = holder.behaviour {
            return Some(Err(Refusal { status, reason: "there can be no session with this person" }));
        }
        if let Some(id) = begun {
            return Some(Ok(id));
        }
        if !matches!(holder.behaviour, Behaviour::Ends(end) if !end.is_displayed()) {
            holder.displayed.push(request.displayed.clone());
        }
        Some(shared.insert(Session { account: name.to_owned(), request, begun: now, ended: None }))
    }

    /// Begins a session that has ended already; its id.
    pub(super) fn begin_ended(&self, request: Request, end: E) -> Result<String, Refusal> {
        let mut shared = self.lock();
        let now = shared.settle();
        shared.insert(Session { account: String::new(), request, begun: now, ended: Some((now, Outcome::Ended(end))) })
    }

    /// How the session `id` has ended, as soon as it has; `None` if it has not within `wait`, which is within the bounds of the [`Timing`].
    pub(super) async fn outcome(&self, id: &str, wait: Duration) -> Result<Option<Outcome<E>>, Refusal> {
        let begun = Instant::now();
        loop {
            let changed = self.changed.notified();
            let (next, end) = {
                let mut shared = self.lock();
                let now = shared.settle();
                let session = shared.sessions.get(id).ok_or(Refusal::NO_SESSION)?;
                if let Some((_, outcome)) = &session.ended {
                    return Ok(Some(outcome.clone()));
                }
                let (shortest, longest) = shared.timing.long_poll;
                let end = begun + wait.max(shortest).min(longest);
                if now >= end {
                    return Ok(None);
                }
                (shared.next(session), end)
            };
            // Whichever comes first is looked at above.
            let _ = tokio::time::timeout_at(next.min(end), changed).await;
        }
    }
}

impl<E: EndState> Shared<E> {
    /// Ends what has come to its end, and forgets what was forgotten; the time.
    fn settle(&mut self) -> Instant {
        let now = Instant::now();
        let timing = self.timing;
        for session in self.sessions.values_mut().filter(|session| session.ended.is_none()) {
            let Some(holder) = self.accounts.get(&session.account) else { continue };
            let (decided, missed) = (session.begun + timing.thinks, session.begun + timing.answered_within);
            session.ended = match holder.behaviour {
                Behaviour::Accepts if decided <= now => Some((decided, holder.sign(session))),
                Behaviour::Ends(end) if decided <= now => Some((decided, Outcome::Ended(end))),
                _ if missed <= now => Some((missed, Outcome::Ended(E::TIMED_OUT))),
                _ => None,
            };
        }
        self.sessions.retain(|_, session| match &session.ended {
            Some((ended, _)) => now.duration_since(*ended) < timing.remembered_for,
            None => true,
        });
        now
    }

    /// When `session`, which runs, has to be looked at again.
    fn next(&self, session: &Session<E>) -> Instant {
        let decides = |holder: &Holder<E>| matches!(holder.behaviour, Behaviour::Accepts | Behaviour::Ends(_));
        let wait = match self.accounts.get(&session.account) {
            Some(holder) if decides(holder) => self.timing.thinks.min(self.timing.answered_within),
            _ => self.timing.answered_within,
        };
        session.begun + wait
    }

    fn insert(&mut self, session: Session<E>) -> Result<String, Refusal> {
        let id = uuid().ok_or(Refusal::INTERNAL)?;
        self.sessions.insert(id.clone(), session);
        Ok(id)
    }
}

impl<E> Holder<E> {
    fn sign(&self, session: &Session<E>) -> Outcome<E> {
        let (identity, account, request) = (self.identity.clone(), session.account.clone(), session.request.clone());
        match request.hash.sign(&identity) {
            Ok(signature) => Outcome::Signed(Box::new(Signed { signature, identity, account, request })),
            Err(_) => Outcome::Failed,
        }
    }
}

impl<E> fmt::Debug for Sessions<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// A random UUID (RFC 4122, 4.4); none without random numbers.
fn uuid() -> Option<String> {
    let mut octets = [0; 16];
    fill(&mut octets).ok()?;
    octets[6] = octets[6] & 0x0F | 0x40;
    octets[8] = octets[8] & 0x3F | 0x80;
    let number = u128::from_be_bytes(octets);
    let digits = format!("{number:032x}");
    Some([0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits[part].to_owned()).join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_random_uuids() {
        let (one, other) = (uuid().unwrap(), uuid().unwrap());
        assert_ne!(one, other);
        for id in [one, other] {
            assert!(id.split('-').map(str::len).eq([8, 4, 4, 4, 12]), "{id}");
            assert!(id.as_bytes()[14] == b'4' && matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
        }
    }
}
