//! Servers that do what no server should, and old ones.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use cdoc2::{Container, InputFile, Selection, Servers};
use cdoc2_client::capsule_server::{Error, Sender as CapsuleSender, ServerHolder, SoftwareHolder};
use cdoc2_client::config::Config;
use cdoc2_client::https::{self, Timeouts};
use cdoc2_client::policy;
use cdoc2_testbed::content;
use cdoc2_testbed::{Algorithm, Content, Identity, Subject};
use rustls::server::danger::ClientCertVerifier;
use rustls::{ConfigBuilder, ServerConfig, ServerConnection, StreamOwned, WantsVerifier, version};

use crate::world::{Person, World, reason, seal};

/// Answers each request, whatever it is, with octets of its own.
pub(crate) struct Misbehaving {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
    _end: Sender<()>,
}

type Answer = dyn Fn(&str) -> Vec<u8> + Send;

impl Misbehaving {
    pub(crate) fn new(identity: &Identity, answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        Self::with(identity, &[&version::TLS13], move |_| Some(Box::new(answer)))
    }

    /// With a word on clients' certificates.
    pub(crate) fn asking(
        identity: &Identity,
        verifier: Arc<dyn ClientCertVerifier>,
        answer: impl Fn(&str) -> Vec<u8> + Send + 'static,
    ) -> Self {
        let (chain, key) = identity.for_rustls();
        let builder = builder(&[&version::TLS13]).with_client_cert_verifier(verifier);
        Self::of(builder.with_single_cert(chain, key).unwrap(), move |_| Some(Box::new(answer)))
    }

    /// With these versions of TLS. `answer` gets what ends when the test does, and makes what answers; none: nothing is ever said.
    fn with(
        identity: &Identity,
        versions: &[&'static rustls::SupportedProtocolVersion],
        answer: impl FnOnce(&Receiver<()>) -> Option<Box<Answer>> + Send + 'static,
    ) -> Self {
        let (chain, key) = identity.for_rustls();
        Self::of(builder(versions).with_no_client_auth().with_single_cert(chain, key).unwrap(), answer)
    }

    fn of(config: ServerConfig, answer: impl FnOnce(&Receiver<()>) -> Option<Box<Answer>> + Send + 'static) -> Self {
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let answer = answer(&ended);
            for stream in listener.incoming() {
                // An empty connection is the end.
                let stream = stream.unwrap();
                if stream.peek(&mut [0]).is_ok_and(|read| read == 0) {
                    return;
                }
                match &answer {
                    Some(answer) => serve(stream, Arc::clone(&config), answer),
                    None => {
                        let _ = ended.recv();
                        return;
                    }
                }
            }
        });
        Self { address, thread: Some(thread), _end: end }
    }

    pub(crate) fn config(&self, world: &World, pin: &str) -> Config {
        config_at(self.address, world, pin)
    }
}

/// The configuration that has a capsule server and a policy service at `address`.
pub(crate) fn config_at(address: SocketAddr, world: &World, pin: &str) -> Config {
    let text = format!(
        "default_server = \"test\"\n[[server]]\nid = \"test\"\nsender_url = \"https://{address}\"\n\
         recipient_url = \"https://{address}\"\ncertificates = [\"{pin}\"]\n\
         [policy]\nurl = \"https://{address}/policy.json\"\nauthorities = [\"{pin}\"]\n"
    );
    let path = world.path("misbehaving.toml");
    fs::write(&path, text).unwrap();
    Config::read(&path).unwrap()
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        let (end, _) = mpsc::channel();
        drop(std::mem::replace(&mut self._end, end));
        drop(TcpStream::connect(self.address));
        self.thread.take().unwrap().join().unwrap();
    }
}

fn builder(versions: &[&'static rustls::SupportedProtocolVersion]) -> ConfigBuilder<ServerConfig, WantsVerifier> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap()
}

/// Reads one request to the end of its header, and of its body if it says how long that is, and answers.
fn serve(stream: TcpStream, config: Arc<ServerConfig>, answer: &Answer) {
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let mut request = Vec::new();
    let mut part = [0; 4096];
    let is_whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let len = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        body.len() >= len.unwrap_or(0)
    };
    while !is_whole(&request) {
        match stream.read(&mut part) {
            Ok(read) if read > 0 => request.extend_from_slice(&part[..read]),
            _ => return,
        }
    }
    // Whoever has heard enough hangs up.
    let _ = stream.write_all(&answer(&String::from_utf8_lossy(&request)));
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

pub(crate) fn identity(world: &World) -> Identity {
    let content = Content::server(Subject::named("misbehaving").unwrap(), SystemTime::now()).unwrap();
    world.authority.identity(&content, Algorithm::P384).unwrap()
}

pub(crate) const ID: &str = "KC00112233445566778899AABBCCDDEEFF";

/// What a sender makes of this answer.
fn sent(world: &World, person: &Person, octets: Vec<u8>) -> Result<(Container, Vec<String>), cdoc2::Error> {
    let server = Misbehaving::new(&identity(world), move |_| octets.clone());
    seal(&server.config(world, "root.pem"), &[person.recipient()], None)
}

#[test]
fn old_servers_without_headers_are_taken() {
    let world = World::new();
    let person = world.person(Algorithm::P384);
    let location = format!("location: /key-capsules/{ID}\r\n");
    let (container, warnings) = sent(&world, &person, answer("201 Created", &location, "")).unwrap();
    let record = container.envelope().header().records().next().unwrap();
    assert!(!String::from_utf8_lossy(record.key_label.octets()).contains("server_exp"));
    assert!(warnings.is_empty());
    // The real server is asked for a capsule that it never had.
    let error = person.open(&container, &world.config()).unwrap_err();
    assert!(matches!(reason(&error), Error::NotFound), "{error}");
}

#[test]
fn answers_to_senders_are_taken_apart_strictly() {
    let world = World::new();
    let person = world.person(Algorithm::P384);
    let created = |headers: &str| answer("201 Created", headers, "");
    let whole = format!("location: /key-capsules/{ID}\r\n");
    let wrong = [
        created(""),
        created("location: /key-capsules/\r\n"),
        created("location: /key-capsules/KC1\r\n"),
        created(&format!("location: /key-capsules/{ID}/\r\n")),
        created(&format!("location: /key-capsules/../{ID}\r\n")),
        created(&format!("location: https://evil.example/key-capsules/{ID}\r\n")),
        created(&format!("{whole}{whole}")),
        created(&format!("{whole}x-expiry-time: tomorrow\r\n")),
        b"HTTP/1.1 201 Created\r\nconnection: close\r\n\r\n".to_vec(),
    ];
    for octets in wrong {
        let shown = String::from_utf8_lossy(&octets).into_owned();
        let error = sent(&world, &person, octets).unwrap_err();
        assert!(matches!(reason(&error), Error::Https(https::Error::Nonsense(_))), "{shown}: {error}");
    }
    for (octets, expected) in [
        (answer("302 Found", "location: https://127.0.0.1:1/\r\n", ""), "status 302"),
        (answer("200 OK", &whole, ""), "status 200"),
        (answer("500 Internal Server Error", "", "secret trace"), "status 500"),
        (answer("400 Bad Request", "", r#"{"error":"no\u001b[31m such\npoint"}"#), "refuses the request: no [31m such point"),
        (answer("400 Bad Request", "", "<html>oops</html>"), "refuses the request"),
        (answer("401 Unauthorized", "", ""), "has seen none"),
        (
            answer("429 Too Many Requests", "retry-after: 7000\r\n", ""),
            "busy or out of order, and wants to be asked again in 7000 seconds",
        ),
        (answer("503 Service Unavailable", "", ""), "too busy or out of order"),
        (b"220 smtp.example ESMTP\r\n".to_vec(), "cannot connect"),
    ] {
        let error = sent(&world, &person, octets).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!error.contains("trace") && !error.contains('\u{1b}') && !error.contains("html"), "{error}");
    }
    let error = sent(&world, &person, answer("400 Bad Request", "", &"x".repeat(5000))).unwrap_err().to_string();
    assert!(error.len() < 500, "{error}");
}

#[test]
fn answers_to_recipients_are_compared_with_the_record() {
    let world = World::new();
    let person = world.person(Algorithm::P384);
    let other = world.person(Algorithm::P384);
    let (container, _) = seal(&world.config(), &[person.recipient()], None).unwrap();
    let point = |person: &Person| base64(person.certificate.public_key().capsule_octets());
    let body = |key: &str, material: &str, capsule_type: &str| {
        format!(r#"{{"recipient_id":"{key}","ephemeral_key_material":"{material}","capsule_type":"{capsule_type}"}}"#)
    };
    let opened = |octets: Vec<u8>| {
        let server = Misbehaving::new(&identity(&world), move |_| octets.clone());
        person.open(&container, &server.config(&world, "root.pem")).unwrap_err()
    };
    let (own, foreign) = (point(&person), point(&other));
    let ok = |body: &str| answer("200 OK", "", body);

    let error = opened(ok(&body(&own, &foreign, "ml_kem_1024")));
    assert!(matches!(reason(&error), Error::UnknownCapsuleType(name) if name == "ml_kem_1024"), "{error}");
    for (key, capsule_type) in [(&own, "ecc_secp256r1"), (&own, "rsa"), (&foreign, "ecc_secp384r1")] {
        let error = opened(ok(&body(key, &foreign, capsule_type)));
        assert!(matches!(reason(&error), Error::Mismatch(_)), "{error}");
    }
    for nonsense in ["", "[]", "{", r#"{"capsule_type":"rsa"}"#, &body("!", "!", "rsa")] {
        let error = opened(ok(nonsense));
        assert!(matches!(reason(&error), Error::Https(https::Error::Nonsense(_))), "{nonsense}: {error}");
    }
    let error = opened(ok(&"x".repeat(1 << 20)));
    assert!(matches!(reason(&error), Error::Https(https::Error::Nonsense("it is too long"))), "{error}");
    // All is well but the ephemeral key: the holder says so as of any container.
    let error = opened(ok(&body(&own, &foreign, "ecc_secp384r1")));
    assert!(matches!(error, cdoc2::Error::Rejected), "{error}");
    let error = opened(ok(&body(&own, "BAEC", "ecc_secp384r1")));
    assert!(matches!(error, cdoc2::Error::Malformed(_)), "{error}");
}

#[test]
fn tls_1_2_is_refused() {
    let world = World::new();
    let server = Misbehaving::with(&identity(&world), &[&version::TLS12], |_| Some(Box::new(|_: &str| Vec::new())));
    let error = seal(&server.config(&world, "root.pem"), &[world.person(Algorithm::P384).recipient()], None).unwrap_err();
    assert!(matches!(reason(&error), Error::Https(https::Error::NoTls13 { .. })), "{error}");
}

#[test]
fn a_server_that_has_expired_is_not_taken_even_if_it_is_pinned() {
    let world = World::new();
    let content = Content::server(Subject::named("old").unwrap(), SystemTime::now()).unwrap();
    let identity = world.authority.identity(&content::expired(content), Algorithm::P384).unwrap();
    fs::write(world.path("old.pem"), identity.certificate_pem()).unwrap();
    let server = Misbehaving::new(&identity, |_| Vec::new());
    for pin in ["old.pem", "root.pem"] {
        let error = seal(&server.config(&world, pin), &[world.person(Algorithm::P384).recipient()], None).unwrap_err();
        assert!(error.to_string().contains("its certificate has expired"), "{error}");
    }
}

#[test]
fn nobody_waits_for_ever() {
    let world = World::new();
    let person = world.person(Algorithm::P384);
    let (container, _) = seal(&world.config(), &[person.recipient()], None).unwrap();
    let server = Misbehaving::with(&identity(&world), &[&version::TLS13], |_| None);
    let config = server.config(&world, "root.pem");
    let timeouts = Timeouts { connect: Duration::from_millis(200), total: Duration::from_millis(400), busy: Duration::ZERO };

    let mut holder = ServerHolder::new(SoftwareHolder::new(&person.unlock, 0, Some(&person.certificate)), &config, timeouts);
    let error = container.unlock_with(&mut holder, &Selection::Any).unwrap_err();
    assert!(matches!(reason(&error), Error::Https(https::Error::TimedOut { .. })), "{error}");

    let mut sender = CapsuleSender::new(config.default_server().unwrap(), None, timeouts, |_: &str| {}).unwrap();
    let files = [InputFile::from_reader("a", &mut &b"a"[..]).unwrap()];
    let mut out = Vec::new();
    let servers = Servers { capsules: Some(&mut sender), ..Servers::default() };
    let error = cdoc2::encrypt_with_servers(&[person.recipient()], servers, &files, &mut out, &mut |_| {}).unwrap_err();
    assert!(matches!(reason(&error), Error::Https(https::Error::TimedOut { .. })), "{error}");
    assert!(out.is_empty());
}

#[test]
fn a_policy_is_read_or_an_error() {
    let world = World::new();
    let ask = |octets: Vec<u8>| {
        let server = Misbehaving::new(&identity(&world), move |request| {
            assert!(request.starts_with("GET /policy.json HTTP/1.1\r\n"), "{request}");
            octets.clone()
        });
        policy::ask(server.config(&world, "root.pem").policy().unwrap(), Timeouts::default())
    };
    let expires = ask(answer("200 OK", "", r#"{"version":1,"capsule_expires":"90d","more":[]}"#)).unwrap();
    assert_eq!(expires.to_string(), "90d");
    for wrong in [
        answer("404 Not Found", "", ""),
        answer("200 OK", "", ""),
        answer("200 OK", "", r#"{"version":2,"capsule_expires":"90d"}"#),
        answer("200 OK", "", r#"{"version":1,"capsule_expires":90}"#),
        answer("200 OK", "", r#"{"version":1,"capsule_expires":"soon"}"#),
        answer("200 OK", "", r#"{"version":1}"#),
        answer("301 Moved Permanently", "location: https://127.0.0.1:1/\r\n", ""),
    ] {
        assert!(ask(wrong).is_err());
    }
}

fn base64(octets: &[u8]) -> String {
    let json = serde_json::to_value(cdoc2_api::Capsule {
        recipient_id: octets.to_vec(),
        ephemeral_key_material: Vec::new(),
        capsule_type: cdoc2_api::CapsuleType::Rsa,
    });
    json.unwrap()["recipient_id"].as_str().unwrap().to_owned()
}
