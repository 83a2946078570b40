//! How a server does, as far as shows without a capsule.

use std::time::SystemTime;

use reqwest::Url;
use reqwest::header::ACCEPT;

use super::http::Http;
use super::{Error, Timeouts};
use crate::config::Server;

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
    Checked { sender: connect(server, &server.sender_url, timeouts), recipient: connect(server, &server.recipient_url, timeouts) }
}

fn connect(server: &Server, url: &Url, timeouts: Timeouts) -> Result<SystemTime, Error> {
    let http = Http::new(url, &server.certificates, None, timeouts)?;
    let sent = http.send(|client| client.get(url.clone()).header(ACCEPT, "application/json"));
    match (sent, http.taken()) {
        // Whatever the status, and a refusal for want of a client certificate too: it is the server.
        (Ok(_) | Err(Error::Certificate(_)), Some(not_after)) => Ok(not_after),
        (Err(error), _) => Err(error),
        (Ok(_), None) => Err(Error::Nonsense("it came without a certificate")),
    }
}
