//! Responders on a loopback socket.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use revocation::Clock;
use revocation::ocsp::{Answer, REQUEST_TYPE, RESPONSE_TYPE, Request, Status};
use rustls_pki_types::UnixTime;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::pki::{Owner, at, response_of, says};

/// What a responder does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// It answers so.
    Now(u16, &'static str, Vec<u8>),
    /// It answers when there is a permit.
    Later(Arc<Semaphore>, Vec<u8>),
    /// It never answers.
    Never,
    /// It hangs up.
    HangUp,
}

impl Reply {
    pub(crate) fn ocsp(octets: Vec<u8>) -> Self {
        Self::Now(200, RESPONSE_TYPE, octets)
    }
}

type Behaviour = Arc<dyn Fn(&[u8]) -> Reply + Send + Sync>;

/// A responder whose behaviour can be changed.
pub(crate) struct Peer {
    pub(crate) url: String,
    behaviour: Arc<Mutex<Behaviour>>,
    asked: watch::Receiver<usize>,
}

impl Peer {
    pub(crate) async fn start(behave: impl Fn(&[u8]) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let first: Behaviour = Arc::new(behave);
        let behaviour = Arc::new(Mutex::new(first));
        let (counter, asked) = watch::channel(0);
        tokio::spawn(accept(listener, Arc::clone(&behaviour), counter));
        Self { url, behaviour, asked }
    }

    pub(crate) fn now(&self, behave: impl Fn(&[u8]) -> Reply + Send + Sync + 'static) {
        *self.behaviour.lock().unwrap() = Arc::new(behave);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    /// Waits until it was asked so often.
    pub(crate) async fn until_asked(&self, times: usize) {
        self.asked.clone().wait_for(|asked| *asked >= times).await.unwrap();
    }
}

async fn accept(listener: TcpListener, behaviour: Arc<Mutex<Behaviour>>, counter: watch::Sender<usize>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (behaviour, counter) = (Arc::clone(&behaviour), counter.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let behaviour = Arc::clone(&behaviour.lock().unwrap());
                answer(request, behaviour, counter.clone())
            });
            // Hanging up is an error here.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    behaviour: Behaviour,
    counter: watch::Sender<usize>,
) -> io::Result<hyper::Response<Full<Bytes>>> {
    assert_eq!(request.method(), hyper::Method::POST);
    assert_eq!(request.headers()["content-type"], REQUEST_TYPE);
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let reply = behaviour(&body);
    counter.send_modify(|count| *count += 1);
    let (status, content_type, octets) = match reply {
        Reply::Now(status, content_type, octets) => (status, content_type, octets),
        Reply::Later(gate, octets) => {
            gate.acquire().await.unwrap().forget();
            (200, RESPONSE_TYPE, octets)
        }
        Reply::Never => std::future::pending::<Result<_, Infallible>>().await.unwrap(),
        Reply::HangUp => return Err(io::ErrorKind::ConnectionAborted.into()),
    };
    let response = hyper::Response::builder().status(status).header("content-type", content_type);
    Ok(response.body(Full::new(Bytes::from(octets))).unwrap())
}

/// What `owner` says to a request: of every certificate the same, for an hour from `now`.
pub(crate) fn answer_to(request: &[u8], owner: &Owner, status: Status, now: UnixTime) -> Vec<u8> {
    answers_to(request, owner, now, |certificate| says(certificate, status, now))
}

/// The same, with each answer as the caller wants it.
pub(crate) fn answers_to(
    request: &[u8],
    owner: &Owner,
    now: UnixTime,
    say: impl Fn(revocation::ocsp::CertId) -> Answer,
) -> Vec<u8> {
    let request = Request::parse(request).unwrap();
    assert!(request.certificates.iter().all(|certificate| certificate.is_issued_by(&owner.issuer())));
    let response = response_of(owner, now, request.nonce);
    owner.sign(request.certificates.into_iter().fold(response, |response, certificate| response.answer(say(certificate))))
}

/// A clock that a test moves.
#[derive(Debug)]
pub(crate) struct Hands(Mutex<u64>);

impl Hands {
    pub(crate) fn at(seconds: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(seconds)))
    }

    pub(crate) fn forward(&self, seconds: u64) {
        *self.0.lock().unwrap() += seconds;
    }
}

impl Clock for Hands {
    fn now(&self) -> UnixTime {
        at(*self.0.lock().unwrap())
    }
}
