//! Decapsulation of CDOC2 on the card. The protocol: `docs/cdoc2-applet.md`.

mod command;
mod decapsulate;
mod exec;

use heapless::VecView;
use iso7816::Status;
pub(crate) use token_proto::cdoc2::CLA;
use token_proto::cdoc2::{self as proto, CHALLENGE_LEN, Info, KeyInfo, MAX_INFO_LEN, MAX_KEYS, instruction};
use token_proto::{KeyRef, MAX_DATA_LEN, apdu};

use super::{Chaining, Release, append};
use crate::card::{Administrator, Card};
use crate::dispatch::{Channel, Header};
use crate::platform::Platform;
use crate::session::Proofs;
use command::{Access, Command};
use decapsulate::Decapsulation;

/// The keys that the application knows.
const KEYS: [KeyRef; 2] = [KeyRef::Authentication, KeyRef::Cdoc2];

/// Everything volatile of the application.
#[derive(Default)]
pub(crate) struct State {
    proofs: Proofs,
    /// Given out, and not yet answered.
    challenge: Option<[u8; CHALLENGE_LEN]>,
    administrator: Option<Administrator>,
    /// A chain of DECAPSULATE that is not complete.
    decapsulation: Option<Decapsulation>,
}

impl State {
    /// Whether a chain of DECAPSULATE with this header is not complete.
    pub(crate) fn has_chain(&self, header: Header) -> bool {
        let of = |decapsulation: &Decapsulation| [CLA, instruction::DECAPSULATE, 0x00, decapsulation.key().reference()];
        self.decapsulation.as_ref().is_some_and(|decapsulation| of(decapsulation) == header)
    }

    /// Another command interrupts the chain.
    pub(crate) fn break_chain(&mut self) {
        self.decapsulation = None;
    }

    /// Carries out a command; `chained`: more of its chain follow.
    pub(crate) fn run<P: Platform>(
        &mut self,
        card: &mut Card<P>,
        channel: &mut Channel,
        command: &apdu::Command<'_>,
        chained: bool,
        response: &mut VecView<u8>,
    ) -> Result<Release, Status> {
        let parsed = Command::parse(command, chained)?;
        let chaining = parsed.chaining();
        if chained && chaining == Chaining::Never {
            return Err(Status::CommandChainingNotSupported);
        }
        let authorized = self.authorize(card, parsed)?;
        let header = [command.cla, command.ins, command.p1, command.p2];
        if chaining != Chaining::Collected || !(chained || channel.has_chain(header)) {
            return authorized.exec(self, card, response);
        }
        channel.collect(header, command.data)?;
        if chained {
            return Ok(Release::Now);
        }
        let whole = Command::parse(&command.with_data(channel.collected()), chained)?;
        self.authorize(card, whole)?.exec(self, card, response)
    }

    /// The only maker of [`Authorized`].
    ///
    /// # Errors
    /// - [`Status::ConditionsOfUseNotSatisfied`] (6985): the card is blank.
    /// - [`Status::SecurityStatusNotSatisfied`] (6982): the proof that it needs is missing.
    fn authorize<'a, P: Platform>(&mut self, card: &Card<P>, command: Command<'a>) -> Result<Authorized<'a>, Status> {
        let met = match command.access() {
            Access::Always => true,
            _ if !card.is_personalised() => return Err(Status::ConditionsOfUseNotSatisfied),
            Access::Anybody => true,
            Access::AfterPin(pin) => self.proofs.spend(pin),
            Access::Administrator => self.administrator.is_some(),
        };
        if met { Ok(Authorized(command)) } else { Err(Status::SecurityStatusNotSatisfied) }
    }
}

/// A command that may be carried out now.
struct Authorized<'a>(Command<'a>);

/// Appends what GET INFO and SELECT answer.
pub(crate) fn info<P: Platform>(card: &Card<P>, response: &mut VecView<u8>) -> Result<(), Status> {
    const DATA_LEN: u16 = 2048;
    const { assert!(DATA_LEN as usize == MAX_DATA_LEN) };
    let mut keys = [None; MAX_KEYS];
    for (place, key) in keys.iter_mut().zip(KEYS) {
        *place = card.key(key).map(|info| KeyInfo { key, curve: curve(info.curve), touch: info.touch });
    }
    let info = Info {
        version: proto::VERSION,
        curves: &proto::Curve::ALL.map(proto::Curve::octet),
        max_command_data_len: DATA_LEN,
        max_response_data_len: DATA_LEN,
        max_header_len: proto::MAX_HEADER_LEN,
        state: if card.is_personalised() { proto::State::Personalised } else { proto::State::Blank },
        keys,
        document_number: card.document_number().map_or(&[], |number| &number[..]),
    };
    let mut octets = [0; MAX_INFO_LEN];
    let len = info.emit(&mut octets).map_err(|_| Status::NotEnoughMemory)?;
    append(response, octets.get(..len).unwrap_or(&[]))
}

/// The octet that stands for a curve of the core.
const fn curve(curve: cdoc2_nostd::Curve) -> proto::Curve {
    match curve {
        cdoc2_nostd::Curve::Secp384r1 => proto::Curve::Secp384r1,
        cdoc2_nostd::Curve::Secp256r1 => proto::Curve::Secp256r1,
        cdoc2_nostd::Curve::Secp521r1 => proto::Curve::Secp521r1,
    }
}

/// The curve of the core that an octet stands for.
const fn curve_of_core(curve: proto::Curve) -> cdoc2_nostd::Curve {
    match curve {
        proto::Curve::Secp384r1 => cdoc2_nostd::Curve::Secp384r1,
        proto::Curve::Secp256r1 => cdoc2_nostd::Curve::Secp256r1,
        proto::Curve::Secp521r1 => cdoc2_nostd::Curve::Secp521r1,
    }
}
