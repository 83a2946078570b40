//! A card as the holder of a recipient's key.

use cdoc2::core::holder::{Fit, KeyHolder, Released};
use cdoc2::core::wire::capsule::Capsule;
use cdoc2::core::wire::envelope::Envelope;
use cdoc2::core::wire::header::RecipientRecord;
use cdoc2::core::{Curve, Feature};
use cdoc2::keys::PublicKey;
use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha384};
use token_proto::esteid::SIGNATURE_LEN;
use token_proto::{KeyRef, PinRef};

use super::{Error, Pin, Token, TokenKey};
use crate::capsule_server::{Authenticate, Credentials, Error as ServerError, Failure, ecdsa_scheme};
use crate::sender;
use crate::signature::ecdsa_der;

/// A question for a PIN.
#[derive(Clone, Copy, Debug)]
pub struct PinQuestion {
    /// Which one.
    pub pin: PinRef,
    /// The tries that are left, if the card said so.
    pub tries_left: Option<u8>,
    /// Whether the reader has keys of its own, which are not used.
    pub has_pin_pad: bool,
}

/// The person before the card.
pub trait Dialogue {
    /// Asks for a PIN. The card is free for others meanwhile. `None` gives up.
    fn pin(&mut self, question: &PinQuestion) -> Option<Pin>;

    /// Says that the card waits for a touch.
    fn touch(&mut self);
}

/// A [`Token`] that opens containers.
///
/// PIN1 is asked for when the first record fits and everything that can be refused without the card was found good, and not again.
#[derive(Debug)]
pub struct TokenHolder<'t, D> {
    token: &'t mut Token,
    dialogue: D,
    last_try: bool,
    pin: Option<Pin>,
}

impl<'t, D: Dialogue> TokenHolder<'t, D> {
    /// A holder that never uses the last try of PIN1.
    pub fn new(token: &'t mut Token, dialogue: D) -> Self {
        Self { token, dialogue, last_try: false, pin: None }
    }

    /// With the person's consent to use the last try, after which a wrong PIN1 is blocked.
    #[must_use]
    pub fn with_last_try(self, last_try: bool) -> Self {
        Self { last_try, ..self }
    }
}

impl<D: Dialogue> TokenHolder<'_, D> {
    /// Does `job` with PIN1, which is asked for unless it is known. One that is wrong is forgotten.
    fn with_pin<T>(&mut self, job: impl FnOnce(&mut Token, &Pin, &mut D) -> Result<T, Error>) -> Result<T, Error> {
        let pin = match self.pin.take() {
            Some(pin) => pin,
            None => self.ask()?,
        };
        let done = job(self.token, &pin, &mut self.dialogue);
        if !matches!(done, Err(Error::WrongPin { .. } | Error::Blocked(_))) {
            self.pin = Some(pin);
        }
        done
    }

    /// The card's authentication key.
    pub(crate) fn authentication_key(&self) -> Option<&TokenKey> {
        self.token.authentication_key()
    }

    /// Signs `message`, hashed here with SHA-384, with the authentication key: `r || s`.
    pub(crate) fn authenticate(&mut self, message: &[u8]) -> Result<[u8; SIGNATURE_LEN], Error> {
        let hash = Sha384::digest(message).into();
        self.with_pin(|token, pin, _| token.authenticate(pin, &hash))
    }

    fn ask(&mut self) -> Result<Pin, Error> {
        let tries_left = self.token.check_tries(PinRef::Pin1, self.last_try)?;
        let question = PinQuestion { pin: PinRef::Pin1, tries_left, has_pin_pad: self.token.has_pin_pad() };
        self.dialogue.pin(&question).ok_or(Error::NotGiven(PinRef::Pin1))
    }
}

impl<D: Dialogue> KeyHolder for TokenHolder<'_, D> {
    type Error = Error;

    fn fit(&self, record: &RecipientRecord<'_>) -> Fit {
        if self.token.fits(record) { Fit::Yes } else { Fit::No }
    }

    fn release(&mut self, envelope: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<Released, Error> {
        let Capsule::EccPublicKey(capsule) = record.capsule else {
            return Err(cdoc2::Error::Unsupported(Feature::Capsule).into());
        };
        sender::check(&capsule)?;
        self.with_pin(|token, pin, dialogue| token.release(envelope, record, &capsule, pin, &mut || dialogue.touch()))
    }
}

impl<D: Dialogue> Authenticate for TokenHolder<'_, D> {
    fn credentials(&mut self, record: &RecipientRecord<'_>) -> Result<Credentials, Failure<Error>> {
        let key = match record.capsule {
            Capsule::EccPublicKey(capsule) => self.token.key_for(&capsule),
            _ => None,
        };
        let Some(TokenKey { key: KeyRef::Authentication, public_key: PublicKey::Ec(public_key), certificate, .. }) = key else {
            return Err(ServerError::CannotAuthenticate("of the card's keys only the one for authentication signs").into());
        };
        if public_key.curve() != Curve::Secp384r1 {
            return Err(ServerError::CannotAuthenticate("the card's key is not on secp384r1").into());
        }
        let certificate = certificate.as_ref().ok_or(ServerError::NoCertificate)?;
        let chain = vec![CertificateDer::from(certificate.as_der().to_vec())];
        if self.pin.is_none() {
            self.pin = Some(self.ask().map_err(Failure::Holder)?);
        }
        Ok(Credentials { chain, schemes: vec![ecdsa_scheme(Curve::Secp384r1)] })
    }

    fn sign(&mut self, _: &RecipientRecord<'_>, _: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Failure<Error>> {
        let signature = self.authenticate(message).map_err(Failure::Holder)?;
        ecdsa_der(&signature).ok_or_else(|| Failure::Holder(Error::Nonsense("a signature that is none")))
    }
}
