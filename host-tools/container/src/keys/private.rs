//! Private keys.

use cdoc2_nostd::Curve;
use der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use der::{Decode as _, Sequence};
use pkcs8::PrivateKeyInfoRef;
use x509_cert::spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::format::{self, Format, Wanted};
use super::public::{Algorithm, curve};
use super::{EcPrivateKey, EcPublicKey, Error, PublicKey, RsaPrivateKey, pbe};

/// The private key of a recipient, in memory.
#[derive(Debug)]
pub enum PrivateKey {
    /// On an elliptic curve.
    Ec(EcPrivateKey),
    /// RSA.
    Rsa(RsaPrivateKey),
}

impl PrivateKey {
    /// Reads a private key from PEM or DER: PKCS#8 (RFC 5958), encrypted or not, SEC 1 (RFC 5915) or PKCS#1 (RFC 8017).
    ///
    /// `passphrase` is called once, if the key is encrypted. A file may hold other things besides, such as the certificate.
    ///
    /// # Errors
    /// What `passphrase` answers; [`Error::WrongPassphrase`]; [`Error::WrongFormat`], [`Error::Several`]: the file
    /// holds something else, or several private keys. The others say why the key cannot be used.
    pub fn parse<E: From<Error>>(octets: &[u8], passphrase: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, E>) -> Result<Self, E> {
        let block = format::block(octets, Wanted::PrivateKey)?;
        Ok(match block.format {
            Format::Sec1 => Self::from_sec1(&block.der, None)?,
            Format::Pkcs1Private => Self::Rsa(RsaPrivateKey::from_pkcs1(&block.der)?),
            Format::LegacyEncrypted => return Err(Error::LegacyEncryption.into()),
            Format::EncryptedPkcs8 => {
                let encrypted = EncryptedPrivateKeyInfo::from_der(&block.der).map_err(|_| MALFORMED)?;
                let passphrase = passphrase()?;
                Self::from_encrypted_pkcs8(&encrypted, &pbe::Passphrase::new(&passphrase))?
            }
            _ => Self::from_pkcs8(&PrivateKeyInfoRef::from_der(&block.der).map_err(|_| MALFORMED)?)?,
        })
    }

    /// The public key that belongs to it.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        match self {
            Self::Ec(key) => PublicKey::Ec(key.public_key().clone()),
            Self::Rsa(key) => PublicKey::Rsa(key.public_key().clone()),
        }
    }

    /// The key of a `PrivateKeyInfo` (RFC 5208) or `OneAsymmetricKey` (RFC 5958).
    pub(super) fn from_pkcs8(info: &PrivateKeyInfoRef<'_>) -> Result<Self, Error> {
        match Algorithm::of(&info.algorithm)? {
            Algorithm::Ec(curve) => Self::from_sec1(info.private_key.as_bytes(), Some(curve)),
            Algorithm::Rsa => RsaPrivateKey::from_pkcs1(info.private_key.as_bytes()).map(Self::Rsa),
        }
    }

    /// The key of an `EncryptedPrivateKeyInfo` (RFC 5208).
    pub(super) fn from_encrypted_pkcs8(
        encrypted: &EncryptedPrivateKeyInfo<'_>,
        passphrase: &pbe::Passphrase<'_>,
    ) -> Result<Self, Error> {
        let der = pbe::decrypt(&encrypted.algorithm, encrypted.data.as_bytes(), passphrase)?;
        // One wrong passphrase in 256 leaves padding that looks right.
        Self::from_pkcs8(&PrivateKeyInfoRef::from_der(&der).map_err(|_| Error::WrongPassphrase)?)
    }

    /// The key of an `ECPrivateKey`, on the curve that it names itself or that PKCS#8 names around it.
    fn from_sec1(der: &[u8], around: Option<Curve>) -> Result<Self, Error> {
        let decoded = EcPrivateKeyDer::from_der(der).map_err(|_| Error::Malformed("not an EC private key"))?;
        let named = decoded.parameters.map(curve).transpose()?;
        let curve = match (named, around) {
            (Some(named), Some(around)) if named != around => return Err(Error::Malformed("the key names two curves")),
            (named, around) => named.or(around).ok_or(Error::Malformed("the key names no curve"))?,
        };
        let key = EcPrivateKey::from_scalar(curve, decoded.private_key.as_bytes())?;
        if let Some(public) = decoded.public_key {
            let public = public.as_bytes().ok_or(Error::InvalidPoint)?;
            if EcPublicKey::new(curve, public)? != *key.public_key() {
                return Err(Error::Malformed("the public half in the file does not belong to the private half"));
            }
        }
        Ok(Self::Ec(key))
    }
}

/// `ECPrivateKey` (RFC 5915, 3).
#[derive(Sequence)]
struct EcPrivateKeyDer<'a> {
    #[allow(dead_code, reason = "there is one version only")]
    version: u8,
    private_key: &'a OctetStringRef,
    #[asn1(context_specific = "0", optional = "true")]
    parameters: Option<AnyRef<'a>>,
    #[asn1(context_specific = "1", optional = "true")]
    public_key: Option<BitStringRef<'a>>,
}

/// `EncryptedPrivateKeyInfo` (RFC 5208, 6), whatever the algorithm.
#[derive(Sequence)]
pub(super) struct EncryptedPrivateKeyInfo<'a> {
    algorithm: AlgorithmIdentifierRef<'a>,
    data: &'a OctetStringRef,
}

const MALFORMED: Error = Error::Malformed("not a sound PKCS#8 private key");
