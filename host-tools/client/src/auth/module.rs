//! A key behind a PKCS#11 module.

use std::fmt;

use cdoc2_api::RecipientId;
use cryptoki::mechanism::MechanismType;
use rustls::SignatureScheme;

use super::trust::{Wanted, certificate_of, parse};
use super::{Algorithm, AuthSigner, Error, Interaction, Signed, Untrusted};
use crate::pkcs11::{Choice, Dialogue, Module, ModuleHolder};

/// Signs with a key of a token that shows a certificate of the person, with ES384, ES256, RS256 or PS256. The PIN is asked for once, when there is
/// something to sign.
pub struct ModuleSigner<'m, D> {
    holder: ModuleHolder<'m, D>,
}

impl<'m, D: Dialogue> ModuleSigner<'m, D> {
    /// Signs with a key that `choice` means; never uses the last try of a PIN.
    ///
    /// # Errors
    /// [`Error::Module`]: there is no such token or key.
    pub fn new(module: &'m Module, choice: &Choice<'_>, dialogue: D) -> Result<Self, Error> {
        Ok(Self { holder: ModuleHolder::new(module, choice, dialogue)? })
    }

    /// With the person's consent to use the last try, after which a wrong PIN is blocked.
    #[must_use]
    pub fn with_last_try(self, last_try: bool) -> Self {
        Self { holder: self.holder.with_last_try(last_try) }
    }

    /// The first key that has a certificate of `person` and signs in a way that servers know: its certificate in DER, and how.
    fn key(&self, person: &RecipientId) -> Result<(Vec<u8>, Algorithm), Error> {
        let mut reason = Error::UnfitKey("the token shows no certificate");
        for certificate in self.holder.certificates() {
            let fits = parse(certificate).and_then(|parsed| certificate_of(&parsed, person));
            if let Err(untrusted) = fits {
                // What is wrong with the person's own certificate says more than that others are there, too.
                if !matches!(reason, Error::Untrusted(other) if other != Untrusted::OtherPerson) {
                    reason = untrusted.into();
                }
                continue;
            }
            let mechanisms = self.holder.mechanisms(certificate)?;
            let known = algorithms(certificate).into_iter().find(|algorithm| mechanisms.contains(&scheme(*algorithm).1));
            match known {
                Some(algorithm) => return Ok((certificate.to_vec(), algorithm)),
                None => reason = Error::UnfitKey("the module signs in no way that shares servers know: ES256, ES384, RS256, PS256"),
            }
        }
        Err(reason)
    }
}

impl<D> fmt::Debug for ModuleSigner<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleSigner").finish_non_exhaustive()
    }
}

impl<D: Dialogue> AuthSigner for ModuleSigner<'_, D> {
    fn algorithm(&mut self, person: &RecipientId) -> Result<Algorithm, Error> {
        self.key(person).map(|(_, algorithm)| algorithm)
    }

    fn sign(
        &mut self,
        person: &RecipientId,
        signing_input: &[u8],
        algorithm: Algorithm,
        interaction: &mut dyn Interaction,
    ) -> Result<Signed, Error> {
        let (certificate, fitting) = self.key(person)?;
        if algorithm != fitting {
            return Err(Error::UnfitKey("it signs with another algorithm than the one that is wanted"));
        }
        if interaction.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let signature = self.holder.authenticate(&certificate, scheme(algorithm).0, signing_input)?;
        let signed = Signed { certificate, signature };
        Wanted { person, signing_input, algorithm, authorities: None }.check(&signed)?;
        Ok(signed)
    }
}

fn algorithms(certificate: &[u8]) -> Vec<Algorithm> {
    super::trust::public_key(certificate).map_or(Vec::new(), |key| Algorithm::of_public_key(&key).to_vec())
}

/// What TLS calls an algorithm, and what a module must have for it.
fn scheme(algorithm: Algorithm) -> (SignatureScheme, MechanismType) {
    match algorithm {
        Algorithm::Es256 => (SignatureScheme::ECDSA_NISTP256_SHA256, MechanismType::ECDSA),
        Algorithm::Es384 => (SignatureScheme::ECDSA_NISTP384_SHA384, MechanismType::ECDSA),
        Algorithm::Rs256 => (SignatureScheme::RSA_PKCS1_SHA256, MechanismType::RSA_PKCS),
        Algorithm::Ps256 => (SignatureScheme::RSA_PSS_SHA256, MechanismType::RSA_PKCS_PSS),
    }
}
