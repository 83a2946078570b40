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
    /// For how long the server was waited for, and whether that was said.
    waited: Duration,
    is_said: bool,
}

impl<'s, W: FnMut(&str)> Sender<'s, W> {
    /// A client of `server`, which is asked to keep capsules until `expiry`, or as long as it likes. `warn` is told what the person should know.
    ///
    /// # Errors
    /// No client can be made. Nothing is sent yet.
    pub fn new(server: &'s Server, expiry: Option<ExpiryTime>, timeouts: Timeouts, warn: W) -> Result<Self, Error> {
        let http = Http::new(&server.sender_url, &server.certificates, None, timeouts)?;
        Ok(Self { server, http, expiry, warn, waited: Duration::ZERO, is_said: false })
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

    /// The expiry that is asked for: no later than the certificate's, as nobody could fetch the capsule afterwards.
    fn expiry_for(&self, recipient: &Recipient) -> Option<ExpiryTime> {
        let wanted = self.expiry?;
        let Recipient::Certificate(certificate) = recipient else { return Some(wanted) };
        Some(ExpiryTime::try_from(certificate.not_after()).map_or(wanted, |last| wanted.min(last)))
    }

    fn send(&mut self, capsule: &ServerCapsule<'_>, recipient: &Recipient) -> Result<Receipt, Error> {
        let body = Capsule {
            recipient_id: capsule.recipient.capsule_octets().to_vec(),
            ephemeral_key_material: capsule.ephemeral_key_material.to_vec(),
            capsule_type: capsule_type(capsule.recipient),
        };
        let body = serde_json::to_vec(&body).map_err(|error| https::Error::Internal(error.to_string()))?;
        let url = below(&self.server.sender_url, PATH);
        let wanted = self.expiry_for(recipient);
        let post = |client: &Client| {
            let request = client.post(url.clone()).header(CONTENT_TYPE, "application/json").header(ACCEPT, "application/json");
            match wanted {
                Some(expiry) => request.header(HEADER, expiry.to_string()).body(body.clone()),
                None => request.body(body.clone()),
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
        let transaction_id: TransactionId = answer.created(&self.server.sender_url, PATH)?;
        let expiry = answer.expiry()?;
        if answer.is_expiry_adjusted()? {
            (self.warn)(&adjusted(&self.server.id, recipient.label_text(), expiry));
        }
        let expiry = expiry.and_then(|expiry| u64::try_from(expiry.as_unix()).ok());
        Ok(Receipt { transaction_id: transaction_id.as_str().to_owned(), expiry })
    }
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
