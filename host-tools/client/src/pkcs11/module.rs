//! A loaded module, and which of its tokens are meant.

use std::fmt;
use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Cryptoki, RvError};
use cryptoki::slot::Slot;

use super::Error;

/// Which tokens and keys are meant; everything that is `None` leaves the choice open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice<'a> {
    /// The number of the slot.
    pub slot: Option<u64>,
    /// The label of the token.
    pub token_label: Option<&'a str>,
    /// The label of the key or its certificate.
    pub key_label: Option<&'a str>,
}

/// A PKCS#11 module in this process. It is finalised when dropped.
pub struct Module {
    /// There until the module is dropped.
    context: Option<Pkcs11>,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").finish_non_exhaustive()
    }
}

impl Module {
    /// Loads and initialises the module in the library at `path`. Its code runs in this process: it must be trusted.
    ///
    /// # Errors
    /// [`Error::Load`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        let failed = |error: Cryptoki| Error::Load { path: path.to_owned(), reason: error.to_string() };
        let context = Pkcs11::new(path).map_err(failed)?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Somebody else in this process uses the same library.
            Ok(()) | Err(Cryptoki::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(Self { context: Some(context) }),
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) fn context(&self) -> Result<&Pkcs11, Error> {
        self.context.as_ref().ok_or(Error::Removed)
    }

    /// The slots of the tokens that `choice` means: at least one.
    pub(super) fn slots(&self, choice: &Choice<'_>) -> Result<Vec<Slot>, Error> {
        let context = self.context()?;
        let (mut chosen, mut present) = (Vec::new(), Vec::new());
        for slot in context.get_slots_with_initialized_token()? {
            let info = context.get_token_info(slot)?;
            present.push(format!("\"{}\" in slot {}", info.label(), slot.id()));
            if choice.slot.is_none_or(|id| id == slot.id()) && choice.token_label.is_none_or(|label| label == info.label()) {
                chosen.push(slot);
            }
        }
        if chosen.is_empty() {
            return Err(Error::NoToken(if present.is_empty() { "none".to_owned() } else { present.join(", ") }));
        }
        Ok(chosen)
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Some(context) = self.context.take() {
            let _ = context.finalize();
        }
    }
}
