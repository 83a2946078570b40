//! PINs: where they come from, and when a person is asked again.

use cdoc2_client::token::{Dialogue, Error, Pin, PinQuestion, PinRef, Token, pin_name};

use crate::card;
use crate::exit::{Failure, Result};
use crate::secret_source::{Secret, SecretSource, ask_new, tell};

/// Tries of a PIN that nobody has mistyped.
const ALL_TRIES: u8 = 3;

/// Obtains one PIN of a card: from its source, or from the person at the terminal, who is asked again after a wrong one.
pub(crate) struct PinEntry<'a> {
    pin: PinRef,
    source: &'a SecretSource<'a>,
    /// Whether the person consents to use the last try.
    last_try: bool,
    was_asked: bool,
    /// Why there is none, where an answer cannot say it.
    failure: Option<Failure>,
}

impl<'a> PinEntry<'a> {
    pub(crate) fn new(pin: PinRef, source: &'a SecretSource<'a>, last_try: bool) -> Self {
        Self { pin, source, last_try, was_asked: false, failure: None }
    }

    /// The PIN, if the card has tries left for it.
    pub(crate) fn obtain(&mut self, token: &mut Token) -> Result<Pin> {
        let tries_left = token.check_tries(self.pin, self.last_try);
        let tries_left = tries_left.map_err(|error| card::failure(token.reader(), &error))?;
        self.typed(&PinQuestion { pin: self.pin, tries_left, has_pin_pad: token.has_pin_pad() })
    }

    fn typed(&mut self, question: &PinQuestion) -> Result<Pin> {
        // Whoever was asked has no other source; and a file may be readable only once.
        if !self.was_asked
            && let Some(given) = self.source.read()?
        {
            return Pin::new(self.pin, &given).map_err(|problem| Failure::usage(problem.to_string()));
        }
        let name = pin_name(self.pin);
        if question.has_pin_pad && !self.was_asked {
            tell(&format!("The keys of the reader cannot be used: type the {name} here, or stop with Ctrl-C."));
        }
        self.was_asked = true;
        let question = match question.tries_left {
            Some(1) => format!("{name} (the last try)"),
            Some(left) if left < ALL_TRIES => format!("{name} ({left} tries are left)"),
            _ => name.to_owned(),
        };
        loop {
            match Pin::new(self.pin, &self.source.ask(&question)?) {
                Ok(pin) => return Ok(pin),
                Err(problem) => tell(&format!("{}. Try again.", upper_first(&problem.to_string()))),
            }
        }
    }

    /// Whether the person may try again after `error`, of which they are told.
    pub(crate) fn may_try_again(&self, error: &Error) -> bool {
        let Error::WrongPin { pin, tries_left: Some(left) } = error else { return false };
        let may = *pin == self.pin && self.was_asked && (*left > 1 || self.last_try);
        if may {
            tell(&format!("Wrong {}. Try again.", pin_name(*pin)));
        }
        may
    }

    /// Does `job` with `typed`, and with what is typed after it while that is wrong.
    pub(crate) fn persevere(
        &mut self,
        token: &mut Token,
        mut typed: Pin,
        job: impl Fn(&mut Token, &Pin) -> Result<(), Error>,
    ) -> Result<()> {
        loop {
            match job(token, &typed) {
                Ok(()) => return Ok(()),
                Err(error) if self.may_try_again(&error) => typed = self.obtain(token)?,
                Err(error) => return Err(card::failure(token.reader(), &error)),
            }
        }
    }

    /// Why no PIN was given, if that is why.
    pub(crate) fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }
}

impl Dialogue for &mut PinEntry<'_> {
    fn pin(&mut self, question: &PinQuestion) -> Option<Pin> {
        self.typed(question).map_err(|failure| self.failure = Some(failure)).ok()
    }

    fn touch(&mut self) {
        tell("Touch the token.");
    }
}

/// A new value of `pin`, from its source or typed twice.
pub(crate) fn new_pin(pin: PinRef, source: &SecretSource<'_>) -> Result<Pin> {
    let check = |typed: &[u8]| Pin::new(pin, typed).map(drop).map_err(|problem| upper_first(&problem.to_string()));
    let typed: Secret = match source.read()? {
        Some(given) => given,
        None => ask_new(source, &format!("New {}", pin_name(pin)), check)?,
    };
    Pin::new(pin, &typed).map_err(|problem| Failure::usage(problem.to_string()))
}

fn upper_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
