//! A certificate authority for tests.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use p384::ecdsa::SigningKey;
use p384::elliptic_curve::Generate as _;
use p384::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use token_proto::KeyRef;
use x509_cert::Certificate;
use x509_cert::der::pem::{self, PemLabel as _};
use x509_cert::der::{Decode as _, DecodePem as _};
use x509_cert::spki::{EncodePublicKey as _, SubjectPublicKeyInfo};
use zeroize::Zeroizing;

use crate::certificate::{self, Content, Issuer, PublicKey, Subject};
use crate::hw::Rng;
use crate::whole_file;

/// The authority's certificate in its folder.
const CERTIFICATE_FILE: &str = "ca.pem";
/// Its private key, PKCS#8 in PEM.
const KEY_FILE: &str = "ca.key";

/// The name of an authority that has no other.
const NAME: &str = "Test of simulated tokens";

/// An authority whose certificates nobody should trust. ECDSA over secp384r1.
pub struct Ca {
    key: SigningKey,
    certificate: Certificate,
    der: Vec<u8>,
    ocsp: Option<String>,
}

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file, or the folder.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    /// Something else than a folder has this name.
    #[error("{}: is no folder", .0.display())]
    NoFolder(PathBuf),
    /// One of its two files is there without the other.
    #[error("{}: is missing, though the authority's other file is there", .0.display())]
    Half(PathBuf),
    /// The certificate is none.
    #[error("{}: not a certificate in PEM: {cause}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: x509_cert::der::Error,
    },
    /// The key is none, or on another curve.
    #[error("{}: not an unencrypted secp384r1 private key in PEM (PKCS#8): {cause}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: p384::pkcs8::Error,
    },
    /// Key and certificate do not belong together.
    #[error("{}: the certificate is not that of the key beside it", .0.display())]
    Mismatch(PathBuf),
    /// The certificate could not be made.
    #[error(transparent)]
    Made(#[from] certificate::Error),
}

impl Ca {
    /// A new authority.
    ///
    /// # Errors
    /// No random numbers.
    pub fn generate(now: SystemTime, rng: &mut Rng) -> Result<Self, Error> {
        Self::root(Subject::named(NAME)?, now, rng)
    }

    /// A new authority of this name, under no other.
    ///
    /// # Errors
    /// No random numbers.
    pub fn root(subject: Subject, now: SystemTime, rng: &mut Rng) -> Result<Self, Error> {
        let key = SigningKey::try_generate_from_rng(rng).map_err(certificate::Error::Random)?;
        let der = certificate::root(&Content::authority(subject, now), &key, rng)?;
        Self::new(key, der)
    }

    /// A new authority of this name, certified by this one.
    ///
    /// # Errors
    /// No random numbers.
    pub fn subordinate(&self, subject: Subject, now: SystemTime, rng: &mut Rng) -> Result<Self, Error> {
        let key = SigningKey::try_generate_from_rng(rng).map_err(certificate::Error::Random)?;
        let info = key.verifying_key().to_public_key_der().map_err(certificate::Error::from)?;
        let der = self.certify(&Content::authority(subject, now), info.as_bytes(), rng)?;
        Self::new(key, der)
    }

    /// The same authority, whose certificates say from now on that an OCSP responder answers for them at `url`.
    #[must_use]
    pub fn with_ocsp(self, url: String) -> Self {
        Self { ocsp: Some(url), ..self }
    }

    fn new(key: SigningKey, der: Vec<u8>) -> Result<Self, Error> {
        let certificate = Certificate::from_der(&der).map_err(certificate::Error::from)?;
        Ok(Self { key, certificate, der, ocsp: None })
    }

    /// The authority in `folder`, its files being `ca.pem` and `ca.key`; it is made if there is none yet, and so is the folder.
    ///
    /// # Errors
    /// The files cannot be read or written, only one of them is there, or they are not an authority's.
    pub fn in_folder(folder: &Path, now: SystemTime, rng: &mut Rng) -> Result<Self, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |cause| Error::Io { path, cause }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => Error::NoFolder(folder.to_owned()),
            _ => failed(folder)(cause),
        })?;
        // Two programs that both find none would make two; the lock goes with the handle.
        let handle = File::open(folder).map_err(failed(folder))?;
        handle.lock().map_err(failed(folder))?;

        let (certificate_path, key_path) = (folder.join(CERTIFICATE_FILE), folder.join(KEY_FILE));
        let certificate = read(&certificate_path)?;
        let key = read(&key_path)?;
        match (certificate, key) {
            (Some(certificate), Some(key)) => Self::parse(&certificate, &certificate_path, &key, &key_path),
            (None, Some(_)) => Err(Error::Half(certificate_path)),
            (Some(_), None) => Err(Error::Half(key_path)),
            (None, None) => {
                let new = Self::generate(now, rng)?;
                let key = new.key.to_pkcs8_pem(LineEnding::LF).map_err(|cause| Error::Key { path: key_path.clone(), cause })?;
                // A certificate without its key is the half that does no harm.
                whole_file::write(&certificate_path, new.to_pem().as_bytes(), false).map_err(failed(&certificate_path))?;
                whole_file::write(&key_path, key.as_bytes(), false).map_err(failed(&key_path))?;
                Ok(new)
            }
        }
    }

    fn parse(certificate: &str, certificate_path: &Path, key: &str, key_path: &Path) -> Result<Self, Error> {
        let key = SigningKey::from_pkcs8_pem(key).map_err(|cause| Error::Key { path: key_path.into(), cause })?;
        let malformed = |cause| Error::Certificate { path: certificate_path.into(), cause };
        let der = pem::decode_vec(certificate.as_bytes()).map(|(_, der)| der).map_err(|error| malformed(error.into()))?;
        let certificate = Certificate::from_pem(certificate).map_err(malformed)?;
        let info = key.verifying_key().to_public_key_der().map_err(certificate::Error::from)?;
        let certified =
            x509_cert::der::Encode::to_der(certificate.tbs_certificate().subject_public_key_info()).map_err(malformed)?;
        if certified != info.as_bytes() {
            return Err(Error::Mismatch(certificate_path.into()));
        }
        Ok(Self { key, certificate, der, ocsp: None })
    }

    /// Its certificate in DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.der
    }

    /// Its certificate in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem(&self.der)
    }

    /// The certificate of the key `key` on the card of `subject`, in DER.
    ///
    /// # Errors
    /// No random numbers, or the point is none.
    pub fn issue(
        &self,
        subject: &Subject,
        purpose: KeyRef,
        key: PublicKey<'_>,
        now: SystemTime,
        rng: &mut Rng,
    ) -> Result<Vec<u8>, certificate::Error> {
        certificate::issue(self.issuer(), &Content::card(subject.clone(), purpose, now), key.info()?, rng)
    }

    /// Certifies that the key `info` (DER of `SubjectPublicKeyInfo`) is that of whom `content` names; the certificate in DER.
    ///
    /// # Errors
    /// No random numbers, or `info` is none.
    pub fn certify(&self, content: &Content, info: &[u8], rng: &mut Rng) -> Result<Vec<u8>, certificate::Error> {
        certificate::issue(self.issuer(), content, SubjectPublicKeyInfo::from_der(info)?, rng)
    }

    fn issuer(&self) -> Issuer<'_> {
        Issuer { name: self.certificate.tbs_certificate().subject(), key: &self.key, ocsp: self.ocsp.as_deref() }
    }
}

/// A certificate in DER as PEM.
#[must_use]
pub fn to_pem(der: &[u8]) -> String {
    // Fails for more octets than fit into memory.
    pem::encode_string(Certificate::PEM_LABEL, LineEnding::LF, der).unwrap_or_default()
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::Io { path: path.into(), cause }),
    }
}
