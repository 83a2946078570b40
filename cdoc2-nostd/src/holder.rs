//! Whoever holds a recipient's key: software, a card, an HSM, a test double.

use crate::Error;
use crate::key::Kek;
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

/// Holds a secret and computes the KEK of a record with it.
///
/// The secret itself never leaves the holder.
pub trait KeyHolder {
    /// What can go wrong: the core's own errors, and whatever the holder adds (a card pulled out, a wrong PIN).
    type Error: From<Error>;

    /// Whether `record` is for this holder. Costs no use of the secret and asks the person nothing.
    fn fit(&self, record: &RecipientRecord<'_>) -> Fit;

    /// Computes the KEK of `record`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a record that does not [`fit`](Self::fit); [`Error::Malformed`] for one whose fields are not sound. Whether
    /// the KEK is the right one shows at the header's MAC only.
    fn kek(&mut self, record: &RecipientRecord<'_>) -> Result<Kek, Self::Error>;
}
