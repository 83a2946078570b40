//! What can go wrong in a card, sorted by who must act. No text, no octets.

/// The card itself cannot go on, or not with what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The flash refused to read, write or erase. The card does nothing more until it is opened again.
    Flash,
    /// A record in the flash is missing, unreadable or forged. Nothing takes its place.
    Corrupt,
    /// The flash is too small for what is to be kept.
    Capacity,
    /// The random generator failed.
    Random,
    /// The card is not personalised.
    Blank,
    /// The card is personalised already.
    Personalised,
    /// Something to be kept is too long or not well-formed.
    Invalid,
}

/// Why a PIN did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinError {
    /// The PIN is not the right one.
    Wrong {
        /// Tries that are left now.
        left: u8,
    },
    /// No try is left; the PIN was not looked at.
    Blocked,
    /// The new PIN has too few digits, too many, or something that is no digit. No try was used.
    Invalid,
    /// The proof is not one of the PUK, or it is the PUK that was to be unblocked.
    NotAllowed,
    /// The card failed.
    Fault(Fault),
}

impl From<Fault> for PinError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Why a private key did not do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The card has no such key.
    NoKey,
    /// The key is not for this use, or not on this curve.
    NotAllowed,
    /// The other side's point has the wrong length or form, or is not on the curve.
    Point,
    /// The card failed.
    Fault(Fault),
}

impl From<Fault> for KeyError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Why an administrator was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdministratorError {
    /// The response does not fit the challenge.
    Wrong,
    /// The card failed.
    Fault(Fault),
}

impl From<Fault> for AdministratorError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
