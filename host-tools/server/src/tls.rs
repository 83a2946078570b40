//! TLS 1.3 for the public listeners.
//!
//! There are no session tickets and no resumption: a resumed session would skip the client certificate's revocation check, and a stolen ticket key would
//! open recorded sessions. Every handshake is a full one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use der::Decode as _;
use revocation::ocsp::NonceRule;
use revocation::{Ocsp, Policy, Settings};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::runtime::Handle;
use x509_cert::Certificate;
use x509_cert::time::Validity;
use zeroize::Zeroize as _;

use crate::config::{self, OcspPolicy};
use crate::files::Named;
use crate::metrics;
use crate::server::StartError;

/// Time enough to get another certificate, and to tell clients.
const SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

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
    let chain = Named { section: listener, key: "certificate", path: chain };
    let key = Named { section: listener, key: "key", path: key };
    let certificates = chain.certificates()?;
    let mut private = key.private_key()?;
    let certified = CertifiedKey::from_der(certificates, private.clone_key(), provider);
    private.zeroize();
    let certified = certified.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            key.fault(format_args!("is not the key of the certificate in {}", chain.path.display()))
        }
        error => key.fault(format_args!("and {} cannot be used: {error}", chain.path.display())),
    })?;
    let first = certified.end_entity_cert().map_err(|error| chain.fault(format_args!("cannot be used: {error}")))?;
    metrics::certificate_not_after(listener, valid_until(&chain, first)?.as_secs_f64());
    Ok(certified)
}

/// Until when the server's certificate is valid, from 1970 on. It must be now: from any other clients turn away, which looks as if the server were down.
fn valid_until(chain: &Named<'_>, octets: &CertificateDer<'_>) -> Result<Duration, StartError> {
    let certificate = Certificate::from_der(octets);
    let certificate = certificate.map_err(|error| chain.fault(format_args!("holds a certificate that is malformed: {error}")))?;
    let Validity { not_before, not_after, .. } = certificate.tbs_certificate().validity();
    let now = Duration::from_secs(UnixTime::now().as_secs());
    if now < not_before.to_unix_duration() {
        return Err(chain.fault(format_args!("is not valid before {not_before}; or this machine's clock is wrong")));
    }
    // What clients pin may be compared with it.
    let sha256 = digest(&SHA256, octets).as_ref().iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    tracing::info!(file = %chain, %not_after, sha256, "certificate read");
    let left = not_after.to_unix_duration().checked_sub(now);
    let left = left.ok_or_else(|| chain.fault(format_args!("expired at {not_after}; or this machine's clock is wrong")))?;
    if left < SOON {
        tracing::warn!(file = %chain, %not_after, "the server's certificate expires soon");
    }
    Ok(not_after.to_unix_duration())
}
