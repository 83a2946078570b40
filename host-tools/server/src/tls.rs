//! TLS 1.3 for the public listeners, and the files that it needs.
//!
//! There are no session tickets and no resumption: a resumed session would skip the client certificate's revocation check, and a stolen ticket key would
//! open recorded sessions. Every handshake is a full one.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use der::Decode as _;
use revocation::ocsp::NonceRule;
use revocation::{Ocsp, Policy, Settings};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::runtime::Handle;
use zeroize::{Zeroize as _, Zeroizing};

use crate::config::{self, OcspPolicy};
use crate::metrics;
use crate::server::StartError;

/// aws-lc-rs. Key exchange is hybrid with ML-KEM for clients that can: capsules and shares are to stay secret from whoever records them today.
pub(crate) fn crypto_provider() -> CryptoProvider {
    use provider::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
    CryptoProvider { kx_groups: vec![X25519MLKEM768, X25519, SECP256R1, SECP384R1], ..provider::default_provider() }
}

/// What `listener` offers, with the certificate and the key in these files. With a verifier, clients are asked for certificates.
pub(crate) fn server_config(
    listener: &'static str,
    chain: &Path,
    key: &Path,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<ServerConfig>, StartError> {
    let provider = Arc::new(crypto_provider());
    let key = certified_key(listener, chain, key, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| StartError::new(format!("TLS 1.3: {error}")))?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The authorities in PEM files.
pub(crate) fn roots(files: &[PathBuf]) -> Result<RootCertStore, StartError> {
    let mut roots = RootCertStore::empty();
    for file in files {
        for certificate in certificates(file)? {
            roots
                .add(certificate)
                .map_err(|error| fault(file, format_args!("holds what is no certificate of an authority: {error}")))?;
        }
    }
    Ok(roots)
}

/// The certificates in PEM files.
pub(crate) fn all_certificates(files: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let mut all = Vec::new();
    for file in files {
        all.extend(certificates(file)?);
    }
    Ok(all)
}

/// What asks responders, on the runtime that this is called in. It remembers answers, so there is one for as long as the server runs.
pub(crate) fn ocsp(config: &config::Ocsp) -> Option<Ocsp> {
    let mut settings = Settings::default();
    settings.url.clone_from(&config.url);
    settings.policy = match config.policy {
        OcspPolicy::Hard => Policy::Hard,
        OcspPolicy::Grace => Policy::Grace(config.grace),
        OcspPolicy::Soft => Policy::Soft,
    };
    settings.timeout = config.timeout;
    settings.rules.max_age = config.max_age;
    settings.rules.clock_skew = config.clock_skew;
    settings.rules.nonce = if config.nonce { NonceRule::Optional } else { NonceRule::Omitted };
    settings.max_pending = config.pending;
    config.enabled.then(|| Ocsp::new(settings, Handle::current()))
}

/// A chain with the key that fits its first certificate.
fn certified_key(listener: &'static str, chain: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, StartError> {
    let certificates = certificates(chain)?;
    let not_after = certificates.first().and_then(|first| not_after(first));
    let mut private = private_key(key)?;
    let certified = CertifiedKey::from_der(certificates, private.clone_key(), provider);
    private.zeroize();
    let certified = certified.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => fault(key, format_args!("is not the key of the certificate in {}", chain.display())),
        error => fault(key, format_args!("and {} cannot be used: {error}", chain.display())),
    })?;
    if let Some(seconds) = not_after {
        metrics::certificate_not_after(listener, seconds);
    }
    Ok(certified)
}

/// Seconds after 1970.
fn not_after(certificate: &CertificateDer<'_>) -> Option<f64> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    Some(certificate.tbs_certificate().validity().not_after.to_unix_duration().as_secs_f64())
}

/// All certificates of a PEM file, which must hold at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let text = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(fault(file, format_args!("holds no certificate in PEM (\"-----BEGIN CERTIFICATE-----\")"))),
        Err(error) => Err(fault(file, format_args!("is no PEM: {error}"))),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, StartError> {
    let text = read(file)?;
    if fs::metadata(file).is_ok_and(|metadata| metadata.mode() & 0o007 != 0) {
        tracing::warn!(file = %file.display(), "everybody on this machine can read or change this private key: chmod o= it");
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        fault(file, format_args!("holds no private key in PEM that is not encrypted (\"-----BEGIN PRIVATE KEY-----\")"))
    })
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, StartError> {
    fs::read(file).map(Zeroizing::new).map_err(|error| fault(file, format_args!("cannot be read: {error}")))
}

fn fault(file: &Path, what: std::fmt::Arguments<'_>) -> StartError {
    StartError::new(format!("{} {what}", file.display()))
}
