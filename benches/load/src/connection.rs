//! A TLS 1.3 connection, and HTTP/1.1 on it with as little work as possible: the machine is shared with the server that is measured.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Waker};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, HandshakeKind, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::pki::Recipient;

/// The longest answer that is read.
const MAX_ANSWER_LEN: usize = 64 * 1024;
/// The most headers of an answer.
const MAX_HEADERS: usize = 32;

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// No connection.
    Connect(io::ErrorKind),
    /// The connection broke, or was closed before the answer was complete.
    Closed(io::ErrorKind),
    /// TLS: an alert, or what made this side give up.
    Tls(String),
    /// The handshake was not a full one: resumed, or begun a second time.
    Shortened,
    /// No answer in time.
    Timeout,
    /// The answer is no HTTP/1.1 with a Content-Length.
    Malformed,
    /// Another status than expected.
    Status(u16),
    /// Not the answer that was expected.
    Body,
    /// The time was over before it could be sent.
    Unsent,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(kind) => write!(f, "no connection: {kind}"),
            Self::Closed(kind) => write!(f, "connection lost: {kind}"),
            Self::Tls(what) => write!(f, "TLS: {what}"),
            Self::Shortened => f.write_str("handshake resumed, or of two round trips"),
            Self::Timeout => f.write_str("timed out"),
            Self::Malformed => f.write_str("malformed answer"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Body => f.write_str("wrong answer"),
            Self::Unsent => f.write_str("not sent in time"),
        }
    }
}

/// Whoever connects: with or without a certificate.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    connector: Arc<ClientConfig>,
    /// Connections start here. Several addresses have several ranges of ports, which one alone would run out of.
    source: Ipv4Addr,
}

impl Client {
    /// Client `number`, which takes `server` as the server's certificate and shows that of `recipient`.
    pub(crate) fn new(server: &Arc<Pin>, number: usize, recipient: Option<&Recipient>) -> Result<Self, rustls::Error> {
        let config = ClientConfig::builder_with_provider(Arc::clone(&server.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(server) as Arc<dyn ServerCertVerifier>);
        let mut config = match recipient {
            Some(recipient) => config.with_client_auth_cert(recipient.chain.clone(), recipient.key.clone_key())?,
            None => config.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        let [third, fourth] = ((number % 50_000) as u16).to_be_bytes();
        Ok(Self { connector: Arc::new(config), source: Ipv4Addr::new(127, 1 + third, fourth, 1) })
    }
}

/// The one certificate that a server may show; its signature in the handshake is verified.
#[derive(Debug)]
pub(crate) struct Pin {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl Pin {
    /// Only `certificate`. X25519 first: both servers take it without a second round trip.
    pub(crate) fn new(certificate: CertificateDer<'static>) -> Arc<Self> {
        let mut provider = default_provider();
        provider.kx_groups = vec![kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
        Arc::new(Self { certificate, provider: Arc::new(provider) })
    }
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

/// An answer; its octets are the connection's.
#[derive(Debug)]
pub(crate) struct Answer<'c> {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: &'c [u8],
}

impl Answer<'_> {
    /// The answer, if its status is this one.
    pub(crate) fn with_status(self, status: u16) -> Result<Self, Fault> {
        if self.status == status { Ok(self) } else { Err(Fault::Status(self.status)) }
    }
}

impl Connection {
    /// Connects, with a full handshake.
    pub(crate) async fn open(client: &Client, to: SocketAddr) -> Result<Self, Fault> {
        let refused = |error: io::Error| Fault::Connect(error.kind());
        let socket = TcpSocket::new_v4().map_err(refused)?;
        if to.ip().is_loopback() {
            socket.bind((client.source, 0).into()).map_err(refused)?;
        }
        let tcp = socket.connect(to).await.map_err(refused)?;
        tcp.set_nodelay(true).map_err(refused)?;
        let name = ServerName::from(to.ip());
        let stream = TlsConnector::from(Arc::clone(&client.connector)).connect(name, tcp).await.map_err(|error| lost(&error))?;
        let state = stream.get_ref().1;
        if state.handshake_kind() != Some(HandshakeKind::Full) {
            return Err(Fault::Shortened);
        }
        Ok(Self { stream, buffer: Vec::with_capacity(2048) })
    }

    /// Sends `request` and waits for the whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, Fault> {
        self.stream.write_all(request).await.map_err(|error| lost(&error))?;
        self.stream.flush().await.map_err(|error| lost(&error))?;
        self.buffer.clear();
        let head = loop {
            self.fill().await?;
            if let Some(head) = Head::parse(&self.buffer)? {
                break head;
            }
        };
        while self.buffer.len() < head.body.end {
            self.fill().await?;
        }
        // Nothing was asked for beyond this answer.
        let body = self.buffer.get(head.body.clone()).filter(|_| self.buffer.len() == head.body.end).ok_or(Fault::Malformed)?;
        Ok(Answer { status: head.status, location: head.location, body })
    }

    /// Whether the server has neither closed it nor sent anything but what TLS itself sends.
    pub(crate) fn is_open(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let mut octet = [0];
        std::pin::Pin::new(&mut self.stream).poll_read(&mut context, &mut ReadBuf::new(&mut octet)).is_pending()
    }

    /// Says goodbye.
    pub(crate) async fn close(mut self) {
        // The answer is there; how the server takes leave is its own affair.
        let _ = self.stream.shutdown().await;
    }

    async fn fill(&mut self) -> Result<(), Fault> {
        if self.buffer.len() > MAX_ANSWER_LEN {
            return Err(Fault::Malformed);
        }
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err(Fault::Closed(io::ErrorKind::UnexpectedEof)),
            Ok(_) => Ok(()),
            Err(error) => Err(lost(&error)),
        }
    }
}

/// What of an answer's head matters here.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    location: Option<String>,
    /// Where the body is, head included.
    body: Range<usize>,
}

impl Head {
    /// The head that `octets` begin with; `None` while it is incomplete.
    fn parse(octets: &[u8]) -> Result<Option<Self>, Fault> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head_len) = response.parse(octets).map_err(|_| Fault::Malformed)? else {
            return Ok(None);
        };
        let header = |name: &str| {
            let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(found.value).ok()
        };
        let status = response.code.ok_or(Fault::Malformed)?;
        let body_len: usize = header("content-length").and_then(|text| text.parse().ok()).ok_or(Fault::Malformed)?;
        if body_len > MAX_ANSWER_LEN {
            return Err(Fault::Malformed);
        }
        Ok(Some(Self { status, location: header("location").map(str::to_owned), body: head_len..head_len + body_len }))
    }
}

/// A fault of reading and writing. With TLS 1.3 a client learns here that its certificate was refused.
fn lost(error: &io::Error) -> Fault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => Fault::Tls(tls.to_string()),
        None => Fault::Closed(error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let octets = b"HTTP/1.1 201 Created\r\nlocation: /key-capsules/KC\r\nContent-Length: 2\r\n\r\n{}";
        let head = Head { status: 201, location: Some("/key-capsules/KC".into()), body: octets.len() - 2..octets.len() };
        assert_eq!(Head::parse(octets), Ok(Some(head)));
        assert_eq!(Head::parse(&octets[..octets.len() - 5]), Ok(None));
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\n\r\n"), Err(Fault::Malformed));
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"), Err(Fault::Malformed));
        assert_eq!(Head::parse(b"SSH-2.0\r\n\r\n"), Err(Fault::Malformed));
    }
}
