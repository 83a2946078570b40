//! Signing in: whoever may fetch a key share proves it by one signature of an authentication key (UC.Client.04, steps 6 to 10).
//!
//! An [`AuthSigner`] has such a key somewhere, and nothing of it leaves there. What is to be signed, and for whom, comes from whoever makes the
//! authentication token. What comes back is checked before it is handed on: the certificate is the person's that was asked for and valid now,
//! and the signature is over what was to be signed.
//!
//! Nothing that says who the person is gets into a `Debug` text or an error.

mod card;
mod end_state;
mod error;
mod interaction;
mod mobile_id;
mod module;
mod phone_number;
mod session;
mod smart_id;
mod software;
mod trust;
mod verification_code;

use std::fmt;

use cdoc2_api::RecipientId;

pub use card::CardSigner;
pub use cdoc2_auth_token::Algorithm;
pub use end_state::EndState;
pub use error::{Error, Untrusted};
pub use interaction::{Interaction, Service};
pub use mobile_id::MobileId;
pub use module::ModuleSigner;
pub use phone_number::{PhoneNumber, UnfitPhoneNumber};
pub use session::Pace;
pub use smart_id::SmartId;
pub use software::SoftwareSigner;
pub use verification_code::VerificationCode;

/// A key that authenticates a person.
pub trait AuthSigner {
    /// The algorithm with which [`sign`](Self::sign) will sign for `person`. It stands in what is signed, so that it is asked for first; who has a
    /// certificate at hand reads it for that, and needs no PIN yet.
    ///
    /// # Errors
    /// The key cannot be had, or is another person's.
    fn algorithm(&mut self, person: &RecipientId) -> Result<Algorithm, Error>;

    /// Signs `signing_input`, not hashed yet, with the authentication key of `person`. The person is asked by the means of the key, and by
    /// `interaction`.
    ///
    /// # Errors
    /// There is no signature, or none that can be trusted. Where [`Error::may_be_tried_again`] says so, the next attempt begins with
    /// [`algorithm`](Self::algorithm) and another signing input: nonces do not last.
    fn sign(
        &mut self,
        person: &RecipientId,
        signing_input: &[u8],
        algorithm: Algorithm,
        interaction: &mut dyn Interaction,
    ) -> Result<Signed, Error>;
}

/// What a signer answers.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    /// The certificate of the key, in DER.
    pub certificate: Vec<u8>,
    /// The signature as JWS has it (RFC 7518, 3.3 to 3.5): `r || s` for ECDSA.
    pub signature: Vec<u8>,
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signed(..)")
    }
}
