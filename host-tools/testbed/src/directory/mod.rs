//! The LDAP directory: OpenLDAP's slapd, with the two trees that Estonian certificates stand in.
//!
//! SK's, at `esteid.ldap.sk.ee`, and that of Zetes for the cards of 2025, at `ldap.eidpki.ee`. DigiDoc4 and the Java reference implementation search
//! both for `(serialNumber=PNOEE-<personal code>)` and read `userCertificate;binary`.

mod slapd;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use getrandom::fill;
use ldap3::{LdapConn, LdapError, Mod, dn_escape};
use simulator::holder::Holder;

use crate::Identity;
use crate::content::Document;
use slapd::{Ports, Slapd};

/// The top of SK's tree.
const SK_SUFFIX: &str = "c=EE";
/// The top of that of Zetes.
const ZETES_SUFFIX: &str = "dc=eidpki,dc=ee";
/// Who may write.
const ADMINISTRATOR: &str = "cn=test bed,c=EE";
/// LDAP's code for an entry that is there already (RFC 4511, 4.1.9).
const ENTRY_ALREADY_EXISTS: u32 = 68;

/// Why there is no directory, or why it did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not installed.
    #[error("slapd is not installed: there is no LDAP directory (on Debian: apt-get install slapd)")]
    NotInstalled,
    /// Nobody asked for it.
    #[error("the test bed was started without an LDAP directory")]
    NotWanted,
    /// It is installed, but not wholly.
    #[error("slapd has no schemas: there is no LDAP directory")]
    NoSchema,
    /// A file cannot be written.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    /// The process cannot be started.
    #[error("slapd cannot be started: {0}")]
    Process(io::Error),
    /// It ended before it was ready. What it said.
    #[error("slapd does not start: {0}")]
    NotReady(String),
    /// It refused, or the connection failed.
    #[error("slapd: {0}")]
    Refused(#[from] LdapError),
    /// It has ended.
    #[error("slapd has ended")]
    Over,
}

/// Which tree an entry is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// SK's: cards until 2025, Mobile-ID, organisations.
    Sk,
    /// That of Zetes: cards since 2025.
    Zetes,
}

impl Tree {
    /// What a client searches under.
    #[must_use]
    pub const fn base(self) -> &'static str {
        match self {
            Self::Sk => SK_SUFFIX,
            Self::Zetes => "dc=ldap,dc=eidpki,dc=ee",
        }
    }

    const fn people(self) -> &'static str {
        match self {
            Self::Sk => "dc=ESTEID,c=EE",
            Self::Zetes => "dc=ESTEID,c=EE,dc=ldap,dc=eidpki,dc=ee",
        }
    }

    /// The name of the branch for `document`.
    const fn branch(self, document: Document) -> &'static str {
        match (self, document) {
            (Self::Sk, Document::IdCard) => "Identity card of Estonian citizen",
            (Self::Sk, Document::DigiId) => "Digital identity card",
            (Self::Sk, Document::EResidentDigiId) => "Digital identity card of e-resident",
            (Self::Sk, Document::MobileId) => "Mobile-ID",
            (Self::Zetes, Document::IdCard) => "IdentityCardEstonianCitizen",
            (Self::Zetes, Document::DigiId) => "DigitalIdentityCard",
            (Self::Zetes, Document::EResidentDigiId) => "DigitalIdentityCardOfE-Residents",
            (Self::Zetes, Document::MobileId) => "MobileID",
        }
    }
}

/// What a certificate's key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It authenticates, and agrees on keys.
    Authentication,
    /// It signs.
    Signature,
}

impl Use {
    const fn branch(self) -> &'static str {
        match self {
            Self::Authentication => "Authentication",
            Self::Signature => "Digital Signature",
        }
    }
}

/// Where organisations stand. SK keeps them in a directory of their own with this top, and publishes its layout as a picture only.
const ORGANISATIONS: &str = "ou=Encryption,o=Organisations,c=EE";

/// The directory.
#[derive(Debug)]
pub struct Directory {
    program: &'static Path,
    config: PathBuf,
    password: String,
    ports: Ports,
    running: Mutex<Option<Slapd>>,
}

impl Directory {
    /// Starts one with its files in the new folder `folder`, and trees with nobody in them. `identity` is what it shows over TLS; `more` are
    /// lines of slapd.conf(5) on the whole server, which go before those that would be there, such as "sizelimit 3".
    ///
    /// # Errors
    /// slapd is not installed, or does not start: perhaps it does not know what `more` says.
    pub fn start_new(folder: &Path, identity: &Identity, more: &str) -> Result<Self, crate::Error> {
        let program = slapd::program().ok_or(Error::NotInstalled)?;
        let password = random_password()?;
        let config = slapd::configure(folder, identity, &password, more)?;
        let (slapd, ports) = Slapd::start(program, &config, None)?;
        let directory = Self { program, config, password, ports, running: Mutex::new(Some(slapd)) };
        directory.plant()?;
        Ok(directory)
    }

    /// Where it listens without TLS, and for StartTLS. By number, since OpenLDAP's tools look for the machine's own name in the certificate when
    /// they are told "localhost".
    #[must_use]
    pub fn ldap_url(&self) -> String {
        format!("ldap://{}", self.ports.plain)
    }

    /// Where it listens with TLS.
    #[must_use]
    pub fn ldaps_url(&self) -> String {
        format!("ldaps://{}", self.ports.tls)
    }

    /// Puts certificates of a person into a tree, beside those that are there. The person is named as in the certificates.
    ///
    /// # Errors
    /// The directory refuses: one of the certificates is none.
    pub fn add_person(
        &self,
        tree: Tree,
        holder: &Holder,
        document: Document,
        key_use: Use,
        certificates: &[&[u8]],
    ) -> Result<(), Error> {
        let branch = format!("ou={},o={},{}", key_use.branch(), tree.branch(document), tree.people());
        self.add(&branch, &holder.common_name(), &format!("PNOEE-{}", holder.code()), certificates)
    }

    /// Puts certificates of an organisation into SK's tree, beside those that are there.
    ///
    /// # Errors
    /// The directory refuses: one of the certificates is none.
    pub fn add_organisation(&self, name: &str, registry_code: &str, certificates: &[&[u8]]) -> Result<(), Error> {
        self.add(ORGANISATIONS, name, registry_code, certificates)
    }

    fn add(&self, branch: &str, common_name: &str, serial_number: &str, certificates: &[&[u8]]) -> Result<(), Error> {
        let name = format!("cn={},{branch}", dn_escape(common_name));
        let certificates: HashSet<Vec<u8>> = certificates.iter().map(|der| der.to_vec()).collect();
        self.administer(|connection| {
            let mut attributes =
                vec![one("objectClass", "certificateHolder"), one("cn", common_name), one("serialNumber", serial_number)];
            if !certificates.is_empty() {
                attributes.push((b"userCertificate;binary".to_vec(), certificates.clone()));
            }
            let result = connection.add(&name, attributes)?;
            if result.rc != ENTRY_ALREADY_EXISTS {
                return result.success().map(drop);
            }
            let added = Mod::Add(b"userCertificate;binary".to_vec(), certificates.clone());
            connection.modify(&name, vec![added])?.success().map(drop)
        })
    }

    /// Takes a person, with all certificates there, out of a tree.
    ///
    /// # Errors
    /// Nobody of that name is there.
    pub fn remove_person(&self, tree: Tree, holder: &Holder, document: Document, key_use: Use) -> Result<(), Error> {
        let branch = format!("ou={},o={},{}", key_use.branch(), tree.branch(document), tree.people());
        let name = format!("cn={},{branch}", dn_escape(holder.common_name()));
        self.administer(|connection| connection.delete(&name)?.success().map(drop))
    }

    /// Stops it; what is in it stays. Nothing happens if it is stopped already.
    pub fn stop(&self) {
        drop(self.running.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Starts it again, at the same ports. Nothing happens if it runs.
    ///
    /// # Errors
    /// It does not start, most likely because somebody else has taken a port.
    pub fn start(&self) -> Result<(), Error> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_none() {
            *running = Some(Slapd::start(self.program, &self.config, Some(self.ports))?.0);
        }
        Ok(())
    }

    /// Makes the branches.
    fn plant(&self) -> Result<(), Error> {
        let mut branches: Vec<String> = ["c=EE", "dc=ESTEID,c=EE", "o=Organisations,c=EE", ORGANISATIONS].map(String::from).into();
        branches.extend(
            ["dc=eidpki,dc=ee", "dc=ldap,dc=eidpki,dc=ee", "c=EE,dc=ldap,dc=eidpki,dc=ee", Tree::Zetes.people()].map(String::from),
        );
        for tree in [Tree::Sk, Tree::Zetes] {
            for document in [Document::IdCard, Document::DigiId, Document::EResidentDigiId, Document::MobileId] {
                let branch = format!("o={},{}", tree.branch(document), tree.people());
                let uses = [Use::Authentication, Use::Signature].map(|key_use| format!("ou={},{branch}", key_use.branch()));
                branches.push(branch);
                branches.extend(uses);
            }
        }
        self.administer(|connection| branches.iter().try_for_each(|name| plant(connection, name)))
    }

    /// Does `work` with a connection that may write. On a thread of its own, since the library cannot be used within a runtime.
    fn administer(&self, work: impl FnOnce(&mut LdapConn) -> Result<(), LdapError> + Send) -> Result<(), Error> {
        let url = format!("ldap://{}", self.ports.plain);
        let password = &self.password;
        let connected = move || {
            let mut connection = LdapConn::new(&url)?;
            connection.simple_bind(ADMINISTRATOR, password)?.success()?;
            work(&mut connection)?;
            connection.unbind()
        };
        thread::scope(|scope| scope.spawn(connected).join()).map_err(|_| Error::Over)?.map_err(Error::Refused)
    }
}

/// Adds an entry that others can be under, named by one attribute.
fn plant(connection: &mut LdapConn, name: &str) -> Result<(), LdapError> {
    let relative = name.split(',').next().unwrap_or_default();
    let (attribute, value) = relative.split_once('=').unwrap_or_default();
    let class = match attribute {
        "c" => "country",
        "dc" => "domain",
        "o" => "organization",
        _ => "organizationalUnit",
    };
    connection.add(name, vec![one("objectClass", class), one(attribute, value)])?.success().map(drop)
}

fn one(attribute: &str, value: &str) -> (Vec<u8>, HashSet<Vec<u8>>) {
    (attribute.as_bytes().to_vec(), HashSet::from([value.as_bytes().to_vec()]))
}

fn random_password() -> Result<String, crate::Error> {
    let mut octets = [0; 16];
    fill(&mut octets).map_err(|_| crate::Error::Key)?;
    Ok(octets.iter().fold(String::new(), |mut digits, octet| {
        let _ = write!(digits, "{octet:02x}");
        digits
    }))
}
