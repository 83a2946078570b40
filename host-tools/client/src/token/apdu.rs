//! Commands and responses in pieces (ISO 7816-4, 5.1 to 5.3): lengths short and extended, chains, GET RESPONSE.

use token_proto::{Command, MAX_COMMAND_LEN, MAX_RESPONSE_LEN, Reader as _, Status, ins};
use zeroize::Zeroizing;

use super::{Conversation, Error, Fault};

/// Octets of data in the longest short command.
const SHORT_DATA_LEN: usize = 255;

/// Le of a short command that wants all there is.
pub(super) const SHORT_LE: usize = 256;

/// Octets of the longest answer that is put together from pieces. The longest certificate is far below.
const MAX_ANSWER_LEN: usize = 1 << 16;

/// What a card answered, wiped when dropped.
pub(super) struct Answer {
    pub(super) data: Zeroizing<Vec<u8>>,
    pub(super) status: Status,
}

impl Answer {
    /// The data, if the status is 9000; `command` is what an error names.
    pub(super) fn done(self, command: &'static str) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self.status {
            Status::Success => Ok(self.data),
            status => Err(Error::Status { command, status }),
        }
    }
}

/// A conversation in whole commands and whole answers.
pub(super) struct Channel<'s> {
    conversation: Conversation<'s>,
    command: Zeroizing<Vec<u8>>,
    response: Zeroizing<Vec<u8>>,
    /// Octets of data that the card takes in one command. More than 255 are extended length, which a reader may turn out not to pass on.
    max_data_len: usize,
}

impl<'s> Channel<'s> {
    /// A channel with short lengths.
    pub(super) fn new(conversation: Conversation<'s>) -> Self {
        let [command, response] = [MAX_COMMAND_LEN, MAX_RESPONSE_LEN].map(|len| Zeroizing::new(vec![0; len]));
        Self { conversation, command, response, max_data_len: SHORT_DATA_LEN }
    }

    /// Uses extended length up to `len` octets of data, which the card has said that it takes.
    pub(super) fn extend(&mut self, len: u16) {
        self.max_data_len = usize::from(len).clamp(SHORT_DATA_LEN, token_proto::MAX_DATA_LEN);
    }

    /// Le of a command that wants all there is.
    pub(super) fn le(&self) -> usize {
        if self.max_data_len > SHORT_DATA_LEN { 1 << 16 } else { SHORT_LE }
    }

    /// Sends `command`, says its Le again if the card names another (6Cxx), and fetches the rest of an answer that comes in pieces (61xx). A
    /// command of extended length that does not pass is sent in short form, if it has one.
    ///
    /// A command that costs a try is for [`send_once`](Self::send_once).
    pub(super) fn send(&mut self, command: Command<'_>) -> Result<Answer, Error> {
        let is_extended = command.le > SHORT_LE || command.data.len() > SHORT_DATA_LEN;
        let mut answer = match self.exchange(command) {
            Ok(Answer { status: Status::WrongLength, .. }) | Err(Error::Fault(Fault::NotTransacted))
                if is_extended && command.data.len() <= SHORT_DATA_LEN =>
            {
                self.max_data_len = SHORT_DATA_LEN;
                self.exchange(command.with_le(command.le.min(SHORT_LE)))?
            }
            answer => answer?,
        };
        if let Status::WrongLeField(le) = answer.status
            && command.le != 0
        {
            answer = self.exchange(command.with_le(short_le(le)))?;
        }
        self.complete(answer)
    }

    /// Sends a command exactly once, whatever comes of it: one that costs a try must never be repeated unasked.
    pub(super) fn send_once(&mut self, command: Command<'_>) -> Result<Status, Error> {
        self.exchange(command).map(|answer| answer.status)
    }

    /// Sends `data` as a chain of `command`s (ISO 7816-4, 5.1.1.1), extended ones if card and reader take them, else short ones. The last has
    /// the answer; `before_last` is called just before it.
    pub(super) fn send_chain(&mut self, command: Command<'_>, data: &[u8], before_last: &mut dyn FnMut()) -> Result<Answer, Error> {
        match self.chain(command, data, before_last)? {
            // Nothing was taken yet, so it may begin anew, in shorter pieces.
            None => {
                self.max_data_len = SHORT_DATA_LEN;
                self.chain(command, data, before_last)?.ok_or(Error::Nonsense("a short command is too long for it"))
            }
            Some(answer) => Ok(answer),
        }
    }

    /// The answer to the last command, or to the one that was refused; `None` if extended length does not pass.
    fn chain(&mut self, command: Command<'_>, data: &[u8], before_last: &mut dyn FnMut()) -> Result<Option<Answer>, Error> {
        let (len, le) = (self.max_data_len, self.le());
        let (head, last) = data.split_at(data.len().saturating_sub(1) / len * len);
        for (index, block) in head.chunks(len).enumerate() {
            let answer = self.exchange(command.chained().with_data(block).with_le(0));
            match answer {
                Ok(Answer { status: Status::WrongLength, .. }) | Err(Error::Fault(Fault::NotTransacted))
                    if index == 0 && len > SHORT_DATA_LEN =>
                {
                    return Ok(None);
                }
                Ok(Answer { status: Status::Success, .. }) => {}
                answer => return answer.map(Some),
            }
        }
        before_last();
        let le = if last.len() > SHORT_DATA_LEN { le } else { SHORT_LE };
        match self.exchange(command.with_data(last).with_le(le)) {
            Ok(Answer { status: Status::WrongLength, .. }) | Err(Error::Fault(Fault::NotTransacted))
                if head.is_empty() && last.len() > SHORT_DATA_LEN =>
            {
                Ok(None)
            }
            answer => self.complete(answer?).map(Some),
        }
    }

    /// Fetches what is left of an answer.
    fn complete(&mut self, mut answer: Answer) -> Result<Answer, Error> {
        while let Status::MoreAvailable(le) = answer.status {
            let more = self.exchange(Command::new(0x00, ins::GET_RESPONSE, 0x00, 0x00).with_le(short_le(le)))?;
            let is_endless = more.data.is_empty() && matches!(more.status, Status::MoreAvailable(_));
            if is_endless || answer.data.len() + more.data.len() > MAX_ANSWER_LEN {
                return Err(Error::Nonsense("an answer without end"));
            }
            // Room for both at once: a vector that grows leaves unwiped copies behind.
            answer = Answer { data: Zeroizing::new([&answer.data[..], &more.data].concat()), status: more.status };
        }
        Ok(answer)
    }

    /// Resets the card, if that can still be done: whatever was verified is not any more.
    pub(super) fn reset(&mut self) {
        let _ = self.conversation.reset();
    }

    fn exchange(&mut self, command: Command<'_>) -> Result<Answer, Error> {
        let octets = command.emit(&mut self.command).map_err(|_| Error::Nonsense("it wants more data than it takes"))?;
        let len = self.conversation.transmit(octets, &mut self.response)?;
        let octets = self.response.get(..len).ok_or(Error::Nonsense("an answer that is too long"))?;
        let response = token_proto::Response::parse(octets).map_err(|_| Error::Nonsense("an answer without a status"))?;
        // ISO 7816-4, 5.6. What was cut short ends with data, which may be a secret and is not to be shown as a status.
        if !matches!(response.status.to_u16() >> 12, 0x6 | 0x9) {
            return Err(Error::Nonsense("a status that is none"));
        }
        Ok(Answer { data: Zeroizing::new(response.data.to_vec()), status: response.status })
    }
}

/// 0 stands for the greatest.
fn short_le(octet: u8) -> usize {
    if octet == 0 { SHORT_LE } else { usize::from(octet) }
}
