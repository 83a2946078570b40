//! A shares server, people who sign, and what they show it.

use std::io::{self, Read, Write};
use std::mem;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    RsaKeyPair,
};
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use cdoc2_api::{KeyShare, NonceResponse, RecipientId, Share, ShareId};
use cdoc2_auth_token::{Algorithm, Audience, Token, Unsigned};
use cdoc2_server::config::Shares;
use cdoc2_server::store::Sqlite;
use cdoc2_server::{Server, SharesAddresses};
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_RSA_SHA256,
};
use rustls::version::TLS13;
use tokio::runtime::Runtime;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Authority, Files, Http, Identity, PERSONAL_CODE, Response, client_config, connect, tls};

/// What the server is called by its configuration. Clients connect to wherever it listens.
pub(crate) const URL: &str = "https://localhost:8443";
/// What is on another server.
pub(crate) const OTHER: &str = "https://other.example:443/key-shares/ff0102030405060708090a0b0c0e0dff?nonce=AAECAwQFBgcI";
/// The octets of every share.
pub(crate) const SHARE: [u8; 32] = *b"so many octets has a share; 32..";

/// A running server, and its log.
pub(crate) struct SharesBed {
    pub(crate) files: Files,
    pub(crate) addresses: SharesAddresses,
    pub(crate) runtime: Runtime,
    pub(crate) server: Option<Server<Shares>>,
    log: Log,
}

/// What is logged by the threads of one runtime, at any level, by any library.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl SharesBed {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    pub(crate) fn with(more: &str) -> Self {
        let files = Files::new();
        let text = files.shares_text(more);
        Self::start(files, &text)
    }

    /// With a configuration of its own.
    pub(crate) fn start(files: Files, text: &str) -> Self {
        let log = Log::default();
        let lines = tracing_subscriber::fmt().json().flatten_event(true).with_max_level(tracing::Level::TRACE);
        let lines = tracing::Dispatch::new(lines.with_writer(log.clone()).finish());
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).enable_all().on_thread_start(move || {
            // For as long as the thread lives.
            mem::forget(tracing::dispatcher::set_default(&lines));
        });
        let runtime = runtime.build().unwrap();
        let config = files.parse(text);
        let server = runtime.block_on(async { tokio::spawn(Server::start(config)).await }).unwrap().unwrap();
        Self { files, addresses: server.addresses(), runtime, server: Some(server), log }
    }

    pub(crate) fn http(&self) -> Http<impl Read + Write + use<>> {
        let config = client_config(&self.files.authority, None, &[&TLS13]);
        Http::new(tls(self.addresses.shares, config).unwrap())
    }

    pub(crate) fn operations(&self) -> Http<TcpStream> {
        Http::new(connect(self.addresses.operations))
    }

    /// The server's own database.
    pub(crate) fn store(&self) -> Sqlite {
        Sqlite::open(&self.files.path("shares.sqlite")).unwrap()
    }

    /// Everything that was logged.
    pub(crate) fn log(&self) -> String {
        String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap()
    }

    /// Why the last request was refused, as the log says. The line is written before the answer.
    pub(crate) fn reason(&self) -> Option<String> {
        let log = self.log();
        let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let last = lines.rev().find(|line| line["message"] == "request").expect("a request");
        last.get("reason").map(|reason| reason.as_str().unwrap().to_owned())
    }

    /// Somebody whom the server's authority certified.
    pub(crate) fn person(&self, algorithm: Algorithm) -> Person {
        Person::new(&self.files.authority, algorithm)
    }

    /// Puts a share for `person`.
    pub(crate) fn put(&self, person: &RecipientId) -> ShareId {
        let response = self.http().post_to("/key-shares", &body(person), &[]);
        assert_eq!(response.status, 201, "{response:?}");
        response.header("location").unwrap().strip_prefix("/key-shares/").unwrap().parse().unwrap()
    }

    /// Asks for a nonce of the share, and makes of it what is to be signed.
    pub(crate) fn audience(&self, id: &ShareId) -> Audience {
        let response = self.http().post_to(&format!("/key-shares/{id}/nonce"), "", &[]);
        assert_eq!(response.status, 200, "{response:?}");
        let NonceResponse { nonce } = serde_json::from_str(&response.body).unwrap();
        Audience { server: URL.parse().unwrap(), share_id: id.clone(), nonce }
    }

    /// A ticket for a share, with a new nonce and the usual algorithm.
    pub(crate) fn ticket(&self, person: &Person, id: &ShareId) -> String {
        person.ticket(&self.audience(id))
    }

    /// Asks for a share, and shows these lines.
    pub(crate) fn get(&self, id: &ShareId, fields: &[String]) -> Response {
        self.http().get_with(&format!("/key-shares/{id}"), fields)
    }

    /// Asks for a share that is not given, always with the same words; `reason` is in the log.
    pub(crate) fn refuses(&self, id: &ShareId, fields: &[String], reason: &str) {
        let response = self.get(id, fields);
        assert_eq!((response.status, response.error().as_str()), (404, "there is no such share"), "{reason}");
        assert_eq!(self.reason().as_deref(), Some(reason));
        assert_eq!(self.uniform(&response), self.uniform(&self.get(&"0".repeat(32).parse().unwrap(), fields)), "{reason}");
    }

    /// An answer without what differs from one to the next.
    fn uniform(&self, response: &Response) -> (u16, String, String) {
        let head = response.head.lines().filter(|line| !line.starts_with("x-request-id") && !line.starts_with("date")).collect();
        (response.status, head, response.body.clone())
    }
}

/// A share for `person` in JSON.
pub(crate) fn body(person: &RecipientId) -> String {
    serde_json::to_string(&share_of(person)).unwrap()
}

/// The share that is put for `person`.
pub(crate) fn share_of(person: &RecipientId) -> KeyShare {
    KeyShare { share: Share::new(SHARE.to_vec()).unwrap(), recipient: person.clone() }
}

/// Somebody with a key and a certificate.
pub(crate) struct Person {
    pub(crate) id: RecipientId,
    pub(crate) identity: Identity,
    algorithm: Algorithm,
}

/// Whoever has the personal code that is in no log.
pub(crate) fn mari() -> RecipientId {
    format!("etsi/PNOEE-{PERSONAL_CODE}").parse().unwrap()
}

/// What the certificate of `person` says: it is valid, and for authentication.
pub(crate) fn certificate_of(person: &RecipientId) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let name = &mut parameters.distinguished_name;
    name.push(DnType::CommonName, "MAASIKAS,MARI");
    name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), person.semantics_identifier().unwrap());
    parameters.use_authority_key_identifier_extension = true;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters
}

impl Person {
    pub(crate) fn new(authority: &Authority, algorithm: Algorithm) -> Self {
        Self::with(authority, algorithm, &certificate_of(&mari()))
    }

    /// Whom `authority` certified so; it is Mari all the same who says that her tickets are hers.
    pub(crate) fn with(authority: &Authority, algorithm: Algorithm, parameters: &CertificateParams) -> Self {
        let key = KeyPair::generate_for(match algorithm {
            Algorithm::Es256 => &PKCS_ECDSA_P256_SHA256,
            Algorithm::Es384 => &PKCS_ECDSA_P384_SHA384,
            Algorithm::Rs256 | Algorithm::Ps256 => &PKCS_RSA_SHA256,
        });
        Self { id: mari(), identity: authority.certify(parameters, key.unwrap()), algorithm }
    }

    /// The same, whose tickets say that they are this person's.
    pub(crate) fn saying(self, id: &RecipientId) -> Self {
        Self { id: id.clone(), ..self }
    }

    /// Another certificate for the same key.
    pub(crate) fn renewed(&self, authority: &Authority, parameters: &CertificateParams) -> Self {
        self.with_identity(authority.certify(parameters, self.same_key()))
    }

    pub(crate) fn same_key(&self) -> KeyPair {
        KeyPair::from_pem(&self.identity.key.serialize_pem()).unwrap()
    }

    pub(crate) fn with_identity(&self, identity: Identity) -> Self {
        Self { id: self.id.clone(), identity, algorithm: self.algorithm }
    }

    /// Signs as `algorithm` says, or as nobody should, if it does not fit the key.
    pub(crate) fn sign(&self, algorithm: Algorithm, signing_input: &[u8]) -> Vec<u8> {
        let (random, key) = (SystemRandom::new(), self.identity.key.serialize_der());
        let ec = |algorithm| {
            let key = EcdsaKeyPair::from_pkcs8(algorithm, &key).unwrap();
            key.sign(&random, signing_input).unwrap().as_ref().to_vec()
        };
        let rsa = |padding: &'static dyn RsaEncoding| {
            let key = RsaKeyPair::from_pkcs8(&key).unwrap();
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(padding, &random, signing_input, &mut signature).unwrap();
            signature
        };
        match algorithm {
            Algorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::Ps256 => rsa(&RSA_PSS_SHA256),
        }
    }

    pub(crate) fn token(&self, audiences: &[Audience]) -> Token {
        let unsigned = Unsigned::new(&self.id, self.algorithm, audiences, &mut getrandom::SysRng).unwrap();
        let signature = self.sign(self.algorithm, unsigned.signing_input());
        unsigned.sign(signature).unwrap()
    }

    /// A ticket in the form of libcdoc and Java, of a token for one server more.
    pub(crate) fn ticket(&self, audience: &Audience) -> String {
        self.token(&[audience.clone(), OTHER.parse().unwrap()]).ticket(0).unwrap().to_string()
    }

    /// What the newer version of the interface has in its header.
    pub(crate) fn newer(&self, ticket: &str) -> Vec<String> {
        let x5c = Base64UrlUnpadded::encode_string(&self.identity.certificate);
        vec![format!("x-cdoc2-auth-token: {ticket}"), format!("x-cdoc2-auth-x5c: {x5c}")]
    }

    /// What the older one has.
    pub(crate) fn older(&self, ticket: &str) -> Vec<String> {
        let pem = Base64::encode_string(&self.identity.certificate);
        vec![
            format!("x-cdoc2-auth-ticket: {ticket}"),
            format!("x-cdoc2-auth-x5c: -----BEGIN CERTIFICATE-----{pem}-----END CERTIFICATE-----"),
        ]
    }
}
