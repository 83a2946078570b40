//! New keys, and keys written to PEM.

use cdoc2_nostd::Curve;
use der::Decode as _;
use der::pem::{LineEnding, PemLabel as _, encode_string};
use getrandom::SysRng;
use pkcs8::pkcs5::pbes2;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use rand_core::TryRng as _;
use x509_cert::spki::SubjectPublicKeyInfoRef;
use zeroize::Zeroizing;

use super::{EcPrivateKey, Error, PrivateKey, PublicKey, RsaPrivateKey};

/// Iterations of PBKDF2-HMAC-SHA-256 over a passphrase: as many as for a password in a container.
const ITERATIONS: u32 = 600_000;

/// The kind of a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// On this curve. Other implementations of CDOC2 read P-384 for certain.
    Ec(Curve),
    /// RSA.
    Rsa {
        /// Bits of the modulus.
        bits: usize,
    },
}

impl KeyType {
    /// RSA with 3072 bits: 128 bits of security (NIST SP 800-57 part 1, table 2).
    pub const RSA: Self = Self::Rsa { bits: 3072 };
}

impl PrivateKey {
    /// A new key.
    ///
    /// # Errors
    /// [`Error::Random`]: the generator failed. [`Error::RsaTooSmall`], [`Error::RsaTooLarge`].
    pub fn generate(key_type: KeyType) -> Result<Self, Error> {
        match key_type {
            KeyType::Ec(curve) => EcPrivateKey::generate(curve).map(Self::Ec),
            KeyType::Rsa { bits } => RsaPrivateKey::generate(bits).map(Self::Rsa),
        }
    }

    /// The key in PKCS#8 PEM, encrypted under `passphrase` if there is one: PBES2 with AES-256-CBC and PBKDF2-HMAC-SHA-256, which
    /// every implementation reads.
    ///
    /// # Errors
    /// [`Error::PassphraseNeeded`]: the passphrase is empty. [`Error::Random`]: the generator failed.
    pub fn to_pem(&self, passphrase: Option<&[u8]>) -> Result<Zeroizing<String>, Error> {
        const FAILED: Error = Error::Malformed("the key cannot be encoded");
        let der = self.to_pkcs8()?;
        let Some(passphrase) = passphrase else {
            return Ok(Zeroizing::new(encode_string(PrivateKeyInfoRef::PEM_LABEL, LineEnding::LF, &der).map_err(|_| FAILED)?));
        };
        if passphrase.is_empty() {
            return Err(Error::PassphraseNeeded);
        }
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        SysRng.try_fill_bytes(&mut salt).and_then(|()| SysRng.try_fill_bytes(&mut iv)).map_err(|_| Error::Random)?;
        let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, iv).map_err(|_| FAILED)?;
        let info = PrivateKeyInfoRef::from_der(&der).map_err(|_| FAILED)?;
        let encrypted = info.encrypt_with_params(parameters, passphrase).map_err(|_| FAILED)?;
        encrypted.to_pem(EncryptedPrivateKeyInfoRef::PEM_LABEL, LineEnding::LF).map_err(|_| FAILED)
    }

    /// The key in PKCS#8 DER, not encrypted, for a library that signs with it.
    ///
    /// # Errors
    /// None for a key that was parsed or generated here.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self {
            Self::Ec(key) => key.to_pkcs8(),
            Self::Rsa(key) => key.to_pkcs8(),
        }
    }
}

impl PublicKey {
    /// The key in PEM, as `SubjectPublicKeyInfo` (RFC 5280).
    ///
    /// # Errors
    /// None for a key that was parsed or generated here.
    pub fn to_pem(&self) -> Result<String, Error> {
        let encoded = self.to_spki().and_then(|der| Ok(encode_string(SubjectPublicKeyInfoRef::PEM_LABEL, LineEnding::LF, &der)?));
        encoded.map_err(|_| Error::Malformed("the key cannot be encoded"))
    }
}
