//! All of it together.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cdoc2_server::config::Capsules;
use simulator::certificate::{Content, Subject};
use simulator::holder::Holder;

use crate::background::Background;
use crate::client_config::ClientConfig;
use crate::content::Document;
use crate::control::Control;
use crate::directory::{self, Directory, Tree, Use};
use crate::folder::Folder;
use crate::hosted::Configure;
use crate::identity::{Algorithm, serial};
use crate::ocsp::{self, Ocsp};
use crate::phone::{mobile_id, smart_id};
use crate::{
    Authority, CapsuleServer, Card, Error, Identity, MobileIdService, PolicyService, SharesServer, SharesServerOptions,
    SmartIdService, capsule_server, shares_server,
};

/// What a test bed is to have.
pub struct Options {
    /// The folder that everything is in, which must be new or empty, and stays; without one it is temporary.
    pub folder: Option<PathBuf>,
    /// Whether there is a directory, if slapd is installed.
    pub ldap: bool,
    /// Where the capsule server keeps capsules, if not in a SQLite file in the folder: a PostgreSQL connection string.
    pub postgresql: Option<String>,
    /// What else is to be said to the capsule server. Its limits on rates are off, for all clients come from one address.
    pub configure_server: Configure<Capsules>,
    /// The shares servers, no two of one owner. Two, if nothing else is said.
    pub shares_servers: Vec<SharesServerOptions>,
}

impl Default for Options {
    fn default() -> Self {
        let shares_servers = ["Test Bed North", "Test Bed South"].map(SharesServerOptions::of).into();
        Self { folder: None, ldap: true, postgresql: None, configure_server: Box::new(|_| {}), shares_servers }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("folder", &self.folder).field("ldap", &self.ldap).finish_non_exhaustive()
    }
}

/// An authority, its OCSP responder and what controls it, a directory, a capsule server, shares servers, a policy service, Smart-ID and Mobile-ID:
/// all on this machine, all gone with this value.
///
/// It may be started and dropped inside an asynchronous runtime, and anywhere else.
#[derive(Debug)]
pub struct Testbed {
    // Fields are dropped in this order: the threads after what runs on them, the folder at the end.
    server: CapsuleServer,
    shares_servers: Vec<SharesServer>,
    directory: Result<Directory, directory::Error>,
    authority: Authority,
    ocsp: Ocsp,
    control: Control,
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
        let control = Control::start(&ocsp, &spawner)?;
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

        let server = capsule_server::start(&folder, options.postgresql.as_deref(), options.configure_server, spawner.clone())?;
        let shares_servers = options.shares_servers.into_iter().enumerate();
        let shares_servers = shares_servers
            .map(|(index, options)| shares_server::start(&folder, index, options, &authority, spawner.clone()))
            .collect::<Result<Vec<_>, _>>()?;

        let directory = match options.ldap {
            false => Err(directory::Error::NotWanted),
            true => match Directory::start_new(&folder.path().join("ldap"), &authority.identity(&content, Algorithm::P256)?, "") {
                Err(Error::Directory(error @ directory::Error::NotInstalled)) => Err(error),
                started => Ok(started?),
            },
        };
        let config = ClientConfig {
            server: &server,
            shares_servers: &shares_servers,
            policy: &policy,
            smart_id: &smart_id,
            mobile_id: &mobile_id,
            directory: directory.as_ref().ok(),
        };
        let config = folder.write("config.toml", &config.to_toml())?;
        Ok(Self {
            server,
            shares_servers,
            directory,
            authority,
            ocsp,
            control,
            policy,
            smart_id,
            mobile_id,
            config,
            _background: background,
            folder,
        })
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

    /// What changes things from outside of this program.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
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

    /// The shares servers, in the order of the options.
    #[must_use]
    pub fn shares_servers(&self) -> &[SharesServer] {
        &self.shares_servers
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
        self.ocsp.register(holder.code().as_str(), identity.serial());
        self.smart_id.open(holder, &identity)
    }

    /// Gives `holder`, who accepts whatever comes, a SIM with Mobile-ID, the phone number `phone_number` and a new key on P-256.
    ///
    /// # Errors
    /// No random numbers.
    pub fn mobile_id_account(&self, holder: &Holder, phone_number: &str) -> Result<mobile_id::Account, Error> {
        let identity = self.authority.identity(&crate::content::mobile_id(holder)?, Algorithm::P256)?;
        self.ocsp.register(holder.code().as_str(), identity.serial());
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
        self.ocsp.register(holder.code().as_str(), serial(&card.certificate));
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
        self.ocsp.register(code, identity.serial());
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
