//! The sections that every server's configuration has.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{Rule, duration};

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
    /// For what a sender puts without naming an expiry.
    #[serde(with = "duration")]
    pub default: Duration,
    /// The longest that a sender may ask for.
    #[serde(with = "duration")]
    pub max: Duration,
    /// What happens to those who ask for more.
    pub too_long: TooLong,
}

/// What happens to those who ask for more than [`Expiry::max`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TooLong {
    /// They are refused: UC.KTS.01, 4b.
    Reject,
    /// What they put is kept for [`Expiry::max`], and the answer says so: interface 3.1.1, `x-expiry-time-adjusted`.
    Clamp,
}

/// The section `[ocsp]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ocsp {
    /// Whether responders are asked at all. Without, a revoked certificate opens all that is kept for its owner until it expires.
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
    /// For how long after it was given an answer is believed that does not say for how long (no nextUpdate); and after how long any answer is asked
    /// for anew, whatever it says.
    #[serde(with = "duration")]
    pub max_age: Duration,
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

/// The section `[crl]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Crl {
    /// Revocation lists in PEM or DER, of the authorities that issue the clients' certificates. Looked at where no responder answers, before
    /// [`Ocsp::policy`]; with OCSP off they decide alone.
    pub files: Vec<PathBuf>,
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
    /// From the connection to the end of the TLS handshake, OCSP included where there are client certificates.
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
    /// What is deleted without a pause, at most. Batches follow one another until nothing expired is left. In PostgreSQL a batch is one transaction for
    /// each table; in SQLite no transaction deletes more than 256, since what is put waits for it.
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
            max_age: Duration::from_secs(15 * 60),
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

impl Store {
    /// Every path in it.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        match self {
            Self::Sqlite { path } => vec![path],
            Self::Postgresql { password_file, authorities, .. } => password_file.iter_mut().chain(authorities).collect(),
        }
    }
}

impl Expiry {
    pub(super) fn rules(&self) -> [Rule; 3] {
        [
            (self.default >= Duration::from_secs(1), "expiry.default", "must be a second or more"),
            (self.default <= self.max, "expiry.default", "must not be longer than expiry.max"),
            (self.max <= days(36_500), "expiry.max", "must not be longer than 36500d"),
        ]
    }
}

/// A time-out longer than this is none.
const LONGEST: Duration = days(1);

/// Whether something ends, and not at once.
fn bounded(timeout: Duration) -> bool {
    !timeout.is_zero() && timeout <= LONGEST
}

const BOUNDED: &str = "must be longer than nothing, and at most 1d";

impl Ocsp {
    pub(super) fn rules(&self) -> [Rule; 6] {
        [
            (
                self.url.as_deref().is_none_or(revocation::http::is_address),
                "ocsp.url",
                "must be an address of plain HTTP, such as \"http://ocsp.example.org\": answers are signed, and not asked for by TLS",
            ),
            (bounded(self.timeout), "ocsp.timeout", BOUNDED),
            ((Duration::from_secs(1)..=days(7)).contains(&self.max_age), "ocsp.max_age", "must be from 1s to 7d"),
            (self.clock_skew <= Duration::from_secs(60 * 60), "ocsp.clock_skew", "must be at most 1h: put the clock right"),
            (self.grace <= days(90), "ocsp.grace", "must be at most 90d"),
            ((1..=256).contains(&self.pending), "ocsp.pending", "must be from 1 to 256: a waiting handshake holds a thread"),
        ]
    }
}

impl Limits {
    pub(super) fn rules(&self) -> [Rule; 14] {
        [
            ((1..=1_000_000).contains(&self.connections), "limits.connections", "must be from 1 to 1000000"),
            ((1..=65_535).contains(&self.backlog), "limits.backlog", "must be from 1 to 65535"),
            (
                self.handshakes_per_second == 0 || self.handshake_burst > 0,
                "limits.handshake_burst",
                "must be 1 or more; for no limit set limits.handshakes_per_second = 0",
            ),
            (
                self.requests_per_second == 0 || self.request_burst > 0,
                "limits.request_burst",
                "must be 1 or more; for no limit set limits.requests_per_second = 0",
            ),
            (bounded(self.handshake_timeout), "limits.handshake_timeout", BOUNDED),
            (bounded(self.header_timeout), "limits.header_timeout", BOUNDED),
            (bounded(self.body_timeout), "limits.body_timeout", BOUNDED),
            (bounded(self.connection_lifetime), "limits.connection_lifetime", BOUNDED),
            (bounded(self.store_timeout), "limits.store_timeout", BOUNDED),
            (self.shutdown_timeout <= LONGEST, "limits.shutdown_timeout", "must be at most 1d"),
            (self.body_len <= MAX_LEN, "limits.body_len", "must be at most 1048576: nothing that is put comes near"),
            (self.header_len <= MAX_LEN, "limits.header_len", "must be at most 1048576: nothing that is sent comes near"),
            (self.header_fields >= 16, "limits.header_fields", "must be 16 or more"),
            (self.header_fields <= 1024, "limits.header_fields", "must be at most 1024"),
        ]
    }
}

/// More octets than any request has, and as many as every connection may hold.
const MAX_LEN: usize = 1024 * 1024;

impl CleanUp {
    pub(super) fn rules(&self) -> [Rule; 2] {
        [
            (
                !self.interval.is_zero() && self.interval <= days(30),
                "clean_up.interval",
                "must be longer than nothing, and at most 30d",
            ),
            ((1..=100_000).contains(&self.batch), "clean_up.batch", "must be from 1 to 100000"),
        ]
    }
}
