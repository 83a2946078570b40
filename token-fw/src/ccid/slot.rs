//! The slot: power, the command APDU in it, and its abort.

use heapless::Vec;
use token_proto::{MAX_COMMAND_LEN, MAX_RESPONSE_LEN};
use zeroize::Zeroize;

use super::EXTENSION_MS;
use super::assembly::Message;
use super::message::{Answer, Data, Header, IccStatus, Level, Request, SlotError};
use crate::icc::{Icc, Progress};
use crate::platform::Instant;

/// The only slot, its card, and the only buffers of the class.
pub(super) struct Slot {
    power: Power,
    command: Command,
    abort: Abort,
    /// The command APDU, or as much of it as has arrived.
    pub(super) apdu: Vec<u8, MAX_COMMAND_LEN>,
    /// The response APDU, from the card's answer until the host has fetched it.
    pub(super) response: Vec<u8, MAX_RESPONSE_LEN>,
}

/// The card's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    Off,
    On,
    /// The host that asked for it is gone: the card loses it as soon as it can be reached.
    Orphaned,
}

/// The command APDU.
#[derive(Clone, Copy, Debug)]
enum Command {
    None,
    /// Its beginning has arrived, the next `XfrBlock` goes on.
    Chained,
    /// The card is at work on the `XfrBlock` of `header`; the host has last heard of it at `heard`.
    Running {
        header: Header,
        heard: Instant,
    },
}

/// An abort needs a request on the control pipe and a message on the bulk pipe, of the same sequence number, in either order (CCID Rev 1.1, 5.3.1).
#[derive(Clone, Copy, Debug)]
enum Abort {
    None,
    /// The request with this `bSeq` has come.
    Requested(u8),
    /// The message has come.
    Announced(Header),
    /// Both have.
    Due(Header),
}

/// `bSlot` of the only slot.
const SLOT: u8 = 0;

impl Slot {
    pub(super) const fn new() -> Self {
        Self { power: Power::Off, command: Command::None, abort: Abort::None, apdu: Vec::new(), response: Vec::new() }
    }

    /// The host has gone, or begins anew: nothing of it stays.
    pub(super) fn orphan(&mut self) {
        self.forget_command();
        self.abort = Abort::None;
        if self.power == Power::On {
            self.power = Power::Orphaned;
        }
    }

    /// The request ABORT on the control pipe. `false` if there is no such slot.
    pub(super) fn request_abort(&mut self, slot: u8, seq: u8) -> bool {
        if slot == SLOT {
            self.abort = match self.abort {
                Abort::Announced(header) if header.seq == seq => Abort::Due(header),
                _ => Abort::Requested(seq),
            };
        }
        slot == SLOT
    }

    /// Does what is due without the host: takes power away, goes on with the command, ends an abort. Answers the message that comes of it.
    pub(super) fn turn(&mut self, now: Instant, icc: &mut (impl Icc + ?Sized)) -> Option<Answer> {
        if self.power == Power::Orphaned {
            self.power_off(icc);
        }
        if let Abort::Due(header) = self.abort {
            return Some(self.end_abort(&header, icc));
        }
        let Command::Running { header, .. } = self.command else { return None };
        let progress = icc.resume(now, &mut self.response);
        self.progress(now, header, progress)
    }

    /// The time extension that is due, if one is.
    pub(super) fn time_extension(&mut self, now: Instant) -> Option<Answer> {
        let Command::Running { header, heard } = &mut self.command else { return None };
        if now.ms_since(*heard) < EXTENSION_MS {
            return None;
        }
        *heard = now;
        Some(Answer::time_extension(header, 1))
    }

    /// Carries out `message`, whose command APDU, if it has one, is in the buffer. `None`: the answer comes later.
    pub(super) fn message(&mut self, now: Instant, message: &Message, icc: &mut (impl Icc + ?Sized)) -> Option<Answer> {
        let header = &message.header;
        match self.accept(message) {
            Ok(Request::Abort) => self.announce_abort(header, icc),
            Ok(Request::XfrBlock(level)) => self.xfr_block(now, header, level, icc),
            Ok(Request::IccPowerOn) => {
                self.forget_command();
                self.power = Power::On;
                Some(Answer::done(header, IccStatus::Active, Data::Atr(icc.power_on())))
            }
            Ok(Request::IccPowerOff) => {
                self.power_off(icc);
                Some(self.done(header, Data::None))
            }
            Ok(Request::GetSlotStatus) => Some(self.done(header, Data::None)),
            Ok(Request::Parameters) => Some(self.done(header, Data::T1Parameters)),
            Err(error) => {
                if header.carries_apdu() {
                    self.drop_block();
                }
                let icc = if error == SlotError::Slot { IccStatus::NotPresent } else { self.status() };
                Some(Answer::failed(header, icc, error))
            }
        }
    }

    /// Whether the card is at work.
    pub(super) const fn is_running(&self) -> bool {
        matches!(self.command, Command::Running { .. })
    }

    /// What `message` asks for, if it may ask for it now.
    fn accept(&mut self, message: &Message) -> Result<Request, SlotError> {
        let header = &message.header;
        if header.slot != SLOT {
            return Err(SlotError::Slot);
        }
        let request = if message.sound { header.request() } else { Err(SlotError::Length) };
        match self.abort {
            Abort::Requested(seq) if request != Ok(Request::Abort) || seq != header.seq => return Err(SlotError::Aborted),
            Abort::Requested(_) => {}
            // announced, but then the host went on without the request
            _ => self.abort = Abort::None,
        }
        if self.is_running() && request != Ok(Request::Abort) {
            return Err(SlotError::SlotBusy);
        }
        let request = request?;
        if matches!(request, Request::XfrBlock(_)) && self.power != Power::On {
            return Err(SlotError::IccMute);
        }
        Ok(request)
    }

    fn xfr_block(&mut self, now: Instant, header: &Header, level: Level, icc: &mut (impl Icc + ?Sized)) -> Option<Answer> {
        let chained = matches!(self.command, Command::Chained);
        match (level, chained) {
            (Level::Begins, _) | (Level::Continues, true) => {
                self.command = Command::Chained;
                Some(Answer::next_block(header))
            }
            (Level::Whole, _) | (Level::Ends, true) => {
                self.command = Command::None;
                self.response.zeroize();
                let progress = icc.command(now, &self.apdu, &mut self.response);
                self.apdu.zeroize();
                self.progress(now, *header, progress)
            }
            (Level::Continues | Level::Ends, false) => {
                self.drop_block();
                Some(Answer::failed(header, self.status(), SlotError::Level))
            }
        }
    }

    /// The card has come so far with the `XfrBlock` of `header`.
    fn progress(&mut self, now: Instant, header: Header, progress: Progress) -> Option<Answer> {
        match (progress, self.command) {
            (Progress::Done, _) => {
                self.command = Command::None;
                Some(Answer::done(&header, IccStatus::Active, Data::Response))
            }
            (Progress::Waiting, Command::Running { .. }) => None,
            (Progress::Waiting, _) => {
                self.command = Command::Running { header, heard: now };
                None
            }
        }
    }

    /// The message of an abort has come.
    fn announce_abort(&mut self, header: &Header, icc: &mut (impl Icc + ?Sized)) -> Option<Answer> {
        if let Abort::Requested(_) = self.abort {
            return Some(self.end_abort(header, icc));
        }
        self.abort = Abort::Announced(*header);
        None
    }

    /// Ends the command and the abort. A card at work can only be stopped by taking its power away, and the answer says so.
    fn end_abort(&mut self, header: &Header, icc: &mut (impl Icc + ?Sized)) -> Answer {
        self.abort = Abort::None;
        if self.is_running() {
            self.power_off(icc);
        }
        self.forget_command();
        self.done(header, Data::None)
    }

    fn power_off(&mut self, icc: &mut (impl Icc + ?Sized)) {
        self.forget_command();
        self.power = Power::Off;
        icc.power_off();
    }

    /// Drops what an `XfrBlock` that failed has brought, and the beginning of a command APDU that it was to go on with.
    fn drop_block(&mut self) {
        self.apdu.zeroize();
        if !self.is_running() {
            self.command = Command::None;
        }
    }

    /// Drops the command APDU and the response APDU.
    fn forget_command(&mut self) {
        self.command = Command::None;
        self.apdu.zeroize();
        self.response.zeroize();
    }

    const fn status(&self) -> IccStatus {
        match self.power {
            Power::On => IccStatus::Active,
            Power::Off | Power::Orphaned => IccStatus::Inactive,
        }
    }

    fn done(&self, header: &Header, data: Data) -> Answer {
        Answer::done(header, self.status(), data)
    }
}

#[cfg(test)]
mod tests {
    use heapless::VecView;
    use token_proto::Atr;

    use super::*;

    /// Answers each command by itself.
    struct Echo;

    impl Icc for Echo {
        fn power_on(&mut self) -> Atr {
            Atr::new(&[0x3B, 0x00]).unwrap()
        }

        fn power_off(&mut self) {}

        fn command(&mut self, _: Instant, command: &[u8], response: &mut VecView<u8>) -> Progress {
            response.extend_from_slice(command).unwrap();
            Progress::Done
        }

        fn resume(&mut self, _: Instant, _: &mut VecView<u8>) -> Progress {
            Progress::Done
        }
    }

    fn message(packet: &[u8]) -> Message {
        Message { header: Header::parse(packet).0, sound: true }
    }

    #[test]
    fn command_is_wiped_as_soon_as_the_card_has_taken_it_and_the_response_with_the_host() {
        let mut slot = Slot::new();
        slot.message(Instant::default(), &message(&[0x62, 0, 0, 0, 0, 0, 0, 1, 0, 0]), &mut Echo).unwrap();
        slot.apdu.extend_from_slice(&[1, 2, 3]).unwrap();
        let answer = slot.message(Instant::default(), &message(&[0x6F, 3, 0, 0, 0, 0, 1, 0, 0, 0]), &mut Echo).unwrap();
        assert_eq!(answer.data, Data::Response);
        assert_eq!((&slot.apdu[..], &slot.response[..]), (&[][..], &[1, 2, 3][..]));
        slot.orphan();
        assert!(slot.response.is_empty());
    }

    #[test]
    fn beginning_of_a_command_is_wiped_with_the_host() {
        let mut slot = Slot::new();
        slot.message(Instant::default(), &message(&[0x62, 0, 0, 0, 0, 0, 0, 1, 0, 0]), &mut Echo).unwrap();
        slot.apdu.extend_from_slice(&[1, 2, 3]).unwrap();
        slot.message(Instant::default(), &message(&[0x6F, 3, 0, 0, 0, 0, 1, 0, 1, 0]), &mut Echo).unwrap();
        assert_eq!(slot.apdu[..], [1, 2, 3]);
        slot.orphan();
        assert!(slot.apdu.is_empty());
    }
}
