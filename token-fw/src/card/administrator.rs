//! The administrator: whoever has the administrator key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::slot::Slot;
use super::{AdministratorError, Card, Fault};
use crate::Platform;

/// Octets of the administrator key.
pub const ADMINISTRATOR_KEY_LEN: usize = 32;
/// Octets of a challenge.
pub const CHALLENGE_LEN: usize = 32;

/// Proof that an administrator answered a challenge. Whoever holds it decides how long it is worth something; it does not outlive a
/// factory reset.
#[derive(Debug, PartialEq, Eq)]
pub struct Administrator(());

impl<P: Platform> Card<P> {
    /// Checks `response = HMAC-SHA-256(administrator key, challenge)`. That the challenge is fresh and used once is the caller's to see to.
    ///
    /// # Errors
    /// [`AdministratorError::Wrong`]; [`Fault::Blank`], or the card failed.
    pub fn check_administrator(
        &mut self,
        challenge: &[u8; CHALLENGE_LEN],
        response: &[u8],
    ) -> Result<Administrator, AdministratorError> {
        self.personalised()?;
        let len = self.load(Slot::ADMINISTRATOR)?.filter(|found| found.len == ADMINISTRATOR_KEY_LEN).ok_or(Fault::Corrupt)?.len;
        let mac = Hmac::<Sha256>::new_from_slice(self.scratch.plaintext(len));
        self.scratch.wipe();
        let mac = mac.map_err(|_| Fault::Corrupt)?.chain_update(challenge);
        mac.verify_slice(response).map_err(|_| AdministratorError::Wrong)?;
        Ok(Administrator(()))
    }
}
