//! What stands before a shares server: it hears all that clients say to it, and passes it on, or does something else.

use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use cdoc2_testbed::Identity;
use cdoc2_tests::https::{Client, Response};
use rustls::crypto::aws_lc_rs;
use rustls::version::TLS13;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in small letters.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// All of it.
    pub(crate) octets: Vec<u8>,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn kind(&self) -> Kind {
        match (self.method.as_str(), self.target.as_str()) {
            ("POST", "/key-shares") => Kind::Put,
            ("POST", target) if target.ends_with("/nonce") => Kind::Nonce,
            _ => Kind::Get,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Put,
    Nonce,
    Get,
}

/// What becomes of a request.
pub(crate) enum Deed {
    /// The server gets it, and the client the server's answer.
    Pass,
    /// The same, but the answer is altered on its way.
    Alter(Box<dyn FnOnce(&mut Response)>),
    /// The server does not get it.
    Answer(Response),
    /// Nor does the client get an answer.
    Close,
}

/// An answer of a server that has bad manners.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Deed {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Deed::Answer(Response { status, headers, body: body.into() })
}

type Manners = Box<dyn FnMut(&Heard) -> Deed + Send>;

/// While it is shut, nobody who connects hears anything.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn shut(&self) {
        *self.is_shut.lock().unwrap() = true;
    }

    fn open(&self) {
        *self.is_shut.lock().unwrap() = false;
        self.opened.notify_all();
    }

    fn pass(&self) {
        drop(self.opened.wait_while(self.is_shut.lock().unwrap(), |is_shut| *is_shut).unwrap());
    }
}

struct Shared {
    config: Arc<ServerConfig>,
    client: Client,
    /// Where the server listens.
    server: Mutex<Option<SocketAddr>>,
    heard: Mutex<Vec<Heard>>,
    manners: Mutex<Manners>,
    gate: Arc<Gate>,
}

/// It listens at the address that clients know.
pub(crate) struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Relay {
    /// It shows the certificate of `identity`, and reaches the server as `client`.
    pub(crate) fn new(identity: &Identity, client: Client) -> Self {
        let (chain, key) = identity.for_rustls();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let shared = Shared {
            config: Arc::new(config),
            client,
            server: Mutex::default(),
            heard: Mutex::default(),
            manners: Mutex::new(Box::new(|_| Deed::Pass)),
            gate: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut relay = Self { address: listener.local_addr().unwrap(), shared: Arc::new(shared), listening: None };
        relay.listen(listener);
        relay
    }

    /// What clients call the server.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// From now on the server is there.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        *self.shared.server.lock().unwrap() = Some(server);
    }

    /// From now on this becomes of requests.
    pub(crate) fn behave(&self, manners: impl FnMut(&Heard) -> Deed + Send + 'static) {
        *self.shared.manners.lock().unwrap() = Box::new(manners);
    }

    /// The same for requests of one kind.
    pub(crate) fn behave_at(&self, kind: Kind, mut manners: impl FnMut(&Heard) -> Deed + Send + 'static) {
        self.behave(move |heard| if heard.kind() == kind { manners(heard) } else { Deed::Pass });
    }

    pub(crate) fn gate(&self) -> Arc<Gate> {
        self.shared.gate.clone()
    }

    /// What clients said so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// What they said of this kind.
    pub(crate) fn heard_of(&self, kind: Kind) -> Vec<Heard> {
        self.heard().into_iter().filter(|heard| heard.kind() == kind).collect()
    }

    /// From now on nobody listens.
    pub(crate) fn hang_up(&mut self) {
        let Some((is_over, thread)) = self.listening.take() else { return };
        is_over.store(true, Ordering::SeqCst);
        // wakes it up, so that it looks
        let _ = TcpStream::connect(self.address);
        thread.join().unwrap();
    }

    /// Listens again, at the same address.
    pub(crate) fn listen_again(&mut self) {
        self.listen(TcpListener::bind(self.address).unwrap());
    }

    fn listen(&mut self, listener: TcpListener) {
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (is_over, shared) = (is_over.clone(), self.shared.clone());
            move || {
                while let Ok((stream, _)) = listener.accept() {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let shared = shared.clone();
                    // A client that goes in the middle has its reasons, and a server that does not answer may be what is tested.
                    thread::spawn(move || drop(shared.serve(stream)));
                }
            }
        });
        self.listening = Some((is_over, thread));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.hang_up();
        self.shared.gate.open();
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        self.gate.pass();
        let connection = ServerConnection::new(self.config.clone()).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while let Some(heard) = read(&mut stream)? {
            self.heard.lock().unwrap().push(heard.clone());
            let deed = (self.manners.lock().unwrap())(&heard);
            let response = match deed {
                Deed::Pass => self.ask_server(&heard)?,
                Deed::Alter(alter) => {
                    let mut response = self.ask_server(&heard)?;
                    alter(&mut response);
                    response
                }
                Deed::Answer(response) => response,
                Deed::Close => break,
            };
            stream.write_all(&octets(&response))?;
            stream.flush()?;
        }
        stream.conn.send_close_notify();
        stream.flush()
    }

    fn ask_server(&self, heard: &Heard) -> io::Result<Response> {
        let server = self.server.lock().unwrap().ok_or(io::ErrorKind::NotConnected)?;
        let mut connection = self.client.connect(server)?;
        connection.send(&heard.octets)?;
        connection.response()
    }
}

/// The next request; none if the client has gone.
fn read(stream: &mut impl Read) -> io::Result<Option<Heard>> {
    let mut octets = Vec::new();
    let mut part = [0; 4096];
    loop {
        if let Some(heard) = whole(&octets) {
            return Ok(Some(heard));
        }
        match stream.read(&mut part)? {
            0 => return Ok(None),
            len => octets.extend_from_slice(&part[..len]),
        }
    }
}

/// The request in `octets`, if all of it is there. Clients wait for the answer before they send another.
fn whole(octets: &[u8]) -> Option<Heard> {
    let text = String::from_utf8_lossy(octets).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: Vec<_> =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let len = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, len)| len.parse().unwrap());
    (body.len() >= len).then(|| Heard { method, target, headers, body: body.to_owned(), octets: octets.to_vec() })
}

/// As it goes over the line.
fn octets(response: &Response) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} Status\r\ncontent-length: {}\r\n", response.status, response.body.len());
    for (name, value) in response.headers.iter().filter(|(name, _)| name != "content-length") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), &response.body].concat()
}
