//! One search in one directory: TCP, TLS, an anonymous bind, the search.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use ldap3::asn1::{PL, StructureTag};
use ldap3::{DerefAliases, Ldap, LdapConnAsync, LdapConnSettings, LdapError, ResultEntry, Scope, SearchOptions, StdStream};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Directory, Error, guard};

/// The only attribute that is asked for (RFC 4523, 2.1).
const ATTRIBUTE: &str = "userCertificate;binary";

/// Result codes (RFC 4511, appendix A).
const SUCCESS: u32 = 0;
const TIME_LIMIT_EXCEEDED: u32 = 3;
const SIZE_LIMIT_EXCEEDED: u32 = 4;

/// What an entry of a directory holds.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its distinguished name, as the directory writes it.
    pub(super) dn: String,
    /// Its certificates, whatever they are.
    pub(super) certificates: Vec<Vec<u8>>,
}

/// Entries that were found.
#[derive(Debug)]
pub(super) struct Entries {
    pub(super) entries: Vec<Entry>,
    /// Whether there are more.
    pub(super) is_cut: bool,
}

/// Searches `directory` with `filter`, within its time-out.
pub(super) async fn search(directory: &Directory, filter: &str) -> Result<Entries, Error> {
    let timed_out = |_| Error::TimedOut(directory.timeout);
    timeout(directory.timeout, async {
        let stream = connect(directory).await?;
        ask(stream, directory, filter).await
    })
    .await
    .map_err(timed_out)?
}

/// Never without TLS, and never without its certificate checked.
async fn connect(directory: &Directory) -> Result<TlsStream<TcpStream>, Error> {
    let host = directory.host();
    let mut stream = TcpStream::connect((host, directory.port())).await.map_err(Error::Connection)?;
    if directory.is_start_tls() {
        guard::start_tls(&mut stream).await?;
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| Error::Tls(io::Error::other(error)))?;
    let connector = TlsConnector::from(Arc::<ClientConfig>::clone(&directory.tls));
    connector.connect(name, stream).await.map_err(of_tls)
}

fn of_tls(error: io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(inner @ rustls::Error::InvalidCertificate(_)) => Error::Untrusted(inner.clone()),
        _ if error.kind() == io::ErrorKind::UnexpectedEof => Error::Closed,
        _ => Error::Tls(error),
    }
}

/// The library speaks LDAP over one end of a pair of sockets; what comes to it passes the guard.
async fn ask(stream: TlsStream<TcpStream>, directory: &Directory, filter: &str) -> Result<Entries, Error> {
    let (library, ours) = std::os::unix::net::UnixStream::pair().map_err(Error::Connection)?;
    ours.set_nonblocking(true).map_err(Error::Connection)?;
    let ours = UnixStream::from_std(ours).map_err(Error::Connection)?;
    let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(library));
    let (connection, ldap) = LdapConnAsync::with_settings(settings, "ldapi://guard").await.map_err(of_library)?;
    let driver = AbortOnDrop(tokio::spawn(connection.drive()));

    let (from_directory, mut to_directory) = tokio::io::split(stream);
    let (mut from_library, to_library) = ours.into_split();
    let outwards = AbortOnDrop(tokio::spawn(async move { tokio::io::copy(&mut from_library, &mut to_directory).await }));
    let mut inwards = pin!(guard::relay(from_directory, to_library));
    let mut search = pin!(converse(ldap, directory, filter));
    let entries = tokio::select! {
        biased;
        relayed = &mut inwards => match relayed {
            Ok(()) => search.await,
            Err(error) => Err(error),
        },
        entries = &mut search => entries,
    };
    drop((driver, outwards));
    entries
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn converse(mut ldap: Ldap, directory: &Directory, filter: &str) -> Result<Entries, Error> {
    let bound = ldap.simple_bind("", "").await.map_err(of_library)?;
    if bound.rc != SUCCESS {
        return Err(Error::BindRefused { code: bound.rc });
    }
    let seconds = i32::try_from(directory.timeout.as_secs()).unwrap_or(i32::MAX).max(1);
    let options = SearchOptions::new().deref(DerefAliases::Never).sizelimit(directory.size_limit.cast_signed()).timelimit(seconds);
    ldap.with_search_options(options);
    let found = ldap.streaming_search(&directory.base, Scope::Subtree, filter, [ATTRIBUTE]).await;
    let mut found = found.map_err(of_library)?;
    let mut entries = Vec::new();
    while let Some(item) = found.next().await.map_err(of_library)? {
        // Another directory is not asked because this one says so.
        if item.is_ref() {
            continue;
        }
        if entries.len() as u64 == u64::from(directory.size_limit) {
            return Ok(Entries { entries, is_cut: true });
        }
        entries.push(entry(item).ok_or(Error::Malformed)?);
    }
    let result = found.finish().await;
    let is_cut = match result.rc {
        SUCCESS => false,
        SIZE_LIMIT_EXCEEDED => true,
        TIME_LIMIT_EXCEEDED if !entries.is_empty() => true,
        code => return Err(Error::SearchRefused { code }),
    };
    // It is over for the directory too. Whether it hears so does not matter.
    let _ = ldap.unbind().await;
    Ok(Entries { entries, is_cut })
}

/// Every other way of failing ends the library's connection without a reason.
fn of_library(error: LdapError) -> Error {
    match error {
        LdapError::Io { source } => Error::Connection(source),
        _ => Error::Closed,
    }
}

/// SearchResultEntry (RFC 4511, 4.5.2). `SearchEntry` of the library takes a certificate for text where its octets happen to be some.
fn entry(entry: ResultEntry) -> Option<Entry> {
    let mut fields = constructed(entry.0)?.into_iter();
    let dn = String::from_utf8(fields.next()?.expect_primitive()?).ok()?;
    let mut certificates = Vec::new();
    for attribute in constructed(fields.next()?)? {
        let mut fields = constructed(attribute)?.into_iter();
        let description = fields.next()?.expect_primitive()?;
        if description.eq_ignore_ascii_case(ATTRIBUTE.as_bytes()) {
            for value in constructed(fields.next()?)? {
                certificates.push(value.expect_primitive()?);
            }
        }
    }
    Some(Entry { dn, certificates })
}

fn constructed(tag: StructureTag) -> Option<Vec<StructureTag>> {
    match tag.payload {
        PL::C(elements) => Some(elements),
        PL::P(_) => None,
    }
}
