//! The person at the terminal, while the phone is busy.

use std::fmt;

use super::VerificationCode;

/// A service that signs by somebody's phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Smart-ID, whose keys are shared between an app and the service.
    SmartId,
    /// Mobile-ID, whose keys are on a SIM.
    MobileId,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SmartId => "Smart-ID",
            Self::MobileId => "Mobile-ID",
        })
    }
}

/// What is said to a person, and heard from them, while somebody else signs.
pub trait Interaction {
    /// Shows the code that the phone will show too, or offer among others. It is called before the service is asked, so that the code is there when
    /// the phone lights up: whoever sees another one there must refuse.
    fn verification_code(&mut self, service: Service, code: VerificationCode);

    /// Whether to give up. It is asked several times a second while the phone is waited for.
    fn is_cancelled(&mut self) -> bool;
}
