//! What the two services have in common, from outside.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;

use super::session::Sessions;
use super::{Account, EndState, Timing};
use crate::background::Spawner;
use crate::{Error, Identity, https};

/// A service that makes people's phones sign. `E` is how a session with it can end without a signature.
pub struct Service<E> {
    address: SocketAddr,
    base: &'static str,
    sessions: Arc<Sessions<E>>,
}

impl<E: EndState> Service<E> {
    /// The base of its addresses.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}{}", self.address.port(), self.base)
    }

    /// From now on, everything takes this long.
    pub fn set_timing(&self, timing: Timing) {
        self.sessions.set_timing(timing);
    }

    /// From now on, every request is answered with this status; or, with `None`, as it should be.
    pub fn set_status(&self, status: Option<u16>) {
        self.sessions.set_status(status);
    }

    /// How many requests it got.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.sessions.requests()
    }

    /// Answers as `routes` say, below `base`.
    pub(super) fn serve(
        base: &'static str,
        routes: Router<Arc<Sessions<E>>>,
        identity: &Identity,
        spawner: &Spawner,
    ) -> Result<Self, Error> {
        let sessions = Arc::new(Sessions::new());
        let router = Router::new().nest(base, routes.with_state(Arc::clone(&sessions)));
        let address = https::serve(identity, router, spawner)?;
        Ok(Self { address, base, sessions })
    }

    /// Opens the account called `name`, of `person`; one of that name is closed.
    pub(super) fn open_account(&self, name: String, person: String, identity: &Identity) -> Account<E> {
        self.sessions.open(&name, person, identity.clone());
        Account { name, identity: identity.clone(), sessions: Arc::clone(&self.sessions) }
    }
}

impl<E> Clone for Service<E> {
    fn clone(&self) -> Self {
        Self { address: self.address, base: self.base, sessions: Arc::clone(&self.sessions) }
    }
}

impl<E> fmt::Debug for Service<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("address", &self.address).field("base", &self.base).finish_non_exhaustive()
    }
}
