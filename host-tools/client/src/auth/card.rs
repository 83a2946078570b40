//! An ID-card in a reader, or in this process.

use std::fmt;

use cdoc2::core::Curve;
use cdoc2::keys::{Certificate, PublicKey};
use cdoc2_api::RecipientId;

use super::trust::{Wanted, certificate_of};
use super::{Algorithm, AuthSigner, Error, Interaction, Signed};
use crate::token::{Dialogue, Token, TokenHolder};

/// Signs with the authentication key of a card and PIN1, with ES384. PIN1 is asked for once, when there is something to sign.
pub struct CardSigner<'t, D> {
    holder: TokenHolder<'t, D>,
}

impl<'t, D: Dialogue> CardSigner<'t, D> {
    /// Signs with `token`; never uses the last try of PIN1.
    pub fn new(token: &'t mut Token, dialogue: D) -> Self {
        Self { holder: TokenHolder::new(token, dialogue) }
    }

    /// With the person's consent to use the last try, after which a wrong PIN1 is blocked.
    #[must_use]
    pub fn with_last_try(self, last_try: bool) -> Self {
        Self { holder: self.holder.with_last_try(last_try) }
    }

    /// The certificate of the authentication key, if it is `person`'s.
    fn certificate(&self, person: &RecipientId) -> Result<&Certificate, Error> {
        let key = self.holder.authentication_key().ok_or(Error::UnfitKey("the card has no key for authentication"))?;
        if !matches!(&key.public_key, PublicKey::Ec(key) if key.curve() == Curve::Secp384r1) {
            return Err(Error::UnfitKey("the card's key is not on secp384r1"));
        }
        let certificate = key.certificate.as_ref().ok_or(Error::UnfitKey("the card has no certificate for it"))?;
        certificate_of(certificate, person)?;
        Ok(certificate)
    }
}

impl<D> fmt::Debug for CardSigner<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardSigner").finish_non_exhaustive()
    }
}

impl<D: Dialogue> AuthSigner for CardSigner<'_, D> {
    fn algorithm(&mut self, person: &RecipientId) -> Result<Algorithm, Error> {
        self.certificate(person).map(|_| Algorithm::Es384)
    }

    fn sign(
        &mut self,
        person: &RecipientId,
        signing_input: &[u8],
        algorithm: Algorithm,
        interaction: &mut dyn Interaction,
    ) -> Result<Signed, Error> {
        let certificate = self.certificate(person)?.as_der().to_vec();
        if algorithm != Algorithm::Es384 {
            return Err(Error::UnfitKey("the card signs with ES384"));
        }
        if interaction.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let signature = self.holder.authenticate(signing_input)?.to_vec();
        let signed = Signed { certificate, signature };
        Wanted { person, signing_input, algorithm, authorities: None }.check(&signed)?;
        Ok(signed)
    }
}
