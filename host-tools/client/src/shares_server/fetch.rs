//! The recipient's requests: nonces and shares, from all servers at once (UC.KTS.07).

use std::convert::Infallible;
use std::sync::atomic::AtomicBool;

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use cdoc2::core::key::{KEY_LEN, KeyShare};
use cdoc2_api::share::{CERTIFICATE_HEADER, NONCE_PATH, PATH, TICKET_HEADER, TOKEN_HEADER};
use cdoc2_api::{KeyShare as Answered, Nonce, NonceResponse, RecipientId, ShareId};
use reqwest::StatusCode;
use reqwest::blocking::Client;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use zeroize::Zeroizing;

use super::record::Place;
use super::{Error, Reason};
use crate::auth::Interaction;
use crate::config::{SharesInterface, SharesServer};
use crate::https::{self, Again, Http, Timeouts, below};
use crate::parallel::{self, Job, Stopped};

const JSON: &str = "application/json";

/// What one server is shown: its own ticket, and who has signed all of them.
pub(super) struct Credentials {
    pub(super) ticket: Zeroizing<String>,
    /// In DER.
    pub(super) certificate: Vec<u8>,
}

/// A share on its server. It borrows nothing, so that a thread can be left to itself.
struct Request {
    server: SharesServer,
    share_id: ShareId,
    timeouts: Timeouts,
}

/// A nonce for each of `places`.
pub(super) fn nonces(places: &[Place<'_>], timeouts: Timeouts, interaction: &mut dyn Interaction) -> Result<Vec<Nonce>, Error> {
    let jobs = places.iter().map(|place| {
        let request = Request::new(place, timeouts);
        Box::new(move |is_over: &AtomicBool| request.nonce(is_over)) as Job<_>
    });
    from_all(places, jobs.collect(), interaction)
}

/// The share at each of `places`, all of them `recipient`'s, for `credentials` in the same order.
pub(super) fn shares(
    places: &[Place<'_>],
    recipient: &RecipientId,
    credentials: Vec<Credentials>,
    timeouts: Timeouts,
    interaction: &mut dyn Interaction,
) -> Result<Vec<KeyShare>, Error> {
    let jobs = places.iter().zip(credentials).map(|(place, credentials)| {
        let (request, recipient) = (Request::new(place, timeouts), recipient.clone());
        Box::new(move |is_over: &AtomicBool| request.share(&recipient, &credentials, is_over)) as Job<_>
    });
    from_all(places, jobs.collect(), interaction)
}

/// Waits for the answers of all servers. Where several failed, the failure that says most is told.
fn from_all<T: Send + 'static>(
    places: &[Place<'_>],
    jobs: Vec<Job<Result<T, Reason>>>,
    interaction: &mut dyn Interaction,
) -> Result<Vec<T>, Error> {
    let answers = parallel::run(jobs, interaction).map_err(|stopped| match stopped {
        Stopped::Cancelled => Error::Cancelled,
        Stopped::Failed(reason) => {
            let servers: Vec<_> = places.iter().map(|place| place.server.written.as_str()).collect();
            Error::Server { server: servers.join(", "), reason: https::Error::Internal(reason).into() }
        }
    })?;
    let mut given = Vec::with_capacity(answers.len());
    let mut failed: Option<(&Place<'_>, Reason)> = None;
    for (place, answer) in places.iter().zip(answers) {
        match answer {
            Ok(answer) => given.push(answer),
            Err(reason) if failed.as_ref().is_none_or(|(_, before)| before.weight() < reason.weight()) => {
                failed = Some((place, reason));
            }
            Err(_) => {}
        }
    }
    match failed {
        None => Ok(given),
        Some((place, reason)) => Err(Error::Server { server: place.server.written.clone(), reason }),
    }
}

impl Request {
    fn new(place: &Place<'_>, timeouts: Timeouts) -> Self {
        Self { server: place.server.clone(), share_id: place.share_id.clone(), timeouts }
    }

    /// A client of this server alone. Each request has its own: a connection that waited while the person was busy may be gone, and a request that
    /// is lost with it cannot be made again.
    fn http(&self) -> Result<Http, Reason> {
        Ok(Http::new(&self.server.url, &self.server.certificates, None, self.timeouts)?)
    }

    fn nonce(&self, is_over: &AtomicBool) -> Result<Nonce, Reason> {
        let url = below(&self.server.url, &format!("{PATH}/{}{NONCE_PATH}", self.share_id));
        // "Always empty", and JSON all the same.
        let post = |client: &Client| client.post(url.clone()).header(CONTENT_TYPE, JSON).header(ACCEPT, JSON).body("");
        // A nonce that was given all the same is never used, and lapses.
        let answer = self.http()?.send_patiently(Again::Repeatable, |time| parallel::pause(time, is_over), post)?;
        match answer.status {
            StatusCode::NOT_FOUND => return Err(Reason::Missing),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Reason::NoSession),
            _ => answer.expect(StatusCode::OK)?,
        }
        let response: NonceResponse =
            serde_json::from_slice(&answer.body).map_err(|_| https::Error::Nonsense("it is no nonce in JSON"))?;
        Ok(response.nonce)
    }

    fn share(&self, recipient: &RecipientId, credentials: &Credentials, is_over: &AtomicBool) -> Result<KeyShare, Reason> {
        let url = below(&self.server.url, &format!("{PATH}/{}", self.share_id));
        let header = match self.server.interface {
            SharesInterface::Token => TOKEN_HEADER,
            SharesInterface::Ticket => TICKET_HEADER,
        };
        let ticket = secret(&credentials.ticket)?;
        let certificate = secret(&certificate(self.server.interface, &credentials.certificate))?;
        let get = |client: &Client| {
            let request = client.get(url.clone()).header(ACCEPT, JSON);
            request.header(header, ticket.clone()).header(CERTIFICATE_HEADER, certificate.clone())
        };
        // A ticket works once. A server that has looked at it, and failed then, may have used up its nonce: what it would say to the same ticket
        // means something else.
        let mut answer = self.http()?.send_patiently(Again::Unseen, |time| parallel::pause(time, is_over), get)?;
        let body = Zeroizing::new(std::mem::take(&mut answer.body));
        match answer.status {
            // The share was there when the nonce was given: what is told as "not found" now is that somebody is not let at it.
            StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Reason::Refused),
            _ => answer.expect(StatusCode::OK)?,
        }
        // A date that is none is an answer that is none.
        answer.expiry()?;
        let given: Answered = serde_json::from_slice(&body).map_err(|_| https::Error::Nonsense("it is no key share in JSON"))?;
        if given.recipient != *recipient {
            return Err(Reason::OtherRecipient);
        }
        let octets = given.share.expose();
        let Some(octets) = octets.first_chunk::<KEY_LEN>().filter(|_| octets.len() == KEY_LEN) else {
            return Err(Reason::Length(octets.len()));
        };
        let Ok(share) = KeyShare::received(|place| {
            place.copy_from_slice(octets);
            Ok::<(), Infallible>(())
        });
        Ok(share)
    }
}

/// The value of a header that no log shows.
fn secret(text: &str) -> Result<HeaderValue, https::Error> {
    let value = HeaderValue::from_str(text).map_err(|_| https::Error::Internal("a header cannot be written".to_owned()));
    value.map(|mut value| {
        value.set_sensitive(true);
        value
    })
}

/// A certificate as the two generations of the interface have it. The older one's PEM has no line ends: a header is one line.
fn certificate(interface: SharesInterface, der: &[u8]) -> String {
    match interface {
        SharesInterface::Token => Base64UrlUnpadded::encode_string(der),
        SharesInterface::Ticket => {
            format!("-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----", Base64::encode_string(der))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_one_line() {
        assert_eq!(certificate(SharesInterface::Token, &[0xFB, 0xFF, 0x3F, 1]), "-_8_AQ");
        assert_eq!(
            certificate(SharesInterface::Ticket, &[0xFB, 0xFF, 0x3F, 1]),
            "-----BEGIN CERTIFICATE-----+/8/AQ==-----END CERTIFICATE-----"
        );
    }

    #[test]
    fn what_is_shown_to_a_server_is_in_no_log() {
        assert!(!format!("{:?}", secret("eyJhbGciOiJFUzI1NiJ9.e30.AAAA").unwrap()).contains("eyJ"));
    }
}
