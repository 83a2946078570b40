//! The whole card: applications over one [`Card`], behind the commands and responses of ISO 7816-4.

use core::fmt;

use heapless::VecView;
use iso7816::Status;
use token_proto::apdu::CHAINED;
use token_proto::{Atr, Command, MAX_DATA_LEN, aid, ins};

use crate::applets::{Release, cdoc2, esteid};
use crate::card::Card;
use crate::dispatch::{Channel, wipe};
use crate::icc::{Icc, Progress};
use crate::platform::{Instant, Platform};
use crate::session::Selected;
use crate::touch::{Answer, Touch};

/// The firmware's card, as a reader's [`Icc`].
///
/// Single-threaded, and never blocks: a command that wants a touch is [`Progress::Waiting`] until there is one or the time is over.
pub struct Token<P: Platform> {
    card: Card<P>,
    selected: Selected,
    channel: Channel,
    touch: Option<Touch>,
}

impl<P: Platform> Token<P> {
    /// The token that `card` makes; it has no power yet.
    pub const fn new(card: Card<P>) -> Self {
        Self { card, selected: Selected::Nothing, channel: Channel::new(), touch: None }
    }

    /// What persists. Whoever personalises or resets it through here takes the token's power away after.
    pub const fn card(&mut self) -> &mut Card<P> {
        &mut self.card
    }

    /// Takes power away and gives what persists.
    pub fn into_card(mut self) -> Card<P> {
        self.forget();
        self.card
    }

    /// Wipes everything volatile.
    fn forget(&mut self) {
        self.selected = Selected::Nothing;
        self.channel.wipe();
        self.end_touch();
    }

    fn end_touch(&mut self) {
        if let Some(touch) = self.touch.take() {
            touch.end(self.card.platform());
        }
    }

    /// Forgets the chain and the response that a command interrupts.
    fn interrupt(&mut self) {
        self.channel.wipe();
        self.selected.break_chain();
    }

    fn carry_out(&mut self, command: &Command<'_>, response: &mut VecView<u8>) -> Result<(Release, usize), Status> {
        let chained = command.cla & CHAINED != 0;
        let command = &Command { cla: command.cla & !CHAINED, ..*command };
        if !chained && (command.cla, command.ins) == (0x00, ins::GET_RESPONSE) {
            self.selected.break_chain();
            let le = self.channel.get_response(command, response)?;
            return Ok((Release::Now, le));
        }
        let header = [command.cla, command.ins, command.p1, command.p2];
        if !self.channel.has_chain(header) {
            self.channel.wipe();
        }
        if !self.selected.has_chain(header) {
            self.selected.break_chain();
        }
        if command.data.len() > MAX_DATA_LEN {
            return Err(Status::WrongLength);
        }
        match (command.cla, command.ins) {
            (0x00, ins::SELECT) if chained => return Err(Status::CommandChainingNotSupported),
            (0x00, ins::SELECT) if command.p1 == 0x04 => {
                self.select_application(command, response)?;
                return Ok((Release::Now, command.le));
            }
            // files are the ID-card's, whatever application is selected
            (0x00, ins::SELECT) => {
                self.enter_esteid()?;
            }
            (0x00 | cdoc2::CLA, _) => {}
            _ => return Err(Status::ClassNotSupported),
        }
        let profile = self.card.profile();
        let release = match &mut self.selected {
            Selected::Nothing => return Err(Status::ConditionsOfUseNotSatisfied),
            Selected::Esteid(_) if chained && command.cla == 0x00 => return Err(Status::CommandChainingNotSupported),
            Selected::Esteid(state) => state.run(&mut self.card, profile, command, response)?,
            Selected::Cdoc2(state) => state.run(&mut self.card, &mut self.channel, command, chained, response)?,
        };
        Ok((release, command.le))
    }

    /// SELECT by application identifier, or by its first five octets or more (ISO 7816-4, 12.2.3).
    fn select_application(&mut self, command: &Command<'_>, response: &mut VecView<u8>) -> Result<(), Status> {
        let with_answer = match command.p2 {
            0x00 | 0x04 => true,
            0x0C => false,
            _ => return Err(Status::IncorrectP1OrP2Parameter),
        };
        let matches = |aid: &[u8]| command.data.len() >= MIN_AID_LEN && aid.starts_with(command.data);
        let profile = self.card.profile();
        let application = esteid::Application::find(profile, matches).filter(|_| self.card.is_personalised());
        if let Some(application) = application {
            let state = self.enter_esteid()?;
            state.select(application);
            if with_answer {
                state.control_parameters(profile, response)?;
            }
        } else if matches(aid::CDOC2) {
            self.selected = Selected::Cdoc2(cdoc2::State::default());
            if with_answer {
                cdoc2::info(&self.card, response)?;
            }
        } else {
            return Err(Status::NotFound);
        }
        Ok(())
    }

    /// The state of the ID-card, which is selected now if it was not. A blank card is none.
    fn enter_esteid(&mut self) -> Result<&mut esteid::State, Status> {
        if !self.card.is_personalised() {
            return Err(Status::NotFound);
        }
        if !matches!(self.selected, Selected::Esteid(_)) {
            self.selected = Selected::Esteid(esteid::State::default());
        }
        match &mut self.selected {
            Selected::Esteid(state) => Ok(state),
            Selected::Nothing | Selected::Cdoc2(_) => Err(Status::NotFound),
        }
    }

    fn conclude(&mut self, result: Result<usize, Status>, response: &mut VecView<u8>) -> Progress {
        let status = match result {
            Ok(le) => self.channel.deliver(response, le),
            Err(status) => {
                self.interrupt();
                wipe(response);
                status
            }
        };
        end(response, status);
        Progress::Done
    }
}

/// Octets of the shortest part of an application identifier that selects: the registered provider's.
const MIN_AID_LEN: usize = 5;

/// Writes the status word behind the data.
fn end(response: &mut VecView<u8>, status: Status) {
    if response.extend_from_slice(&status.to_u16().to_be_bytes()).is_err() {
        // less room than the owner of the response promised
        wipe(response);
        let _ = response.extend_from_slice(&Status::NotEnoughMemory.to_u16().to_be_bytes());
    }
}

impl<P: Platform> Icc for Token<P> {
    fn power_on(&mut self) -> Atr {
        self.forget();
        if self.card.is_personalised() {
            self.selected = Selected::Esteid(esteid::State::default());
            self.card.profile().atr()
        } else {
            token_proto::reader::BLANK_ATR
        }
    }

    fn power_off(&mut self) {
        self.forget();
    }

    fn command(&mut self, now: Instant, command: &[u8], response: &mut VecView<u8>) -> Progress {
        wipe(response);
        self.end_touch();
        let Ok(command) = Command::parse(command) else { return self.conclude(Err(Status::WrongLength), response) };
        match self.carry_out(&command, response) {
            Ok((Release::AfterTouch, le)) => {
                self.channel.hold(response, le);
                self.touch = Some(Touch::wait_for(self.card.platform(), now));
                Progress::Waiting
            }
            Ok((Release::Now, _)) if command.cla & CHAINED != 0 => {
                end(response, Status::Success);
                Progress::Done
            }
            Ok((Release::Now, le)) => self.conclude(Ok(le), response),
            Err(status) => self.conclude(Err(status), response),
        }
    }

    fn resume(&mut self, now: Instant, response: &mut VecView<u8>) -> Progress {
        wipe(response);
        let answer = match &mut self.touch {
            Some(touch) => touch.poll(self.card.platform(), now),
            None => Answer::NobodyThere,
        };
        let released = match answer {
            Answer::NotYet => return Progress::Waiting,
            Answer::Touched => self.channel.release(response),
            Answer::NobodyThere => Err(Status::ConditionsOfUseNotSatisfied),
        };
        self.end_touch();
        self.conclude(released, response)
    }
}

impl<P: Platform> fmt::Debug for Token<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("card", &self.card).finish_non_exhaustive()
    }
}
