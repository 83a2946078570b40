//! Keys in software, with their certificates.

use std::fmt;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::pem::{self, LineEnding};
use zeroize::Zeroizing;

use crate::authority::to_pem;
use crate::key::Key;

/// What kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// On secp256r1.
    P256,
    /// On secp384r1.
    P384,
    /// On secp521r1.
    P521,
    /// RSA, 2048 bits.
    Rsa,
}

impl Algorithm {
    /// A name for files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::P521 => "p521",
            Self::Rsa => "rsa",
        }
    }
}

/// A private key, its certificate, and that of the intermediate which issued it.
#[derive(Clone)]
pub struct Identity {
    algorithm: Algorithm,
    key: Zeroizing<Vec<u8>>,
    info: Vec<u8>,
    certificate: Vec<u8>,
    issuer: Vec<u8>,
}

impl Identity {
    pub(crate) fn new(key: Key, certificate: Vec<u8>, issuer: Vec<u8>) -> Self {
        Self { algorithm: key.algorithm, key: key.pkcs8, info: key.info, certificate, issuer }
    }

    pub(crate) fn with_certificate(&self, certificate: Vec<u8>, issuer: Vec<u8>) -> Self {
        Self { certificate, issuer, ..self.clone() }
    }

    /// What kind of key it is.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The certificate in DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The certificate in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        to_pem(&self.certificate)
    }

    /// The certificate, then the intermediate's, in PEM: what a TLS peer is shown.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.certificate_pem() + &to_pem(&self.issuer)
    }

    /// The public key: `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.info
    }

    /// The private key: PKCS#8 in DER.
    #[must_use]
    pub fn key(&self) -> &Zeroizing<Vec<u8>> {
        &self.key
    }

    /// The private key: PKCS#8 in PEM.
    #[must_use]
    pub fn key_pem(&self) -> Zeroizing<String> {
        // Fails for more octets than fit into memory.
        Zeroizing::new(pem::encode_string("PRIVATE KEY", LineEnding::LF, &self.key).unwrap_or_default())
    }

    /// The serial number of the certificate: content octets of the INTEGER, big-endian. What [`crate::Ocsp`] knows it by.
    #[must_use]
    pub fn serial(&self) -> Vec<u8> {
        serial(&self.certificate)
    }

    /// Certificate, intermediate and private key as rustls takes them.
    #[must_use]
    pub fn for_rustls(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = [&self.certificate, &self.issuer].map(|der| CertificateDer::from(der.clone()));
        (chain.into(), PrivatePkcs8KeyDer::from(self.key.to_vec()).into())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// The serial number of the certificate `der`: content octets of the INTEGER, big-endian; empty if it is no certificate.
#[must_use]
pub fn serial(der: &[u8]) -> Vec<u8> {
    let certificate = Certificate::from_der(der);
    certificate.map(|certificate| certificate.tbs_certificate().serial_number().as_bytes().to_vec()).unwrap_or_default()
}
