//! A capsule server in this process, and what it takes to use it.

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;
use std::time::SystemTime;

use cdoc2::keys::{Certificate, PrivateKey};
use cdoc2::{Container, InputFile, Recipient, Selection, Servers, Unlock};
use cdoc2_api::ExpiryTime;
use cdoc2_client::capsule_server::{Sender, ServerHolder, SoftwareHolder};
use cdoc2_client::config::Config;
use cdoc2_client::https::Timeouts;
use cdoc2_server::Server;
use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::{Algorithm, Authority, Content, Holder, Identity, PersonalCode, Subject};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
    runtime: Runtime,
    server: Option<Server>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With these lines at the end of the server's configuration.
    pub(crate) fn with(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("Test", None).unwrap();
        let content = Content::server(Subject::named("capsules").unwrap(), SystemTime::now()).unwrap();
        let server_certificate = authority.identity(&content, Algorithm::P384).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("chain.pem", &server_certificate.chain_pem());
        write("key.pem", &server_certificate.key_pem());
        write("leaf.pem", &server_certificate.certificate_pem());
        write("root.pem", &authority.root_pem());
        write("intermediate.pem", &authority.intermediate_pem());
        write(
            "server.toml",
            &format!(
                "[sender]\naddress = \"127.0.0.1:0\"\ncertificate = \"chain.pem\"\nkey = \"key.pem\"\n\
                 [recipient]\naddress = \"127.0.0.1:0\"\ncertificate = \"chain.pem\"\nkey = \"key.pem\"\n\
                 client_authorities = [\"root.pem\"]\nclient_intermediates = [\"intermediate.pem\"]\n\
                 [operations]\naddress = \"127.0.0.1:0\"\n[store]\nsqlite = \"capsules.sqlite\"\n[ocsp]\nenabled = false\n{lines}"
            ),
        );
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let config = cdoc2_server::Config::read(&folder.path().join("server.toml")).unwrap();
        let server = runtime.block_on(Server::start(config)).unwrap();
        Self { folder, authority, runtime, server: Some(server) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The client's configuration, in which the server is called `id` and `certificates` are pinned.
    pub(crate) fn config_with(&self, id: &str, certificates: &str) -> Config {
        let addresses = self.server.as_ref().unwrap().addresses();
        let text = format!(
            "default_server = \"{id}\"\n[[server]]\nid = \"{id}\"\nsender_url = \"https://{}\"\nrecipient_url = \"https://{}\"\n\
             certificates = [{certificates}]\n",
            addresses.sender, addresses.recipient
        );
        let path = self.path("client.toml");
        fs::write(&path, text).unwrap();
        Config::read(&path).unwrap()
    }

    pub(crate) fn config(&self) -> Config {
        self.config_with("test", "\"root.pem\"")
    }

    pub(crate) fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.shutdown());
        }
    }

    pub(crate) fn person(&self, algorithm: Algorithm) -> Person {
        let mut content = content::person(&holder(), Document::IdCard).unwrap();
        if algorithm == Algorithm::Rsa {
            content = content::for_rsa(content);
        }
        Person::of(&self.authority.identity(&content, algorithm).unwrap())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn holder() -> Holder {
    Holder::new("MAASIKAS,MARI", PersonalCode::parse("60001017727").unwrap()).unwrap()
}

/// Somebody with a key in software.
pub(crate) struct Person {
    pub(crate) certificate: Certificate,
    pub(crate) unlock: Unlock,
}

impl Person {
    pub(crate) fn of(identity: &Identity) -> Self {
        let no_passphrase = || -> Result<Zeroizing<Vec<u8>>, cdoc2::keys::Error> { unreachable!("it is not encrypted") };
        let key = PrivateKey::parse(identity.key_pem().as_bytes(), no_passphrase).unwrap();
        Self { certificate: Certificate::parse(identity.certificate()).unwrap(), unlock: Unlock::PrivateKey(key) }
    }

    pub(crate) fn recipient(&self) -> Recipient {
        Recipient::Certificate(Box::new(self.certificate.clone()))
    }

    /// Opens `container` with the key and its certificate.
    pub(crate) fn open(&self, container: &Container, config: &Config) -> Result<usize, cdoc2::Error> {
        open(container, config, SoftwareHolder::new(&self.unlock, 0, Some(&self.certificate)))
    }
}

pub(crate) fn open<H>(container: &Container, config: &Config, holder: H) -> Result<usize, H::Error>
where
    H: cdoc2_client::capsule_server::Authenticate,
{
    let mut holder = ServerHolder::new(holder, config, Timeouts::default());
    let unlocked = container.unlock_with(&mut holder, &Selection::Any)?;
    let index = unlocked.index();
    unlocked.authenticate(&mut |_| {})?;
    Ok(index)
}

/// A container for `recipients` through the default server of `config`; and what was warned of.
pub(crate) fn seal(
    config: &Config,
    recipients: &[Recipient],
    expiry: Option<ExpiryTime>,
) -> Result<(Container, Vec<String>), cdoc2::Error> {
    seal_within(config, recipients, expiry, Timeouts::default())
}

pub(crate) fn seal_within(
    config: &Config,
    recipients: &[Recipient],
    expiry: Option<ExpiryTime>,
    timeouts: Timeouts,
) -> Result<(Container, Vec<String>), cdoc2::Error> {
    let mut warnings = Vec::new();
    let warn = |text: &str| warnings.push(text.to_owned());
    let mut sender = Sender::new(config.default_server().unwrap(), expiry, timeouts, warn).unwrap();
    let files = [InputFile::from_reader("a.txt", &mut &b"content"[..]).unwrap()];
    let mut octets = Vec::new();
    let servers = Servers { capsules: Some(&mut sender), ..Servers::default() };
    cdoc2::encrypt_with_servers(recipients, servers, &files, &mut octets, &mut |_| {})?;
    drop(sender);
    Ok((Container::spool(&mut Cursor::new(octets)).unwrap(), warnings))
}

/// The server's error in one of the container library.
pub(crate) fn reason(error: &cdoc2::Error) -> &cdoc2_client::capsule_server::Error {
    let (cdoc2::Error::Server { reason, .. } | cdoc2::Error::NotFetched { reason, .. }) = error else { panic!("{error}") };
    reason.downcast_ref().unwrap_or_else(|| panic!("{error}"))
}
