//! Keys whose signatures are deterministic (RFC 6979), so that seeds hold them.

use p256::ecdsa::{DerSignature, SigningKey, signature::Signer as _};
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};

/// On P-256.
pub(crate) struct Key {
    pub(crate) key: SigningKey,
    public: Vec<u8>,
}

impl Key {
    /// The key of which each octet is this.
    pub(crate) fn new(octet: u8) -> Self {
        let key = SigningKey::from_slice(&[octet; 32]).unwrap();
        let public = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self { key, public }
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: DerSignature = self.key.sign(octets);
        Ok(signature.as_bytes().to_vec())
    }
}
