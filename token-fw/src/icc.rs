//! The card as its reader sees it: power, an answer to reset, commands and responses. CCID calls this side ICC.

use heapless::VecView;
use token_proto::Atr;

use crate::platform::Instant;

/// A card in a slot. The CCID layer, and every virtual reader, drives one.
pub trait Icc {
    /// Gives power, or resets if there is power: nothing is selected, no PIN is verified, no response is pending afterwards.
    fn power_on(&mut self) -> Atr;

    /// Takes power away: everything volatile is wiped.
    fn power_off(&mut self);

    /// Begins to carry out the command APDU `command`, whatever its octets. The owner of `response` lends it empty, with room for
    /// [`MAX_RESPONSE_LEN`](token_proto::MAX_RESPONSE_LEN) octets, and gets the response APDU in it with [`Progress::Done`].
    fn command(&mut self, now: Instant, command: &[u8], response: &mut VecView<u8>) -> Progress;

    /// Goes on with a command that was [`Progress::Waiting`]; nothing else may be called in between but [`power_on`](Self::power_on) and
    /// [`power_off`](Self::power_off), which end it.
    fn resume(&mut self, now: Instant, response: &mut VecView<u8>) -> Progress;
}

/// How far a command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// The response is there.
    Done,
    /// The card waits for its person; the reader asks the host for more time meanwhile (CCID Rev 1.1, 6.2.6: time extension).
    Waiting,
}
