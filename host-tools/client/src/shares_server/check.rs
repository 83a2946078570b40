//! How a server does, as far as shows without a share.

use std::time::SystemTime;

use crate::config::SharesServer;
use crate::https::{self, Error, Timeouts};

/// Connects to `server` and compares what it shows with the pins: until when its certificate is valid. Nobody signs for it.
///
/// # Errors
/// Nobody answers, or somebody else.
pub fn check(server: &SharesServer, timeouts: Timeouts) -> Result<SystemTime, Error> {
    https::check(&server.url, &server.certificates, timeouts)
}
