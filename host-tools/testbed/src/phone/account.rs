//! Somebody's account with one of the services.

use std::fmt;
use std::sync::Arc;

use super::session::Sessions;
use super::{Behaviour, EndState};
use crate::Identity;

/// An account: a key that signs, and somebody with a phone. Clones are the same account.
pub struct Account<E> {
    pub(super) name: String,
    pub(super) identity: Identity,
    pub(super) sessions: Arc<Sessions<E>>,
}

impl<E: EndState> Account<E> {
    /// The key that signs, and the certificate that comes with its signatures.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What happens from now on, in a session that runs as well. At first it is [`Behaviour::Accepts`].
    pub fn set_behaviour(&self, behaviour: Behaviour<E>) {
        self.sessions.set_behaviour(&self.name, behaviour);
    }

    /// What the phone has displayed so far.
    #[must_use]
    pub fn displayed(&self) -> Vec<Displayed> {
        self.sessions.displayed(&self.name)
    }
}

impl<E> Clone for Account<E> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), identity: self.identity.clone(), sessions: Arc::clone(&self.sessions) }
    }
}

impl<E> fmt::Debug for Account<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}

/// What a phone displays when its holder is to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Displayed {
    /// The verification code, which the service computes from the hash: four digits.
    pub code: String,
    /// Who asks.
    pub relying_party: String,
    /// What the relying party says that it is about.
    pub text: String,
    /// How the app lets the person compare the code, by Smart-ID's name for it. Mobile-ID has one way only.
    pub interaction: Option<&'static str>,
}
