//! HTTPS on this machine, for whatever answers by it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
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

/// Answers as `router` says at a free port, over TLS 1.3 with the certificate of `identity`, until the background is gone.
pub(crate) fn serve(identity: &Identity, router: Router, spawner: &Spawner) -> Result<SocketAddr, Error> {
    let (chain, key) = identity.for_rustls();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|_| Error::Key)?;
    let (listener, address) = loopback::listen(spawner)?;
    let listener = TlsListener { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
    spawner.spawn(async move {
        // Ends with the runtime.
        let _ = axum::serve(listener, router).await;
    });
    Ok(address)
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
