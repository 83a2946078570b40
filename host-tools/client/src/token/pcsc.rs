//! Cards over PC/SC: pcscd on Linux, the system's own service elsewhere.

use std::ffi::CString;
use std::fmt;
use std::time::{Duration, Instant};

use pcsc::{Card, Context, Disposition, Protocols, Scope, ShareMode, State, Transaction};
use token_proto::{Atr, Reader};

use super::slot::{Conversation, Fault, Slot};

/// A reader, and whether there is a card in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderInfo {
    /// Its name.
    pub name: String,
    /// The answer to reset of the card in it, if there is one that answers.
    pub atr: Option<Atr>,
    /// Whether there is a card that does not answer.
    pub is_mute: bool,
}

/// Every reader that is connected. None is no error.
///
/// # Errors
/// [`Fault::NoService`], or another that the service reports.
pub fn readers() -> Result<Vec<ReaderInfo>, Fault> {
    let context = establish()?;
    let names = match context.list_readers_owned() {
        Ok(names) => names,
        Err(pcsc::Error::NoReadersAvailable) => return Ok(Vec::new()),
        Err(error) => return Err(fault(error)),
    };
    let mut states: Vec<_> = names.into_iter().map(|name| pcsc::ReaderState::new(name, State::UNAWARE)).collect();
    if !states.is_empty() {
        context.get_status_change(Duration::ZERO, &mut states).map_err(fault)?;
    }
    let info = |state: &pcsc::ReaderState| {
        let is_present = state.event_state().contains(State::PRESENT);
        ReaderInfo {
            name: state.name().to_string_lossy().into_owned(),
            atr: is_present.then(|| Atr::new(state.atr())).flatten(),
            is_mute: state.event_state().contains(State::MUTE),
        }
    };
    Ok(states.iter().map(info).collect())
}

/// A card in a reader of PC/SC.
pub struct PcscSlot {
    name: String,
    atr: Atr,
    has_pin_pad: bool,
    /// There until the slot is dropped.
    card: Option<Card>,
    context: Context,
}

impl fmt::Debug for PcscSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PcscSlot").field("name", &self.name).field("atr", &self.atr).finish_non_exhaustive()
    }
}

impl PcscSlot {
    /// Connects to the card in the reader called `reader`, sharing it with other programs.
    ///
    /// # Errors
    /// [`Fault::NoService`], [`Fault::NoSuchReader`], [`Fault::NoCard`], [`Fault::InUse`], [`Fault::Mute`], or another that the service reports.
    pub fn connect(reader: &str) -> Result<Self, Fault> {
        let context = establish()?;
        let unknown = || Fault::NoSuchReader(reader.to_owned());
        let name = CString::new(reader).map_err(|_| unknown())?;
        let card = context.connect(&name, ShareMode::Shared, Protocols::ANY).map_err(|error| match error {
            pcsc::Error::UnknownReader => unknown(),
            error => fault(error),
        })?;
        let status = card.status2_owned().map_err(fault)?;
        let atr = Atr::new(status.atr()).ok_or(Fault::Mute)?;
        Ok(Self { name: reader.to_owned(), atr, has_pin_pad: has_pin_pad(&card), card: Some(card), context })
    }
}

/// Left to itself, the crate resets a card that it disconnects from, in the middle of what others do with it.
impl Drop for PcscSlot {
    fn drop(&mut self) {
        if let Some(card) = self.card.take() {
            let _ = card.disconnect(Disposition::LeaveCard);
        }
    }
}

impl Slot for PcscSlot {
    fn name(&self) -> &str {
        &self.name
    }

    fn atr(&self) -> Atr {
        self.atr
    }

    fn has_pin_pad(&self) -> bool {
        self.has_pin_pad
    }

    /// A card that somebody has reset since is connected to again: nothing was said to it yet.
    fn begin(&mut self) -> Result<Conversation<'_>, Fault> {
        let card = self.card.as_mut().ok_or(Fault::Removed)?;
        let transaction = match card.transaction2() {
            Ok(transaction) => transaction,
            Err((card, pcsc::Error::ResetCard)) => {
                card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::LeaveCard).map_err(fault)?;
                card.transaction().map_err(fault)?
            }
            Err((_, error)) => return Err(fault(error)),
        };
        Ok(Conversation::new(PcscConversation { transaction, context: &self.context, reader: &self.name }))
    }
}

/// Longest that the service takes to notice that a card is gone. pcscd asks the reader every 400 ms, if it has the time.
const NOTICE: Duration = Duration::from_secs(2);

/// A transaction, which ends when it is dropped and leaves the card as it is.
struct PcscConversation<'c> {
    transaction: Transaction<'c>,
    context: &'c Context,
    reader: &'c str,
}

impl PcscConversation<'_> {
    /// Whether the card is gone, or the whole reader. It is waited for that the service notices.
    fn is_removed(&self) -> bool {
        let Ok(name) = CString::new(self.reader) else { return false };
        let deadline = Instant::now() + NOTICE;
        let mut states = [pcsc::ReaderState::new(name, State::UNAWARE)];
        while self.context.get_status_change(deadline.saturating_duration_since(Instant::now()), &mut states).is_ok() {
            if states[0].event_state().intersects(State::EMPTY | State::UNAVAILABLE | State::UNKNOWN) {
                return true;
            }
            states[0].sync_current_state();
        }
        false
    }
}

impl Reader for PcscConversation<'_> {
    type Error = Fault;

    fn reset(&mut self) -> Result<Atr, Fault> {
        self.transaction.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::ResetCard).map_err(fault)?;
        let status = self.transaction.status2_owned().map_err(fault)?;
        Atr::new(status.atr()).ok_or(Fault::Mute)
    }

    /// Where a card is pulled out in the middle of a command, some drivers answer with no octet at all, and others fail as if the reader were
    /// at fault. Every answer has a status (ISO 7816-4, 5.1), so that the former is a removal; the latter is one if the reader says so. It is not
    /// asked about a command of extended length, which many a reader does not pass.
    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, Fault> {
        match self.transaction.transmit(command, response).map(<[u8]>::len).map_err(fault) {
            Ok(0) => Err(Fault::Removed),
            Err(Fault::NotTransacted) if !is_extended(command) && self.is_removed() => Err(Fault::Removed),
            answer => answer,
        }
    }
}

/// Whether the lengths of `command` are extended ones (ISO 7816-4, 5.2).
fn is_extended(command: &[u8]) -> bool {
    command.len() > 5 && command.get(4) == Some(&0)
}

/// Whether the reader has keys of its own (PC/SC part 10, 2.2). One that does not know the question has none.
fn has_pin_pad(card: &Card) -> bool {
    let get_feature_request = pcsc::ctl_code(3400);
    let mut answer = [0; pcsc::MAX_BUFFER_SIZE];
    card.control(get_feature_request, &[], &mut answer).is_ok_and(lists_pin_pad)
}

/// Whether the features, each a tag, a length of four and a control code, hold `FEATURE_VERIFY_PIN_START` or `FEATURE_VERIFY_PIN_DIRECT`.
fn lists_pin_pad(features: &[u8]) -> bool {
    let (features, _) = features.as_chunks();
    features.iter().any(|[tag, len, ..]: &[u8; 6]| matches!((tag, len), (0x01 | 0x06, 4)))
}

fn establish() -> Result<Context, Fault> {
    Context::establish(Scope::User).map_err(fault)
}

/// What the service reports, in the terms of this module.
fn fault(error: pcsc::Error) -> Fault {
    use pcsc::Error;
    match error {
        Error::NoService | Error::ServiceStopped | Error::NoAccess => Fault::NoService,
        Error::NoReadersAvailable => Fault::NoReader,
        Error::NoSmartcard => Fault::NoCard,
        Error::RemovedCard | Error::ReaderUnavailable => Fault::Removed,
        Error::ResetCard => Fault::Reset,
        Error::SharingViolation => Fault::InUse,
        Error::UnresponsiveCard | Error::UnpoweredCard | Error::UnsupportedCard | Error::InvalidAtr => Fault::Mute,
        Error::NotTransacted | Error::CommError | Error::InsufficientBuffer => Fault::NotTransacted,
        error => Fault::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read() {
        assert!(lists_pin_pad(b"\x12\x04\x42\x33\x00\x12\x06\x04\x42\x33\x00\x06"));
        assert!(!lists_pin_pad(b"\x12\x04\x42\x33\x00\x06\x0A\x04\x42\x33\x00\x01"));
        assert!(!lists_pin_pad(b"\x06\x04\x42"));
        assert!(!lists_pin_pad(b""));
    }

    #[test]
    fn lengths_are_told_apart() {
        for short in
            [&b"\x00\xA4\x00\x0C"[..], b"\x00\xB0\x00\x00\x00", b"\x00\x20\x00\x01\x041234", b"\x00\xA4\x04\x0C\x01\x00\x00"]
        {
            assert!(!is_extended(short), "{short:?}");
        }
        for extended in [&b"\x00\xB0\x00\x00\x00\x00\x00"[..], b"\x00\xA4\x04\x0C\x00\x00\x01\x00"] {
            assert!(is_extended(extended), "{extended:?}");
        }
    }

    #[test]
    fn every_fault_that_has_a_remedy_is_told_apart() {
        for (error, expected) in [
            (pcsc::Error::NoService, Fault::NoService),
            (pcsc::Error::NoReadersAvailable, Fault::NoReader),
            (pcsc::Error::NoSmartcard, Fault::NoCard),
            (pcsc::Error::RemovedCard, Fault::Removed),
            (pcsc::Error::ResetCard, Fault::Reset),
            (pcsc::Error::SharingViolation, Fault::InUse),
            (pcsc::Error::UnresponsiveCard, Fault::Mute),
            (pcsc::Error::NotTransacted, Fault::NotTransacted),
        ] {
            assert_eq!(fault(error), expected);
        }
        assert!(matches!(fault(pcsc::Error::Timeout), Fault::Other(_)));
    }
}
