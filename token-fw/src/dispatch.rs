//! Between commands: data of a chain that is not complete, a response that did not fit, one that waits for a touch. They share one buffer,
//! because the beginning of each is the end of the others.

use heapless::{Vec, VecView};
use iso7816::Status;
use token_proto::{Command, MAX_DATA_LEN};
use zeroize::Zeroize as _;

/// CLA without the bit of chaining, INS, P1 and P2: what the commands of a chain have in common (ISO 7816-4, 5.1.1.1).
pub(crate) type Header = [u8; 4];

/// The buffer and what is in it.
pub(crate) struct Channel {
    buffer: Vec<u8, MAX_DATA_LEN>,
    content: Content,
}

enum Content {
    Nothing,
    /// The data of the commands with this header so far.
    Chain(Header),
    /// What is left of a response.
    Response,
    /// The response to a command with this Le, which may not leave yet.
    Held {
        le: usize,
    },
}

impl Channel {
    pub(crate) const fn new() -> Self {
        Self { buffer: Vec::new(), content: Content::Nothing }
    }

    /// Forgets everything.
    pub(crate) fn wipe(&mut self) {
        if !matches!(self.content, Content::Nothing) {
            self.buffer.zeroize();
            self.content = Content::Nothing;
        }
    }

    /// Whether data of a chain with this header is here.
    pub(crate) fn has_chain(&self, header: Header) -> bool {
        matches!(self.content, Content::Chain(of) if of == header)
    }

    /// Adds the data of one command to its chain, or begins one.
    ///
    /// # Errors
    /// [`Status::WrongLength`]: more than [`MAX_DATA_LEN`] octets in all.
    pub(crate) fn collect(&mut self, header: Header, data: &[u8]) -> Result<(), Status> {
        if !self.has_chain(header) {
            self.wipe();
            self.content = Content::Chain(header);
        }
        self.buffer.extend_from_slice(data).map_err(|_| Status::WrongLength)
    }

    /// The data of the chain.
    pub(crate) fn collected(&self) -> &[u8] {
        match self.content {
            Content::Chain(_) => &self.buffer,
            Content::Nothing | Content::Response | Content::Held { .. } => &[],
        }
    }

    /// Leaves as much data in `response` as Le allows, keeps the rest, and answers the status word: 9000, or 61xx for how much is kept. An Le
    /// of 0, none at all, allows nothing: T=0 has no other way to tell the length of what is to come.
    pub(crate) fn deliver(&mut self, response: &mut VecView<u8>, le: usize) -> Status {
        self.wipe();
        let Some(rest) = response.get_mut(le..).filter(|rest| !rest.is_empty()) else { return Status::Success };
        let status = Status::MoreAvailable(u8::try_from(rest.len()).unwrap_or(0));
        if self.buffer.extend_from_slice(rest).is_err() {
            wipe(response);
            return Status::NotEnoughMemory;
        }
        self.content = Content::Response;
        rest.zeroize();
        response.truncate(le);
        status
    }

    /// GET RESPONSE: moves what is left into `response`, and answers Le.
    ///
    /// # Errors
    /// 6A86, 6700; [`Status::ConditionsOfUseNotSatisfied`] (6985): nothing is left.
    pub(crate) fn get_response(&mut self, command: &Command<'_>, response: &mut VecView<u8>) -> Result<usize, Status> {
        if [command.p1, command.p2] != [0, 0] {
            return Err(Status::IncorrectP1OrP2Parameter);
        }
        if !command.data.is_empty() {
            return Err(Status::WrongLength);
        }
        match self.content {
            Content::Response => self.move_into(response)?,
            Content::Nothing | Content::Chain(_) | Content::Held { .. } => return Err(Status::ConditionsOfUseNotSatisfied),
        }
        Ok(if command.le == 0 { 256 } else { command.le })
    }

    /// Keeps the whole of `response`, to a command with this Le, until it is [`released`](Self::release).
    pub(crate) fn hold(&mut self, response: &mut VecView<u8>, le: usize) {
        self.wipe();
        if self.buffer.extend_from_slice(response).is_ok() {
            self.content = Content::Held { le };
        }
        wipe(response);
    }

    /// The response that was held, in `response`, and Le.
    ///
    /// # Errors
    /// [`Status::ConditionsOfUseNotSatisfied`] (6985): none is held.
    pub(crate) fn release(&mut self, response: &mut VecView<u8>) -> Result<usize, Status> {
        let Content::Held { le } = self.content else { return Err(Status::ConditionsOfUseNotSatisfied) };
        self.move_into(response)?;
        Ok(le)
    }

    fn move_into(&mut self, response: &mut VecView<u8>) -> Result<(), Status> {
        let moved = response.extend_from_slice(&self.buffer).map_err(|_| Status::NotEnoughMemory);
        self.wipe();
        moved
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// Empties `response` and leaves none of its octets behind.
pub(crate) fn wipe(response: &mut VecView<u8>) {
    response.as_mut_slice().zeroize();
    response.clear();
}
