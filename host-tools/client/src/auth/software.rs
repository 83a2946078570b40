//! A key in memory, from a file: for organisations that keep it so, and for tests.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use cdoc2::keys::{Certificate, PrivateKey};
use cdoc2_api::RecipientId;

use super::trust::{Wanted, certificate_of, public_key};
use super::{Algorithm, AuthSigner, Error, Interaction, Signed};

/// Signs with a private key, with ES256, ES384 or RS256 by its kind.
pub struct SoftwareSigner<'k> {
    key: &'k PrivateKey,
    certificate: &'k Certificate,
}

impl<'k> SoftwareSigner<'k> {
    /// Signs with `key`, whose certificate is `certificate`.
    #[must_use]
    pub fn new(key: &'k PrivateKey, certificate: &'k Certificate) -> Self {
        Self { key, certificate }
    }
}

impl fmt::Debug for SoftwareSigner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareSigner").finish_non_exhaustive()
    }
}

impl AuthSigner for SoftwareSigner<'_> {
    fn algorithm(&mut self, person: &RecipientId) -> Result<Algorithm, Error> {
        certificate_of(self.certificate, person)?;
        let key = public_key(self.certificate.as_der())?;
        let first = Algorithm::of_public_key(&key).first();
        first.copied().ok_or(Error::UnfitKey("shares servers know P-256, P-384 and RSA"))
    }

    fn sign(
        &mut self,
        person: &RecipientId,
        signing_input: &[u8],
        algorithm: Algorithm,
        interaction: &mut dyn Interaction,
    ) -> Result<Signed, Error> {
        const UNFIT: Error = Error::UnfitKey("the cryptographic library does not sign with it");
        certificate_of(self.certificate, person)?;
        if interaction.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let pkcs8 = self.key.to_pkcs8().map_err(|_| UNFIT)?;
        let rng = SystemRandom::new();
        let ecdsa = |kind| {
            let pair = EcdsaKeyPair::from_pkcs8(kind, &pkcs8).map_err(|_| UNFIT)?;
            Ok::<_, Error>(pair.sign(&rng, signing_input).map_err(|_| UNFIT)?.as_ref().to_vec())
        };
        let rsa = |encoding| {
            let pair = RsaKeyPair::from_pkcs8(&pkcs8).map_err(|_| UNFIT)?;
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &rng, signing_input, &mut signature).map_err(|_| UNFIT)?;
            Ok::<_, Error>(signature)
        };
        let signature = match algorithm {
            Algorithm::Es256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
            Algorithm::Es384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING)?,
            Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256)?,
            Algorithm::Ps256 => rsa(&RSA_PSS_SHA256)?,
        };
        let signed = Signed { certificate: self.certificate.as_der().to_vec(), signature };
        Wanted { person, signing_input, algorithm, authorities: None }.check(&signed)?;
        Ok(signed)
    }
}
