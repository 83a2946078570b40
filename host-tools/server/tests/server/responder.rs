//! An OCSP responder of an authority, on a thread of its own.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use revocation::Issuer;
use revocation::ocsp::build::{ResponseBuilder, SignatureAlgorithm};
use revocation::ocsp::{Answer, RESPONSE_TYPE, Request, ResponderId, Status};
use rustls::pki_types::UnixTime;

use crate::support::{Authority, connect};

/// What the responder says of every certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Good,
    Revoked,
    Unknown,
    /// "Good", as it was known to be so many minutes ago; for how long that holds, it does not say.
    GoodBefore(u32),
    /// It hangs up.
    Nothing,
}

/// The responder, while it lives.
pub(crate) struct Responder {
    pub(crate) url: String,
    address: std::net::SocketAddr,
    says: Arc<Mutex<Option<Says>>>,
    asked: Arc<AtomicUsize>,
}

impl Responder {
    pub(crate) fn start(authority: &Arc<Authority>, says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let new =
            Self { url: format!("http://{address}/"), address, says: Arc::new(Mutex::new(Some(says))), asked: Arc::default() };
        let (authority, says, asked) = (authority.clone(), new.says.clone(), new.asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Some(says) = *says.lock().unwrap() else { return };
                asked.fetch_add(1, Ordering::SeqCst);
                serve(stream.unwrap(), &authority, says);
            }
        });
        new
    }

    pub(crate) fn now(&self, says: Says) {
        *self.says.lock().unwrap() = Some(says);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        *self.says.lock().unwrap() = None;
        // Wakes the thread, which ends.
        drop(connect(self.address));
    }
}

/// One question on a connection, which is closed after it.
fn serve(mut stream: TcpStream, authority: &Authority, says: Says) {
    if says == Says::Nothing {
        return;
    }
    let mut octets = Vec::new();
    let body = loop {
        let mut piece = [0; 2048];
        let len = stream.read(&mut piece).unwrap();
        assert_ne!(len, 0, "a whole request");
        octets.extend_from_slice(&piece[..len]);
        let Some(at) = octets.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&octets[..at]).to_lowercase();
        let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse::<usize>().unwrap();
        if octets.len() == at + 4 + len {
            break &octets[at + 4..];
        }
    };
    let answer = answer(&Request::parse(body).unwrap(), authority, says);
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {RESPONSE_TYPE}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answer.len()
    );
    stream.write_all(&[head.as_bytes(), &answer].concat()).unwrap();
}

fn answer(request: &Request, authority: &Authority, says: Says) -> Vec<u8> {
    let issuer = Issuer::from_certificate(authority.certificate.der()).unwrap();
    let now = UnixTime::now();
    let status = match says {
        Says::Revoked => Status::Revoked { at: now, reason: None },
        Says::Unknown => Status::Unknown,
        Says::Good | Says::GoodBefore(_) | Says::Nothing => Status::Good,
    };
    let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let (this_update, next_update) = match says {
        Says::GoodBefore(minutes) => (at(now.as_secs() - u64::from(minutes) * 60), None),
        _ => (now, Some(at(now.as_secs() + 3600))),
    };
    let mut response = ResponseBuilder::new(ResponderId::by_name(&issuer).unwrap(), now).nonce(request.nonce.clone());
    for certificate in &request.certificates {
        response = response.answer(Answer { certificate: certificate.clone(), status, this_update, next_update });
    }
    let sign = |octets: &[u8]| Ok::<_, std::convert::Infallible>(authority.sign(octets));
    response.sign(SignatureAlgorithm::EcdsaSha384, sign).unwrap()
}
