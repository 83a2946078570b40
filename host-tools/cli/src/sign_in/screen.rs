//! What the person at the terminal sees and can do while something signs for them.

use std::sync::mpsc::Receiver;

use cdoc2_client::auth::{Interaction, Service, VerificationCode};

use crate::secret_source::tell;
use crate::signals;

/// The terminal, during one attempt.
pub(super) struct Screen {
    /// The signal that ends the program, where there is more to be said than that.
    signal: Option<Receiver<i32>>,
    /// Which one it was.
    ended_by: Option<i32>,
}

impl Screen {
    /// Nothing is shown, and a signal ends the program at once.
    pub(super) fn plain() -> Self {
        Self { signal: None, ended_by: None }
    }

    /// While a phone asks, which goes on doing so when the program has ended: the person is told what becomes of that.
    pub(super) fn with_phone() -> Self {
        Self { signal: Some(signals::divert()), ended_by: None }
    }

    /// Ends the program of the signal by which the person has given up, if they have.
    pub(super) fn die_if_ended(&mut self) {
        if self.is_cancelled()
            && let Some(signal) = self.ended_by
        {
            tell("cdoc2: given up; what is on the phone can be refused, or lapses by itself");
            signals::die_of(signal);
        }
    }
}

impl Interaction for Screen {
    /// Whatever is quiet: whoever does not see the code cannot know what they confirm.
    fn verification_code(&mut self, service: Service, code: VerificationCode) {
        tell(&format!("Verification code: {code}"));
        tell(match service {
            Service::SmartId => {
                "Smart-ID asks on your phone now. Choose this code there; if it is not among those that are offered, refuse."
            }
            Service::MobileId => "Mobile-ID asks on your phone now. Enter the PIN only if it shows this code.",
        });
    }

    fn is_cancelled(&mut self) -> bool {
        if self.ended_by.is_none() {
            self.ended_by = self.signal.as_ref().and_then(|signal| signal.try_recv().ok());
        }
        self.ended_by.is_some()
    }
}
