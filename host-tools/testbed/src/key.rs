//! New private keys.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use zeroize::Zeroizing;

use crate::Error;
use crate::identity::Algorithm;

/// A key pair.
pub(crate) struct Key {
    /// What kind of key it is.
    pub(crate) algorithm: Algorithm,
    /// The private key: PKCS#8 in DER.
    pub(crate) pkcs8: Zeroizing<Vec<u8>>,
    /// The public key: `SubjectPublicKeyInfo` in DER.
    pub(crate) info: Vec<u8>,
}

/// A new key. aws-lc-rs makes all kinds of them, RSA in a fraction of a second.
pub(crate) fn generate(algorithm: Algorithm) -> Result<Key, Error> {
    let failed = |_| Error::Key;
    let ec = |curve| {
        let key = EcdsaKeyPair::generate(curve).map_err(failed)?;
        let info: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(failed)?;
        let pkcs8 = key.to_pkcs8v1().map_err(failed)?;
        Ok(Key { algorithm, pkcs8: Zeroizing::new(pkcs8.as_ref().to_vec()), info: info.as_ref().to_vec() })
    };
    match algorithm {
        Algorithm::P256 => ec(&ECDSA_P256_SHA256_ASN1_SIGNING),
        Algorithm::P384 => ec(&ECDSA_P384_SHA384_ASN1_SIGNING),
        Algorithm::P521 => ec(&ECDSA_P521_SHA512_ASN1_SIGNING),
        Algorithm::Rsa => {
            let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
            let info: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(failed)?;
            let pkcs8: Pkcs8V1Der<'_> = key.as_der().map_err(failed)?;
            Ok(Key { algorithm, pkcs8: Zeroizing::new(pkcs8.as_ref().to_vec()), info: info.as_ref().to_vec() })
        }
    }
}
