//! The program `cdoc2-server` as an operator runs it: a folder with certificates and a configuration, and a process.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Command, Stdio};

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::https::{Client, Request, Response};
use crate::pki::{Authority, Identity, Kind};
use crate::process;
pub use crate::server_process::until;
use crate::server_process::{self, ServerProcess};

/// Where capsules are.
pub const PATH: &str = "/key-capsules";

/// Everything that a server needs, in a folder that is gone with the value.
#[derive(Debug)]
pub struct Installation {
    folder: TempDir,
    /// The root that servers' certificates and `authority`'s chain to.
    pub root: Authority,
    /// The intermediate authority that issues clients' certificates.
    pub authority: Authority,
    config: toml::Table,
}

impl Installation {
    /// With a SQLite file in the folder, and without OCSP and limits on rates.
    ///
    /// # Panics
    /// No place for files.
    #[must_use]
    pub fn with_sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = Authority::root("Root of a test");
        let authority = root.intermediate("Persons of a test");
        fs::write(folder.path().join("root.pem"), root.pem()).expect("a certificate");
        fs::write(folder.path().join("persons.pem"), authority.pem()).expect("a certificate");
        let config = r#"
            [sender]
            address = "127.0.0.1:0"
            certificate = "server.pem"
            key = "server.key"
            [recipient]
            address = "127.0.0.1:0"
            certificate = "server.pem"
            key = "server.key"
            client_authorities = ["root.pem"]
            client_intermediates = ["persons.pem"]
            [operations]
            address = "127.0.0.1:0"
            [store]
            sqlite = "capsules.sqlite"
            [ocsp]
            enabled = false
            [limits]
            handshakes_per_second = 0
            requests_per_second = 0
        "#;
        let config = config.parse().expect("a configuration");
        let new = Self { folder, root, authority, config };
        new.change_certificate();
        new
    }

    /// The same with this PostgreSQL database.
    #[must_use]
    pub fn with_postgresql(url: &str) -> Self {
        let mut new = Self::with_sqlite();
        new.config.insert("store".into(), toml::Table::from_iter([("postgresql".to_owned(), url.into())]).into());
        new
    }

    /// Sets what `toml` says, and leaves the rest of the configuration.
    ///
    /// # Panics
    /// It is not TOML.
    pub fn set(&mut self, toml: &str) {
        let sections: toml::Table = toml.parse().expect("TOML");
        for (name, section) in sections {
            let ours = self.config.entry(name).or_insert_with(|| toml::Table::new().into());
            ours.as_table_mut().expect("a section").extend(section.as_table().expect("a section").clone());
        }
    }

    /// Puts a new certificate and key into the server's files.
    ///
    /// # Panics
    /// They cannot be written.
    pub fn change_certificate(&self) {
        let server = self.root.server();
        self.write("server.pem", server.chain_pem().as_bytes());
        self.write("server.key", crate::pki::key_pem(&server).as_bytes());
    }

    /// Writes a file in the folder, whole or not at all.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn write(&self, name: &str, octets: &[u8]) {
        let new = self.path().join(format!("{name}.new"));
        fs::write(&new, octets).and_then(|()| fs::rename(&new, self.path().join(name))).expect("a file");
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The server's command, with the configuration as it is now.
    ///
    /// # Panics
    /// The configuration cannot be written.
    pub fn command(&self) -> Command {
        let mut command = server_process::command();
        command.args(self.arguments());
        command
    }

    fn arguments(&self) -> [std::ffi::OsString; 3] {
        let config = self.path().join("cdoc2-server.toml");
        fs::write(&config, self.config.to_string()).expect("the configuration");
        ["capsule".into(), "--config".into(), config.into()]
    }

    /// A server, once it is ready.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(&self) -> CapsuleServer {
        self.start_as(&mut self.command())
    }

    /// What `command` starts, once it is ready.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start_as(&self, command: &mut Command) -> CapsuleServer {
        CapsuleServer::start(command, Client::anonymous(&self.root))
    }

    /// Runs a server that is expected to give up; its exit status, and what it said.
    ///
    /// # Panics
    /// It cannot be run.
    #[must_use]
    pub fn fails_to_start(&self) -> (Option<i32>, String) {
        let (status, said) = process::run(self.command().stdin(Stdio::null()));
        (status.code(), said)
    }

    /// Somebody with a key of `kind`.
    #[must_use]
    pub fn person(&self, kind: Kind) -> Identity {
        self.authority.person(kind)
    }

    /// `identity` as a client.
    #[must_use]
    pub fn client(&self, identity: &Identity) -> Client {
        Client::with(&self.root, identity)
    }
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Capsules are put here.
    pub sender: SocketAddr,
    /// They are fetched here.
    pub recipient: SocketAddr,
    /// The operator looks here.
    pub operations: SocketAddr,
}

/// A server's process. Dropping it kills it.
#[derive(Debug)]
pub struct CapsuleServer {
    process: ServerProcess,
    /// Where it listens.
    pub addresses: Addresses,
    sender: Client,
}

impl Deref for CapsuleServer {
    type Target = ServerProcess;

    fn deref(&self) -> &ServerProcess {
        &self.process
    }
}

impl DerefMut for CapsuleServer {
    fn deref_mut(&mut self) -> &mut ServerProcess {
        &mut self.process
    }
}

impl CapsuleServer {
    fn start(command: &mut Command, sender: Client) -> Self {
        let process = ServerProcess::start(command);
        let [sender_at, recipient, operations] = ["sender", "recipient", "operations"].map(|name| process.address(name));
        Self { process, addresses: Addresses { sender: sender_at, recipient, operations }, sender }
    }

    /// Puts a capsule; the answer.
    ///
    /// # Errors
    /// The connection fails.
    pub fn put(&self, capsule: &Capsule) -> io::Result<Response> {
        self.sender.request(self.addresses.sender, &Request::post(PATH, capsule.json()))
    }

    /// The same with an expiry.
    ///
    /// # Errors
    /// The connection fails.
    pub fn put_until(&self, capsule: &Capsule, expiry: &str) -> io::Result<Response> {
        self.sender.request(self.addresses.sender, &Request::post(PATH, capsule.json()).header("x-expiry-time", expiry))
    }

    /// Puts a capsule that the server must take; where it is.
    ///
    /// # Panics
    /// The server does not take it.
    #[must_use]
    pub fn keep(&self, capsule: &Capsule) -> String {
        location(&self.put(capsule).expect("an answer"))
    }

    /// Fetches what is at `location` as `client`.
    ///
    /// # Errors
    /// The connection fails, or the server refuses the certificate.
    pub fn get(&self, client: &Client, location: &str) -> io::Result<Response> {
        client.request(self.addresses.recipient, &Request::get(location))
    }

    /// The client that puts capsules.
    #[must_use]
    pub fn sender(&self) -> &Client {
        &self.sender
    }
}

/// Where the answer to a PUT says that the capsule is.
///
/// # Panics
/// The server did not take the capsule.
#[must_use]
pub fn location(response: &Response) -> String {
    assert_eq!(response.status, 201, "{response:?}");
    response.header("location").expect("a Location").to_owned()
}

/// A capsule, as the interface has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capsule {
    /// The recipient's key.
    pub recipient_id: Vec<u8>,
    /// The sender's.
    pub ephemeral_key_material: Vec<u8>,
    /// The kind.
    pub capsule_type: String,
}

impl Capsule {
    /// A new capsule for `recipient`, whose key is of `kind`: a point of the sender's on the same curve, or what may be an encrypted KEK.
    #[must_use]
    pub fn new(kind: Kind, recipient: &Identity) -> Self {
        let ephemeral_key_material = match kind {
            Kind::P256 | Kind::P384 | Kind::P521 => kind.generate().public_key_raw().to_vec(),
            Kind::Rsa => random(256),
        };
        Self { recipient_id: recipient.recipient_id().to_vec(), ephemeral_key_material, capsule_type: kind.capsule_type().into() }
    }

    /// As the interface sends it.
    #[must_use]
    pub fn json(&self) -> String {
        self.value().to_string()
    }

    /// The same, to be altered.
    #[must_use]
    pub fn value(&self) -> Value {
        json!({
            "recipient_id": Base64::encode_string(&self.recipient_id),
            "ephemeral_key_material": Base64::encode_string(&self.ephemeral_key_material),
            "capsule_type": self.capsule_type,
        })
    }

    /// The capsule in an answer.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn read(response: &Response) -> Self {
        assert_eq!(response.status, 200, "{response:?}");
        let value = response.json();
        let fields = value.as_object().expect("an object");
        assert_eq!(fields.len(), 3, "{value}");
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("no {name}: {value}"));
        let octets = |name: &str| Base64::decode_vec(text(name)).expect("base64");
        Self {
            recipient_id: octets("recipient_id"),
            ephemeral_key_material: octets("ephemeral_key_material"),
            capsule_type: text("capsule_type").to_owned(),
        }
    }
}

/// `len` random octets.
///
/// # Panics
/// The system has none.
#[must_use]
pub fn random(len: usize) -> Vec<u8> {
    let mut octets = vec![0; len];
    getrandom::fill(&mut octets).expect("random octets");
    octets
}
