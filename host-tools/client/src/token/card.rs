//! A card in a slot: what it is, which keys it has, and what can be asked of it.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use cdoc2::core::holder::Released;
use cdoc2::core::wire::capsule::{Capsule, EccPublicKeyCapsule, EllipticCurve};
use cdoc2::core::wire::envelope::Envelope;
use cdoc2::core::wire::header::RecipientRecord;
use cdoc2::core::{Feature, derive};
use cdoc2::keys::{Certificate, PublicKey};
use token_proto::esteid::{HASH_LEN, SIGNATURE_LEN};
use token_proto::{KeyRef, PinRef, Profile};

use super::apdu::Channel;
use super::application::Application;
use super::{Error, Fault, Pin, Slot, cdoc2_applet, esteid};

/// A key of a card that opens containers.
#[derive(Clone, Debug)]
pub struct TokenKey {
    /// Which of the card's keys.
    pub key: KeyRef,
    /// Its public half.
    pub public_key: PublicKey,
    /// Its certificate, if the card has one.
    pub certificate: Option<Certificate>,
    /// Whether every use of it waits for a touch.
    pub touch: bool,
}

/// The keys of cards that were read before, so that a certificate is read once in a run.
#[derive(Debug, Default)]
pub struct Cache(HashMap<CacheKey, Rc<[TokenKey]>>);

/// What tells one card from another without reading its certificate. The reader is a part of it, as cards for tests share their numbers.
type CacheKey = (String, Vec<u8>, String);

/// A card that is known here.
pub struct Token {
    slot: Box<dyn Slot>,
    application: Application,
    document_number: String,
    keys: Rc<[TokenKey]>,
    /// Octets of data that the card takes in one command; `None`: short commands only.
    max_command_data_len: Option<u16>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("slot", &self.slot).field("application", &self.application).finish_non_exhaustive()
    }
}

/// What was found out about a card in one conversation.
struct Found {
    application: Application,
    document_number: String,
    keys: Rc<[TokenKey]>,
    max_command_data_len: Option<u16>,
}

impl Token {
    /// Finds out what the card in `slot` is, and reads its certificates unless `cache` has them.
    ///
    /// # Errors
    /// [`Error::UnknownCard`]; [`Error::BlankToken`]; [`Error::Certificate`]; [`Error::Fault`], and whatever else a card can answer.
    pub fn open(mut slot: Box<dyn Slot>, cache: &mut Cache) -> Result<Self, Error> {
        let (reader, atr) = (slot.name().to_owned(), slot.atr());
        let found = reading(&mut *slot, |channel| {
            let key = |number: &str| (reader.clone(), atr.octets().to_vec(), number.to_owned());
            if let Some(about) = cdoc2_applet::select(channel)? {
                let key = key(&about.document_number);
                let keys = match cache.0.get(&key) {
                    Some(keys) => Rc::clone(keys),
                    None => cache.insert(key, cdoc2_applet::keys(&about, channel)?),
                };
                return Ok(Found {
                    application: Application::Cdoc2,
                    document_number: about.document_number,
                    keys,
                    max_command_data_len: Some(about.max_command_data_len),
                });
            }
            for (application, profile) in
                [(Application::Esteid2018, Profile::Esteid2018V1), (Application::Esteid2025, Profile::Esteid2025)]
            {
                if esteid::is_present(profile, channel)? {
                    let document_number = esteid::document_number(profile, channel)?;
                    let key = key(&document_number);
                    let keys = match cache.0.get(&key) {
                        Some(keys) => Rc::clone(keys),
                        None => cache.insert(key, vec![esteid::authentication_key(profile, channel)?]),
                    };
                    return Ok(Found { application, document_number, keys, max_command_data_len: None });
                }
            }
            Err(Error::UnknownCard { atr })
        })?;
        let Found { application, document_number, keys, max_command_data_len } = found;
        Ok(Self { slot, application, document_number, keys, max_command_data_len })
    }

    /// A card of which everything but its keys is known.
    #[cfg(test)]
    pub(super) fn known(slot: Box<dyn Slot>, application: Application) -> Self {
        Self { slot, application, document_number: String::new(), keys: Rc::new([]), max_command_data_len: None }
    }

    /// The name of the reader.
    #[must_use]
    pub fn reader(&self) -> &str {
        self.slot.name()
    }

    /// Whether the reader has keys of its own for PINs, which are not used.
    #[must_use]
    pub fn has_pin_pad(&self) -> bool {
        self.slot.has_pin_pad()
    }

    /// What the card is.
    #[must_use]
    pub fn application(&self) -> Application {
        self.application
    }

    /// The number of the document, such as "AS0000001".
    #[must_use]
    pub fn document_number(&self) -> &str {
        &self.document_number
    }

    /// The keys that open containers.
    #[must_use]
    pub fn keys(&self) -> &[TokenKey] {
        &self.keys
    }

    /// The authentication key, which signs.
    pub(super) fn authentication_key(&self) -> Option<&TokenKey> {
        self.keys.iter().find(|key| key.key == KeyRef::Authentication)
    }

    /// The certificate to encrypt to: that of the authentication key, which every program knows, or else of another.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        let authentication = self.keys.iter().filter(|key| key.key == KeyRef::Authentication);
        authentication.chain(&*self.keys).find_map(|key| key.certificate.as_ref())
    }

    /// Whether `record` is for a key of the card.
    #[must_use]
    pub fn fits(&self, record: &RecipientRecord<'_>) -> bool {
        matches!(record.capsule, Capsule::EccPublicKey(capsule) if self.key_for(&capsule).is_some())
    }

    /// The tries that are left for `pin`; `None` if the card does not say.
    ///
    /// # Errors
    /// [`Error::NoSuchPin`]; [`Error::Fault`], and whatever else a card can answer.
    pub fn tries_left(&mut self, pin: PinRef) -> Result<Option<u8>, Error> {
        let application = self.application;
        reading(&mut *self.slot, |channel| application.tries_left(pin, channel))
    }

    /// As [`Self::tries_left`], for who is about to use one of them.
    ///
    /// # Errors
    /// Those, and [`Error::Blocked`]: none is left; [`Error::LastTry`]: one is left, and `consent` to use it is not given.
    pub fn check_tries(&mut self, pin: PinRef, consent: bool) -> Result<Option<u8>, Error> {
        match self.tries_left(pin)? {
            Some(0) => Err(Error::Blocked(pin)),
            Some(1) if !consent => Err(Error::LastTry(pin)),
            left => Ok(left),
        }
    }

    /// Verifies `pin`, and makes the card forget it again.
    ///
    /// # Errors
    /// [`Error::WrongPin`], [`Error::Blocked`], [`Error::NoSuchPin`]; [`Error::Fault`], and whatever else a card can answer.
    pub fn verify_pin(&mut self, pin: PinRef, typed: &Pin) -> Result<(), Error> {
        self.once(|application, channel| application.select_and_verify(pin, typed, channel))
    }

    /// Changes `pin` from `old` to `new`.
    ///
    /// # Errors
    /// As [`Self::verify_pin`]; [`Error::UnfitNew`].
    pub fn change_pin(&mut self, pin: PinRef, old: &Pin, new: &Pin) -> Result<(), Error> {
        self.once(|application, channel| application.change(pin, old, new, channel))
    }

    /// Gives `pin` the value `new` and all its tries, by the PUK.
    ///
    /// # Errors
    /// As [`Self::change_pin`], of the PUK as well.
    pub fn unblock_pin(&mut self, pin: PinRef, puk: &Pin, new: &Pin) -> Result<(), Error> {
        self.once(|application, channel| application.unblock(pin, puk, new, channel))
    }

    /// The key that `capsule` is for.
    pub(super) fn key_for(&self, capsule: &EccPublicKeyCapsule<'_>) -> Option<&TokenKey> {
        let EllipticCurve::Known(curve) = capsule.curve else { return None };
        self.keys.iter().find(|key| key.public_key.is_ec_recipient(curve, capsule.recipient_public_key))
    }

    /// Opens a record of `envelope`, whose capsule is `capsule`, with PIN1. `touch` is called before a command that waits for a touch.
    pub(super) fn release(
        &mut self,
        envelope: &Envelope<'_>,
        record: &RecipientRecord<'_>,
        capsule: &EccPublicKeyCapsule<'_>,
        pin: &Pin,
        touch: &mut dyn FnMut(),
    ) -> Result<Released, Error> {
        let key = self.key_for(capsule).ok_or(cdoc2::Error::Unsupported(Feature::Capsule))?.clone();
        let encrypted_fmk = record.xored_fmk()?;
        self.once(|application, channel| match application {
            Application::Cdoc2 => {
                application.select_and_verify(PinRef::Pin1, pin, channel)?;
                let sender = capsule.sender_public_key;
                cdoc2_applet::decapsulate(&key, sender, encrypted_fmk, envelope, channel, touch).map(Released::Cek)
            }
            Application::Esteid2018 | Application::Esteid2025 => {
                let shared = esteid::agree(application, pin, capsule.sender_public_key, channel)?;
                let kek = derive::kek_from_shared_secret(&shared, capsule.recipient_public_key, capsule.sender_public_key)?;
                Ok(Released::Kek(kek))
            }
        })
    }

    /// Signs `hash` with the authentication key and PIN1, for TLS client authentication or an authentication token: `r || s` on secp384r1.
    pub(super) fn authenticate(&mut self, pin: &Pin, hash: &[u8; HASH_LEN]) -> Result<[u8; SIGNATURE_LEN], Error> {
        self.once(|application, channel| {
            let Some(id_card) = application.id_card(channel)? else {
                return Err(Error::Nonsense("an authentication key without an ID-card"));
            };
            esteid::authenticate(id_card, pin, hash, channel)
        })
    }

    /// A conversation with a PIN in it. Whatever goes wrong, nothing of it is said twice; and whoever comes next finds no PIN verified.
    fn once<T>(&mut self, talk: impl FnOnce(Application, &mut Channel<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let mut channel = Channel::new(self.slot.begin()?);
        if let Some(len) = self.max_command_data_len {
            channel.extend(len);
        }
        let outcome = talk(self.application, &mut channel);
        if self.application.forget_pins(&mut channel).is_err() {
            // A card that is gone has forgotten it anyway.
            channel.reset();
        }
        outcome
    }
}

impl Cache {
    fn insert(&mut self, key: CacheKey, keys: Vec<TokenKey>) -> Rc<[TokenKey]> {
        let keys: Rc<[TokenKey]> = keys.into();
        self.0.insert(key, Rc::clone(&keys));
        keys
    }
}

/// A conversation that only reads: if somebody resets the card in the middle, it is had once more.
fn reading<T>(slot: &mut dyn Slot, mut talk: impl FnMut(&mut Channel<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let outcome = talk(&mut Channel::new(slot.begin()?));
    match outcome {
        Err(Error::Fault(Fault::Reset)) => talk(&mut Channel::new(slot.begin()?)),
        outcome => outcome,
    }
}
