//! One connection: handshake, then requests one after another, each step within its time.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::capsules::Recipient;
use crate::config::Limits;
use crate::current::Current;
use crate::metrics::{self, Handshake};
use crate::small_reads::SmallReads;

/// What a connection knows about its client. Every request carries it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    /// Whether it showed a certificate; one that was not verified does not get here.
    pub(crate) has_certificate: bool,
    /// The certificate's key, if a capsule can be for it.
    pub(crate) recipient: Option<Recipient>,
}

/// Connections that end together, in two steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    /// Finish the request that was begun, take no more.
    pub(crate) gently: CancellationToken,
    /// Drop everything.
    pub(crate) now: CancellationToken,
    pub(crate) connections: TaskTracker,
}

/// For connections to notice that they are dropped. One that waits for an OCSP responder does so later.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

impl Group {
    /// Lets requests finish for so long, then drops the connections that are left. How many these were.
    pub(crate) async fn end(&self, limit: Duration) -> usize {
        self.gently.cancel();
        self.connections.close();
        if tokio::time::timeout(limit, self.connections.wait()).await.is_ok() {
            return 0;
        }
        let left = self.connections.len();
        self.now.cancel();
        let _ = tokio::time::timeout(FAREWELL, self.connections.wait()).await;
        left
    }
}

/// What all connections of a listener share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    /// `None`: plain HTTP.
    pub(crate) tls: Option<Arc<Current<ServerConfig>>>,
    pub(crate) router: Router,
    pub(crate) limits: Arc<Limits>,
    pub(crate) group: Group,
}

impl Service {
    /// Serves `stream` until its end.
    pub(crate) async fn serve(&self, stream: TcpStream, address: SocketAddr) {
        // Answers are one packet; none should wait for the acknowledgement of the one before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(peer = %address, %error, "connection lost");
            return;
        }
        let Some(tls) = &self.tls else {
            return self.requests(stream, Client { address, has_certificate: false, recipient: None }).await;
        };
        // In a box, since a handshake takes more memory than what comes after it, and gives it back.
        let Some(stream) = Box::pin(self.handshake(tls.get(), stream, address)).await else { return };
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let recipient = certificate.and_then(Recipient::of);
        let client = Client { address, has_certificate: certificate.is_some(), recipient };
        self.requests(stream, client).await;
    }

    /// The stream, if there is one in time.
    async fn handshake(&self, config: Arc<ServerConfig>, stream: TcpStream, peer: SocketAddr) -> Option<TlsStream<TcpStream>> {
        let begin = Instant::now();
        let handshake = tokio::time::timeout(self.limits.handshake_timeout, TlsAcceptor::from(config).accept(stream));
        let result = tokio::select! {
            result = handshake => result,
            () = self.group.gently.cancelled() => return None,
        };
        match result {
            Ok(Ok(stream)) => {
                metrics::handshake(self.name, Handshake::Done(begin.elapsed()));
                Some(stream)
            }
            Ok(Err(error)) => {
                metrics::handshake(self.name, Handshake::Failed);
                tracing::debug!(listener = self.name, %peer, error = handshake_error(&error), "handshake failed");
                None
            }
            Err(_) => {
                metrics::handshake(self.name, Handshake::Timeout);
                tracing::debug!(listener = self.name, %peer, "handshake took too long");
                None
            }
        }
    }

    /// Waits for the first request, then serves that and those that follow.
    ///
    /// Not `async fn`, and in boxes: the place of the stream would stay after it was moved on.
    fn requests<S: AsyncRead + AsyncWrite + Unpin + Send>(
        &self,
        stream: S,
        client: Client,
    ) -> impl Future<Output = ()> + Send + use<'_, S> {
        let begun = Box::pin(tokio::time::timeout(self.limits.header_timeout, SmallReads::begin(stream)));
        async move {
            let begun = tokio::select! {
                begun = begun => begun,
                () = self.group.gently.cancelled() => return,
            };
            if let Ok(Some(stream)) = begun {
                self.http(stream, client).await;
            }
        }
    }

    /// Not `async fn`, as above.
    fn http<S: AsyncRead + AsyncWrite + Unpin + Send>(
        &self,
        stream: SmallReads<S>,
        client: Client,
    ) -> impl Future<Output = ()> + Send + use<'_, S> {
        let address = client.address;
        let client = Arc::new(client);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(client.clone());
            self.router.clone().call(request)
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_buf_size(self.limits.header_len)
            .max_headers(self.limits.header_fields);
        let mut connection = Box::pin(builder.serve_connection(stream, service));
        async move {
            // Ends connections whose client does not read its answers, and those whose certificate was checked long ago.
            let mut lifetime = pin!(tokio::time::sleep(self.limits.connection_lifetime));
            let mut ending = false;
            let result = loop {
                tokio::select! {
                    result = connection.as_mut() => break result,
                    () = self.group.now.cancelled() => return,
                    () = self.group.gently.cancelled(), if !ending => {}
                    () = lifetime.as_mut() => {
                        if ending {
                            return;
                        }
                    }
                }
                ending = true;
                connection.as_mut().graceful_shutdown();
                lifetime.as_mut().reset(tokio::time::Instant::now() + self.limits.shutdown_timeout.max(FAREWELL));
            };
            if let Err(error) = result {
                tracing::debug!(listener = self.name, peer = %address, %error, "connection ended");
            }
        }
    }
}

/// What went wrong, without what the client sent: names in certificates are personal.
fn handshake_error(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => "the client's certificate was refused".into(),
        Some(error) => error.to_string(),
        None => error.kind().to_string(),
    }
}
