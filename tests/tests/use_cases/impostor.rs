//! A server that has a good certificate and bad manners.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use cdoc2_testbed::{Algorithm, Content, Identity, Subject, Testbed};
use rustls::crypto::aws_lc_rs;
use rustls::version::TLS13;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// It answers every request with the same octets. Ends with this value.
#[derive(Debug)]
pub(crate) struct Impostor {
    port: u16,
    requests: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    certificate: String,
}

impl Impostor {
    /// With a certificate of the test bed's authority.
    pub(crate) fn answering(bed: &Testbed, answer: &'static str) -> Self {
        let content = Content::server(Subject::named("localhost").unwrap(), std::time::SystemTime::now()).unwrap();
        let identity: Identity = bed.authority().identity(&content, Algorithm::P384).unwrap();
        let (chain, key) = identity.for_rustls();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (requests, over, config) = (requests.clone(), over.clone(), Arc::new(config));
            move || {
                while let Ok((stream, _)) = listener.accept() {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    // A client that goes in the middle has its reasons.
                    let _ = serve(stream, config.clone(), answer, &requests);
                }
            }
        });
        Self { port, requests, over, thread: Some(thread), certificate: identity.certificate_pem() }
    }

    /// How many requests it got.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// A client's configuration that trusts it, as the server "impostor" and by default.
    pub(crate) fn config(&self) -> String {
        let (port, certificate) = (self.port, &self.certificate);
        format!(
            "default_server = \"impostor\"\n[[server]]\nid = \"impostor\"\nowner = \"Nobody\"\nsender_url = \"https://localhost:{port}\"\n\
             recipient_url = \"https://localhost:{port}\"\ncertificates = [\"\"\"\n{certificate}\"\"\"]\n"
        )
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // wakes it up, so that it looks
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads one request, counts and answers it, and closes.
fn serve(stream: TcpStream, config: Arc<ServerConfig>, answer: &str, requests: &AtomicUsize) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !is_whole(&request) {
        match stream.read(&mut part)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            len => request.extend_from_slice(&part[..len]),
        }
    }
    requests.fetch_add(1, Ordering::SeqCst);
    stream.write_all(answer.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// Whether header and body are there.
fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let header = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let len = header.lines().find_map(|line| line.strip_prefix("content-length:")).map_or(0, |len| len.trim().parse().unwrap());
    request.len() >= end + 4 + len
}
