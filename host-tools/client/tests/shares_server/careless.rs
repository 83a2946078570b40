//! A shares server that believes everybody, and does whatever a test says instead. It remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use cdoc2_testbed::Identity;
use getrandom::SysRng;
use getrandom::rand_core::TryRng as _;
use rustls::version::TLS13;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in small letters.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// All of it.
    pub(crate) octets: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn kind(&self) -> Kind {
        match (self.method.as_str(), self.target.as_str()) {
            ("POST", "/key-shares") => Kind::Put,
            ("POST", target) if target.ends_with("/nonce") => Kind::Nonce,
            ("GET", target) if target.starts_with("/key-shares/") => Kind::Get,
            _ => Kind::Other,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Put,
    Nonce,
    Get,
    Other,
}

/// What a request is answered with.
pub(crate) enum Reply {
    /// Status, headers with their line ends, body.
    Octets(u16, String, String),
    /// The connection is closed.
    Nothing,
    /// Nothing is said until the test has ended.
    Silence,
}

pub(crate) fn status(status: u16) -> Reply {
    Reply::Octets(status, String::new(), String::new())
}

pub(crate) fn json(body: impl Into<String>) -> Reply {
    Reply::Octets(200, "content-type: application/json\r\n".to_owned(), body.into())
}

/// 32 hexadecimal digits that nobody else gives.
pub(crate) fn random() -> String {
    let mut octets = [0; 16];
    SysRng.try_fill_bytes(&mut octets).unwrap();
    format!("{:032x}", u128::from_be_bytes(octets))
}

pub(crate) struct Careless {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Request>>>,
    thread: Option<JoinHandle<()>>,
    end: Option<Sender<()>>,
}

impl Careless {
    /// A server that does as `instead` says, if it says anything.
    pub(crate) fn new(identity: &Identity, instead: impl Fn(&Request) -> Option<Reply> + Send + 'static) -> Self {
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let (chain, key) = identity.for_rustls();
        let builder = builder.with_protocol_versions(&[&TLS13]).unwrap().with_no_client_auth();
        let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = mpsc::channel();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let thread = std::thread::spawn(move || {
            let mut shelf = BTreeMap::new();
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                // An empty connection is the end, unless a client has given up before it began.
                if stream.peek(&mut [0]).is_ok_and(|read| read == 0) {
                    if matches!(ended.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
                        return;
                    }
                    continue;
                }
                let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
                let Some(request) = read(&mut stream) else { continue };
                log.lock().unwrap().push(request.clone());
                let reply = instead(&request).unwrap_or_else(|| answer(&request, &mut shelf));
                send(&mut stream, reply, &ended);
            }
        });
        Self { address, asked, thread: Some(thread), end: Some(end) }
    }

    /// A server that does nothing else.
    pub(crate) fn plain(identity: &Identity) -> Self {
        Self::new(identity, |_| None)
    }

    /// What it was asked of this kind, in this order.
    pub(crate) fn asked(&self, kind: Kind) -> Vec<Request> {
        self.asked.lock().unwrap().iter().filter(|request| request.kind() == kind).cloned().collect()
    }

    /// Every octet that it was sent.
    pub(crate) fn heard(&self) -> Vec<u8> {
        self.asked.lock().unwrap().iter().flat_map(|request| request.octets.clone()).collect()
    }
}

impl Drop for Careless {
    fn drop(&mut self) {
        self.end.take();
        drop(TcpStream::connect(self.address));
        self.thread.take().unwrap().join().unwrap();
    }
}

/// What stands in the interface, without looking at who asks.
fn answer(request: &Request, shelf: &mut BTreeMap<String, String>) -> Reply {
    match request.kind() {
        Kind::Put => {
            let location = format!("/key-shares/{}", random());
            shelf.insert(location.clone(), request.body.clone());
            let expiry = request.header("x-expiry-time").map(|expiry| format!("x-expiry-time: {expiry}\r\n")).unwrap_or_default();
            Reply::Octets(201, format!("location: {location}\r\n{expiry}"), String::new())
        }
        Kind::Nonce => json(format!(r#"{{"nonce":"{}"}}"#, &random()[..16])),
        Kind::Get => shelf.get(&request.target).map_or_else(|| status(404), json),
        Kind::Other => status(404),
    }
}

fn send(stream: &mut StreamOwned<ServerConnection, TcpStream>, reply: Reply, ended: &Receiver<()>) {
    let octets = match reply {
        Reply::Octets(status, headers, body) => {
            let len = body.len();
            format!("HTTP/1.1 {status} Status\r\nconnection: close\r\ncontent-length: {len}\r\n{headers}\r\n{body}")
        }
        Reply::Nothing => return,
        Reply::Silence => return ended.recv().unwrap_or(()),
    };
    // Whoever has heard enough hangs up.
    let _ = stream.write_all(octets.as_bytes());
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

fn read(stream: &mut impl Read) -> Option<Request> {
    let mut octets = Vec::new();
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part).ok().filter(|read| *read > 0)?;
        octets.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&octets).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let mut lines = head.lines();
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let len = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, len)| len.parse().ok());
        if body.len() < len.unwrap_or(0) {
            continue;
        }
        return Some(Request { method, target, headers, body: body.to_owned(), octets });
    }
}
