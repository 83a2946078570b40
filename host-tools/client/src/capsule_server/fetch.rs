//! The recipient's side: a capsule is fetched with a key that another thread may hold (UC.KTS.02, UC.KTS.04).

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use cdoc2_api::capsule::PATH;
use cdoc2_api::{Capsule, CapsuleType, TransactionId};
use reqwest::StatusCode;
use reqwest::blocking::Client;
use reqwest::header::ACCEPT;
use rustls::client::ResolvesClientCert;
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::Error;
use super::authenticate::{Credentials, Failure};
use crate::config::Server;
use crate::https::{self, Again, Http, Timeouts, below, pause};

/// What the thread of the request says to the one that holds the key.
#[derive(Debug)]
enum Message {
    /// A signature is wanted; no answer means that there is none.
    Sign { scheme: SignatureScheme, message: Vec<u8>, reply: Sender<Vec<u8>> },
    /// The request is done.
    Done(Result<Capsule, Error>),
}

/// Fetches the capsule `id` from `server`. `sign` is called on this thread: a card or a module must not be used on another.
pub(super) fn fetch<E>(
    server: &Server,
    id: &TransactionId,
    credentials: Credentials,
    timeouts: Timeouts,
    sign: impl FnMut(SignatureScheme, &[u8]) -> Result<Vec<u8>, Failure<E>>,
) -> Result<Capsule, Failure<E>> {
    let (messages, inbox) = mpsc::channel();
    let identity = Arc::new(Remote::new(credentials, messages.clone()));
    thread::scope(|scope| {
        scope.spawn(move || {
            let fetched = get(server, id, identity, timeouts);
            let _ = messages.send(Message::Done(fetched));
        });
        serve(&inbox, sign)
    })
}

/// Signs until the request is done. Why a signature failed says more than what became of the request then.
fn serve<E>(
    inbox: &Receiver<Message>,
    mut sign: impl FnMut(SignatureScheme, &[u8]) -> Result<Vec<u8>, Failure<E>>,
) -> Result<Capsule, Failure<E>> {
    let mut failed = None;
    loop {
        match inbox.recv() {
            Ok(Message::Sign { scheme, message, reply }) if failed.is_none() => match sign(scheme, &message) {
                // Nobody waits for it if the request was given up.
                Ok(signature) => drop(reply.send(signature)),
                Err(failure) => failed = Some(failure),
            },
            Ok(Message::Sign { .. }) => {}
            Ok(Message::Done(fetched)) => return failed.map_or_else(|| fetched.map_err(Failure::Server), Err),
            Err(_) => return Err(Failure::Server(https::Error::Internal("the request ended without an answer".to_owned()).into())),
        }
    }
}

fn get(server: &Server, id: &TransactionId, identity: Arc<Remote>, timeouts: Timeouts) -> Result<Capsule, Error> {
    let http = Http::new(&server.recipient_url, &server.certificates, Some(identity), timeouts)?;
    let url = below(&server.recipient_url, &format!("{PATH}/{id}"));
    let get = |client: &Client| client.get(url.clone()).header(ACCEPT, "application/json");
    let answer = http.send_patiently(Again::Repeatable, pause, get)?;
    answer.expect(StatusCode::OK).map_err(|error| match error {
        https::Error::NotFound => Error::NotFound,
        error => error.into(),
    })?;
    // A date that is none is an answer that is none.
    answer.expiry()?;
    let capsule: Capsule = serde_json::from_slice(&answer.body).map_err(|_| https::Error::Nonsense("it is no capsule in JSON"))?;
    match capsule.capsule_type {
        CapsuleType::Unknown(name) => Err(Error::UnknownCapsuleType(name)),
        _ => Ok(capsule),
    }
}

/// A key that signs on another thread.
#[derive(Debug)]
struct Remote {
    certified: Arc<CertifiedKey>,
}

impl Remote {
    fn new(credentials: Credentials, messages: Sender<Message>) -> Self {
        let key = RemoteKey { schemes: credentials.schemes, messages };
        Self { certified: Arc::new(CertifiedKey::new(credentials.chain, Arc::new(key))) }
    }
}

impl ResolvesClientCert for Remote {
    /// The certificate is shown whatever authorities the server names: the one that is refused is told so.
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.certified))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Clone, Debug)]
struct RemoteKey {
    schemes: Vec<SignatureScheme>,
    messages: Sender<Message>,
}

impl SigningKey for RemoteKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = *self.schemes.iter().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(RemoteSigner { scheme, messages: self.messages.clone() }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.schemes.first() {
            Some(SignatureScheme::RSA_PSS_SHA256 | SignatureScheme::RSA_PSS_SHA384 | SignatureScheme::RSA_PSS_SHA512) => {
                SignatureAlgorithm::RSA
            }
            _ => SignatureAlgorithm::ECDSA,
        }
    }
}

#[derive(Debug)]
struct RemoteSigner {
    scheme: SignatureScheme,
    messages: Sender<Message>,
}

impl Signer for RemoteSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        const FAILED: &str = "the key did not sign";
        let (reply, answer) = mpsc::channel();
        let wanted = Message::Sign { scheme: self.scheme, message: message.to_vec(), reply };
        self.messages.send(wanted).map_err(|_| rustls::Error::General(FAILED.to_owned()))?;
        answer.recv().map_err(|_| rustls::Error::General(FAILED.to_owned()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}
