//! Keys behind a PKCS#11 module: the PIN, and errors as the person who uses them needs them.

use cdoc2_client::pkcs11::{Dialogue, Error, PinQuestion};
use zeroize::Zeroizing;

use crate::exit::{Code, Failure};
use crate::secret_source::{SecretSource, tell};
use crate::text;

/// Obtains the PIN of a token: from its source, or from the person at the terminal, who is asked again after a wrong one.
pub(crate) struct PinEntry<'a> {
    source: &'a SecretSource<'a>,
    last_try: bool,
    was_asked: bool,
    /// Why there is none, where an answer cannot say it.
    failure: Option<Failure>,
}

impl<'a> PinEntry<'a> {
    pub(crate) fn new(source: &'a SecretSource<'a>, last_try: bool) -> Self {
        Self { source, last_try, was_asked: false, failure: None }
    }

    fn typed(&mut self, question: &PinQuestion) -> crate::exit::Result<Zeroizing<Vec<u8>>> {
        if !self.was_asked
            && let Some(given) = self.source.read()?
        {
            return Ok(given);
        }
        self.was_asked = true;
        let last = if question.last_try { " (the last try)" } else { "" };
        self.source.ask(&format!("PIN of \"{}\"{last}", text::brief(question.token.as_bytes())))
    }

    /// Whether the person may try again after `error`, of which they are told.
    pub(crate) fn may_try_again(&self, error: &Error) -> bool {
        let Error::WrongPin { last_try } = error else { return false };
        let may = self.was_asked && (!last_try || self.last_try);
        if may {
            tell("Wrong PIN. Try again.");
        }
        may
    }

    /// Why no PIN was given, if that is why.
    pub(crate) fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }
}

impl Dialogue for &mut PinEntry<'_> {
    fn pin(&mut self, question: &PinQuestion) -> Option<Zeroizing<Vec<u8>>> {
        self.typed(question).map_err(|failure| self.failure = Some(failure)).ok()
    }

    fn pin_pad(&mut self) {
        tell("Type the PIN at the reader.");
    }
}

/// An error of a module or its token.
pub(crate) fn failure(error: &Error) -> Failure {
    let (code, hint) = match error {
        Error::Load { .. } => (Code::Usage, Some("name the shared library of the module, such as opensc-pkcs11.so")),
        Error::NoToken(_) => (Code::Card, Some("--slot and --token-label choose among them")),
        Error::NoKey(_) => (Code::NoRecord, None),
        Error::NoPrivateKey => (Code::NoRecord, Some("the driver may not let this key decrypt")),
        Error::WrongPin { last_try: true } => {
            (Code::Rejected, Some("--last-try uses the last one; if it fails, the PIN is blocked"))
        }
        Error::WrongPin { last_try: false } => (Code::Rejected, None),
        Error::Locked => {
            (Code::Blocked, Some("the program that came with the token unblocks it, by its PUK or its security officer"))
        }
        Error::LastTry => (Code::Blocked, Some("--last-try uses it all the same")),
        Error::UnfitPin | Error::NoPin | Error::NotGiven => (Code::Usage, None),
        Error::Container(error) => (error.kind().into(), None),
        _ => (Code::Card, None),
    };
    let failure = Failure::new(code, error.to_string());
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
