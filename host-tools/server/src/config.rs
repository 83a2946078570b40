//! The server's configuration: one TOML file. `docs/cdoc2-server.toml` shows every key with its default.
//!
//! A key that is not known, a value out of range and two values that contradict each other are errors, which name the file, the line and the key.
//! Relative paths start from the folder of the file.

mod duration;
mod error;

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use error::Error;

/// Everything that an operator can set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where senders put capsules: TLS without client authentication.
    pub sender: Sender,
    /// Where recipients fetch capsules: TLS with client certificates.
    pub recipient: Recipient,
    /// Where the operator looks: plain HTTP.
    #[serde(default)]
    pub operations: Operations,
    /// The database.
    pub store: Store,
    /// How long capsules are kept.
    #[serde(default)]
    pub expiry: Expiry,
    /// Revocation of client certificates.
    #[serde(default)]
    pub ocsp: Ocsp,
    /// What clients may take.
    #[serde(default)]
    pub limits: Limits,
    /// Deletion of expired capsules.
    #[serde(default)]
    pub clean_up: CleanUp,
    /// What is written to standard error.
    #[serde(default)]
    pub log: Log,
}

/// The section `[sender]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// Address and port; port 0 takes a free one.
    #[serde(default = "sender_address")]
    pub address: SocketAddr,
    /// PEM: the server's certificate, then intermediate ones.
    pub certificate: PathBuf,
    /// PEM: the private key (PKCS#8, SEC 1 or PKCS#1), not encrypted.
    pub key: PathBuf,
}

/// The section `[recipient]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Address and port; port 0 takes a free one.
    #[serde(default = "recipient_address")]
    pub address: SocketAddr,
    /// PEM: the server's certificate, then intermediate ones.
    pub certificate: PathBuf,
    /// PEM: the private key (PKCS#8, SEC 1 or PKCS#1), not encrypted.
    pub key: PathBuf,
    /// PEM files with the authorities that client certificates must chain to.
    pub client_authorities: Vec<PathBuf>,
    /// PEM files with intermediate authorities, for clients that send their own certificate only. Not trusted by themselves.
    #[serde(default)]
    pub client_intermediates: Vec<PathBuf>,
}

/// The section `[operations]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Operations {
    /// Address and port; port 0 takes a free one. Whoever reaches it can read the metrics.
    pub address: SocketAddr,
}

/// The section `[store]`: one of the two.
#[derive(Clone, Deserialize)]
#[serde(try_from = "StoreKeys")]
pub enum Store {
    /// One file, made if it does not exist.
    Sqlite {
        /// The file. Two more appear beside it, with `-wal` and `-shm` after the name.
        path: PathBuf,
    },
    /// A database that several servers may share.
    Postgresql {
        /// `postgresql://user@host/database`, or `host=... user=... dbname=...`. May hold a password: never print it.
        url: String,
        /// A file whose first line is the password.
        password_file: Option<PathBuf>,
        /// PEM files: who may issue the database's certificate. With any the connection is TLS, without it is not.
        authorities: Vec<PathBuf>,
    },
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => f.debug_struct("Sqlite").field("path", path).finish(),
            Self::Postgresql { .. } => f.debug_struct("Postgresql").finish_non_exhaustive(),
        }
    }
}

/// `[store]` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreKeys {
    sqlite: Option<PathBuf>,
    postgresql: Option<String>,
    password_file: Option<PathBuf>,
    #[serde(default)]
    authorities: Vec<PathBuf>,
}

impl TryFrom<StoreKeys> for Store {
    type Error = &'static str;

    fn try_from(keys: StoreKeys) -> Result<Self, Self::Error> {
        match keys {
            StoreKeys { sqlite: None, postgresql: Some(url), password_file, authorities } => {
                Ok(Self::Postgresql { url, password_file, authorities })
            }
            StoreKeys { sqlite: Some(_), postgresql: None, password_file: Some(_), .. } => {
                Err("password_file goes with postgresql only")
            }
            StoreKeys { sqlite: Some(_), postgresql: None, authorities, .. } if !authorities.is_empty() => {
                Err("authorities goes with postgresql only")
            }
            StoreKeys { sqlite: Some(path), postgresql: None, .. } => Ok(Self::Sqlite { path }),
            _ => Err("name exactly one of sqlite and postgresql"),
        }
    }
}

/// The section `[expiry]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expiry {
    /// For capsules whose sender names no expiry.
    #[serde(with = "duration")]
    pub default: Duration,
    /// The longest that a sender may ask for.
    #[serde(with = "duration")]
    pub max: Duration,
    /// What happens to those who ask for more.
    pub too_long: TooLong,
}

/// What happens to a capsule whose sender asks for more than [`Expiry::max`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TooLong {
    /// It is refused: UC.KTS.01, 4b.
    Reject,
    /// It is kept for [`Expiry::max`], and the answer says so: interface 3.1.1, `x-expiry-time-adjusted`.
    Clamp,
}

/// The section `[ocsp]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ocsp {
    /// Whether responders are asked at all. Without, a revoked certificate opens capsules until it expires.
    pub enabled: bool,
    /// What happens while no responder answers.
    pub policy: OcspPolicy,
    /// For [`OcspPolicy::Grace`]: how long the last good answer is believed after its time.
    #[serde(with = "duration")]
    pub grace: Duration,
    /// The responder to ask instead of the one that certificates name.
    pub url: Option<String>,
    /// For one question.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// How far the responder's clock may be off.
    #[serde(with = "duration")]
    pub clock_skew: Duration,
    /// Whether questions carry a nonce (RFC 9654). An answer without one is taken all the same: many responders answer from stock.
    pub nonce: bool,
    /// Questions at the same time, and handshakes that wait for them. While there are so many, `policy` decides about further ones.
    pub pending: usize,
}

/// What happens while no OCSP responder answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OcspPolicy {
    /// Nobody gets in.
    Hard,
    /// Whoever was good lately gets in.
    Grace,
    /// Everybody gets in who is not known to be revoked.
    Soft,
}

/// The section `[limits]`.
///
/// "An address" is one of IPv4, or a /64 of IPv6: what one customer of a provider has. A rate of 0 is no limit.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections of each listener at the same time. Further ones wait in the system's queue.
    pub connections: usize,
    /// Connections that the system queues before it refuses them.
    pub backlog: u32,
    /// Handshakes an address may begin in a second, in the long run.
    pub handshakes_per_second: u32,
    /// Handshakes an address may begin at once.
    pub handshake_burst: u32,
    /// Requests an address may send in a second, in the long run. More get the status 429.
    pub requests_per_second: u32,
    /// Requests an address may send at once.
    pub request_burst: u32,
    /// From the connection to the end of the TLS handshake, OCSP included.
    #[serde(with = "duration")]
    pub handshake_timeout: Duration,
    /// From a request's first octet to the end of its header; also how long a connection may be idle between requests.
    #[serde(with = "duration")]
    pub header_timeout: Duration,
    /// From the end of a request's header to the end of its body.
    #[serde(with = "duration")]
    pub body_timeout: Duration,
    /// From a connection to its end; the request that was begun is finished. Bounds for how long a certificate is believed after its check.
    #[serde(with = "duration")]
    pub connection_lifetime: Duration,
    /// For the database's answer.
    #[serde(with = "duration")]
    pub store_timeout: Duration,
    /// For requests that were accepted when the server is told to stop.
    #[serde(with = "duration")]
    pub shutdown_timeout: Duration,
    /// Octets of a request's body.
    pub body_len: usize,
    /// Octets of a request's header.
    pub header_len: usize,
    /// Fields of a request's header.
    pub header_fields: usize,
}

/// The section `[clean_up]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CleanUp {
    /// From the end of one clean-up to the next.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// Capsules deleted in one transaction. Batches follow one another until nothing expired is left.
    pub batch: u32,
}

/// The section `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least important lines that are written.
    pub level: LogLevel,
}

/// How talkative the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What needs somebody's attention.
    Error,
    /// What may need it.
    Warn,
    /// A line for each request.
    Info,
    /// Connections and handshakes, too.
    Debug,
    /// Everything that this server says.
    Trace,
}

fn sender_address() -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, 8443).into()
}

fn recipient_address() -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, 8444).into()
}

impl Default for Operations {
    fn default() -> Self {
        Self { address: (Ipv4Addr::LOCALHOST, 8445).into() }
    }
}

impl Default for Expiry {
    /// What the existing capsule server ships with: three years, and at most five.
    fn default() -> Self {
        Self { default: days(1095), max: days(1825), too_long: TooLong::Reject }
    }
}

impl Default for Ocsp {
    fn default() -> Self {
        Self {
            enabled: true,
            policy: OcspPolicy::Hard,
            grace: days(1),
            url: None,
            timeout: Duration::from_secs(5),
            clock_skew: Duration::from_secs(60),
            nonce: true,
            pending: 128,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            backlog: 1024,
            handshakes_per_second: 20,
            handshake_burst: 100,
            requests_per_second: 50,
            request_burst: 200,
            handshake_timeout: Duration::from_secs(15),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(10),
            connection_lifetime: Duration::from_secs(600),
            store_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(20),
            body_len: 16 * 1024,
            header_len: 16 * 1024,
            header_fields: 64,
        }
    }
}

impl Default for CleanUp {
    fn default() -> Self {
        Self { interval: Duration::from_secs(60), batch: 1000 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info }
    }
}

const fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 60 * 60)
}

impl Config {
    /// Reads a file and checks it. Files that it names are not opened.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or says what cannot be.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(file).map_err(|error| Error::unreadable(file, &error))?;
        Self::parse(&text, file)
    }

    /// Takes `text` as the content of `file`, which need not exist.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, Error> {
        let mut config: Self = toml::from_str(text).map_err(|error| Error::malformed(file, text, &error))?;
        config.check().map_err(|(key, what)| Error::contradiction(file, key, what))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        for path in config.paths() {
            *path = folder.join(&*path);
        }
        Ok(config)
    }

    /// Every path in it.
    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let Self { sender, recipient, store, .. } = self;
        let mut paths = vec![&mut sender.certificate, &mut sender.key, &mut recipient.certificate, &mut recipient.key];
        paths.extend(recipient.client_authorities.iter_mut().chain(&mut recipient.client_intermediates));
        match store {
            Store::Sqlite { path } => paths.push(path),
            Store::Postgresql { password_file, authorities, .. } => {
                paths.extend(password_file);
                paths.extend(authorities);
            }
        }
        paths
    }

    /// What no type says. The key, and what is wrong with it.
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let Self { recipient, expiry, ocsp, limits, clean_up, .. } = self;
        let rules = [
            (
                !recipient.client_authorities.is_empty(),
                "recipient.client_authorities",
                "name at least one file: without, no client gets in",
            ),
            (expiry.default >= Duration::from_secs(1), "expiry.default", "must be a second or more"),
            (expiry.default <= expiry.max, "expiry.default", "must not be longer than expiry.max"),
            (expiry.max <= days(36_500), "expiry.max", "must not be longer than 36500d"),
            (!ocsp.timeout.is_zero(), "ocsp.timeout", "must be longer than nothing"),
            ((1..=256).contains(&ocsp.pending), "ocsp.pending", "must be from 1 to 256: a waiting handshake holds a thread"),
            (limits.connections > 0, "limits.connections", "must be 1 or more"),
            (limits.backlog > 0, "limits.backlog", "must be 1 or more"),
            (
                limits.handshakes_per_second == 0 || limits.handshake_burst > 0,
                "limits.handshake_burst",
                "must be 1 or more; for no limit set limits.handshakes_per_second = 0",
            ),
            (
                limits.requests_per_second == 0 || limits.request_burst > 0,
                "limits.request_burst",
                "must be 1 or more; for no limit set limits.requests_per_second = 0",
            ),
            (!limits.handshake_timeout.is_zero(), "limits.handshake_timeout", "must be longer than nothing"),
            (!limits.header_timeout.is_zero(), "limits.header_timeout", "must be longer than nothing"),
            (!limits.body_timeout.is_zero(), "limits.body_timeout", "must be longer than nothing"),
            (!limits.connection_lifetime.is_zero(), "limits.connection_lifetime", "must be longer than nothing"),
            (!limits.store_timeout.is_zero(), "limits.store_timeout", "must be longer than nothing"),
            (
                limits.body_len >= MIN_BODY_LEN,
                "limits.body_len",
                "must be 8192 or more: the longest capsule of the interface takes that",
            ),
            (limits.header_len >= 8192, "limits.header_len", "must be 8192 or more"),
            (limits.header_fields >= 16, "limits.header_fields", "must be 16 or more"),
            (!clean_up.interval.is_zero(), "clean_up.interval", "must be longer than nothing"),
            (clean_up.batch > 0, "clean_up.batch", "must be 1 or more"),
        ];
        rules.into_iter().try_for_each(|(holds, key, what)| if holds { Ok(()) } else { Err((key, what)) })
    }
}

/// Two fields of 2100 octets in base64, names and white space.
const MIN_BODY_LEN: usize = 8192;

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
        assert_eq!(config.sender.address.port(), 8443);
        assert_eq!(config.sender.certificate, Path::new("/srv/cdoc2/server.pem"));
        assert_eq!(config.sender.key, Path::new("/etc/cdoc2/server.key"));
        assert_eq!(config.recipient.client_authorities, [Path::new("/srv/cdoc2/authority.pem")]);
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
            ("[limits]\nconnections = -1", "line 13, connections: invalid value"),
            ("[limits]\nhandshake_burst = 0", "limits.handshake_burst must be 1 or more"),
            ("[ocsp]\npolicy = \"none\"", "line 13, policy: unknown variant `none`"),
            ("[clean_up]\nbatch = 0", "clean_up.batch must be 1 or more"),
            ("[operations]\naddress = \"localhost\"", "line 13, address: invalid socket address"),
        ] {
            let error = parse(&format!("{LEAST}\n{section}")).unwrap_err();
            assert!(error.contains(expected), "{section}: {error}");
        }
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
        let error = Config::read(Path::new("/nonexistent/server.toml")).unwrap_err().to_string();
        assert!(error.starts_with("/nonexistent/server.toml: cannot be read"), "{error}");
    }
}
