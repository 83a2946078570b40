//! A server, its authority, and clients that show every octet.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cdoc2_api::{Capsule, CapsuleType};
use cdoc2_server::config::Interface;
use cdoc2_server::{CapsuleAddresses, Config, Server, StartError};
use der::Decode as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, RevokedCertParams, SerialNumber,
    SignatureAlgorithm, SigningKey as _,
};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// In the subject of every person's certificate, and nowhere in a log.
pub(crate) const PERSONAL_CODE: &str = "60001017727";
/// So long a test waits for what must come; then it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Whom the server trusts, or a stranger.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: rcgen::Certificate,
}

/// Somebody's certificate and key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let parameters = authority("Test authority");
        let certificate = parameters.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(parameters, key), certificate }
    }

    /// An authority below this one.
    pub(crate) fn intermediate(&self) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let parameters = authority("Test intermediate authority");
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        Self { issuer: Issuer::new(parameters, key), certificate }
    }

    /// What makes a client send this authority's certificate after its own.
    pub(crate) fn resolver(&self, identity: &Identity) -> Arc<dyn ResolvesClientCert> {
        let chain = vec![identity.certificate.clone(), self.certificate.der().clone()];
        let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
        let key = CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider()).unwrap();
        Arc::new(SingleCertAndKey::from(key))
    }

    fn issue(&self, mut parameters: CertificateParams, usage: ExtendedKeyUsagePurpose, key: KeyPair) -> Identity {
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![usage];
        self.certify(&parameters, key)
    }

    /// A certificate with nothing added to `parameters`.
    pub(crate) fn certify(&self, parameters: &CertificateParams, key: KeyPair) -> Identity {
        Identity { certificate: parameters.signed_by(&key, &self.issuer).unwrap().der().clone(), key }
    }

    /// A revocation list with these certificates, until the end of `year`; in DER.
    pub(crate) fn list(&self, revoked: &[&Identity], year: i32) -> Vec<u8> {
        let revoked = revoked.iter().map(|identity| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&identity.serial()),
            revocation_time: rcgen::date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(year, 12, 31),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    /// ECDSA with SHA-384 over `octets`, in DER.
    pub(crate) fn sign(&self, octets: &[u8]) -> Vec<u8> {
        self.issuer.key().sign(octets).unwrap()
    }

    pub(crate) fn server(&self) -> Identity {
        self.server_between(2020, 2100)
    }

    /// A server whose certificate is valid from the beginning of one year to that of another.
    pub(crate) fn server_between(&self, not_before: i32, not_after: i32) -> Identity {
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(not_before, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(not_after, 1, 1);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        self.issue(parameters, ExtendedKeyUsagePurpose::ServerAuth, key)
    }

    pub(crate) fn person_with(&self, key: KeyPair) -> Identity {
        self.issue(person(), ExtendedKeyUsagePurpose::ClientAuth, key)
    }

    pub(crate) fn person(&self, algorithm: &'static SignatureAlgorithm) -> Identity {
        self.person_with(KeyPair::generate_for(algorithm).unwrap())
    }

    /// Somebody whose certificate expired.
    pub(crate) fn late(&self) -> Identity {
        let mut parameters = person();
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        self.issue(parameters, ExtendedKeyUsagePurpose::ClientAuth, key)
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    parameters
}

fn person() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, format!("MAASIKAS,MARI,{PERSONAL_CODE}"));
    parameters
}

impl Identity {
    /// How capsules name this key.
    pub(crate) fn recipient_id(&self) -> Vec<u8> {
        self.key.public_key_raw().to_vec()
    }

    /// The number of the certificate.
    fn serial(&self) -> Vec<u8> {
        let certificate = x509_cert::Certificate::from_der(&self.certificate).unwrap();
        certificate.tbs_certificate().serial_number().as_bytes().to_vec()
    }

    /// A capsule for this key; the type is for the caller to know.
    pub(crate) fn capsule(&self, capsule_type: CapsuleType) -> Capsule {
        Capsule { recipient_id: self.recipient_id(), ephemeral_key_material: self.recipient_id(), capsule_type }
    }

    fn write(&self, certificate: &Path, key: &Path) {
        fs::write(certificate, pem("CERTIFICATE", &self.certificate)).unwrap();
        fs::write(key, self.key.serialize_pem()).unwrap();
        fs::set_permissions(key, Permissions::from_mode(0o600)).unwrap();
    }
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    use base64ct::{Base64, Encoding as _};
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", Base64::encode_string(der))
}

/// A folder with everything that a server's configuration names.
pub(crate) struct Files {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
}

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self { folder: TempDir::new().unwrap(), authority: Authority::new() };
        fs::write(files.path("authority.pem"), files.authority.certificate.pem()).unwrap();
        files.renew();
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts another server certificate where the old one was.
    pub(crate) fn renew(&self) -> CertificateDer<'static> {
        let identity = self.authority.server();
        identity.write(&self.path("server.pem"), &self.path("server.key"));
        identity.certificate
    }

    /// A shares server's configuration, with further sections.
    pub(crate) fn shares_text(&self, more: &str) -> String {
        format!(
            r#"
            [shares]
            address = "127.0.0.1:0"
            certificate = "server.pem"
            key = "server.key"
            url = "https://localhost:8443"
            authorities = ["authority.pem"]
            [operations]
            address = "127.0.0.1:0"
            [store]
            sqlite = "shares.sqlite"
            [ocsp]
            enabled = false
            {more}
            "#
        )
    }

    /// A capsule server's configuration, with further sections.
    pub(crate) fn text(&self, more: &str) -> String {
        format!(
            r#"
            [sender]
            address = "127.0.0.1:0"
            certificate = "server.pem"
            key = "server.key"
            [recipient]
            address = "127.0.0.1:0"
            certificate = "server.pem"
            key = "server.key"
            client_authorities = ["authority.pem"]
            [operations]
            address = "127.0.0.1:0"
            [store]
            sqlite = "capsules.sqlite"
            [ocsp]
            enabled = false
            {more}
            "#
        )
    }

    pub(crate) fn parse<I: Interface>(&self, text: &str) -> Config<I> {
        Config::parse(text, &self.path("server.toml")).unwrap()
    }
}

/// A running server.
pub(crate) struct Bed {
    pub(crate) files: Files,
    pub(crate) addresses: CapsuleAddresses,
    pub(crate) runtime: Runtime,
    pub(crate) server: Option<Server>,
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    pub(crate) fn with(more: &str) -> Self {
        let files = Files::new();
        let text = files.text(more);
        Self::start(files, &text)
    }

    /// With a configuration of its own.
    pub(crate) fn start(files: Files, text: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let server = runtime.block_on(Server::start(files.parse(text))).unwrap();
        Self { files, addresses: server.addresses(), runtime, server: Some(server) }
    }

    pub(crate) fn sender(&self) -> Http<impl Read + Write + use<>> {
        Http::new(self.tls(self.addresses.sender, None).unwrap())
    }

    pub(crate) fn recipient(&self, identity: Option<&Identity>) -> Http<impl Read + Write + use<>> {
        Http::new(self.tls(self.addresses.recipient, identity).unwrap())
    }

    pub(crate) fn operations(&self) -> Http<TcpStream> {
        Http::new(connect(self.addresses.operations))
    }

    /// A connection whose handshake is finished, as far as a client can know.
    pub(crate) fn tls(&self, address: SocketAddr, identity: Option<&Identity>) -> io::Result<Tls> {
        tls(address, client_config(&self.files.authority, identity, &[&rustls::version::TLS13]))
    }

    /// What ends the connection of a recipient who shows this.
    pub(crate) fn alert(&self, identity: &Identity) -> AlertDescription {
        let error = self.tls(self.addresses.recipient, Some(identity)).unwrap().read(&mut [0]).unwrap_err();
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(alert)) => *alert,
            _ => panic!("{error}"),
        }
    }

    /// Loads the files anew.
    pub(crate) fn reload(&self) -> Result<(), StartError> {
        self.runtime.block_on(self.server.as_ref().unwrap().reload())
    }

    /// Puts a capsule and gives its path.
    pub(crate) fn put(&self, capsule: &Capsule) -> String {
        let response = self.sender().post(capsule, &[]);
        assert_eq!(response.status, 201, "{}", response.body);
        response.header("location").unwrap().to_owned()
    }

    /// The server's metrics.
    pub(crate) fn metrics(&self) -> String {
        self.operations().get("/metrics").body
    }
}

pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) fn tls(address: SocketAddr, config: ClientConfig) -> io::Result<Tls> {
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, connect(address));
    stream.conn.complete_io(&mut stream.sock)?;
    Ok(stream)
}

pub(crate) fn client_config(
    trusted: &Authority,
    identity: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.certificate.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { certificate, key }) => {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            builder.with_client_auth_cert(vec![certificate.clone()], key).unwrap()
        }
    }
}

/// HTTP/1.1, one request after another, every octet of it the test's.
pub(crate) struct Http<S> {
    stream: S,
    ahead: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The text of the JSON that tells what is wrong.
    pub(crate) fn error(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        let keys: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["error"]);
        body["error"].as_str().unwrap().to_owned()
    }
}

impl<S: Read + Write> Http<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).unwrap();
        self.stream.flush().unwrap();
    }

    /// The same, to a server that may have closed the connection.
    pub(crate) fn try_send(&mut self, octets: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(octets.as_ref()).and_then(|()| self.stream.flush());
    }

    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.get_with(path, &[])
    }

    /// `fields` are whole lines of the header.
    pub(crate) fn get_with(&mut self, path: &str, fields: &[String]) -> Response {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
        self.receive().unwrap()
    }

    pub(crate) fn post(&mut self, capsule: &Capsule, fields: &[&str]) -> Response {
        self.post_text(&serde_json::to_string(capsule).unwrap(), fields)
    }

    /// To where capsules are put.
    pub(crate) fn post_text(&mut self, body: &str, fields: &[&str]) -> Response {
        self.post_to("/key-capsules", body, fields)
    }

    /// `fields` are whole lines of the header.
    pub(crate) fn post_to(&mut self, path: &str, body: &str, fields: &[&str]) -> Response {
        let declared =
            if fields.iter().any(|field| field.starts_with("Content-Type")) { "" } else { "Content-Type: application/json\r\n" };
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let len = body.len();
        self.send(format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{declared}{fields}Content-Length: {len}\r\n\r\n{body}"));
        self.receive().unwrap()
    }

    /// The next answer; `None` if the server closed the connection instead.
    pub(crate) fn receive(&mut self) -> Option<Response> {
        let end = loop {
            if let Some(at) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            self.more()?;
        };
        let rest = self.ahead.split_off(end + 4);
        let head = String::from_utf8(std::mem::replace(&mut self.ahead, rest)).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut response = Response { status, head, body: String::new() };
        let len = response.header("content-length").map_or(0, |len| len.parse().unwrap());
        while self.ahead.len() < len {
            self.more().expect("a whole body");
        }
        let rest = self.ahead.split_off(len);
        response.body = String::from_utf8(std::mem::replace(&mut self.ahead, rest)).unwrap();
        Some(response)
    }

    /// Whether the server ends the connection without a further word.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.ahead.is_empty() && self.more().is_none()
    }

    fn more(&mut self) -> Option<()> {
        let mut octets = [0; 4096];
        match self.stream.read(&mut octets) {
            Ok(0) => None,
            Ok(len) => {
                self.ahead.extend_from_slice(&octets[..len]);
                Some(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("nothing came, and the connection stayed open")
            }
            Err(_) => None,
        }
    }
}
