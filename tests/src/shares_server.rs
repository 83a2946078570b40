//! `cdoc2-server shares` as an operator runs it: a folder with certificates and a configuration, and a process; and a client of it.

use std::fs;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::https::{Client, Request, Response};
use crate::server_process::{self, ServerProcess};

/// Where shares are.
pub const PATH: &str = "/key-shares";

/// What a server needs besides its configuration, all in PEM.
#[derive(Clone, Copy, Debug)]
pub struct Files<'f> {
    /// The server's certificate.
    pub certificate: &'f str,
    /// The server's key.
    pub key: &'f str,
    /// Whose certificates of people it trusts.
    pub authorities: &'f str,
    /// The authorities between those and people.
    pub intermediates: &'f str,
}

/// Everything that a server needs, in a folder that is gone with the value.
#[derive(Debug)]
pub struct Installation {
    folder: TempDir,
    config: toml::Table,
    client: Client,
}

impl Installation {
    /// A server that clients find at `url`, with the database that this line of `[store]` names; without OCSP and limits on rates. Clients know it by
    /// `root`.
    ///
    /// # Panics
    /// No place for files.
    #[must_use]
    pub fn new(url: &str, store: &str, files: &Files<'_>, root: &CertificateDer<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in [
            ("server.pem", files.certificate),
            ("server.key", files.key),
            ("authorities.pem", files.authorities),
            ("intermediates.pem", files.intermediates),
        ] {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        let config = format!(
            r#"
            [shares]
            address = "127.0.0.1:0"
            certificate = "server.pem"
            key = "server.key"
            url = "{url}"
            authorities = ["authorities.pem"]
            intermediates = ["intermediates.pem"]
            [operations]
            address = "127.0.0.1:0"
            [store]
            {store}
            [ocsp]
            enabled = false
            [limits]
            handshakes_per_second = 0
            requests_per_second = 0
        "#
        );
        Self { folder, config: config.parse().expect("a configuration"), client: Client::trusting(root) }
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

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A server, once it is ready. Several may run over one database.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(&self) -> SharesServer {
        let config = self.path().join("shares-server.toml");
        fs::write(&config, self.config.to_string()).expect("the configuration");
        let process =
            ServerProcess::start(server_process::command().args(["shares".as_ref(), "--config".as_ref(), config.as_os_str()]));
        let address = process.address("shares");
        SharesServer { process, address, client: self.client.clone() }
    }
}

/// A server's process. Dropping it kills it.
#[derive(Debug)]
pub struct SharesServer {
    process: ServerProcess,
    /// Where it listens.
    pub address: SocketAddr,
    client: Client,
}

impl Deref for SharesServer {
    type Target = ServerProcess;

    fn deref(&self) -> &ServerProcess {
        &self.process
    }
}

impl DerefMut for SharesServer {
    fn deref_mut(&mut self) -> &mut ServerProcess {
        &mut self.process
    }
}

impl SharesServer {
    /// A client of it.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// One request on a connection of its own.
    ///
    /// # Panics
    /// No answer.
    #[must_use]
    pub fn request(&self, request: &Request<'_>) -> Response {
        self.client.request(self.address, request).expect("an answer")
    }

    /// Puts a share; the answer.
    ///
    /// # Panics
    /// None comes.
    #[must_use]
    pub fn put(&self, share: &Value) -> Response {
        self.request(&Request::post(PATH, share.to_string()))
    }

    /// Puts a share that the server must take; its id.
    ///
    /// # Panics
    /// The server does not take it.
    #[must_use]
    pub fn keep(&self, share: &Value) -> String {
        id(&self.put(share))
    }

    /// Asks for a nonce of the share `id`; the answer.
    ///
    /// # Panics
    /// None comes.
    #[must_use]
    pub fn post_nonce(&self, id: &str) -> Response {
        self.request(&Request::post(&nonce_path(id), ""))
    }

    /// The same, where the server must give one.
    ///
    /// # Panics
    /// It does not.
    #[must_use]
    pub fn nonce(&self, id: &str) -> String {
        nonce(&self.post_nonce(id))
    }

    /// Asks for the share `id`, with a ticket and the certificate of who signed it.
    ///
    /// # Panics
    /// No answer comes.
    #[must_use]
    pub fn get(&self, id: &str, ticket: &str, certificate: &[u8], generation: Generation) -> Response {
        self.request(&get(&format!("{PATH}/{id}"), ticket, certificate, generation))
    }

    /// How many tickets it has judged like this (`outcome` of `cdoc2_tickets_total`).
    #[must_use]
    pub fn tickets(&self, outcome: &str) -> f64 {
        self.metric(&format!("cdoc2_tickets_total{{outcome=\"{outcome}\"}}"))
    }
}

/// The two generations of the interface: how a ticket is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Since 1.2.
    Token,
    /// Before.
    Ticket,
}

impl Generation {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Token, Self::Ticket];

    /// What a client's configuration calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Ticket => "ticket",
        }
    }

    /// The header of the ticket.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::Token => "x-cdoc2-auth-token",
            Self::Ticket => "x-cdoc2-auth-ticket",
        }
    }

    fn certificate(self, der: &[u8]) -> String {
        match self {
            Self::Token => Base64UrlUnpadded::encode_string(der),
            Self::Ticket => format!("-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----", Base64::encode_string(der)),
        }
    }
}

/// The request for the share at `path`.
#[must_use]
pub fn get<'r>(path: &'r str, ticket: &str, certificate: &[u8], generation: Generation) -> Request<'r> {
    Request::get(path).header(generation.header(), ticket).header("x-cdoc2-auth-x5c", generation.certificate(certificate))
}

/// Where nonces of the share `id` are given.
#[must_use]
pub fn nonce_path(id: &str) -> String {
    format!("{PATH}/{id}/nonce")
}

/// The id that a server answered a share with.
///
/// # Panics
/// The server did not take it.
#[must_use]
pub fn id(response: &Response) -> String {
    assert_eq!(response.status, 201, "{response:?}");
    let location = response.header("location").expect("a Location");
    location.strip_prefix(PATH).and_then(|rest| rest.strip_prefix('/')).expect("the path of a share").to_owned()
}

/// The nonce in an answer.
///
/// # Panics
/// There is none.
#[must_use]
pub fn nonce(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["nonce"].as_str().expect("a nonce").to_owned()
}

/// A new share of 32 octets for `recipient`, as the interface has it.
///
/// # Panics
/// The system has no random octets.
#[must_use]
pub fn share(recipient: &str) -> Value {
    json!({ "share": Base64::encode_string(&crate::capsule_server::random(32)), "recipient": recipient })
}
