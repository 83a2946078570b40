//! What can go wrong behind a PKCS#11 module, in words for the person who uses it.

use std::path::PathBuf;

use cdoc2::UnlockError;
use cryptoki::error::{Error as Cryptoki, RvError};

/// Why a module did not do what was wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The library cannot be loaded, or is no PKCS#11 module.
    #[error("{}: not a PKCS#11 module that can be loaded: {reason}", path.display())]
    Load {
        /// The library.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// There is no token, or none of those that were asked for.
    #[error("the module has no such token: it has {0}")]
    NoToken(String),
    /// No token shows a key that could open anything.
    #[error("the token shows no certificate and no public key{0}")]
    NoKey(&'static str),
    /// The public half is there, and the private key is not.
    #[error("the token does not have the private key of its certificate or public key")]
    NoPrivateKey,
    /// The PIN is not the right one.
    #[error("wrong PIN{}", if *.last_try { "; one try is left" } else { "" })]
    WrongPin {
        /// Whether one try is left, as far as the token says.
        last_try: bool,
    },
    /// The PIN was typed wrong too often.
    #[error("the PIN of the token is blocked: it was typed wrong too often")]
    Locked,
    /// One try is left, and the caller has not consented to use it.
    #[error("one try is left for the PIN of the token: if it is wrong, the PIN is blocked")]
    LastTry,
    /// The token does not take a PIN of this form.
    #[error("the token takes no PIN of this length or with these characters")]
    UnfitPin,
    /// The token has no PIN yet.
    #[error("the token has no PIN yet")]
    NoPin,
    /// Whoever was asked for the PIN did not give it.
    #[error("the PIN was not given")]
    NotGiven,
    /// The token is not there any more.
    #[error("the token was removed or does not answer")]
    Removed,
    /// The module refused.
    #[error("the module refused: {0}")]
    Refused(String),
    /// It is not the token, but the container.
    #[error(transparent)]
    Container(#[from] cdoc2::Error),
}

impl From<Cryptoki> for Error {
    fn from(error: Cryptoki) -> Self {
        let Cryptoki::Pkcs11(value, function) = error else { return Self::Refused(error.to_string()) };
        match value {
            RvError::PinIncorrect => Self::WrongPin { last_try: false },
            RvError::PinLocked => Self::Locked,
            RvError::PinLenRange | RvError::PinInvalid => Self::UnfitPin,
            RvError::UserPinNotInitialized => Self::NoPin,
            RvError::TokenNotPresent | RvError::DeviceRemoved | RvError::DeviceError | RvError::TokenNotRecognized => Self::Removed,
            // The name of the value: its text is a paragraph of the standard.
            value => Self::Refused(format!("{value:?} in {function}")),
        }
    }
}

impl From<cdoc2::core::Error> for Error {
    fn from(error: cdoc2::core::Error) -> Self {
        Self::Container(error.into())
    }
}

impl UnlockError for Error {
    fn about_record(&self) -> Option<&cdoc2::Error> {
        match self {
            Self::Container(error) => Some(error),
            _ => None,
        }
    }
}
