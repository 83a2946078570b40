//! A card in a reader, shared with other programs.

use std::fmt;

use token_proto::{Atr, Reader};

/// What comes between a host and a card.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// pcscd does not run, or may not be talked to.
    #[error("the PC/SC service does not answer")]
    NoService,
    /// No reader is connected at all.
    #[error("no card reader is connected")]
    NoReader,
    /// No reader has this name.
    #[error("no card reader is called \"{0}\"")]
    NoSuchReader(String),
    /// The reader is empty.
    #[error("there is no card in the reader")]
    NoCard,
    /// The card was taken out.
    #[error("the card was removed")]
    Removed,
    /// Somebody else reset the card, so that it has forgotten what was said to it.
    #[error("the card was reset by another program")]
    Reset,
    /// Another program keeps the card to itself.
    #[error("another program keeps the card to itself")]
    InUse,
    /// The card does not answer: it lies upside down, or is none.
    #[error("the card does not answer")]
    Mute,
    /// The reader could not carry the command; a shorter one may pass.
    #[error("the reader could not pass the command on")]
    NotTransacted,
    /// Anything else, in the words of whoever reported it.
    #[error("{0}")]
    Other(String),
}

/// A card that may be shared with others.
pub trait Slot: fmt::Debug {
    /// The reader's name.
    fn name(&self) -> &str;

    /// What the card answered to its last reset.
    fn atr(&self) -> Atr;

    /// Whether the reader has keys of its own for PINs. They are not used: a PIN is typed at the host.
    fn has_pin_pad(&self) -> bool {
        false
    }

    /// Begins to talk to the card with nobody in between, until the conversation is dropped. What was selected and verified in an earlier
    /// conversation may be forgotten.
    ///
    /// # Errors
    /// There is no card, or it cannot be had.
    fn begin(&mut self) -> Result<Conversation<'_>, Fault>;
}

/// A conversation with a card, which nobody disturbs. Others wait until it is dropped.
pub struct Conversation<'s> {
    reader: Box<dyn Reader<Error = Fault> + 's>,
}

impl<'s> Conversation<'s> {
    /// A conversation over `reader`.
    #[must_use]
    pub fn new(reader: impl Reader<Error = Fault> + 's) -> Self {
        Self { reader: Box::new(reader) }
    }
}

impl fmt::Debug for Conversation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation").finish_non_exhaustive()
    }
}

impl Reader for Conversation<'_> {
    type Error = Fault;

    fn reset(&mut self) -> Result<Atr, Fault> {
        self.reader.reset()
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, Fault> {
        self.reader.transmit(command, response)
    }
}

/// A card that nobody else uses: one in this process, or one behind a transport of its own.
pub struct Direct<R: Reader> {
    name: String,
    atr: Atr,
    reader: R,
    fault: fn(R::Error) -> Fault,
}

impl<R: Reader> Direct<R> {
    /// Resets the card in `reader`. `fault` says the reader's errors in this module's terms.
    ///
    /// # Errors
    /// There is no card, or the reader failed.
    pub fn new(name: impl Into<String>, mut reader: R, fault: fn(R::Error) -> Fault) -> Result<Self, Fault> {
        let atr = reader.reset().map_err(fault)?;
        Ok(Self { name: name.into(), atr, reader, fault })
    }
}

impl<R: Reader> fmt::Debug for Direct<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direct").field("name", &self.name).field("atr", &self.atr).finish_non_exhaustive()
    }
}

impl<R: Reader> Slot for Direct<R> {
    fn name(&self) -> &str {
        &self.name
    }

    fn atr(&self) -> Atr {
        self.atr
    }

    fn begin(&mut self) -> Result<Conversation<'_>, Fault> {
        Ok(Conversation::new(Borrowed { reader: &mut self.reader, fault: self.fault }))
    }
}

struct Borrowed<'r, R: Reader> {
    reader: &'r mut R,
    fault: fn(R::Error) -> Fault,
}

impl<R: Reader> Reader for Borrowed<'_, R> {
    type Error = Fault;

    fn reset(&mut self) -> Result<Atr, Fault> {
        self.reader.reset().map_err(self.fault)
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, Fault> {
        self.reader.transmit(command, response).map_err(self.fault)
    }
}
