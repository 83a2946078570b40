//! A card as the holder of a recipient's key.

use cdoc2::core::Feature;
use cdoc2::core::holder::{Fit, KeyHolder, Released};
use cdoc2::core::wire::capsule::Capsule;
use cdoc2::core::wire::envelope::Envelope;
use cdoc2::core::wire::header::RecipientRecord;
use token_proto::PinRef;

use super::{Error, Pin, Token};
use crate::sender;

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
        let pin = match self.pin.take() {
            Some(pin) => pin,
            None => {
                let tries_left = self.token.check_tries(PinRef::Pin1, self.last_try)?;
                let question = PinQuestion { pin: PinRef::Pin1, tries_left, has_pin_pad: self.token.has_pin_pad() };
                self.dialogue.pin(&question).ok_or(Error::NotGiven(PinRef::Pin1))?
            }
        };
        let dialogue = &mut self.dialogue;
        let released = self.token.release(envelope, record, &capsule, &pin, &mut || dialogue.touch());
        if !matches!(released, Err(Error::WrongPin { .. } | Error::Blocked(_))) {
            self.pin = Some(pin);
        }
        released
    }
}
