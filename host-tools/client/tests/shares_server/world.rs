//! Mari, who signs in, and what it takes to encrypt for her.

use std::cell::RefCell;
use std::fs;
use std::io::Cursor;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use cdoc2::keys::{Certificate, PrivateKey};
use cdoc2::{Container, InputFile, Recipient, Selection, Servers};
use cdoc2_api::{ExpiryTime, RecipientId};
use cdoc2_client::auth::{
    Algorithm, AuthSigner, Error as SignerError, Interaction, Service, Signed, SoftwareSigner, VerificationCode,
};
use cdoc2_client::config::Config;
use cdoc2_client::https::Timeouts;
use cdoc2_client::shares_server::{Error, Sender, SharesHolder};
use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::{Algorithm as KeyAlgorithm, Authority, Content, Holder, Identity, PersonalCode, Subject};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::careless::Careless;

pub(crate) const MARI: &str = "etsi/PNOEE-60001017727";
pub(crate) const JAAN: &str = "etsi/PNOEE-38001085718";

pub(crate) struct World {
    folder: TempDir,
    pub(crate) authority: Authority,
    /// What every server here shows.
    pub(crate) identity: Identity,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("Test", None).unwrap();
        let content = Content::server(Subject::named("shares server").unwrap(), SystemTime::now()).unwrap();
        let identity = authority.identity(&content, KeyAlgorithm::P256).unwrap();
        fs::write(folder.path().join("root.pem"), authority.root_pem()).unwrap();
        Self { folder, authority, identity }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `count` servers that do nothing unusual.
    pub(crate) fn plain(&self, count: usize) -> Vec<Careless> {
        (0..count).map(|_| Careless::plain(&self.identity)).collect()
    }

    /// A configuration with one set of `servers`.
    pub(crate) fn config(&self, servers: &[Careless]) -> Config {
        self.config_with(&servers.iter().map(|server| (format!("https://{}", server.address), "")).collect::<Vec<_>>())
    }

    /// A configuration with one set of servers, each with its address and other lines of its entry.
    pub(crate) fn config_with(&self, servers: &[(String, &str)]) -> Config {
        let mut text = "[[shares_set]]\nid = \"test\"\n".to_owned();
        for (number, (url, lines)) in servers.iter().enumerate() {
            text += &format!(
                "[[shares_set.server]]\nurl = \"{url}\"\nowner = \"Owner {number}\"\ncertificates = [\"root.pem\"]\n{lines}\n"
            );
        }
        let path = self.path("config.toml");
        fs::write(&path, text).unwrap();
        Config::read(&path).unwrap()
    }

    /// Somebody with a key in software.
    pub(crate) fn person(&self, name: &str, code: &str, algorithm: KeyAlgorithm) -> Person {
        let mut content = content::person(&holder(name, code), Document::IdCard).unwrap();
        if algorithm == KeyAlgorithm::Rsa {
            content = content::for_rsa(content);
        }
        let identity = self.authority.identity(&content, algorithm).unwrap();
        let no_passphrase = || -> Result<Zeroizing<Vec<u8>>, cdoc2::keys::Error> { unreachable!("it is not encrypted") };
        let key = PrivateKey::parse(identity.key_pem().as_bytes(), no_passphrase).unwrap();
        Person { key, certificate: Certificate::parse(identity.certificate()).unwrap() }
    }

    pub(crate) fn mari(&self) -> Person {
        self.person("MAASIKAS,MARI", "60001017727", KeyAlgorithm::P256)
    }
}

pub(crate) fn holder(name: &str, code: &str) -> Holder {
    Holder::new(name, PersonalCode::parse(code).unwrap()).unwrap()
}

pub(crate) fn id(text: &str) -> RecipientId {
    text.parse().unwrap()
}

pub(crate) fn recipient(text: &str) -> Recipient {
    Recipient::KeyShares { recipient_id: text.to_owned() }
}

/// Somebody with a key in software.
pub(crate) struct Person {
    pub(crate) key: PrivateKey,
    pub(crate) certificate: Certificate,
}

impl Person {
    pub(crate) fn signer(&self) -> Watched<'_> {
        Watched { inner: SoftwareSigner::new(&self.key, &self.certificate), signed: RefCell::default(), refusals: 0 }
    }

    /// Opens the record of `MARI` in `container`.
    pub(crate) fn open(&self, container: &Container, config: &Config) -> Result<usize, Error> {
        open(container, MARI, &mut self.signer(), config)
    }
}

/// A signer that is watched: what it has signed, and how often it refuses before that.
pub(crate) struct Watched<'k> {
    inner: SoftwareSigner<'k>,
    pub(crate) signed: RefCell<Vec<Vec<u8>>>,
    pub(crate) refusals: usize,
}

impl AuthSigner for Watched<'_> {
    fn algorithm(&mut self, person: &RecipientId) -> Result<Algorithm, SignerError> {
        self.inner.algorithm(person)
    }

    fn sign(
        &mut self,
        person: &RecipientId,
        signing_input: &[u8],
        algorithm: Algorithm,
        interaction: &mut dyn Interaction,
    ) -> Result<Signed, SignerError> {
        self.signed.borrow_mut().push(signing_input.to_vec());
        if self.refusals > 0 {
            self.refusals -= 1;
            let state = cdoc2_client::auth::EndState::Refused;
            return Err(SignerError::Ended { service: Service::SmartId, state });
        }
        self.inner.sign(person, signing_input, algorithm, interaction)
    }
}

/// Somebody at a terminal, who may give up.
pub(crate) struct Terminal<'a>(pub(crate) Box<dyn FnMut() -> bool + 'a>);

impl Terminal<'_> {
    pub(crate) fn patient() -> Self {
        Self(Box::new(|| false))
    }
}

impl Interaction for Terminal<'_> {
    fn verification_code(&mut self, _: Service, _: VerificationCode) {}

    fn is_cancelled(&mut self) -> bool {
        (self.0)()
    }
}

/// For servers that never answer. Long enough for those that do, on a machine that is busy.
pub(crate) const SHORT: Timeouts =
    Timeouts { connect: Duration::from_secs(4), total: Duration::from_secs(4), busy: Duration::ZERO };

/// The record of `person` in `container`, opened and its payload checked.
pub(crate) fn open(container: &Container, person: &str, signer: &mut dyn AuthSigner, config: &Config) -> Result<usize, Error> {
    open_with(container, person, signer, config, Timeouts::default(), &mut Terminal::patient())
}

pub(crate) fn open_with(
    container: &Container,
    person: &str,
    signer: &mut dyn AuthSigner,
    config: &Config,
    timeouts: Timeouts,
    interaction: &mut dyn Interaction,
) -> Result<usize, Error> {
    let person = id(person);
    let mut holder = SharesHolder::new(&person, signer, interaction, config, timeouts);
    let unlocked = container.unlock_with(&mut holder, &Selection::Any)?;
    let index = unlocked.index();
    unlocked.authenticate(&mut |_| {})?;
    Ok(index)
}

/// A container for `recipients` through the only set of `config`; and what was warned of.
pub(crate) fn seal(
    config: &Config,
    recipients: &[Recipient],
    expiry: Option<ExpiryTime>,
    timeouts: Timeouts,
) -> Result<(Container, Vec<String>), cdoc2::Error> {
    let mut warnings = Vec::new();
    let warn = |text: &str| warnings.push(text.to_owned());
    let mut sender = Sender::new(config.default_shares_set().unwrap(), expiry, timeouts, warn).unwrap();
    let files = [InputFile::from_reader("a.txt", &mut &b"content"[..]).unwrap()];
    let mut octets = Vec::new();
    let servers = Servers { shares: Some(&mut sender), ..Servers::default() };
    let written = cdoc2::encrypt_with_servers(recipients, servers, &files, &mut octets, &mut |_| {});
    drop(sender);
    // All or nothing.
    assert_eq!(written.is_ok(), !octets.is_empty());
    written?;
    Ok((Container::spool(&mut Cursor::new(octets)).unwrap(), warnings))
}

/// A container for Mari alone.
pub(crate) fn sealed(config: &Config) -> Container {
    let (container, warnings) = seal(config, &[recipient(MARI)], None, Timeouts::default()).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    container
}
