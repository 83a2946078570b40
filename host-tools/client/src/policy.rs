//! An organisation's policy service: until when capsules are kept, unless the sender says otherwise (UC.Client.01, extension "organization-specific
//! external configuration service").
//!
//! One GET over HTTPS, answered by a document in JSON:
//!
//! ```json
//! { "version": 1, "capsule_expires": "90d" }
//! ```
//!
//! `version` is 1. `capsule_expires` is a duration or a date as in the configuration's `expires`. Other members are left alone, so that
//! the document can grow. No answer, another status or another document is an error: a policy that cannot be had must not be passed over.

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::ACCEPT;
use serde::Deserialize;

use crate::config::{Expires, Policy};
use crate::https::{Again, Error, Http, Timeouts, pause};

#[derive(Deserialize)]
struct Document {
    version: u32,
    capsule_expires: String,
}

/// Asks the service of `policy`.
///
/// # Errors
/// It cannot be had, or is not sound.
pub fn ask(policy: &Policy, timeouts: Timeouts) -> Result<Expires, Error> {
    let http = Http::new(&policy.url, &policy.authorities, None, timeouts)?;
    let answer =
        http.send_patiently(Again::Repeatable, pause, |client| client.get(policy.url.clone()).header(ACCEPT, "application/json"))?;
    answer.expect(StatusCode::OK)?;
    parse(&answer.body)
}

fn parse(body: &[u8]) -> Result<Expires, Error> {
    let document: Document = serde_json::from_slice(body)
        .map_err(|_| Error::Nonsense("it is no policy in JSON: version and capsule_expires are wanted"))?;
    if document.version != 1 {
        return Err(Error::Nonsense("it is a policy of another version than 1"));
    }
    let expires: Expires =
        document.capsule_expires.parse().map_err(|_| Error::Nonsense("its capsule_expires is neither a duration nor a date"))?;
    match expires.moment(Timestamp::now()) {
        Ok(_) => Ok(expires),
        Err(_) => Err(Error::Nonsense("its capsule_expires is too far away")),
    }
}
