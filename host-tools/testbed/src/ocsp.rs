//! The OCSP responder (RFC 6960), which can lie.
//!
//! It answers for the authority's intermediate by a key that the intermediate lets answer. As with SK's responder, a certificate is good unless
//! it was revoked, even if it has expired, or was never issued.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::Listener;
use revocation::issuer::Issuer;
use revocation::ocsp::build::{ResponseBuilder, SignatureAlgorithm, refuse};
use revocation::ocsp::{Answer, CrlReason, Nonce, RESPONSE_TYPE, Refusal, Request, ResponderId, Status};
use rustls::pki_types::{CertificateDer, UnixTime};
use simulator::certificate::{Content, Subject};
use tokio::net::{TcpListener, TcpStream};

use crate::background::Spawner;
use crate::identity::{Algorithm, Identity};
use crate::{Authority, Error, loopback};

/// How long an answer is good for: SK's are for as long.
const FRESH_FOR: Duration = Duration::from_secs(12 * 60 * 60);

/// What the responder thinks of a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Good.
    #[default]
    Good,
    /// Revoked an hour ago, its key being known to others.
    Revoked,
    /// Not known.
    Unknown,
}

/// Every standing, and what it means.
pub(crate) const STANDINGS: [(Standing, &str); 3] = [
    (Standing::Good, "not revoked"),
    (Standing::Revoked, "revoked an hour ago"),
    (Standing::Unknown, "the responder does not know them"),
];

impl Standing {
    /// What a person calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
        }
    }
}

/// How the responder behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As it should.
    #[default]
    Normal,
    /// It closes every connection at once.
    Down,
    /// It takes so long for each answer.
    Slow(Duration),
    /// It says "tryLater".
    TryLater,
    /// It signs with the key of another authority's responder.
    WrongSigner,
    /// Its answers were good until an hour ago.
    Expired,
    /// It leaves nonces out, as responders do that answer from stock.
    NoNonce,
    /// It answers with another nonce than was asked with.
    WrongNonce,
    /// It answers with something that is no OCSP.
    Garbage,
}

/// Longer than servers wait for an answer, if their configuration says nothing else.
const SLOW: Duration = Duration::from_secs(10);

/// Every mode, and what it means.
pub(crate) const MODES: [(Mode, &str); 9] = [
    (Mode::Normal, "it answers as it should"),
    (Mode::Down, "it closes every connection at once"),
    (Mode::Slow(SLOW), "it takes 10 seconds for each answer"),
    (Mode::TryLater, "it says \"tryLater\""),
    (Mode::WrongSigner, "it signs with the key of another authority's responder"),
    (Mode::Expired, "its answers were good until an hour ago"),
    (Mode::NoNonce, "it leaves nonces out"),
    (Mode::WrongNonce, "it answers with another nonce than was asked with"),
    (Mode::Garbage, "it answers with something that is no OCSP"),
];

impl Mode {
    /// What a person calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Down => "down",
            Self::Slow(_) => "slow",
            Self::TryLater => "try-later",
            Self::WrongSigner => "wrong-signer",
            Self::Expired => "expired",
            Self::NoNonce => "no-nonce",
            Self::WrongNonce => "wrong-nonce",
            Self::Garbage => "garbage",
        }
    }
}

/// The responder, from outside.
#[derive(Clone, Debug)]
pub struct Ocsp {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    mode: Mode,
    fresh_for: Duration,
    standings: HashMap<Vec<u8>, Standing>,
    /// Serial numbers of certificates, by the codes of whose they are.
    serials: HashMap<String, Vec<Vec<u8>>>,
    requests: u64,
}

/// The socket of a responder that does not answer yet, since its authority must know the address before.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    pub(crate) fn new(spawner: &Spawner) -> Result<Self, Error> {
        let (listener, address) = loopback::listen(spawner)?;
        Ok(Self { listener, address })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn serve(self, authority: &Authority, spawner: &Spawner) -> Result<Ocsp, Error> {
        let shared =
            Shared { mode: Mode::default(), fresh_for: FRESH_FOR, standings: HashMap::new(), serials: HashMap::new(), requests: 0 };
        let shared = Arc::new(Mutex::new(shared));
        let responder = Responder {
            issuer: issuer(authority.intermediate())?,
            signer: Signer::new(authority)?,
            stranger: Signer::new(&Authority::new("Stranger", None)?)?,
            shared: shared.clone(),
        };
        let router = Router::new().fallback(post(answer)).with_state(Arc::new(responder));
        let gate = Gate { listener: self.listener, shared: shared.clone() };
        spawner.spawn(async move {
            // Ends with the runtime.
            let _ = axum::serve(gate, router).await;
        });
        Ok(Ocsp { address: self.address, shared })
    }
}

impl Ocsp {
    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// From now on, the certificate with this serial number (see [`crate::identity::serial`]) has this standing.
    pub fn set(&self, serial: &[u8], standing: Standing) {
        lock(&self.shared).standings.insert(serial.to_vec(), standing);
    }

    /// From now on, all certificates that the test bed has made for whoever has this code have this standing; how many these are.
    pub fn set_all(&self, code: &str, standing: Standing) -> usize {
        let mut shared = lock(&self.shared);
        let serials = shared.serials.get(code).cloned().unwrap_or_default();
        let count = serials.len();
        shared.standings.extend(serials.into_iter().map(|serial| (serial, standing)));
        count
    }

    /// Remembers whose certificate it is.
    pub(crate) fn register(&self, code: &str, serial: Vec<u8>) {
        lock(&self.shared).serials.entry(code.to_owned()).or_default().push(serial);
    }

    /// How the responder behaves.
    #[must_use]
    pub fn mode(&self) -> Mode {
        lock(&self.shared).mode
    }

    /// From now on, the responder behaves like this.
    pub fn set_mode(&self, mode: Mode) {
        lock(&self.shared).mode = mode;
    }

    /// From now on, answers are good for so long: 12 hours at first, for which servers remember them.
    pub fn set_fresh_for(&self, time: Duration) {
        lock(&self.shared).fresh_for = time;
    }

    /// How many requests it got. Connections that [`Mode::Down`] closed do not count.
    #[must_use]
    pub fn requests(&self) -> u64 {
        lock(&self.shared).requests
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn issuer(certificate: &[u8]) -> Result<Issuer, Error> {
    Issuer::from_certificate(&CertificateDer::from(certificate)).map_err(|_| Error::Key)
}

/// A listener that closes connections while the responder is down.
struct Gate {
    listener: TcpListener,
    shared: Arc<Mutex<Shared>>,
}

impl Listener for Gate {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let (stream, peer) = Listener::accept(&mut self.listener).await;
            if lock(&self.shared).mode != Mode::Down {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

struct Responder {
    issuer: Issuer,
    signer: Signer,
    stranger: Signer,
    shared: Arc<Mutex<Shared>>,
}

/// A key that may sign answers.
struct Signer {
    key: EcdsaKeyPair,
    certificate: CertificateDer<'static>,
    id: ResponderId,
}

impl Signer {
    fn new(authority: &Authority) -> Result<Self, Error> {
        let content = Content::ocsp_responder(Subject::named("OCSP responder")?, std::time::SystemTime::now());
        let identity: Identity = authority.identity(&content, Algorithm::P256)?;
        let id = ResponderId::by_key(&issuer(identity.certificate())?).map_err(|_| Error::Key)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, identity.key()).map_err(|_| Error::Key)?;
        Ok(Self { key, certificate: CertificateDer::from(identity.certificate().to_vec()), id })
    }
}

async fn answer(State(responder): State<Arc<Responder>>, body: Bytes) -> Response {
    let mode = {
        let mut shared = lock(&responder.shared);
        shared.requests += 1;
        shared.mode
    };
    if let Mode::Slow(delay) = mode {
        tokio::time::sleep(delay).await;
    }
    let octets = match mode {
        // On a connection from before.
        Mode::Down => return (StatusCode::SERVICE_UNAVAILABLE, [(header::CONNECTION, "close")]).into_response(),
        Mode::TryLater => refuse(Refusal::TryLater).ok(),
        Mode::Garbage => Some(b"<html>".to_vec()),
        _ => responder.respond(&body, mode),
    };
    match octets {
        Some(octets) => ([(header::CONTENT_TYPE, HeaderValue::from_static(RESPONSE_TYPE))], octets).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Responder {
    /// The response in DER; none if there can be none.
    fn respond(&self, body: &[u8], mode: Mode) -> Option<Vec<u8>> {
        let Ok(request) = Request::parse(body) else { return refuse(Refusal::MalformedRequest).ok() };
        if !request.certificates.iter().all(|certificate| certificate.is_issued_by(&self.issuer)) {
            return refuse(Refusal::Unauthorized).ok();
        }
        let now = UnixTime::now();
        let before = |age: Duration| UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()).saturating_sub(age));
        let after = |time: Duration| UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + time);
        let hour = Duration::from_secs(60 * 60);
        let fresh_for = lock(&self.shared).fresh_for;
        let (this_update, next_update) =
            if mode == Mode::Expired { (before(hour + fresh_for), before(hour)) } else { (now, after(fresh_for)) };
        let signer = if mode == Mode::WrongSigner { &self.stranger } else { &self.signer };
        let nonce = match mode {
            Mode::NoNonce => None,
            Mode::WrongNonce => Some(Nonce::random().ok()?),
            _ => request.nonce,
        };
        let mut builder = ResponseBuilder::new(signer.id.clone(), this_update).nonce(nonce).certificate(signer.certificate.clone());
        for certificate in request.certificates {
            let status = match lock(&self.shared).standings.get(certificate.serial()).copied().unwrap_or_default() {
                Standing::Good => Status::Good,
                Standing::Revoked => Status::Revoked { at: before(hour), reason: Some(CrlReason::KeyCompromise) },
                Standing::Unknown => Status::Unknown,
            };
            builder = builder.answer(Answer { certificate, status, this_update, next_update: Some(next_update) });
        }
        let sign = |octets: &[u8]| signer.key.sign(&SystemRandom::new(), octets).map(|signature| signature.as_ref().to_vec());
        builder.sign(SignatureAlgorithm::EcdsaSha256, sign).ok()
    }
}
