//! Whoever holds a recipient's key: software, a card, an HSM, a test double.

use crate::Error;
use crate::key::{Cek, Kek};
use crate::wire::envelope::Envelope;
use crate::wire::header::RecipientRecord;

/// Whether a record is for a key, as far as that shows without using the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The record is for another key, or of a kind that the holder cannot open.
    No,
    /// The record carries the holder's public key.
    Yes,
    /// Only trying tells: nothing in the record identifies a symmetric key or a password.
    Perhaps,
}

/// What a holder lets go of.
#[derive(Debug)]
pub enum Released {
    /// The KEK of a record. The FMK, the check of the header and the CEK are left to whoever asked.
    Kek(Kek),
    /// The CEK, from a holder that has computed the FMK and checked the header itself and keeps the rest: a card that knows CDOC2.
    Cek(Cek),
}

/// Holds a secret and opens records with it.
///
/// The secret itself never leaves the holder.
pub trait KeyHolder {
    /// What can go wrong: the core's own errors, and whatever the holder adds (a card pulled out, a wrong PIN).
    type Error: From<Error>;

    /// Whether `record` is for this holder. Costs no use of the secret and asks the person nothing.
    fn fit(&self, record: &RecipientRecord<'_>) -> Fit;

    /// Opens `record`, one of `envelope`'s, as far as the holder does that.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a record that does not [`fit`](Self::fit); [`Error::Malformed`] for one whose fields are not sound. Whether
    /// a KEK is the right one shows at the header's MAC only; a holder that answers a CEK has checked it and says [`Error::Rejected`].
    fn release(&mut self, envelope: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<Released, Self::Error>;
}
