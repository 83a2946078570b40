//! A configuration file as it is read: its text, the place of what is wrong in it, the files that it names.

use std::fs;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use reqwest::Url;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::ParsedCertificate;
use serde::de::DeserializeOwned;
use toml::Spanned;

use super::MAX_FILE_LEN;

/// What is wrong with a configuration, in words for the person who wrote it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error("{}: there is no such configuration file", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{}: the configuration cannot be read: {source}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("{}{}: {}{reason}", path.display(), at(*line), about(key))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1, if it is known.
        line: Option<usize>,
        /// The key that is wrong; empty where the text is not TOML.
        key: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
}

fn at(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(":{line}"))
}

fn about(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}

/// A configuration file.
pub(super) struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => Error::Missing { path: path.to_owned() },
            _ => Error::Read { path: path.to_owned(), source },
        };
        let octets = read(path).map_err(failed)?;
        let text = String::from_utf8(octets).map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        Ok(Self { path: path.to_owned(), text })
    }

    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        toml::from_str(&self.text).map_err(|error| Error::Invalid {
            path: self.path.clone(),
            line: error.span().map(|span| self.line(&span)),
            key: String::new(),
            reason: error.message().trim_end().to_owned(),
        })
    }

    /// The error that what stands at `span`, the value of `key`, is wrong for `reason`.
    pub(super) fn invalid(&self, span: Range<usize>, key: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Invalid { path: self.path.clone(), line: Some(self.line(&span)), key: key.into(), reason: reason.into() }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        before.iter().filter(|octet| **octet == b'\n').count() + 1
    }

    /// An address over HTTPS with nothing in it but a host, a port and a path. On the same machine too: what is pinned there is pinned
    /// everywhere, and nobody has to know what the machine is.
    pub(super) fn https(&self, text: &Spanned<String>, key: &str) -> Result<Url, Error> {
        let invalid = |reason: &str| self.invalid(text.span(), key, reason);
        let url = Url::parse(text.get_ref()).map_err(|error| invalid(&format!("not a URL: {error}")))?;
        if url.scheme() != "https" {
            return Err(invalid("only https:// addresses are taken, on this machine too"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("a host, perhaps a port and a path, is all that may be in the address"));
        }
        Ok(url)
    }

    /// The certificates of `list`, each a path or PEM itself: at least one.
    pub(super) fn certificates(
        &self,
        list: &Spanned<Vec<Spanned<String>>>,
        key: &str,
    ) -> Result<Vec<CertificateDer<'static>>, Error> {
        let mut certificates = Vec::new();
        for entry in list.get_ref() {
            let invalid = |reason: String| self.invalid(entry.span(), key, reason);
            if entry.get_ref().trim_start().starts_with("-----BEGIN") {
                certificates.extend(pem(entry.get_ref().as_bytes()).map_err(|reason| invalid(reason.to_owned()))?);
                continue;
            }
            let path = self.resolve(entry.get_ref());
            let octets = read(&path).map_err(|error| invalid(format!("{}: {error}", path.display())))?;
            let read = pem(&octets).map_err(|reason| invalid(format!("{}: {reason}", path.display())))?;
            certificates.extend(read);
        }
        if certificates.is_empty() {
            return Err(self.invalid(list.span(), key, "no certificate: without one nobody can be trusted"));
        }
        Ok(certificates)
    }

    /// A path that is not absolute begins where the configuration is.
    fn resolve(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }
}

/// A whole file of at most [`MAX_FILE_LEN`] octets.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    fs::File::open(path)?.take(MAX_FILE_LEN as u64 + 1).read_to_end(&mut octets)?;
    if octets.len() > MAX_FILE_LEN {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is longer than 1 MiB"));
    }
    Ok(octets)
}

/// The certificates in PEM, at least one.
fn pem(octets: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    const UNSOUND: &str = "not a sound certificate in PEM";
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(octets).collect();
    let certificates = certificates.map_err(|_| UNSOUND)?;
    if certificates.is_empty() {
        return Err("no certificate in PEM is in it");
    }
    let is_sound = |certificate: &CertificateDer<'_>| ParsedCertificate::try_from(certificate).is_ok();
    if certificates.iter().all(is_sound) { Ok(certificates) } else { Err(UNSOUND) }
}
