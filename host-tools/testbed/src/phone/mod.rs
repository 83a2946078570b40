//! People with phones, and the services by which the phones sign for them: Smart-ID and Mobile-ID, as far as they authenticate people.
//!
//! They are written from the documentation of the real ones, which they answer like: over HTTPS, to a relying party that they know, with
//! certificates of the test bed's authority. Nobody holds a phone here: each [`Account`] has a [`Behaviour`], which can be changed at any
//! time, and remembers what its phone has [`Displayed`].

mod account;
mod hash;
pub mod mobile_id;
pub mod people;
mod relying_party;
mod reply;
mod service;
mod session;
pub mod smart_id;

use std::fmt;
use std::time::Duration;

pub use account::{Account, Displayed};
pub use relying_party::{RELYING_PARTY_NAME, RELYING_PARTY_UUID};
pub use service::Service;

/// What happens when somebody is to sign. `E` is how a session with that service can end without a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour<E> {
    /// The person compares the codes, and types PIN1.
    #[default]
    Accepts,
    /// Nobody looks at the phone: the session runs until the behaviour changes, or [`Timing::answered_within`] is over.
    Ignores,
    /// The session ends like this.
    Ends(E),
    /// No session begins: the service answers this status.
    Status(u16),
}

/// What happens, in words.
impl<E: EndState> fmt::Display for Behaviour<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepts => f.write_str("accepts"),
            Self::Ignores => f.write_str("does not look at the phone"),
            Self::Ends(end) => f.write_str(end.word()),
            Self::Status(status) => write!(f, "status {status}"),
        }
    }
}

/// How a session can end without a signature.
pub trait EndState: Copy + Send + 'static {
    /// Nobody has answered in time.
    const TIMED_OUT: Self;

    /// The service's word for it.
    fn word(self) -> &'static str;

    /// Whether the phone has displayed the request before.
    fn is_displayed(self) -> bool;
}

/// How long everything takes. A change is good for sessions that run, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From the beginning of a session until the person has made up their mind.
    pub thinks: Duration,
    /// From the beginning of a session until a person who ignores it has missed it.
    pub answered_within: Duration,
    /// From the end of a session until the service has forgotten it.
    pub remembered_for: Duration,
    /// The shortest time for which an answer that says nothing new is kept back, and the longest one: whatever is asked for.
    pub long_poll: (Duration, Duration),
}

impl Default for Timing {
    /// People are quick. The rest is as in the documentation, or "around" what stands there.
    fn default() -> Self {
        Self {
            thinks: Duration::ZERO,
            answered_within: Duration::from_secs(120),
            remembered_for: Duration::from_secs(300),
            long_poll: (Duration::from_secs(1), Duration::from_secs(120)),
        }
    }
}
