//! A module's token as the holder of a recipient's key.

use std::fmt;

use cdoc2::core::holder::{Fit, KeyHolder, Released};
use cdoc2::core::key::{Kek, SharedSecret};
use cdoc2::core::wire::capsule::{Capsule, EccPublicKeyCapsule, EllipticCurve};
use cdoc2::core::wire::envelope::Envelope;
use cdoc2::core::wire::header::RecipientRecord;
use cdoc2::core::{Feature, derive};
use cdoc2::keys::{PublicKey, oaep_unpad_kek};
use cryptoki::error::{Error as Cryptoki, RvError};
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::{RawAuthPin, Ulong};
use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::key::Key;
use super::{Choice, Error, Module};
use crate::capsule_server::{Authenticate, Credentials, Error as ServerError, Failure, ecdsa_scheme};
use crate::sender;
use crate::signature::ecdsa_der;

/// A question for the PIN of a token.
#[derive(Clone, Debug)]
pub struct PinQuestion {
    /// The label of the token.
    pub token: String,
    /// Whether one try is left, as far as the token says.
    pub last_try: bool,
}

/// The person before the token.
pub trait Dialogue {
    /// Asks for the PIN. `None` gives up.
    fn pin(&mut self, question: &PinQuestion) -> Option<Zeroizing<Vec<u8>>>;

    /// Says that the PIN is typed at the token's own keys.
    fn pin_pad(&mut self);
}

/// Keys behind a [`Module`] that open containers. The PIN is asked for when the first record fits.
pub struct ModuleHolder<'m, D> {
    module: &'m Module,
    keys: Vec<Key>,
    dialogue: D,
    last_try: bool,
    /// The token that somebody is logged in to.
    session: Option<(Slot, Session)>,
}

impl<D> fmt::Debug for ModuleHolder<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleHolder").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl<'m, D: Dialogue> ModuleHolder<'m, D> {
    /// A holder of the keys that `choice` means; it never uses the last try of a PIN.
    ///
    /// # Errors
    /// [`Error::NoToken`], [`Error::NoKey`]; [`Error::Refused`], [`Error::Removed`].
    pub fn new(module: &'m Module, choice: &Choice<'_>, dialogue: D) -> Result<Self, Error> {
        let mut keys = Vec::new();
        for slot in module.slots(choice)? {
            let session = module.context()?.open_ro_session(slot)?;
            keys.extend(Key::all(slot, &session)?);
        }
        if let Some(label) = choice.key_label {
            keys.retain(|key| key.has_label(label));
        }
        if keys.is_empty() {
            return Err(Error::NoKey(if choice.key_label.is_some() { " with that label" } else { "" }));
        }
        Ok(Self { module, keys, dialogue, last_try: false, session: None })
    }

    /// With the person's consent to use the last try, after which a wrong PIN is blocked.
    #[must_use]
    pub fn with_last_try(self, last_try: bool) -> Self {
        Self { last_try, ..self }
    }

    fn key_for(&self, record: &RecipientRecord<'_>) -> Option<&Key> {
        self.keys.iter().find(|key| match record.capsule {
            Capsule::EccPublicKey(EccPublicKeyCapsule { curve: EllipticCurve::Known(curve), recipient_public_key, .. }) => {
                key.public_key.is_ec_recipient(curve, recipient_public_key)
            }
            Capsule::RsaPublicKey(capsule) => key.public_key.is_rsa_recipient(capsule.recipient_public_key),
            _ => false,
        })
    }

    /// The certificates of the keys, in DER.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.iter().filter_map(|key| key.certificate.as_deref())
    }

    fn key_of(&self, certificate: &[u8]) -> Result<&Key, Error> {
        self.keys.iter().find(|key| key.certificate.as_deref() == Some(certificate)).ok_or(Error::NoPrivateKey)
    }

    /// What the token with the key of this certificate can do.
    pub(crate) fn mechanisms(&self, certificate: &[u8]) -> Result<Vec<MechanismType>, Error> {
        Ok(self.module.context()?.get_mechanism_list(self.key_of(certificate)?.slot)?)
    }

    /// Signs `message` with the key of this certificate: `r || s` for ECDSA.
    pub(crate) fn authenticate(&mut self, certificate: &[u8], scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.log_in(self.key_of(certificate)?.slot)?;
        let key = self.key_of(certificate)?;
        let (_, session) = self.session.as_ref().ok_or(Error::NoPrivateKey)?;
        sign(session, key, scheme, message)
    }

    /// A session with the token in `slot`, after its PIN.
    fn log_in(&mut self, slot: Slot) -> Result<(), Error> {
        if self.session.as_ref().is_some_and(|(open, _)| *open == slot) {
            return Ok(());
        }
        let context = self.module.context()?;
        let info = context.get_token_info(slot)?;
        let session = context.open_ro_session(slot)?;
        if info.user_pin_locked() {
            return Err(Error::Locked);
        }
        if info.user_pin_final_try() && !self.last_try {
            return Err(Error::LastTry);
        }
        let entered = if !info.login_required() {
            Ok(())
        } else if info.protected_authentication_path() {
            self.dialogue.pin_pad();
            session.login(UserType::User, None)
        } else {
            let question = PinQuestion { token: info.label().to_owned(), last_try: info.user_pin_final_try() };
            let mut pin = self.dialogue.pin(&question).ok_or(Error::NotGiven)?;
            // The octets move; they are not copied.
            session.login_with_raw(UserType::User, &RawAuthPin::new(Box::new(std::mem::take(&mut *pin))))
        };
        match entered {
            Ok(()) | Err(Cryptoki::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                self.session = Some((slot, session));
                Ok(())
            }
            Err(Cryptoki::Pkcs11(RvError::PinIncorrect, _)) => {
                let info = context.get_token_info(slot)?;
                if info.user_pin_locked() {
                    return Err(Error::Locked);
                }
                Err(Error::WrongPin { last_try: info.user_pin_final_try() })
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl<D: Dialogue> KeyHolder for ModuleHolder<'_, D> {
    type Error = Error;

    fn fit(&self, record: &RecipientRecord<'_>) -> Fit {
        if self.key_for(record).is_some() { Fit::Yes } else { Fit::No }
    }

    fn release(&mut self, _: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<Released, Error> {
        let unsupported = || Error::Container(cdoc2::Error::Unsupported(Feature::Capsule));
        if let Capsule::EccPublicKey(capsule) = record.capsule {
            sender::check(&capsule)?;
        }
        let slot = self.key_for(record).ok_or_else(unsupported)?.slot;
        self.log_in(slot)?;
        let (Some(key), Some((_, session))) = (self.key_for(record), &self.session) else { return Err(unsupported()) };
        let private_key = key.private_key(session)?;
        let kek = match record.capsule {
            Capsule::EccPublicKey(capsule) => {
                let shared = agree(session, private_key, &capsule)?;
                derive::kek_from_shared_secret(&shared, capsule.recipient_public_key, capsule.sender_public_key)?
            }
            Capsule::RsaPublicKey(capsule) => decrypt(session, private_key, capsule.encrypted_kek)?,
            _ => return Err(unsupported()),
        };
        Ok(Released::Kek(kek))
    }
}

impl<D: Dialogue> Authenticate for ModuleHolder<'_, D> {
    fn credentials(&mut self, record: &RecipientRecord<'_>) -> Result<Credentials, Failure<Error>> {
        let key = self.key_for(record).ok_or(ServerError::NoCertificate)?;
        let certificate = key.certificate.clone().ok_or(ServerError::NoCertificate)?;
        let (mechanism, scheme, lacking) = match &key.public_key {
            PublicKey::Ec(key) => {
                (MechanismType::ECDSA, ecdsa_scheme(key.curve()), "the module does not sign with it (it lacks CKM_ECDSA)")
            }
            PublicKey::Rsa(_) => (
                MechanismType::RSA_PKCS_PSS,
                SignatureScheme::RSA_PSS_SHA256,
                "TLS 1.3 wants RSA-PSS, and the module lacks CKM_RSA_PKCS_PSS",
            ),
        };
        let slot = key.slot;
        let context = self.module.context().map_err(Failure::Holder)?;
        let mechanisms = context.get_mechanism_list(slot).map_err(|error| Failure::Holder(error.into()))?;
        if !mechanisms.contains(&mechanism) {
            return Err(ServerError::CannotAuthenticate(lacking).into());
        }
        self.log_in(slot).map_err(Failure::Holder)?;
        Ok(Credentials { chain: vec![CertificateDer::from(certificate)], schemes: vec![scheme] })
    }

    fn sign(&mut self, record: &RecipientRecord<'_>, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Failure<Error>> {
        let (Some(key), Some((_, session))) = (self.key_for(record), &self.session) else {
            return Err(Failure::Holder(Error::NoPrivateKey));
        };
        let signature = sign(session, key, scheme, message).map_err(Failure::Holder)?;
        match key.public_key {
            PublicKey::Ec(_) => {
                ecdsa_der(&signature).ok_or_else(|| Failure::Holder(Error::Refused("the signature is none".to_owned())))
            }
            PublicKey::Rsa(_) => Ok(signature),
        }
    }
}

/// A signature: `r || s` for ECDSA. The module gets the hash: not every one can compute it.
fn sign(session: &Session, key: &Key, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
    let private_key = key.private_key(session)?;
    let ecdsa = |hash: &[u8]| Ok(session.sign(&Mechanism::Ecdsa, private_key, hash)?);
    match scheme {
        SignatureScheme::ECDSA_NISTP256_SHA256 => ecdsa(&Sha256::digest(message)),
        SignatureScheme::ECDSA_NISTP384_SHA384 => ecdsa(&Sha384::digest(message)),
        SignatureScheme::ECDSA_NISTP521_SHA512 => ecdsa(&Sha512::digest(message)),
        SignatureScheme::RSA_PKCS1_SHA256 => {
            let info = [&SHA256_DIGEST_INFO[..], &Sha256::digest(message)].concat();
            Ok(session.sign(&Mechanism::RsaPkcs, private_key, &info)?)
        }
        _ => {
            let hash = Sha256::digest(message);
            let s_len = Ulong::try_from(hash.len()).map_err(Error::from)?;
            let parameters = PkcsPssParams { hash_alg: MechanismType::SHA256, mgf: PkcsMgfType::MGF1_SHA256, s_len };
            Ok(session.sign(&Mechanism::RsaPkcsPss(parameters), private_key, &hash)?)
        }
    }
}

/// `DigestInfo` of SHA-256 before the hash itself (RFC 8017, 9.2, note 1).
const SHA256_DIGEST_INFO: [u8; 19] = *b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";

/// ECDH: the x-coordinate, as a key of the session that is read and destroyed.
fn agree(session: &Session, private_key: ObjectHandle, capsule: &EccPublicKeyCapsule<'_>) -> Result<SharedSecret, Error> {
    let curve = sender::check(capsule)?;
    let mechanism = Mechanism::Ecdh1Derive(Ecdh1DeriveParams::new(EcKdf::null(), capsule.sender_public_key));
    let len = Ulong::try_from(curve.field_len()).map_err(Error::from)?;
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::Token(false),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
        Attribute::ValueLen(len),
    ];
    let secret = session.derive_key(&mechanism, private_key, &template)?;
    let value = session.get_attributes(secret, &[AttributeType::Value]);
    let destroyed = session.destroy_object(secret);
    let Some(Attribute::Value(x)) = value?.pop() else {
        return Err(Error::Refused("the shared secret cannot be read".to_owned()));
    };
    let x = Zeroizing::new(x);
    destroyed?;
    SharedSecret::try_fill(curve, |octets| {
        if octets.len() != x.len() {
            return Err(Error::Refused("the shared secret has another length than the curve".to_owned()));
        }
        octets.copy_from_slice(&x);
        Ok(())
    })
}

/// RSAES-OAEP; where the module has it with SHA-1 only, RSA, and the padding is taken off here.
fn decrypt(session: &Session, private_key: ObjectHandle, encrypted_kek: &[u8]) -> Result<Kek, Error> {
    let parameters = PkcsOaepParams::new(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, PkcsOaepSource::empty());
    let rejected = || Error::Container(cdoc2::Error::Rejected);
    match session.decrypt(&Mechanism::RsaPkcsOaep(parameters), private_key, encrypted_kek).map(Zeroizing::new) {
        Ok(message) => Kek::decrypted(|kek| {
            *kek = *message.as_array().ok_or_else(rejected)?;
            Ok(())
        }),
        Err(Cryptoki::Pkcs11(
            RvError::ArgumentsBad | RvError::MechanismInvalid | RvError::MechanismParamInvalid | RvError::FunctionNotSupported,
            _,
        )) => {
            let encoded = Zeroizing::new(session.decrypt(&Mechanism::RsaX509, private_key, encrypted_kek)?);
            Kek::decrypted(|kek| oaep_unpad_kek(&encoded, kek).map_err(|_| rejected()))
        }
        // Any failure of the decryption itself looks like a wrong key: what it says of the padding must not be told apart.
        Err(Cryptoki::Pkcs11(RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange | RvError::DataInvalid, _)) => {
            Err(rejected())
        }
        Err(error) => Err(error.into()),
    }
}
