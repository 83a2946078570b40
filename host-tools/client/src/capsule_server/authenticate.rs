//! Holders of keys that can say who they are to a server.

use cdoc2::core::Curve;
use cdoc2::core::holder::{Fit, KeyHolder, Released};
use cdoc2::core::wire::envelope::Envelope;
use cdoc2::core::wire::header::RecipientRecord;
use cdoc2::keys::{Certificate, PrivateKey, PublicKey};
use cdoc2::{Holder, Unlock, UnlockError};
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Error;

/// What a key shows to a server.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Its certificate, and perhaps the authorities above it.
    pub chain: Vec<CertificateDer<'static>>,
    /// How it can sign, the best first.
    pub schemes: Vec<SignatureScheme>,
}

/// Why a key did not authenticate: the server or the key has no way to, or whoever holds it failed.
#[derive(Debug)]
pub enum Failure<E> {
    /// It is between key and server.
    Server(Error),
    /// The holder failed: a wrong PIN, a card that was taken out.
    Holder(E),
}

impl<E> From<Error> for Failure<E> {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

/// A holder whose keys authenticate to capsule servers too, by TLS client authentication (RFC 8446, 4.4.3).
///
/// `record` is one that fits, as it would be if its capsule were in the container.
pub trait Authenticate: KeyHolder<Error: UnlockError> {
    /// What the key of `record` shows. The PIN is asked for here, and not again: a server does not wait for somebody who types.
    ///
    /// # Errors
    /// [`Failure::Server`]: the key cannot authenticate. [`Failure::Holder`]: it cannot be used.
    fn credentials(&mut self, record: &RecipientRecord<'_>) -> Result<Credentials, Failure<Self::Error>>;

    /// Signs `message`, which is not hashed yet, by one of the schemes that [`credentials`](Self::credentials) listed.
    ///
    /// # Errors
    /// As there.
    fn sign(
        &mut self,
        record: &RecipientRecord<'_>,
        scheme: SignatureScheme,
        message: &[u8],
    ) -> Result<Vec<u8>, Failure<Self::Error>>;
}

/// The scheme of TLS 1.3 for a curve; it goes with one hash.
pub(crate) fn ecdsa_scheme(curve: Curve) -> SignatureScheme {
    match curve {
        Curve::Secp256r1 => SignatureScheme::ECDSA_NISTP256_SHA256,
        Curve::Secp384r1 => SignatureScheme::ECDSA_NISTP384_SHA384,
        Curve::Secp521r1 => SignatureScheme::ECDSA_NISTP521_SHA512,
    }
}

/// A key in memory, with its certificate.
#[derive(Debug)]
pub struct SoftwareHolder<'u> {
    unlock: &'u Unlock,
    holder: Holder<'u>,
    certificate: Option<&'u Certificate>,
}

impl<'u> SoftwareHolder<'u> {
    /// `certificate` is that of the private key in `unlock`, which is shown to servers; without it none gives a capsule.
    #[must_use]
    pub fn new(unlock: &'u Unlock, max_kdf_iterations: u32, certificate: Option<&'u Certificate>) -> Self {
        Self { unlock, holder: unlock.holder(max_kdf_iterations), certificate }
    }

    fn key(&self) -> Result<&'u PrivateKey, Error> {
        match self.unlock {
            Unlock::PrivateKey(key) => Ok(key),
            Unlock::Password(_) | Unlock::SymmetricKey(_) => Err(Error::NoCertificate),
        }
    }
}

impl KeyHolder for SoftwareHolder<'_> {
    type Error = cdoc2::Error;

    fn fit(&self, record: &RecipientRecord<'_>) -> Fit {
        self.holder.fit(record)
    }

    fn release(&mut self, envelope: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<Released, cdoc2::Error> {
        self.holder.release(envelope, record)
    }
}

impl Authenticate for SoftwareHolder<'_> {
    fn credentials(&mut self, _: &RecipientRecord<'_>) -> Result<Credentials, Failure<cdoc2::Error>> {
        let schemes = match self.key()?.public_key() {
            PublicKey::Ec(key) => vec![ecdsa_scheme(key.curve())],
            PublicKey::Rsa(_) => vec![SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PSS_SHA384],
        };
        let certificate = self.certificate.ok_or(Error::NoCertificate)?;
        Ok(Credentials { chain: vec![CertificateDer::from(certificate.as_der().to_vec())], schemes })
    }

    fn sign(&mut self, _: &RecipientRecord<'_>, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Failure<cdoc2::Error>> {
        const UNFIT: Error = Error::CannotAuthenticate("the cryptographic library takes no such key");
        let der = self.key()?.to_pkcs8().map_err(|error| Failure::Holder(error.into()))?;
        let key = any_supported_type(&PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(&der[..]))).map_err(|_| UNFIT)?;
        let signer = key.choose_scheme(&[scheme]).ok_or(UNFIT)?;
        Ok(signer.sign(message).map_err(|_| UNFIT)?)
    }
}
