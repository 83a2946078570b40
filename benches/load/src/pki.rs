//! An authority for one run, and who it vouches for: servers, recipients with keys on P-384, and people who sign.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SerialNumber, SignatureAlgorithm,
};
use revocation::issuer::Issuer;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::ocsp::Signer;

/// The key of a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ServerKey {
    /// ECDSA on P-384, as the specification's own deployment has it.
    P384,
    /// ECDSA on P-256, which costs nginx with OpenSSL much less.
    P256,
}

/// Root, intermediate, and the certificate of the servers.
pub(crate) struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
}

/// A recipient: one key and its certificate, for authentication.
#[derive(Debug)]
pub(crate) struct Recipient {
    /// `04 || X || Y`.
    pub(crate) public_key: Vec<u8>,
    /// Their certificate, then the intermediate authority's.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// A server's certificate in the files that servers read.
#[derive(Clone, Debug)]
pub(crate) struct ServerCertificate {
    pub(crate) der: CertificateDer<'static>,
    /// PEM: the certificate, then the intermediate one.
    pub(crate) chain: PathBuf,
    /// PEM, PKCS#8.
    pub(crate) key: PathBuf,
}

/// Why there is no certificate, or no file with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("a key cannot be used")]
    Key,
    #[error("a certificate cannot be made: {0}")]
    Made(#[from] rcgen::Error),
    #[error("the authority's own certificate is not understood: {0}")]
    Read(#[from] der::Error),
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: io::Error },
}

impl Authority {
    /// A root and an intermediate authority, both on P-384.
    pub(crate) fn generate() -> Result<Self, Error> {
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384);
        let root = CertifiedIssuer::self_signed(authority("Load root", BasicConstraints::Constrained(1)), key()?)?;
        let intermediate =
            CertifiedIssuer::signed_by(authority("Load intermediate", BasicConstraints::Constrained(0)), key()?, &root)?;
        Ok(Self { root, intermediate })
    }

    /// The recipient of this number.
    pub(crate) fn recipient(&self, number: u32) -> Result<Arc<Recipient>, Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?;
        let mut params = named(&format!("Recipient {number}"));
        params.serial_number = Some(SerialNumber::from(u64::from(number) + 1000));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.intermediate)?.der().clone();
        let chain = vec![certificate, self.intermediate.der().clone()];
        Ok(Arc::new(Recipient { public_key: key.public_key_raw().to_vec(), chain, key: key.into() }))
    }

    /// Certifies that `key` is of the person with this `serialNumber`, such as "PNOEE-48010010101", who signs in with it. No two have the same.
    pub(crate) fn person(&self, serial_number: &str, key: &KeyPair) -> Result<CertificateDer<'static>, Error> {
        let mut params = named(serial_number);
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), serial_number);
        // Several may have the same key, of which it would be made otherwise.
        params.serial_number = Some(SerialNumber::from_slice(serial_number.as_bytes()));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(key, &self.intermediate)?.der().clone())
    }

    /// A certificate for the servers, in `folder`.
    pub(crate) fn server(&self, kind: ServerKey, folder: &Path) -> Result<ServerCertificate, Error> {
        let algorithm: &SignatureAlgorithm = match kind {
            ServerKey::P384 => &PKCS_ECDSA_P384_SHA384,
            ServerKey::P256 => &PKCS_ECDSA_P256_SHA256,
        };
        let key = KeyPair::generate_for(algorithm)?;
        let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.intermediate)?;
        Ok(ServerCertificate {
            der: certificate.der().clone(),
            chain: write(folder, "server.pem", &(certificate.pem() + &self.intermediate.pem()))?,
            key: write(folder, "server.key", &key.serialize_pem())?,
        })
    }

    /// The intermediate authority as one that answers OCSP requests.
    pub(crate) fn ocsp(&self) -> Result<Signer, Error> {
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&self.intermediate.key().serialize_der().into(), &PKCS_ECDSA_P384_SHA384)?;
        Ok(Signer { issuer: Issuer::from_certificate(self.intermediate.der())?, key })
    }

    /// The intermediate authority in PEM, in `folder`.
    pub(crate) fn write_intermediate(&self, folder: &Path) -> Result<PathBuf, Error> {
        write(folder, "intermediate.pem", &self.intermediate.pem())
    }

    /// The root in PEM, in `folder`.
    pub(crate) fn write_root(&self, folder: &Path) -> Result<PathBuf, Error> {
        write(folder, "root.pem", &self.root.pem())
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str, constraints: BasicConstraints) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|cause| Error::File { path: path.clone(), cause })?;
    Ok(path)
}
