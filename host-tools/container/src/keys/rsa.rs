//! RSA keys of 2048 to 16384 bits, and RSAES-OAEP with SHA-256, MGF1 with SHA-256 and an empty label (RFC 8017, 7.1).
//!
//! # Timing
//! Everything runs in the `rsa` crate, 0.10: its modular exponentiation takes the same time for every exponent, blinds base,
//! exponents and primes with fresh random numbers, checks the result against a fault, and decodes the padding without
//! branches on it (RUSTSEC-2023-0071, the "Marvin" attack, was about earlier versions). Each failure gives the same
//! error. That a decryption failed shows nevertheless, as it must; so does the time of a whole run. Whoever decrypts
//! containers for strangers, automatically and many times with one key, should let a card or an HSM hold that key.
//!
//! The first octet of a decoded message, which must be zero, is not looked at, on the advice of
//! draft-irtf-cfrg-rsa-guidance: the hash that follows decides.

use std::fmt;

use ::rsa::traits::PublicKeyParts as _;
use ::rsa::{BoxedUint, sha2::Sha256};
use der::{Decode as _, Encode as _};
use getrandom::SysRng;
use pkcs1::UintRef;
use pkcs8::EncodePrivateKey as _;
use zeroize::Zeroizing;

use super::Error;

/// Bits of the shortest RSA modulus that is taken.
pub const RSA_MIN_BITS: usize = 2048;

/// Bits of the longest RSA modulus that is taken.
pub const RSA_MAX_BITS: usize = 16384;

/// Octets of a key encryption key.
pub const KEK_LEN: usize = 32;

/// An RSA public key.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPublicKey {
    key: ::rsa::PublicKey,
    der: Box<[u8]>,
}

impl RsaPublicKey {
    /// The key in `RSAPublicKey` (RFC 8017, A.1.1), in DER.
    ///
    /// # Errors
    /// [`Error::Malformed`]: not DER of that structure, or numbers that cannot be an RSA key. [`Error::RsaTooSmall`],
    /// [`Error::RsaTooLarge`].
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, Error> {
        let decoded = pkcs1::RsaPublicKeyRef::from_der(der).map_err(|_| Error::Malformed("not an RSA public key"))?;
        check_bits(decoded.modulus)?;
        let key = ::rsa::PublicKey::new_with_size_limits(
            number(decoded.modulus)?,
            number(decoded.public_exponent)?,
            RSA_MIN_BITS..=RSA_MAX_BITS,
        );
        Ok(Self { key: key.map_err(|_| UNSOUND)?, der: der.into() })
    }

    /// The key with this modulus and this public exponent, big-endian.
    ///
    /// # Errors
    /// As [`Self::from_pkcs1`].
    pub fn from_numbers(modulus: &[u8], public_exponent: &[u8]) -> Result<Self, Error> {
        let number = |octets| UintRef::new(octets).map_err(|_| UNSOUND);
        let key = pkcs1::RsaPublicKeyRef { modulus: number(modulus)?, public_exponent: number(public_exponent)? };
        Self::from_pkcs1(&key.to_der().map_err(|_| UNSOUND)?)
    }

    /// `RSAPublicKey` (RFC 8017, A.1.1) in DER, as capsules hold it.
    #[must_use]
    pub fn pkcs1(&self) -> &[u8] {
        &self.der
    }

    /// Bits of the modulus.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.key.n().bit_width_vartime() as usize
    }

    /// Encrypts `kek`: as many octets as the modulus has.
    ///
    /// # Errors
    /// [`Error::Random`]: the generator failed.
    pub fn encrypt_kek(&self, kek: &[u8; KEK_LEN]) -> Result<Vec<u8>, Error> {
        self.key.oaep_encrypt_with_rng::<Sha256, _>(&mut SysRng, kek).map_err(|_| Error::Random)
    }
}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaPublicKey").field("bits", &self.bits()).finish_non_exhaustive()
    }
}

/// An RSA private key, wiped when dropped.
pub struct RsaPrivateKey {
    key: Box<::rsa::PrivateKey>,
    public: RsaPublicKey,
}

impl RsaPrivateKey {
    /// A new key with a modulus of `bits` bits and the public exponent 65537. Takes a fraction of a second for 3072 bits, and minutes
    /// for [`RSA_MAX_BITS`].
    ///
    /// # Errors
    /// [`Error::RsaTooSmall`], [`Error::RsaTooLarge`], [`Error::Random`].
    pub fn generate(bits: usize) -> Result<Self, Error> {
        check_range(bits)?;
        Self::with_public(::rsa::PrivateKey::new(&mut SysRng, bits).map_err(|_| Error::Random)?)
    }

    /// The key in `RSAPrivateKey` (RFC 8017, A.1.2), in DER.
    ///
    /// # Errors
    /// [`Error::Malformed`]: not DER of that structure, or numbers that do not fit each other.
    /// [`Error::UnsupportedAlgorithm`]: a key of more than two primes. [`Error::RsaTooSmall`], [`Error::RsaTooLarge`].
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, Error> {
        let decoded = pkcs1::RsaPrivateKeyRef::from_der(der).map_err(|_| Error::Malformed("not an RSA private key"))?;
        check_bits(decoded.modulus)?;
        if decoded.version() != pkcs1::Version::TwoPrime {
            return Err(Error::UnsupportedAlgorithm("RSA with more than two primes".to_owned()));
        }
        Self::with_public(decoded.try_into().map_err(|_| UNSOUND)?)
    }

    fn with_public(key: ::rsa::PrivateKey) -> Result<Self, Error> {
        let der = pkcs1::EncodeRsaPublicKey::to_pkcs1_der(key.as_public_key()).map_err(|_| UNSOUND)?;
        Ok(Self { public: RsaPublicKey::from_pkcs1(der.as_bytes())?, key: Box::new(key) })
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> &RsaPublicKey {
        &self.public
    }

    /// Decrypts `encrypted_kek`, which must have as many octets as the modulus, into `kek`. On failure `kek` stays as it was.
    ///
    /// # Errors
    /// [`Error::Decryption`]: another length, another key, altered octets, or a message of another length than [`KEK_LEN`].
    pub fn decrypt_kek(&self, encrypted_kek: &[u8], kek: &mut [u8; KEK_LEN]) -> Result<(), Error> {
        let message = self.key.oaep_decrypt_with_rng::<Sha256, _>(&mut SysRng, encrypted_kek).map_err(|_| Error::Decryption)?;
        let message = Zeroizing::new(message);
        *kek = *message.as_array().ok_or(Error::Decryption)?;
        Ok(())
    }

    /// `PrivateKeyInfo` (RFC 5208).
    pub(super) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        Ok(self.key.to_pkcs8_der().map_err(|_| UNSOUND)?.to_bytes())
    }
}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaPrivateKey").field("bits", &self.public.bits()).finish_non_exhaustive()
    }
}

const UNSOUND: Error = Error::Malformed("its numbers are not those of an RSA key");

fn check_bits(modulus: UintRef<'_>) -> Result<(), Error> {
    let octets = modulus.as_bytes();
    let unused = octets.first().map_or(0, |first| first.leading_zeros() as usize);
    check_range(octets.len() * 8 - unused)
}

fn check_range(bits: usize) -> Result<(), Error> {
    match bits {
        ..RSA_MIN_BITS => Err(Error::RsaTooSmall { bits }),
        RSA_MIN_BITS..=RSA_MAX_BITS => Ok(()),
        _ => Err(Error::RsaTooLarge { bits }),
    }
}

fn number(number: UintRef<'_>) -> Result<BoxedUint, Error> {
    let octets = number.as_bytes();
    let bits = u32::try_from(octets.len() * 8).map_err(|_| UNSOUND)?;
    BoxedUint::from_be_slice(octets, bits).map_err(|_| UNSOUND)
}
