//! Certificates, keys and revocation lists, from the files that the configuration names. What is wrong with one of them is told with its key.

use std::fmt::{self, Arguments};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use der::{DateTime, Decode as _};
use revocation::Crls;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use zeroize::Zeroizing;

use crate::metrics;
use crate::server::StartError;

/// A file, and the key that names it.
#[derive(Clone, Copy)]
pub(crate) struct Named<'c> {
    /// The section, without its brackets.
    pub(crate) section: &'static str,
    pub(crate) key: &'static str,
    pub(crate) path: &'c Path,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}: {}", self.section, self.key, self.path.display())
    }
}

impl Named<'_> {
    /// The same key's files.
    fn all<'c>(section: &'static str, key: &'static str, paths: &'c [PathBuf]) -> impl Iterator<Item = Named<'c>> {
        paths.iter().map(move |path| Named { section, key, path })
    }

    /// What is wrong with it.
    pub(crate) fn fault(&self, what: Arguments<'_>) -> StartError {
        StartError::new(format!("{self} {what}"))
    }

    fn read(&self) -> Result<Zeroizing<Vec<u8>>, StartError> {
        fs::read(self.path).map(Zeroizing::new).map_err(|error| self.fault(format_args!("cannot be read: {error}")))
    }

    /// All that it holds of one kind; at least one.
    fn pem<T>(&self, found: impl Iterator<Item = Result<T, impl fmt::Display>>, kind: Arguments<'_>) -> Result<Vec<T>, StartError> {
        let found: Result<Vec<_>, _> = found.collect();
        match found {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err(self.fault(format_args!("holds no {kind}"))),
            Err(error) => Err(self.fault(format_args!("is no PEM: {error}"))),
        }
    }

    /// The certificates of a PEM file.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, StartError> {
        let text = self.read()?;
        let kind = format_args!("certificate in PEM (\"-----BEGIN CERTIFICATE-----\")");
        self.pem(CertificateDer::pem_slice_iter(&text), kind)
    }

    /// The private key of a PEM file.
    pub(crate) fn private_key(&self) -> Result<PrivateKeyDer<'static>, StartError> {
        let key = PrivateKeyDer::from_pem_slice(&self.read()?).map_err(|_| {
            self.fault(format_args!("holds no private key in PEM that is not encrypted (\"-----BEGIN PRIVATE KEY-----\")"))
        })?;
        if fs::metadata(self.path).is_ok_and(|metadata| metadata.mode() & 0o007 != 0) {
            tracing::warn!(file = %self, "everybody on this machine can read or change this private key: chmod o= it");
        }
        Ok(key)
    }

    /// The revocation lists of a PEM file, or that of a DER file.
    fn lists(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, StartError> {
        let octets = self.read()?;
        // DER begins with the tag of a SEQUENCE. Text may come before what PEM begins with.
        if octets.first() == Some(&0x30) {
            return Ok(vec![octets.to_vec().into()]);
        }
        let kind = format_args!("revocation list in DER or PEM (\"-----BEGIN X509 CRL-----\")");
        self.pem(CertificateRevocationListDer::pem_slice_iter(&octets), kind)
    }
}

/// The certificates of authorities, in all files of a key.
pub(crate) fn authorities(
    section: &'static str,
    key: &'static str,
    paths: &[PathBuf],
) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let mut all = Vec::new();
    for file in Named::all(section, key, paths) {
        let before = all.len();
        for (place, certificate) in (1..).zip(file.certificates()?) {
            is_authority(&certificate)
                .map_err(|what| file.fault(format_args!("holds what is no authority's: certificate {place} {what}")))?;
            all.push(certificate);
        }
        let certificates = all.len() - before;
        tracing::info!(%file, certificates, "authorities read");
    }
    Ok(all)
}

/// Whether its owner may issue certificates; of what is trusted, nobody else asks that (RFC 5280, 6.1). Names are not told: it may be a person's.
fn is_authority(certificate: &CertificateDer<'_>) -> Result<(), &'static str> {
    let malformed = |_| "is malformed";
    let certificate = Certificate::from_der(certificate).map_err(malformed)?;
    let certified = certificate.tbs_certificate();
    if !certified.get_extension::<BasicConstraints>().map_err(malformed)?.is_some_and(|(_, constraints)| constraints.ca) {
        return Err("is nobody's who issues certificates (basicConstraints)");
    }
    if !certified.get_extension::<KeyUsage>().map_err(malformed)?.is_none_or(|(_, usage)| usage.key_cert_sign()) {
        return Err("is not for issuing certificates (keyUsage)");
    }
    Ok(())
}

/// The same, to be trusted.
pub(crate) fn roots(section: &'static str, key: &'static str, paths: &[PathBuf]) -> Result<RootCertStore, StartError> {
    let mut roots = RootCertStore::empty();
    for certificate in authorities(section, key, paths)? {
        roots.add(certificate).map_err(|error| StartError::new(format!("{section}.{key}: {error}")))?;
    }
    Ok(roots)
}

/// The revocation lists of `[crl]`, if there are any.
pub(crate) fn lists(paths: &[PathBuf]) -> Result<Option<Arc<Crls>>, StartError> {
    let (mut lists, mut files) = (Vec::new(), Vec::new());
    for file in Named::all("crl", "files", paths) {
        let found = file.lists()?;
        files.extend(found.iter().map(|_| file));
        lists.extend(found);
    }
    if lists.is_empty() {
        return Ok(None);
    }
    let lists = Crls::new(&lists).map_err(|error| {
        let what = format!("a revocation list is malformed or of a kind that is not supported: {}", error.cause);
        files.get(error.place).map_or_else(|| StartError::new(&*what), |file| StartError::new(format!("{file}: {what}")))
    })?;
    let next_updates = lists.next_updates();
    for (file, next_update) in files.iter().zip(&next_updates) {
        let until = DateTime::from_unix_duration(Duration::from_secs(next_update.as_secs())).map(|time| time.to_string());
        tracing::info!(%file, next_update = until.unwrap_or_default(), "revocation list read");
        if *next_update < UnixTime::now() {
            tracing::warn!(%file, "a revocation list is outdated: it counts against those who are on it, and for nobody");
        }
    }
    metrics::lists_next_update(next_updates.iter().map(UnixTime::as_secs).min().map_or(0.0, |seconds| seconds as f64));
    Ok(Some(Arc::new(lists)))
}
