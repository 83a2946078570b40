//! How a server does, as far as shows without a capsule.

use std::time::SystemTime;

use crate::config::Server;
use crate::https::{self, Error, Timeouts};

/// Both addresses of a server: until when the certificate is valid that it shows there, or what is wrong.
#[derive(Debug)]
pub struct Checked {
    /// Where capsules are sent to.
    pub sender: Result<SystemTime, Error>,
    /// Where they are fetched from.
    pub recipient: Result<SystemTime, Error>,
}

/// Connects to both addresses of `server` and compares what it shows with the pins. No key is used.
#[must_use]
pub fn check(server: &Server, timeouts: Timeouts) -> Checked {
    let check = |url| https::check(url, &server.certificates, timeouts);
    Checked { sender: check(&server.sender_url), recipient: check(&server.recipient_url) }
}
