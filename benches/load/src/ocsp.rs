//! An OCSP responder that knows no evil: all that the authority issued is good for eight hours, as with the responders of the ID-card.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rcgen::{KeyPair, SigningKey as _};
use revocation::issuer::Issuer;
use revocation::ocsp::build::{ResponseBuilder, SignatureAlgorithm, refuse};
use revocation::ocsp::{Answer, RESPONSE_TYPE, Refusal, Request, ResponderId, Status};
use rustls_pki_types::UnixTime;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How long an answer may be believed.
const FRESH: Duration = Duration::from_secs(8 * 3600);

/// Who answers: the authority itself.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) issuer: Issuer,
    /// On P-384.
    pub(crate) key: KeyPair,
}

/// A responder, until it is dropped.
#[derive(Debug)]
pub(crate) struct Responder {
    /// Where to ask.
    pub(crate) url: String,
    task: JoinHandle<io::Result<()>>,
}

impl Responder {
    /// Answers for `signer`, on this machine.
    pub(crate) async fn start(signer: Signer) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let service = Router::new().route("/", post(answer)).with_state(Arc::new(signer));
        Ok(Self { url, task: tokio::spawn(async { axum::serve(listener, service).await }) })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(signer): State<Arc<Signer>>, question: Bytes) -> Response {
    let answer = match Request::parse(&question) {
        Ok(request) if request.certificates.iter().all(|certificate| certificate.is_issued_by(&signer.issuer)) => {
            signer.good(request)
        }
        Ok(_) => refuse(Refusal::Unauthorized).ok(),
        Err(_) => refuse(Refusal::MalformedRequest).ok(),
    };
    match answer {
        Some(answer) => ([(header::CONTENT_TYPE, RESPONSE_TYPE)], answer).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Signer {
    /// All of them are good.
    fn good(&self, request: Request) -> Option<Vec<u8>> {
        let now = UnixTime::now();
        let next_update = Some(UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + FRESH));
        let builder = ResponseBuilder::new(ResponderId::by_key(&self.issuer).ok()?, now).nonce(request.nonce);
        let good = |certificate| Answer { certificate, status: Status::Good, this_update: now, next_update };
        let builder = request.certificates.into_iter().map(good).fold(builder, ResponseBuilder::answer);
        builder.sign(SignatureAlgorithm::EcdsaSha384, |octets| self.key.sign(octets)).ok()
    }
}
