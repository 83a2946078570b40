//! One connection: handshake, then requests one after another, each step within its time.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::activity::Open;
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

/// How often it is looked whether a client sends nothing more. Whoever is found so twice is idle.
const PAUSE: Duration = Duration::from_millis(50);

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

    /// The stream, if there is one in time; in a box, for it is large, and moved about.
    async fn handshake(&self, config: Arc<ServerConfig>, stream: TcpStream, peer: SocketAddr) -> Option<Box<TlsStream<TcpStream>>> {
        let begin = Instant::now();
        let handshake = tokio::time::timeout(self.limits.handshake_timeout, TlsAcceptor::from(config).accept(stream));
        let result = tokio::select! {
            result = handshake => result,
            () = self.group.gently.cancelled() => return None,
        };
        match result {
            Ok(Ok(stream)) => {
                metrics::handshake(self.name, Handshake::Done(begin.elapsed()));
                Some(Box::new(stream))
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

    /// Waits for a request, serves it and what comes soon after it, and waits again. While it waits, TLS and little else is kept of a connection.
    async fn requests<S: AsyncRead + AsyncWrite + Unpin + Send>(&self, stream: S, client: Client) {
        let client = Arc::new(client);
        // Ends connections whose certificate was checked long ago, and those whose client does not read its answers.
        let mut lifetime = pin!(tokio::time::sleep(self.limits.connection_lifetime));
        let mut stream = SmallReads::new(stream);
        loop {
            let something = tokio::select! {
                came = tokio::time::timeout(self.limits.header_timeout, stream.wait()) => came.unwrap_or(false),
                () = self.group.gently.cancelled() => false,
                () = lifetime.as_mut() => false,
            };
            if !something {
                break;
            }
            let Some(quiet) = Box::pin(self.http(stream, &client, lifetime.as_mut())).await else { return };
            stream = quiet;
        }
        // Who has gone does not hear it.
        let _ = tokio::time::timeout(FAREWELL, stream.end()).await;
    }

    /// Serves what has begun to come, until all of it is answered and nothing more comes: then the stream is free again. `None`: it ended.
    async fn http<S: AsyncRead + AsyncWrite + Unpin + Send>(
        &self,
        stream: SmallReads<S>,
        client: &Arc<Client>,
        mut lifetime: Pin<&mut Sleep>,
    ) -> Option<SmallReads<S>> {
        let activity = stream.activity();
        let service = service_fn(|mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(client.clone());
            let open = Open::new(&activity);
            let answer = self.router.clone().call(request.map(|body| open.request(body)));
            async move { answer.await.map(|response| response.map(|body| open.answer(body))) }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_buf_size(self.limits.header_len)
            .max_headers(self.limits.header_fields);
        let mut connection = builder.serve_connection(stream, service);
        // Who goes on at once is not made to wait for hyper to begin anew.
        let mut look = pin!(tokio::time::sleep(PAUSE));
        let mut rests_after = None;
        let mut ending = false;
        let result = loop {
            let step = poll_fn(|context| {
                if let Poll::Ready(result) = Pin::new(&mut connection).poll(context) {
                    return Poll::Ready(Some(result));
                }
                while look.as_mut().poll(context).is_ready() {
                    let now_after = activity.rests_after();
                    if !ending && now_after.is_some() && now_after == rests_after {
                        return Poll::Ready(None);
                    }
                    rests_after = now_after;
                    look.as_mut().reset(tokio::time::Instant::now() + PAUSE);
                }
                Poll::Pending
            });
            tokio::select! {
                step = step => match step {
                    Some(result) => break result,
                    None => return Some(SmallReads::again(connection.into_parts())),
                },
                () = self.group.now.cancelled() => return None,
                () = self.group.gently.cancelled(), if !ending => {}
                () = lifetime.as_mut() => {
                    if ending {
                        return None;
                    }
                }
            }
            ending = true;
            Pin::new(&mut connection).graceful_shutdown();
            lifetime.as_mut().reset(tokio::time::Instant::now() + self.limits.shutdown_timeout.max(FAREWELL));
        };
        if let Err(error) = result {
            tracing::debug!(listener = self.name, peer = %client.address, %error, "connection ended");
        }
        None
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
