//! What the person at the terminal sees and can do while something signs for them.

use cdoc2_client::auth::{Interaction, Service, VerificationCode};

use crate::secret_source::tell;
use crate::signals::LastWords;

/// The terminal, during one attempt.
pub(super) struct Screen {
    /// What is said if the person gives up.
    _last_words: Option<LastWords>,
}

impl Screen {
    pub(super) fn plain() -> Self {
        Self { _last_words: None }
    }

    /// While a phone asks, which goes on doing so when the program has ended.
    pub(super) fn with_phone() -> Self {
        Self { _last_words: Some(LastWords::new("cdoc2: given up; what is on the phone can be refused, or lapses by itself")) }
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

    /// A signal ends the whole program, at once.
    fn is_cancelled(&mut self) -> bool {
        false
    }
}
