//! The sender's side: capsules are put on a server (UC.KTS.01).

use std::time::{Duration, SystemTime};

use cdoc2::core::Curve;
use cdoc2::keys::PublicKey;
use cdoc2::{CapsuleServer, Receipt, Recipient, ServerCapsule, ServerError};
use cdoc2_api::capsule::{MAX_FIELD_LEN, PATH};
use cdoc2_api::expiry::HEADER;
use cdoc2_api::{Capsule, CapsuleType, ExpiryTime, TransactionId};
use reqwest::StatusCode;
use reqwest::blocking::Client;
use reqwest::header::{ACCEPT, CONTENT_TYPE};

use super::Error;
use crate::config::Server;
use crate::https::{self, Again, Http, Timeouts, below, pause};

/// The kind of capsule that a server keeps for `key`.
pub(crate) fn capsule_type(key: &PublicKey) -> CapsuleType {
    match key {
        PublicKey::Ec(key) => match key.curve() {
            Curve::Secp256r1 => CapsuleType::EccSecp256r1,
            Curve::Secp384r1 => CapsuleType::EccSecp384r1,
            Curve::Secp521r1 => CapsuleType::EccSecp521r1,
        },
        PublicKey::Rsa(_) => CapsuleType::Rsa,
    }
}

/// Waiting that a person notices.
const SAY_AFTER: Duration = Duration::from_secs(3);

/// Puts capsules on one server.
#[derive(Debug)]
pub struct Sender<'s, W> {
    server: &'s Server,
    http: Http,
    expiry: Option<ExpiryTime>,
    warn: W,
    /// Until when the server keeps what it is not told how long to keep, once that has mattered.
    usual: Option<ExpiryTime>,
    /// For how long the server was waited for, and whether that was said.
    waited: Duration,
    is_said: bool,
}

/// What the server keeps.
struct Kept {
    transaction_id: TransactionId,
    expiry: Option<ExpiryTime>,
    /// Whether it is for a shorter time than was asked for.
    is_adjusted: bool,
}

impl<'s, W: FnMut(&str)> Sender<'s, W> {
    /// A client of `server`, which is asked to keep capsules until `expiry`, or as long as it likes, and none for longer than the certificate is
    /// valid that it is for. `warn` is told what the person should know.
    ///
    /// # Errors
    /// No client can be made. Nothing is sent yet.
    pub fn new(server: &'s Server, expiry: Option<ExpiryTime>, timeouts: Timeouts, warn: W) -> Result<Self, Error> {
        let http = Http::new(&server.sender_url, &server.certificates, None, timeouts)?;
        Ok(Self { server, http, expiry, warn, usual: None, waited: Duration::ZERO, is_said: false })
    }

    fn refusal(&self, recipient: &Recipient) -> Option<Error> {
        let key = recipient.public_key()?;
        let capsule_type = capsule_type(key);
        if !self.server.capsule_types.contains(&capsule_type) {
            return Some(Error::CapsuleType(capsule_type.name().to_owned()));
        }
        if key.capsule_octets().len() > MAX_FIELD_LEN {
            return Some(Error::Recipient("its key is longer than servers take"));
        }
        let Recipient::Certificate(certificate) = recipient else { return None };
        if !certificate.may_authenticate() {
            return Some(Error::Recipient("the certificate is not for authentication (keyUsage lacks digitalSignature)"));
        }
        if certificate.not_after() <= SystemTime::now() {
            return Some(Error::Recipient("the certificate has expired, and servers give nothing for it"));
        }
        None
    }

    /// The expiry that is asked for, if any: no later than `last`, the certificate's, as nobody could fetch the capsule afterwards. Where nobody says
    /// until when, the server does; what it said before tells whether that would be too late.
    fn expiry_for(&self, last: Option<ExpiryTime>) -> Option<ExpiryTime> {
        match (self.expiry.or(self.usual), last) {
            (Some(expiry), Some(last)) if last < expiry => Some(last),
            _ => self.expiry,
        }
    }

    fn send(&mut self, capsule: &ServerCapsule<'_>, recipient: &Recipient) -> Result<Receipt, Error> {
        let body = Capsule {
            recipient_id: capsule.recipient.capsule_octets().to_vec(),
            ephemeral_key_material: capsule.ephemeral_key_material.to_vec(),
            capsule_type: capsule_type(capsule.recipient),
        };
        let body = serde_json::to_vec(&body).map_err(|error| https::Error::Internal(error.to_string()))?;
        let last = not_after(recipient);
        let wanted = self.expiry_for(last);
        let mut kept = self.post(&body, wanted)?;
        if wanted.is_none()
            && let (Some(last), Some(usual)) = (last, kept.expiry)
            && last < usual
        {
            // The server keeps capsules for longer than the certificate is valid, and its answer is the first to say so. Another capsule takes the
            // place of this one, of which nobody knows the id. It is asked to be kept for less than the server does by itself, which no limit
            // of the server's forbids.
            self.usual = Some(usual);
            kept = self.post(&body, Some(last))?;
        }
        if kept.is_adjusted {
            (self.warn)(&adjusted(&self.server.id, recipient.label_text(), kept.expiry));
        }
        let expiry = kept.expiry.and_then(|expiry| u64::try_from(expiry.as_unix()).ok());
        Ok(Receipt { transaction_id: kept.transaction_id.as_str().to_owned(), expiry })
    }

    fn post(&mut self, body: &[u8], expiry: Option<ExpiryTime>) -> Result<Kept, Error> {
        let url = below(&self.server.sender_url, PATH);
        let post = |client: &Client| {
            let request = client.post(url.clone()).header(CONTENT_TYPE, "application/json").header(ACCEPT, "application/json");
            match expiry {
                Some(expiry) => request.header(HEADER, expiry.to_string()).body(body.to_vec()),
                None => request.body(body.to_vec()),
            }
        };
        let wait = |time| {
            self.waited += time;
            if !self.is_said && self.waited >= SAY_AFTER {
                self.is_said = true;
                (self.warn)(&format!("the capsule server \"{}\" is busy, and is waited for", self.server.id));
            }
            pause(time)
        };
        // A capsule that the server has taken all the same, or puts there twice, is one whose id nobody knows: it opens nothing, and expires.
        let answer = self.http.send_patiently(Again::Repeatable, wait, post)?;
        answer.expect(StatusCode::CREATED)?;
        let transaction_id = answer.created(&self.server.sender_url, PATH)?;
        Ok(Kept { transaction_id, expiry: answer.expiry()?, is_adjusted: answer.is_expiry_adjusted()? })
    }
}

/// When the certificate of `recipient` expires.
fn not_after(recipient: &Recipient) -> Option<ExpiryTime> {
    let Recipient::Certificate(certificate) = recipient else { return None };
    ExpiryTime::try_from(certificate.not_after()).ok()
}

fn adjusted(server: &str, recipient: &str, expiry: Option<ExpiryTime>) -> String {
    let until = expiry.map_or_else(String::new, |expiry| format!(": until {expiry}"));
    format!("the capsule server \"{server}\" keeps the capsule of \"{recipient}\" for a shorter time than was asked for{until}")
}

impl<W: FnMut(&str)> CapsuleServer for Sender<'_, W> {
    fn id(&self) -> &str {
        &self.server.id
    }

    fn check(&self, recipient: &Recipient) -> Result<(), ServerError> {
        self.refusal(recipient).map_or(Ok(()), |error| Err(error.into()))
    }

    fn put(&mut self, capsule: &ServerCapsule<'_>, recipient: &Recipient) -> Result<Receipt, ServerError> {
        self.send(capsule, recipient).map_err(Into::into)
    }
}
