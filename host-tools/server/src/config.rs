//! The server's configuration: one TOML file. `docs/capsule-server.toml` and `docs/shares-server.toml` show every key with its default.
//!
//! A key that is not known, a value out of range and two values that contradict each other are errors, which name the file, the line and the key.
//! Relative paths start from the folder of the file.

mod capsules;
mod common;
mod duration;
mod error;
mod shares;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use capsules::{Capsules, Recipient, Sender};
pub use common::{CleanUp, Crl, Expiry, Limits, Log, LogLevel, Ocsp, OcspPolicy, Operations, Store, TooLong};
pub use error::Error;
pub use shares::Shares;

/// Everything that an operator can set: of a capsule server, or, as `Config<Shares>`, of a shares server.
#[derive(Clone, Debug)]
pub struct Config<I = Capsules> {
    /// What is served to the public, and where.
    pub interface: I,
    /// Where the operator looks: plain HTTP.
    pub operations: Operations,
    /// The database.
    pub store: Store,
    /// How long capsules or shares are kept.
    pub expiry: Expiry,
    /// Revocation of recipients' certificates.
    pub ocsp: Ocsp,
    /// The same, where responders do not answer.
    pub crl: Crl,
    /// What clients may take.
    pub limits: Limits,
    /// Deletion of what has expired.
    pub clean_up: CleanUp,
    /// What is written to standard error.
    pub log: Log,
}

/// A configuration of either kind of server.
#[derive(Clone, Debug)]
pub enum AnyConfig {
    /// A capsule server's.
    Capsules(Config<Capsules>),
    /// A shares server's.
    Shares(Config<Shares>),
}

/// A file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sender: Option<Sender>,
    recipient: Option<Recipient>,
    shares: Option<Shares>,
    #[serde(default)]
    operations: Operations,
    store: Store,
    #[serde(default)]
    expiry: Expiry,
    #[serde(default)]
    ocsp: Ocsp,
    #[serde(default)]
    crl: Crl,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    clean_up: CleanUp,
    #[serde(default)]
    log: Log,
}

/// The sections that not every server has.
#[derive(Debug)]
pub struct Sections {
    sender: Option<Sender>,
    recipient: Option<Recipient>,
    shares: Option<Shares>,
}

/// A key or a section, and what is wrong with it.
type Contradiction = (&'static str, &'static str);
/// Whether something holds that no type says; the key that it is about; what is wrong if it does not.
type Rule = (bool, &'static str, &'static str);

/// The sections that only one kind of server has.
pub trait Interface: Sized {
    /// Picks them.
    #[doc(hidden)]
    fn take(sections: Sections) -> Result<Self, Contradiction>;

    /// Every path in them.
    #[doc(hidden)]
    fn paths(&mut self) -> Vec<&mut PathBuf>;

    /// Every address in them, with its key.
    #[doc(hidden)]
    fn addresses(&self) -> Vec<(&'static str, SocketAddr)>;

    /// What must hold of them, and of other sections for their sake.
    #[doc(hidden)]
    fn rules(&self, limits: &Limits, ocsp: &Ocsp) -> Vec<Rule>;
}

impl<I: Interface> Config<I> {
    /// Reads a file and checks it. Files that it names are not opened.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, is of another kind of server, or says what cannot be.
    pub fn read(file: &Path) -> Result<Self, Error> {
        Self::parse(&text(file)?, file)
    }

    /// Takes `text` as the content of `file`, which need not exist.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, Error> {
        Self::of(File::parse(text, file)?, file)
    }

    fn of(parsed: File, file: &Path) -> Result<Self, Error> {
        let File { sender, recipient, shares, operations, store, expiry, ocsp, crl, limits, clean_up, log } = parsed;
        let wrong = |(key, what)| Error::contradiction(file, key, what);
        let interface = I::take(Sections { sender, recipient, shares }).map_err(wrong)?;
        let mut config = Self { interface, operations, store, expiry, ocsp, crl, limits, clean_up, log };
        config.check().map_err(wrong)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        for path in config.interface.paths().into_iter().chain(config.store.paths()).chain(&mut config.crl.files) {
            *path = folder.join(&*path);
        }
        Ok(config)
    }

    fn check(&self) -> Result<(), Contradiction> {
        let Self { interface, operations, expiry, ocsp, limits, clean_up, .. } = self;
        let mut addresses = interface.addresses();
        addresses.push(("operations.address", operations.address));
        let rules = expiry.rules().into_iter().chain(ocsp.rules()).chain(limits.rules()).chain(clean_up.rules());
        let mut rules = rules.chain(interface.rules(limits, ocsp)).chain(distinct(&addresses));
        rules.try_for_each(|(holds, key, what)| if holds { Ok(()) } else { Err((key, what)) })
    }
}

/// No listener is in another one's way.
fn distinct(addresses: &[(&'static str, SocketAddr)]) -> impl Iterator<Item = Rule> {
    addresses.iter().enumerate().map(|(place, (key, address))| {
        let taken = addresses.iter().take(place).any(|(_, other)| overlap(*address, *other));
        (!taken, *key, "is the address and port of another listener, or among its addresses: give each listener its own")
    })
}

/// Whether only one of two can be listened at. Port 0 is always another one, and all addresses of IPv6 are those of IPv4, too.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let all = |one: SocketAddr, other: SocketAddr| one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4());
    let same = one.ip().to_canonical() == other.ip().to_canonical();
    one.port() != 0 && one.port() == other.port() && (same || all(one, other) || all(other, one))
}

impl AnyConfig {
    /// Reads a file and checks it: a shares server's, if it has the section `[shares]`.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read(file: &Path) -> Result<Self, Error> {
        let parsed = File::parse(&text(file)?, file)?;
        match parsed.shares {
            Some(_) => Config::of(parsed, file).map(Self::Shares),
            None => Config::of(parsed, file).map(Self::Capsules),
        }
    }
}

impl File {
    fn parse(text: &str, file: &Path) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| Error::malformed(file, text, &error))
    }
}

fn text(file: &Path) -> Result<String, Error> {
    fs::read_to_string(file).map_err(|error| Error::unreadable(file, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"
        [sender]
        certificate = "server.pem"
        key = "/etc/cdoc2/server.key"
        [recipient]
        certificate = "server.pem"
        key = "server.key"
        client_authorities = ["authority.pem"]
        [store]
        sqlite = "capsules.sqlite"
    "#;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/srv/cdoc2/server.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_least_that_is_needed() {
        let config = parse(LEAST).unwrap();
        assert_eq!(config.interface.sender.address.port(), 8443);
        assert_eq!(config.interface.sender.certificate, Path::new("/srv/cdoc2/server.pem"));
        assert_eq!(config.interface.sender.key, Path::new("/etc/cdoc2/server.key"));
        assert_eq!(config.interface.recipient.client_authorities, [Path::new("/srv/cdoc2/authority.pem")]);
        assert!(config.operations.address.ip().is_loopback());
        assert!(matches!(config.store, Store::Sqlite { path } if path == Path::new("/srv/cdoc2/capsules.sqlite")));
        assert!(config.ocsp.enabled && config.ocsp.policy == OcspPolicy::Hard);
    }

    #[test]
    fn unknown_keys_are_named_with_their_line() {
        let error = parse(&LEAST.replace("sqlite =", "sqllite =")).unwrap_err();
        assert!(error.starts_with("/srv/cdoc2/server.toml, line 10, sqllite: unknown field `sqllite`"), "{error}");
        let error = parse(&format!("{LEAST}\n[oscp]\nenabled = false")).unwrap_err();
        assert!(error.contains("line 12, [oscp]") && error.contains("ocsp"), "{error}");
    }

    #[test]
    fn values_that_cannot_be_are_named() {
        for (section, expected) in [
            ("[expiry]\nmax = \"1 year\"", "line 13, max: \"1 year\" is no duration"),
            ("[expiry]\ndefault = \"2d\"\nmax = \"1d\"", "expiry.default must not be longer than expiry.max"),
            ("[expiry]\ntoo_long = \"cut\"", "line 13, too_long: unknown variant `cut`"),
            ("[limits]\nbody_len = 100", "limits.body_len must be 8192 or more"),
            ("[limits]\nbody_len = 0", "limits.body_len must be 8192 or more"),
            ("[limits]\nbody_len = 1048577", "limits.body_len must be at most 1048576"),
            ("[limits]\nheader_len = 1048577", "limits.header_len must be at most 1048576"),
            ("[limits]\nheader_fields = 15", "limits.header_fields must be 16 or more"),
            ("[limits]\nheader_fields = 1025", "limits.header_fields must be at most 1024"),
            ("[limits]\nconnections = 0", "limits.connections must be from 1 to 1000000"),
            ("[limits]\nconnections = 1000001", "limits.connections must be from 1 to 1000000"),
            ("[limits]\nbacklog = 65536", "limits.backlog must be from 1 to 65535"),
            ("[limits]\nhandshake_timeout = \"0s\"", "limits.handshake_timeout must be longer than nothing"),
            ("[limits]\nheader_timeout = \"25h\"", "limits.header_timeout must be longer than nothing, and at most 1d"),
            ("[limits]\nshutdown_timeout = \"25h\"", "limits.shutdown_timeout must be at most 1d"),
            ("[limits]\nconnections = -1", "line 13, connections: invalid value"),
            ("[limits]\nhandshake_burst = 0", "limits.handshake_burst must be 1 or more"),
            ("[ocsp]\npolicy = \"none\"", "line 13, policy: unknown variant `none`"),
            ("[ocsp]\nmax_age = \"0s\"", "ocsp.max_age must be from 1s to 7d"),
            ("[ocsp]\nmax_age = \"8d\"", "ocsp.max_age must be from 1s to 7d"),
            ("[ocsp]\nurl = \"\"", "ocsp.url must be an address of plain HTTP"),
            ("[ocsp]\nurl = \"https://ocsp.example.org\"", "ocsp.url must be an address of plain HTTP"),
            ("[ocsp]\nurl = \"http//ocsp.example.org\"", "ocsp.url must be an address of plain HTTP"),
            ("[ocsp]\ntimeout = \"16s\"", "ocsp.timeout must not be longer than limits.handshake_timeout"),
            ("[ocsp]\ntimeout = \"0s\"", "ocsp.timeout must be longer than nothing"),
            ("[ocsp]\nclock_skew = \"2h\"", "ocsp.clock_skew must be at most 1h"),
            ("[ocsp]\ngrace = \"91d\"", "ocsp.grace must be at most 90d"),
            ("[ocsp]\npending = 257", "ocsp.pending must be from 1 to 256"),
            ("[clean_up]\nbatch = 0", "clean_up.batch must be from 1 to 100000"),
            ("[clean_up]\nbatch = 100001", "clean_up.batch must be from 1 to 100000"),
            ("[clean_up]\ninterval = \"31d\"", "clean_up.interval must be longer than nothing, and at most 30d"),
            ("[operations]\naddress = \"localhost\"", "line 13, address: invalid socket address"),
        ] {
            let error = parse(&format!("{LEAST}\n{section}")).unwrap_err();
            assert!(error.contains(expected), "{section}: {error}");
        }
    }

    #[test]
    fn listeners_are_in_nobodys_way() {
        let with = |sender: &str, recipient: &str, operations: &str| {
            let text = LEAST.replace("[sender]", &format!("[sender]\naddress = \"{sender}\""));
            let text = text.replace("[recipient]", &format!("[recipient]\naddress = \"{recipient}\""));
            parse(&format!("{text}\n[operations]\naddress = \"{operations}\""))
        };
        for (sender, recipient, operations, key) in [
            ("10.0.0.1:8443", "10.0.0.1:8443", "127.0.0.1:8445", "recipient.address"),
            ("[::]:8443", "10.0.0.1:8443", "127.0.0.1:8445", "recipient.address"),
            ("[::1]:8443", "[::]:8443", "127.0.0.1:8445", "recipient.address"),
            ("[::ffff:10.0.0.1]:8443", "10.0.0.1:8443", "127.0.0.1:8445", "recipient.address"),
            ("0.0.0.0:8443", "[::]:8444", "127.0.0.1:8443", "operations.address"),
            ("[::]:8443", "[::]:8444", "127.0.0.1:8444", "operations.address"),
        ] {
            let error = with(sender, recipient, operations).unwrap_err();
            assert!(error.contains(&format!("{key} is the address and port of another listener")), "{error}");
        }
        for (sender, recipient, operations) in [
            ("10.0.0.1:8443", "10.0.0.2:8443", "127.0.0.1:8443"),
            ("10.0.0.1:8443", "[::1]:8443", "127.0.0.1:8443"),
            ("0.0.0.0:8443", "[::1]:8443", "127.0.0.1:8445"),
            ("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"),
        ] {
            with(sender, recipient, operations).unwrap();
        }
    }

    #[test]
    fn ocsp_may_take_as_long_as_nobody_waits() {
        // Not asked at all; and, by a shares server, not within a handshake.
        parse(&format!("{LEAST}\n[ocsp]\nenabled = false\ntimeout = \"1m\"")).unwrap();
        let shares =
            "[shares]\ncertificate = \"a\"\nkey = \"a\"\nurl = \"https://a\"\nauthorities = [\"a\"]\n[store]\nsqlite = \"a\"";
        let shares = format!("{shares}\n[ocsp]\ntimeout = \"1m\"");
        Config::<Shares>::parse(&shares, Path::new("/srv/cdoc2/server.toml")).unwrap();
    }

    #[test]
    fn one_store_exactly() {
        for (store, expected) in [
            ("", "name exactly one of sqlite and postgresql"),
            ("sqlite = \"a\"\npostgresql = \"b\"", "name exactly one of sqlite and postgresql"),
            ("sqlite = \"a\"\npassword_file = \"b\"", "password_file goes with postgresql only"),
            ("sqlite = \"a\"\nauthorities = [\"b\"]", "authorities goes with postgresql only"),
        ] {
            let error = parse(&LEAST.replace("sqlite = \"capsules.sqlite\"", store)).unwrap_err();
            assert!(error.contains("[store]") && error.contains(expected), "{store}: {error}");
        }
    }

    #[test]
    fn passwords_are_not_repeated() {
        let store = |line: &str| LEAST.replace("sqlite = \"capsules.sqlite\"", line);
        let config = parse(&store("postgresql = \"postgresql://cdoc2:hunter2@db/cdoc2\"")).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        for broken in [
            "postgresql = \"postgresql://cdoc2:hunter2@db/cdoc2",
            "postgresql = \"host=db password=hunter2\" x",
            "postgresql = 'a'hunter2",
        ] {
            let error = parse(&store(broken)).unwrap_err();
            assert!(error.contains("line 10") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn file_that_is_missing_is_named() {
        let error = Config::<Shares>::read(Path::new("/nonexistent/server.toml")).unwrap_err().to_string();
        assert!(error.starts_with("/nonexistent/server.toml: cannot be read"), "{error}");
    }
}
