//! All of it together.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cdoc2_server::Config as ServerConfig;
use simulator::certificate::{Content, Subject};
use simulator::holder::Holder;
use tempfile::TempDir;

use crate::background::Background;
use crate::content::Document;
use crate::directory::{self, Directory, Tree, Use};
use crate::identity::Algorithm;
use crate::ocsp::{self, Ocsp};
use crate::phone::{self, mobile_id, smart_id};
use crate::{Authority, CapsuleServer, Card, Error, Identity, MobileIdService, PolicyService, SmartIdService};

/// The id of the capsule server: what containers call it.
pub const SERVER_ID: &str = "testbed";

/// What a test bed is to have.
pub struct Options {
    /// The folder that everything is in, which must be new or empty, and stays; without one it is temporary.
    pub folder: Option<PathBuf>,
    /// Whether there is a directory, if slapd is installed.
    pub ldap: bool,
    /// Where the capsule server keeps capsules, if not in a SQLite file in the folder: a PostgreSQL connection string.
    pub postgresql: Option<String>,
    /// What else is to be said to the capsule server. Its limits on rates are off, for all clients come from one address.
    pub configure_server: Box<dyn FnOnce(&mut ServerConfig) + Send>,
}

impl Default for Options {
    fn default() -> Self {
        Self { folder: None, ldap: true, postgresql: None, configure_server: Box::new(|_| {}) }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("folder", &self.folder).field("ldap", &self.ldap).finish_non_exhaustive()
    }
}

/// An authority, its OCSP responder, a directory, a capsule server, a policy service, Smart-ID and Mobile-ID: all on this machine, all gone with
/// this value.
///
/// It may be started and dropped inside an asynchronous runtime, and anywhere else.
#[derive(Debug)]
pub struct Testbed {
    // Fields are dropped in this order: the threads after what runs on them, the folder at the end.
    server: CapsuleServer,
    directory: Result<Directory, directory::Error>,
    authority: Authority,
    ocsp: Ocsp,
    policy: PolicyService,
    smart_id: SmartIdService,
    mobile_id: MobileIdService,
    config: PathBuf,
    _background: Background,
    folder: Folder,
}

impl Testbed {
    /// Starts everything, and comes back when it answers.
    ///
    /// # Errors
    /// The folder is in use, or something does not start. That slapd is not installed is no error here: see [`Self::directory`].
    pub fn start(options: Options) -> Result<Self, Error> {
        let folder = Folder::new(options.folder)?;
        let background = Background::new()?;
        let spawner = background.handle();

        let responder = ocsp::Bound::new(&spawner)?;
        let authority = Authority::new("CDOC2 test bed", Some(&responder.url()))?;
        let ocsp = responder.serve(&authority, &spawner)?;
        let content = Content::server(Subject::named("localhost")?, SystemTime::now())?;
        let identity = authority.identity(&content, Algorithm::P384)?;
        folder.write("root.pem", &authority.root_pem())?;
        folder.write("intermediate.pem", &authority.intermediate_pem())?;
        folder.write("server.pem", &identity.chain_pem())?;
        folder.write("server-certificate.pem", &identity.certificate_pem())?;
        folder.write("server.key", &identity.key_pem())?;
        let policy = PolicyService::start(&identity, &spawner)?;
        let smart_id = SmartIdService::start(&identity, &spawner)?;
        let mobile_id = MobileIdService::start(&identity, &spawner)?;

        let file = folder.write("server.toml", &server_toml(options.postgresql.as_deref()))?;
        let mut config = ServerConfig::read(&file)?;
        (options.configure_server)(&mut config);
        let server = CapsuleServer::start_new(file, config, spawner)?;

        let directory = match options.ldap {
            false => Err(directory::Error::NotWanted),
            true => match Directory::start_new(&folder.path().join("ldap"), &authority.identity(&content, Algorithm::P256)?, "") {
                Err(Error::Directory(error @ directory::Error::NotInstalled)) => Err(error),
                started => Ok(started?),
            },
        };
        let config = folder.write("config.toml", &client_toml(&server, &policy, &smart_id, &mobile_id, directory.as_ref().ok()))?;
        Ok(Self { server, directory, authority, ocsp, policy, smart_id, mobile_id, config, _background: background, folder })
    }

    /// The folder that everything is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The client's configuration: what `cdoc2 --config` takes.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The authority.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Its OCSP responder.
    #[must_use]
    pub fn ocsp(&self) -> &Ocsp {
        &self.ocsp
    }

    /// The directory.
    ///
    /// # Errors
    /// There is none: slapd is not installed, or was not wanted.
    pub fn directory(&self) -> Result<&Directory, &directory::Error> {
        self.directory.as_ref()
    }

    /// The capsule server.
    #[must_use]
    pub fn server(&self) -> &CapsuleServer {
        &self.server
    }

    /// The policy service.
    #[must_use]
    pub fn policy(&self) -> &PolicyService {
        &self.policy
    }

    /// Smart-ID.
    #[must_use]
    pub fn smart_id(&self) -> &SmartIdService {
        &self.smart_id
    }

    /// Mobile-ID.
    #[must_use]
    pub fn mobile_id(&self) -> &MobileIdService {
        &self.mobile_id
    }

    /// Opens an account with Smart-ID for `holder`, who accepts whatever comes, with a new key.
    ///
    /// # Errors
    /// No random numbers.
    pub fn smart_id_account(&self, holder: &Holder) -> Result<smart_id::Account, Error> {
        let identity = self.authority.identity(&crate::content::smart_id(holder)?, Algorithm::Rsa)?;
        self.smart_id.open(holder, &identity)
    }

    /// Gives `holder`, who accepts whatever comes, a SIM with Mobile-ID, the phone number `phone_number` and a new key on P-256.
    ///
    /// # Errors
    /// No random numbers.
    pub fn mobile_id_account(&self, holder: &Holder, phone_number: &str) -> Result<mobile_id::Account, Error> {
        let identity = self.authority.identity(&crate::content::mobile_id(holder)?, Algorithm::P256)?;
        self.mobile_id.open(holder, phone_number, &identity)
    }

    /// Makes the ID-card of `holder`, with keys on P-384, in a file of the folder, and puts its authentication certificate into SK's tree, if
    /// there is a directory.
    ///
    /// # Errors
    /// The holder has a card already, or the names are longer than a card takes.
    pub fn card(&self, holder: &Holder) -> Result<Card, Error> {
        self.card_in(holder, Tree::Sk)
    }

    /// The same, in another tree.
    ///
    /// # Errors
    /// As [`Self::card`].
    pub fn card_in(&self, holder: &Holder, tree: Tree) -> Result<Card, Error> {
        let card = Card::new(holder, &self.authority, &self.folder.path().join(format!("{}.token", holder.code())))?;
        self.publish(tree, holder, &card.certificate)?;
        Ok(card)
    }

    /// Makes a key in software for `holder`, certifies it as an ID-card's, writes both into files of the folder, and puts the certificate
    /// into the directory.
    ///
    /// # Errors
    /// The holder has such a key already.
    pub fn software_key(&self, holder: &Holder, algorithm: Algorithm) -> Result<KeyFiles, Error> {
        let content = crate::content::person(holder, Document::IdCard)?;
        let content = if algorithm == Algorithm::Rsa { crate::content::for_rsa(content) } else { content };
        let identity = self.authority.identity(&content, algorithm)?;
        let files = self.key_files(&identity, holder.code().as_str(), algorithm)?;
        self.publish(Tree::Sk, holder, identity.certificate())?;
        Ok(files)
    }

    /// The same for an organisation.
    ///
    /// # Errors
    /// It has such a key already.
    pub fn organisation_key(&self, name: &str, registry_code: &str, algorithm: Algorithm) -> Result<KeyFiles, Error> {
        let identity = self.authority.identity(&crate::content::organisation(name, registry_code, algorithm)?, algorithm)?;
        let files = self.key_files(&identity, registry_code, algorithm)?;
        if let Ok(directory) = &self.directory {
            directory.add_organisation(name, registry_code, &[identity.certificate()])?;
        }
        Ok(files)
    }

    fn key_files(&self, identity: &Identity, code: &str, algorithm: Algorithm) -> Result<KeyFiles, Error> {
        let name = format!("{code}-{}", algorithm.name());
        Ok(KeyFiles {
            identity: identity.clone(),
            certificate: self.folder.write(&format!("{name}.pem"), &identity.chain_pem())?,
            key: self.folder.write(&format!("{name}.key"), &identity.key_pem())?,
        })
    }

    fn publish(&self, tree: Tree, holder: &Holder, certificate: &[u8]) -> Result<(), Error> {
        if let Ok(directory) = &self.directory {
            directory.add_person(tree, holder, Document::IdCard, Use::Authentication, &[certificate])?;
        }
        Ok(())
    }
}

/// A key in software, and the files that it is in.
#[derive(Clone, Debug)]
pub struct KeyFiles {
    /// Key and certificate.
    pub identity: Identity,
    /// The certificate, and the intermediate's, in PEM.
    pub certificate: PathBuf,
    /// The private key, PKCS#8 in PEM.
    pub key: PathBuf,
}

/// Port 0 everywhere; rates are without limit, for all clients come from one address.
fn server_toml(postgresql: Option<&str>) -> String {
    let store =
        postgresql.map_or_else(|| "sqlite = \"capsules.sqlite\"".into(), |url| format!("postgresql = {}", toml_string(url)));
    format!(
        r#"[sender]
address = "127.0.0.1:0"
certificate = "server.pem"
key = "server.key"

[recipient]
address = "127.0.0.1:0"
certificate = "server.pem"
key = "server.key"
client_authorities = ["root.pem"]
client_intermediates = ["intermediate.pem"]

[operations]
address = "127.0.0.1:0"

[store]
{store}

[limits]
handshakes_per_second = 0
requests_per_second = 0
"#
    )
}

/// As part of a basic string (TOML 1.0, "String").
fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn client_toml(
    server: &CapsuleServer,
    policy: &PolicyService,
    smart_id: &SmartIdService,
    mobile_id: &MobileIdService,
    directory: Option<&Directory>,
) -> String {
    let mut text = format!(
        r#"default_server = "{SERVER_ID}"

[policy]
url = "{}"
authorities = ["root.pem"]

[[server]]
id = "{SERVER_ID}"
owner = "CDOC2 test bed"
sender_url = "{}"
recipient_url = "{}"
certificates = ["server-certificate.pem"]
"#,
        policy.url(),
        server.sender_url(),
        server.recipient_url(),
    );
    text.extend([("smart_id", smart_id.url()), ("mobile_id", mobile_id.url())].map(|(name, url)| {
        format!(
            "\n[{name}]\nurl = \"{url}\"\nrelying_party_uuid = \"{}\"\nrelying_party_name = \"{}\"\n\
             certificates = [\"server-certificate.pem\"]\nauthorities = [\"intermediate.pem\"]\n",
            phone::RELYING_PARTY_UUID,
            phone::RELYING_PARTY_NAME
        )
    }));
    if let Some(directory) = directory {
        let sections = [
            ("sk", directory.ldaps_url(), false, Tree::Sk),
            // The other way to TLS, so that both are used.
            ("zetes", directory.ldap_url(), true, Tree::Zetes),
        ];
        text.extend(sections.map(|(name, url, start_tls, tree)| {
            format!(
                "\n[[directory]]\nname = \"{name}\"\nurl = \"{url}\"\nstart_tls = {start_tls}\nbase = \"{}\"\nauthorities = [\"root.pem\"]\n",
                tree.base()
            )
        }));
    }
    text
}

/// A folder, perhaps one that vanishes.
#[derive(Debug)]
enum Folder {
    Temporary(TempDir),
    Named(PathBuf),
}

impl Folder {
    fn new(named: Option<PathBuf>) -> Result<Self, Error> {
        let Some(path) = named else {
            let folder = tempfile::Builder::new().prefix("cdoc2-testbed-").tempdir();
            return folder.map(Self::Temporary).map_err(|cause| Error::System { what: "no temporary folder", cause });
        };
        let failed = |cause| Error::File { path: path.clone(), cause };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(failed)?;
        if fs::read_dir(&path).map_err(failed)?.next().is_some() {
            return Err(Error::NotEmpty(path));
        }
        // slapd and the client's configuration want whole paths.
        fs::canonicalize(&path).map(Self::Named).map_err(failed)
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Named(path) => path,
        }
    }

    /// Writes a new file that only its owner reads.
    fn write(&self, name: &str, content: &str) -> Result<PathBuf, Error> {
        let path = self.path().join(name);
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        written
            .and_then(|mut file: fs::File| -> io::Result<()> { file.write_all(content.as_bytes()) })
            .map_err(|cause| Error::File { path: path.clone(), cause })?;
        Ok(path)
    }
}
