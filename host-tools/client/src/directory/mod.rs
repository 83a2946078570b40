//! Directories of certificates over LDAP (RFC 4511): whose key a file is to be encrypted to.
//!
//! Several directories are asked at once, each over TLS that its own authorities vouch for, and each for a bounded time and a bounded answer.
//! What they have is merged and judged: every certificate is a [`Candidate`], with the [`Verdict`] why it was taken or left. The code in a
//! taken certificate is the one that was asked for, whatever entry the directory keeps it in. Where a directory is configured with
//! [issuers](Settings::issuers), no other's certificates are taken from it; without them it is trusted for who issued what it has. Revocation is
//! not checked.
//!
//! A directory learns whom a file is for. It is asked only for codes that are right, and only for what it is configured to be asked.

mod candidate;
mod connection;
mod error;
mod guard;
mod issuers;
mod query;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::Url;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

pub use candidate::{Candidate, Holder, Kind, Reason, Verdict};
use connection::Entries;
pub use error::{Error, Failure, SearchError};
use issuers::Issuers;
pub use query::{MAX_NAME_CHARS, MIN_NAME_CHARS, Name, Query, QueryError, QueryKind};

use crate::tls::is_authority;

/// How long a directory may take from the connection to its last answer, if it is not said otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Entries that are asked for at most, if it is not said otherwise. SK's directory gives no more than 50.
pub const DEFAULT_SIZE_LIMIT: u32 = 100;
/// Certificates that are judged at most, over all directories.
const MAX_CANDIDATES: usize = 1000;

/// A directory that can be asked.
#[derive(Clone, Debug)]
pub struct Directory {
    name: String,
    url: Url,
    start_tls: bool,
    base: String,
    queries: Vec<QueryKind>,
    timeout: Duration,
    size_limit: u32,
    tls: Arc<ClientConfig>,
    issuers: Option<Issuers>,
}

/// What a directory is, as its configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What people call it.
    pub name: String,
    /// `ldaps://HOST[:PORT]`, or `ldap://HOST[:PORT]` with `start_tls`.
    pub url: Url,
    /// TLS begins after the connection (RFC 4511, 4.14).
    pub start_tls: bool,
    /// The distinguished name of the entry under which is searched.
    pub base: String,
    /// Certificates of authorities, one of which must have issued the directory's TLS certificate.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Whether the authorities that the system trusts may have.
    pub system_authorities: bool,
    /// What it is asked by.
    pub queries: Vec<QueryKind>,
    /// How long it may take from the connection to its last answer.
    pub timeout: Duration,
    /// How many entries are asked for at most; at least 1.
    pub size_limit: u32,
    /// Certificates of authorities, one of which must have issued what is taken from the directory, each of them itself. None: whoever has.
    pub issuers: Option<Vec<CertificateDer<'static>>>,
}

/// Settings that no directory can have.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The address is of another kind.
    #[error("a directory's address is ldaps://HOST, or ldap://HOST with start_tls = true: nothing is asked without TLS")]
    Url,
    /// The address says more than where the directory is.
    #[error("a host and perhaps a port is all that may be in the address; what is searched is said by base")]
    UrlParts,
    /// `ldaps` is TLS already.
    #[error("start_tls is for ldap://, and ldaps:// is TLS already")]
    StartTls,
    /// Nobody vouches for it.
    #[error("no authority: without one the directory cannot be told from another that takes its place")]
    NoAuthority,
    /// One of the authorities' certificates cannot be used.
    #[error("an authority's certificate cannot be used: {0}")]
    Authority(rustls::Error),
    /// The system's authorities cannot be had.
    #[error("the authorities that the system trusts cannot be read")]
    SystemAuthorities,
    /// One of the issuers' certificates cannot be used, or is no authority's.
    #[error("a certificate that is no authority's: whoever has its key could not issue other people's certificates")]
    Issuer,
    /// A limit of zero.
    #[error("a limit of zero lets nothing be found")]
    Limit,
}

impl Directory {
    /// Checks the settings, and makes ready for TLS.
    ///
    /// # Errors
    /// Why no directory can have them.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let Settings { name, url, start_tls, base, authorities, system_authorities, queries, timeout, size_limit, issuers } =
            settings;
        match (url.scheme(), start_tls) {
            ("ldaps", false) | ("ldap", true) => {}
            ("ldaps", true) => return Err(SettingsError::StartTls),
            _ => return Err(SettingsError::Url),
        }
        let is_host_alone = url.username().is_empty()
            && url.password().is_none()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_host_alone || url.host_str().is_none_or(str::is_empty) {
            return Err(SettingsError::UrlParts);
        }
        if size_limit == 0 || i32::try_from(size_limit).is_err() || timeout.is_zero() {
            return Err(SettingsError::Limit);
        }
        let tls = Arc::new(tls(authorities, system_authorities)?);
        if !issuers.iter().flatten().all(|issuer| is_authority(issuer)) {
            return Err(SettingsError::Issuer);
        }
        let issuers = issuers.map(|issuers| Issuers::new(&issuers)).transpose().map_err(|_| SettingsError::Issuer)?;
        Ok(Self { name, url, start_tls, base, queries, timeout, size_limit, tls, issuers })
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it is asked by this.
    #[must_use]
    pub fn takes(&self, kind: QueryKind) -> bool {
        self.queries.contains(&kind)
    }

    fn is_start_tls(&self) -> bool {
        self.start_tls
    }

    /// A name, or an address; that of IPv6 without its brackets.
    fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// RFC 4516, 2; for `ldaps` by convention.
    fn port(&self) -> u16 {
        self.url.port().unwrap_or(if self.start_tls { 389 } else { 636 })
    }
}

/// TLS 1.3, or 1.2 where a directory has not got further: what is asked is no secret of the file, and nothing is kept from it.
fn tls(authorities: Vec<CertificateDer<'static>>, system_authorities: bool) -> Result<ClientConfig, SettingsError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(SettingsError::Authority)?;
    }
    if system_authorities {
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            return Err(SettingsError::SystemAuthorities);
        }
    }
    if roots.is_empty() {
        return Err(SettingsError::NoAuthority);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(SettingsError::Authority)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What the directories that answered have.
#[derive(Debug)]
pub struct Found {
    /// Every certificate once, those taken first.
    pub candidates: Vec<Candidate>,
    /// Directories that gave no answer.
    pub failures: Vec<Failure>,
    /// Names of the directories that have more than they, or their configuration, let be found.
    pub cut: Vec<String>,
}

impl Found {
    /// The certificates that a file can be encrypted to.
    pub fn taken(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|candidate| candidate.is_taken())
    }
}

/// Those of `directories` that are asked for what `query` is.
pub fn asked<'d>(directories: &'d [Directory], query: &Query) -> impl Iterator<Item = &'d Directory> {
    let kind = query.kind();
    directories.iter().filter(move |directory| directory.takes(kind))
}

/// Asks all `directories` that take such a query, at once, and judges what they have at the moment `now`.
///
/// Takes as long as the slowest of them, at most its time-out. May be called from any thread, that of an asynchronous runtime too.
///
/// # Errors
/// No directory could be asked, or not one gave an answer. If one did, the failures of the others stand in the answer.
pub fn search(directories: &[Directory], query: &Query, now: SystemTime) -> Result<Found, SearchError> {
    let asked: Vec<_> = asked(directories, query).cloned().collect();
    if asked.is_empty() {
        return Err(SearchError::NoDirectory);
    }
    let directories = asked.clone();
    let filter = query.filter();
    let answers = std::thread::scope(|scope| {
        // A thread of its own: the caller's may belong to a runtime, in which no other can wait.
        let thread = std::thread::Builder::new().name("directories".to_owned()).spawn_scoped(scope, || ask_all(asked, &filter));
        thread?.join().unwrap_or_else(|_| Err(io::Error::other("the search was broken off")))
    });
    let mut found = Found { candidates: Vec::new(), failures: Vec::new(), cut: Vec::new() };
    let mut is_answered = false;
    for (directory, answer) in directories.iter().zip(answers.map_err(SearchError::System)?) {
        match answer {
            Ok(entries) => {
                is_answered = true;
                found.add(directory, entries, query, now);
            }
            Err(error) => found.failures.push(Failure { directory: directory.name.clone(), error }),
        }
    }
    if !is_answered {
        return Err(SearchError::AllFailed(found.failures));
    }
    found.candidates.sort_by_key(|candidate| !candidate.is_taken());
    Ok(found)
}

/// The answers in the order of the directories.
fn ask_all(directories: Vec<Directory>, filter: &str) -> io::Result<Vec<Result<Entries, Error>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let answers = runtime.block_on(async {
        let tasks: Vec<_> = directories
            .into_iter()
            .map(|directory| {
                let filter = filter.to_owned();
                tokio::spawn(async move { connection::search(&directory, &filter).await })
            })
            .collect();
        let mut answers = Vec::with_capacity(tasks.len());
        for task in tasks {
            answers.push(task.await.unwrap_or(Err(Error::Malformed)));
        }
        answers
    });
    // A look-up of a name cannot be broken off, and is not waited for.
    runtime.shutdown_background();
    Ok(answers)
}

impl Found {
    fn add(&mut self, directory: &Directory, found: Entries, query: &Query, now: SystemTime) {
        let mut is_cut = found.is_cut;
        for entry in found.entries {
            for der in entry.certificates {
                if let Some(known) = self.candidates.iter_mut().find(|candidate| candidate.der == der) {
                    // One directory may be trusted for what another is not.
                    if known.verdict == Verdict::Left(Reason::Issuer) {
                        let directories = std::mem::take(&mut known.directories);
                        *known = Candidate { directories, ..Candidate::new(der, &entry.dn, directory, query, now) };
                    }
                    if !known.directories.contains(&directory.name) {
                        known.directories.push(directory.name.clone());
                    }
                } else if self.candidates.len() < MAX_CANDIDATES {
                    self.candidates.push(Candidate::new(der, &entry.dn, directory, query, now));
                } else {
                    is_cut = true;
                }
            }
        }
        if is_cut {
            self.cut.push(directory.name.clone());
        }
    }
}
