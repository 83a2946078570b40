//! What time it is.

use std::fmt;

use rustls_pki_types::UnixTime;

/// Where the time comes from: the machine, or a test.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Now.
    fn now(&self) -> UnixTime;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime::now()
    }
}
