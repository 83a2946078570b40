//! Client certificates for rustls: chain, dates, key usage, and revocation by OCSP.
//!
//! - [`Authorities`] say whether a certificate is trusted for a purpose, wherever it came from.
//! - [`ClientVerifier`] is a [`rustls::server::danger::ClientCertVerifier`].
//! - [`Ocsp`] asks responders, remembers what they said, and decides by a [`Policy`].
//! - [`Crls`] are looked at where no responder answers.
//! - [`ocsp`] has the messages of both sides, and needs neither a network nor a clock.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use revocation::{ClientVerifier, Ocsp, Policy, Settings};
//! use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, version::TLS13};
//! use rustls_pki_types::pem::PemObject as _;
//! use rustls_pki_types::{CertificateDer, PrivateKeyDer};
//!
//! # let runtime = tokio::runtime::Runtime::new()?;
//! let mut roots = RootCertStore::empty();
//! roots.add(CertificateDer::from_pem_file("root.pem")?)?;
//!
//! // The responder is the one that a certificate names. Where it does not answer, who was good stays so for an hour.
//! let mut settings = Settings::default();
//! settings.policy = Policy::Grace(Duration::from_secs(3600));
//! let ocsp = Ocsp::new(settings, runtime.handle().clone());
//!
//! let provider = Arc::new(aws_lc_rs::default_provider());
//! let verifier = ClientVerifier::builder(roots, &provider)
//!     .intermediates(vec![CertificateDer::from_pem_file("intermediate.pem")?])
//!     .ocsp(ocsp)
//!     .build()?;
//! let config = ServerConfig::builder_with_provider(provider)
//!     .with_protocol_versions(&[&TLS13])?
//!     .with_client_cert_verifier(Arc::new(verifier))
//!     .with_single_cert(vec![CertificateDer::from_pem_file("server.pem")?], PrivateKeyDer::from_pem_file("server.key")?)?;
//! # drop(config);
//! # Ok(())
//! # }
//! ```
//!
//! # What a client is told
//! | the certificate | TLS alert |
//! |---|---|
//! | is expired, or not valid yet | `certificate_expired` |
//! | is another authority's | `unknown_ca`; `decrypt_error` if that one has the name of a root |
//! | is not for digital signatures or client authentication | `unsupported_certificate` |
//! | is revoked, or on hold | `certificate_revoked` |
//! | is unknown to the responder | `certificate_unknown` |
//! | may be good, but nobody says so, and the policy refuses it: another attempt may succeed | `access_denied` |
//! | is missing, and anonymous clients are not allowed | `certificate_required` |
//!
//! # What is checked of an answer
//! It is about the certificate that was asked about. The issuer signed it, or a responder whose certificate the issuer signed,
//! for OCSP signing, and that is valid now; with ECDSA on P-256, P-384 or P-521 or RSA (PKCS #1, 2048 bits and more) and SHA-256,
//! SHA-384 or SHA-512. Its times hold, give or take [`ocsp::Rules::clock_skew`]. Its nonce is the one sent, if there is one.
//! The dates of the certificate itself are checked before: responders say "good" of expired certificates, too.
//!
//! Certificates are named by SHA-1 hashes in requests, as every responder knows them. Requests go over plain HTTP, since the
//! answers are signed; redirections are not followed.
//!
//! # Metrics
//! Through the `metrics` facade; [`describe_metrics`] tells a recorder what they are: `ocsp_requests_total{outcome}`,
//! `ocsp_request_duration_seconds{responder}`, `ocsp_cache_total{result}`, `ocsp_decisions_total{decision}`, `ocsp_pending_requests`,
//! `ocsp_breaker_open{responder}`, `client_certificates_total{outcome}`.
//!
//! # Sources
//! RFC 6960 (OCSP), RFC 8954 and RFC 9654 (nonce), RFC 5280 (certificates and revocation lists).

pub mod authorities;
pub mod clock;
pub mod crl;
pub mod http;
pub mod issuer;
mod metric;
pub mod ocsp;
pub mod service;
pub mod verifier;

pub use authorities::Authorities;
pub use clock::{Clock, SystemClock};
pub use crl::Crls;
pub use issuer::Issuer;
pub use metric::describe as describe_metrics;
pub use service::{Ocsp, Policy, Settings};
pub use verifier::ClientVerifier;
