//! A client of HTTPS that has nothing in common with this project's own: rustls, a socket, and requests as octets.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::pki::{Authority, Identity};

/// Longest wait for octets. A machine under load is slow; a server that never answers is found all the same.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who connects, and whom they trust.
#[derive(Clone, Debug)]
pub struct Client(Arc<ClientConfig>);

impl Client {
    /// Somebody without a certificate, who trusts servers of `authority`.
    #[must_use]
    pub fn anonymous(authority: &Authority) -> Self {
        Self::trusting(authority.certificate())
    }

    /// The same, who trusts servers of the authority with the certificate `root`.
    #[must_use]
    pub fn trusting(root: &CertificateDer<'_>) -> Self {
        Self::build(root, None)
    }

    /// The same with a certificate.
    #[must_use]
    pub fn with(authority: &Authority, identity: &Identity) -> Self {
        Self::build(authority.certificate(), Some(identity))
    }

    fn build(root: &CertificateDer<'_>, identity: Option<&Identity>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned()).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_protocol_versions(&[&TLS13]).expect("a version of TLS").with_root_certificates(roots);
        let mut config = match identity {
            Some(identity) => {
                builder.with_client_auth_cert(identity.chain.clone(), identity.private_key()).expect("a client's certificate")
            }
            None => builder.with_no_client_auth(),
        };
        // Each connection is a handshake of its own, so that each is judged anew.
        config.resumption = rustls::client::Resumption::disabled();
        Self(Arc::new(config))
    }

    /// The same, but connections may resume a session.
    #[must_use]
    pub fn resuming(&self) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.resumption = rustls::client::Resumption::in_memory_sessions(8);
        Self(Arc::new(config))
    }

    /// A connection, with the handshake done as far as a client can tell: with TLS 1.3 a server refuses a client's certificate afterwards.
    ///
    /// # Errors
    /// No connection; or the server is none to trust; or it refuses.
    ///
    /// # Panics
    /// The system has no sockets left.
    pub fn connect(&self, address: SocketAddr) -> io::Result<Connection> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let connection = ClientConnection::new(self.0.clone(), ServerName::from(address.ip())).expect("a name and a configuration");
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Connection { stream, received: Vec::new() })
    }

    /// One request on a connection of its own.
    ///
    /// # Errors
    /// [`Client::connect`]; the server closes without an answer, or refuses the certificate.
    pub fn request(&self, address: SocketAddr, request: &Request<'_>) -> io::Result<Response> {
        let mut connection = self.connect(address)?;
        connection.send(&request.octets())?;
        connection.response()
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request<'r> {
    /// GET, POST and so on.
    pub method: &'r str,
    /// Path and query.
    pub target: &'r str,
    /// More headers.
    pub headers: Vec<(&'r str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl<'r> Request<'r> {
    /// GET of `target`.
    #[must_use]
    pub fn get(target: &'r str) -> Self {
        Self { method: "GET", target, headers: Vec::new(), body: Vec::new() }
    }

    /// POST of `json` to `target`.
    #[must_use]
    pub fn post(target: &'r str, json: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST", target, headers: vec![("Content-Type", "application/json".into())], body: json.into() }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &'r str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As it goes over the line.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || self.method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        let mut octets = head.into_bytes();
        octets.extend_from_slice(&self.body);
        octets
    }
}

/// What a server answers.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The only header called `name`, in lower case.
    ///
    /// # Panics
    /// There are several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(header, _)| header == name).map(|(_, value)| value.as_str());
        let first = found.next();
        assert!(found.next().is_none(), "several headers {name}");
        first
    }

    /// The body as text, for messages.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body.
    ///
    /// # Panics
    /// It is no JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    /// What came after the last answer.
    received: Vec<u8>,
}

impl Connection {
    /// Sends these octets.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)?;
        self.stream.flush()
    }

    /// The next answer.
    ///
    /// # Errors
    /// `UnexpectedEof`: closed before or within it. `InvalidData`: no answer, or the server refused the client's certificate.
    pub fn response(&mut self) -> io::Result<Response> {
        loop {
            if let Some((response, len)) = parse(&self.received)? {
                self.received.drain(..len);
                return Ok(response);
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => self.received.extend_from_slice(&buffer[..len]),
            }
        }
    }

    /// Waits for "100 Continue" and nothing else.
    ///
    /// # Errors
    /// Something else comes.
    pub fn until_continue(&mut self) -> io::Result<()> {
        const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut octets = [0; CONTINUE.len()];
        self.stream.read_exact(&mut octets)?;
        if octets == CONTINUE { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, String::from_utf8_lossy(&octets))) }
    }

    /// Sends nothing more, and says so.
    pub fn finish(&mut self) {
        self.stream.conn.send_close_notify();
        // The other side may be gone.
        let _ = self.stream.flush();
    }

    /// From now on waits this long for octets to come or go.
    ///
    /// # Panics
    /// The system refuses a time-out.
    pub fn set_patience(&self, patience: Duration) {
        self.stream
            .sock
            .set_read_timeout(Some(patience))
            .and_then(|()| self.stream.sock.set_write_timeout(Some(patience)))
            .expect("a time-out");
    }

    /// Whether an answer, or the end, is there within this time; `None` if not.
    ///
    /// # Panics
    /// The system refuses a time-out.
    pub fn wait_for_answer(&self, time: Duration) -> Option<()> {
        let socket = &self.stream.sock;
        socket.set_read_timeout(Some(time.max(Duration::from_millis(1)))).expect("a time-out");
        let found = socket.peek(&mut [0]).is_ok();
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        found.then_some(())
    }

    /// Waits until the server closes; what it sent before.
    ///
    /// # Errors
    /// It does not close in time.
    pub fn until_closed(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(std::mem::take(&mut self.received)),
                Ok(len) => self.received.extend_from_slice(&buffer[..len]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return Err(error),
                Err(_) => return Ok(std::mem::take(&mut self.received)),
            }
        }
    }

    /// The certificate that the server showed.
    ///
    /// # Panics
    /// It showed none.
    #[must_use]
    pub fn server_certificate(&self) -> &[u8] {
        self.stream.conn.peer_certificates().and_then(<[_]>::first).expect("a server's certificate")
    }

    /// Whether the server asked for no new signature.
    #[must_use]
    pub fn was_resumed(&self) -> bool {
        self.stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }
}

/// The answer at the start of `octets`, with its length; `None` if more of it must come.
fn parse(octets: &[u8]) -> io::Result<Option<(Response, usize)>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let head_len = match head.parse(octets).map_err(|error| invalid(&error.to_string()))? {
        httparse::Status::Complete(len) => len,
        httparse::Status::Partial => return Ok(None),
    };
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    let mut response = Response { status: head.code.unwrap_or_default(), headers, body: Vec::new() };
    if response.status == 100 {
        return parse(&octets[head_len..]).map(|rest| rest.map(|(response, len)| (response, head_len + len)));
    }
    let body_len = match response.header("content-length") {
        Some(len) => len.parse().map_err(|_| invalid("Content-Length"))?,
        None if response.header("transfer-encoding").is_some() => return Err(invalid("a length in advance is expected")),
        None => 0,
    };
    let Some(body) = octets.get(head_len..head_len + body_len) else { return Ok(None) };
    response.body = body.to_vec();
    Ok(Some((response, head_len + body_len)))
}

/// Whether an exchange failed because the server ended it by an alert of TLS.
#[must_use]
pub fn is_alert(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::AlertReceived(_)))
}
