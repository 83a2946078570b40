//! A service over HTTPS that answers as the test says, and remembers what it was asked.

use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use cdoc2_testbed::Identity;
use rustls::version::TLS13;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// A request, as far as it matters.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// `null` if there is none.
    pub(crate) body: Value,
}

/// What a request is answered with.
pub(crate) enum Reply {
    Json(Value),
    Status(u16),
    /// Status, headers with their line ends, and a body that is sent as it is.
    Octets(u16, &'static str, Vec<u8>),
    /// The connection is closed.
    Nothing,
    /// Nothing is said until the test has ended.
    Silence,
}

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Request>>>,
    thread: Option<JoinHandle<()>>,
    end: Option<Sender<()>>,
}

impl Service {
    /// `answer` gets each request, and how many came before it.
    pub(crate) fn new(identity: &Identity, answer: impl Fn(&Request, usize) -> Reply + Send + 'static) -> Self {
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let (chain, key) = identity.for_rustls();
        let builder = builder.with_protocol_versions(&[&TLS13]).unwrap().with_no_client_auth();
        let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = mpsc::channel();
        let log = Arc::clone(&asked);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                // An empty connection is the end, unless a client has given up before it began.
                if stream.peek(&mut [0]).is_ok_and(|read| read == 0) {
                    if matches!(ended.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
                        return;
                    }
                    continue;
                }
                serve(stream, Arc::clone(&config), &answer, &log, &ended);
            }
        });
        Self { address, asked, thread: Some(thread), end: Some(end) }
    }

    /// What it was asked, in this order.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end.take();
        drop(TcpStream::connect(self.address));
        self.thread.take().unwrap().join().unwrap();
    }
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    answer: &impl Fn(&Request, usize) -> Reply,
    log: &Mutex<Vec<Request>>,
    ended: &Receiver<()>,
) {
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let Some(request) = read(&mut stream) else { return };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        log.len() - 1
    };
    let octets = |status: u16, headers: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 {status} Status\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    let answer = match answer(&request, before) {
        Reply::Json(value) => octets(200, "content-type: application/json\r\n", value.to_string().as_bytes()),
        // Its own words may say whose phone it is.
        Reply::Status(status) => octets(status, "", br#"{"error":"60001017727 +37200000766"}"#),
        Reply::Octets(status, headers, body) => octets(status, headers, &body),
        Reply::Nothing => return,
        Reply::Silence => return ended.recv().unwrap_or(()),
    };
    // Whoever has heard enough hangs up.
    let _ = stream.write_all(&answer);
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

fn read(stream: &mut impl Read) -> Option<Request> {
    let mut octets = Vec::new();
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part).ok().filter(|read| *read > 0)?;
        octets.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&octets);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let len = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() < len.unwrap_or(0) {
            continue;
        }
        let mut words = head.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        return Some(Request { method, target, body: serde_json::from_str(body).unwrap_or(Value::Null) });
    }
}
