//! An OCSP responder that nobody here wrote, OpenSSL's, behind a listener on the loopback device that can make it lie.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

use crate::pki::{Authority, Identity};

/// Longest wait for a request that was begun.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is known of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// In force.
    Good,
    /// Revoked.
    Revoked,
}

/// How the responder behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It answers what it knows.
    Honest,
    /// It takes requests and is silent.
    Silent,
    /// It answers every request with status 503.
    Busy,
    /// It answers with octets that are no OCSP answer.
    Garbage,
    /// Its answers are signed by a responder of another authority.
    OtherAuthority,
    /// Its answers are signed with a certificate of the authority that is not for that.
    NoResponder,
    /// Its answers were made this long ago, to be believed for five minutes.
    Old(Duration),
    /// Its answers will be made this late.
    Early(Duration),
}

/// A responder, until it is dropped.
#[derive(Debug)]
pub struct Responder {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    folder: TempDir,
    mode: Mutex<Mode>,
    statuses: Mutex<HashMap<u32, Status>>,
    requests: AtomicUsize,
    done: AtomicBool,
    /// Connections that are kept without an answer.
    silenced: Mutex<Vec<TcpStream>>,
}

impl Responder {
    /// A responder for what `authority` issued. It knows no certificate yet.
    ///
    /// # Panics
    /// No place for its files, or no port.
    #[must_use]
    pub fn new(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stranger = Authority::root("Somebody else");
        write(folder.path(), "ca", &authority.pem(), None);
        for (name, identity) in [
            ("responder", authority.responder()),
            ("other", stranger.responder()),
            ("person", authority.person(crate::pki::Kind::P256)),
        ] {
            write(folder.path(), name, &crate::pki::pem(&identity.chain[0]), Some(&identity));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            folder,
            mode: Mutex::new(Mode::Honest),
            statuses: Mutex::default(),
            requests: AtomicUsize::new(0),
            done: AtomicBool::new(false),
            silenced: Mutex::default(),
        });
        let for_thread = shared.clone();
        let listener = thread::spawn(move || {
            for connection in listener.incoming() {
                if for_thread.done.load(Ordering::SeqCst) {
                    break;
                }
                let shared = for_thread.clone();
                // A client that goes away is its own affair.
                thread::spawn(move || connection.and_then(|connection| serve(&shared, connection)));
            }
        });
        Self { address, shared, listener: Some(listener) }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// From now on `identity`'s certificate is `status`.
    ///
    /// # Panics
    /// Never.
    pub fn set(&self, identity: &Identity, status: Status) {
        self.shared.statuses.lock().expect("no panic").insert(identity.serial, status);
    }

    /// From now on it behaves like this.
    ///
    /// # Panics
    /// Never.
    pub fn behave(&self, mode: Mode) {
        *self.shared.mode.lock().expect("no panic") = mode;
    }

    /// How many requests came.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.shared.done.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn write(folder: &Path, name: &str, certificate: &str, identity: Option<&Identity>) {
    fs::write(folder.join(format!("{name}.pem")), certificate).expect("a certificate");
    if let Some(identity) = identity {
        fs::write(folder.join(format!("{name}.key")), identity.private_key().secret_der()).expect("a key");
    }
}

/// Answers one request.
fn serve(shared: &Shared, connection: TcpStream) -> io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(&connection);
    let (mut line, mut body_len) = (String::new(), 0);
    while reader.read_line(&mut line)? > 0 && line != "\r\n" {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            body_len = value.trim().parse().map_err(io::Error::other)?;
        }
        line.clear();
    }
    let mut request = vec![0; body_len];
    reader.read_exact(&mut request)?;
    shared.requests.fetch_add(1, Ordering::SeqCst);

    let mode = *shared.mode.lock().map_err(|_| io::Error::other("a panic elsewhere"))?;
    let answer = match mode {
        Mode::Silent => {
            shared.silenced.lock().map_err(|_| io::Error::other("a panic elsewhere"))?.push(connection);
            return Ok(());
        }
        Mode::Busy => {
            return (&connection).write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        Mode::Garbage => b"no answer".to_vec(),
        Mode::Honest | Mode::OtherAuthority | Mode::NoResponder | Mode::Old(_) | Mode::Early(_) => answer(shared, &request, mode)?,
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.len()
    );
    (&connection).write_all(head.as_bytes())?;
    (&connection).write_all(&answer)
}

/// What OpenSSL answers.
fn answer(shared: &Shared, request: &[u8], mode: Mode) -> io::Result<Vec<u8>> {
    let signer = match mode {
        Mode::OtherAuthority => "other",
        Mode::NoResponder => "person",
        _ => "responder",
    };
    let work = tempfile::tempdir_in(&shared.folder)?;
    let (request_path, answer_path, index_path) =
        (work.path().join("request"), work.path().join("answer"), work.path().join("index"));
    fs::write(&request_path, request)?;
    let statuses = shared.statuses.lock().map_err(|_| io::Error::other("a panic elsewhere"))?.clone();
    fs::write(&index_path, index(&statuses))?;

    let mut openssl = match mode {
        Mode::Old(age) => under_clock(&format!("-{}s", age.as_secs())),
        Mode::Early(lead) => under_clock(&format!("+{}s", lead.as_secs())),
        _ => Command::new("openssl"),
    };
    openssl
        .args(["ocsp", "-nmin", "5", "-index"])
        .arg(&index_path)
        .arg("-reqin")
        .arg(&request_path)
        .arg("-respout")
        .arg(&answer_path);
    openssl.args(["-CA", "ca.pem", "-rsigner", &format!("{signer}.pem"), "-rkey", &format!("{signer}.key")]);
    let output = openssl.current_dir(&shared.folder).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    fs::read(answer_path)
}

/// OpenSSL under a clock that is off.
fn under_clock(offset: &str) -> Command {
    let mut command = Command::new("faketime");
    command.args(["-f", offset, "openssl"]);
    command
}

/// OpenSSL's list of certificates: status, expiry, time of revocation, serial number, file, subject.
fn index(statuses: &HashMap<u32, Status>) -> String {
    let mut text = String::new();
    for (serial, status) in statuses {
        let (letter, revoked) = match status {
            Status::Good => ('V', ""),
            Status::Revoked => ('R', "260101000000Z"),
        };
        writeln!(text, "{letter}\t491231235959Z\t{revoked}\t{serial:08X}\tunknown\t/CN={serial}")
            .expect("a string can be written to");
    }
    text
}
