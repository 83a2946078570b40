//! An organisation's policy service: an HTTPS server that says how long capsules are kept.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::version::TLS13;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::background::Spawner;
use crate::{Error, Identity, loopback};

/// How long a client may take for the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// What it answers at first: the document that `cdoc2-client` describes.
pub const DOCUMENT: &str = r#"{"version":1,"capsule_expires":"30d"}"#;
/// The path of the document.
const PATH: &str = "/cdoc2.json";

/// The service, from outside.
#[derive(Clone, Debug)]
pub struct PolicyService {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    status: u16,
    body: String,
    requests: u64,
}

impl PolicyService {
    pub(crate) fn start(identity: &Identity, spawner: &Spawner) -> Result<Self, Error> {
        let (chain, key) = identity.for_rustls();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|_| Error::Key)?;
        let (listener, address) = loopback::listen(spawner)?;
        let shared = Arc::new(Mutex::new(Shared { status: 200, body: DOCUMENT.into(), requests: 0 }));
        let router = Router::new().route(PATH, get(answer)).with_state(shared.clone());
        let listener = TlsListener { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
        spawner.spawn(async move {
            // Ends with the runtime.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, shared })
    }

    /// Where the document is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}{PATH}", self.address.port())
    }

    /// From now on, this is what it answers. At first it is [`DOCUMENT`], with the status 200.
    pub fn set(&self, status: u16, body: &str) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        (shared.status, shared.body) = (status, body.into());
    }

    /// How many requests it got.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).requests
    }
}

async fn answer(State(shared): State<Arc<Mutex<Shared>>>) -> Response {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.requests += 1;
    let status = StatusCode::from_u16(shared.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], shared.body.clone()).into_response()
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    /// One handshake after the other, which is enough for tests. One that fails is the client's own trouble.
    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, peer) = Listener::accept(&mut self.listener).await;
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.acceptor.accept(stream)).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
