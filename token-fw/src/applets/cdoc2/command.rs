//! Commands of the CDOC2 application: syntax, and who may use them.

use iso7816::Status;
use token_proto::cdoc2::{CHALLENGE_LEN, CLA, Curve, instruction};
use token_proto::{KeyRef, PinRef, Profile, apdu, ins};

use crate::applets::Chaining;
use crate::applets::pins::{Block, block, blocks};

/// How this application names and pads PINs: as the ID-card of 2018, whichever the card resembles.
pub(super) const PINS: Profile = Profile::Esteid2018V1;

/// A command whose octets are sound. Whether it may be carried out is another question. No `Debug`: PINs are in it.
pub(super) enum Command<'a> {
    GetInfo,
    GetPublicKey { key: KeyRef },
    GetCertificate { key: KeyRef },
    Verify { pin: PinRef, block: &'a Block },
    QueryPin { pin: PinRef },
    ChangeReferenceData { pin: PinRef, old: &'a Block, new: &'a Block },
    ResetRetryCounter { new: &'a Block },
    GetChallenge,
    ExternalAuthenticate { answer: &'a [u8; CHALLENGE_LEN] },
    Decapsulate { key: KeyRef, data: &'a [u8], is_last: bool },
    GenerateKey { key: KeyRef, curve: Curve, touch: bool },
    PutCertificate { key: KeyRef, der: &'a [u8] },
    FactoryReset,
}

/// Who may use a command. [`Command::access`] is the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody, on a blank card as well.
    Always,
    /// Everybody, on a personalised card. On a blank one: 6985, as for the next two.
    Anybody,
    /// Who has verified this PIN.
    AfterPin(PinRef),
    /// Who has answered a challenge with the administrator key.
    Administrator,
}

impl<'a> Command<'a> {
    /// Who may use the command.
    pub(super) const fn access(&self) -> Access {
        match self {
            Self::GetInfo => Access::Always,
            Self::GetPublicKey { .. }
            | Self::GetCertificate { .. }
            | Self::Verify { .. }
            | Self::QueryPin { .. }
            | Self::ChangeReferenceData { .. }
            | Self::GetChallenge
            | Self::ExternalAuthenticate { .. } => Access::Anybody,
            Self::ResetRetryCounter { .. } => Access::AfterPin(PinRef::Puk),
            Self::Decapsulate { .. } => Access::AfterPin(PinRef::Pin1),
            Self::GenerateKey { .. } | Self::PutCertificate { .. } | Self::FactoryReset => Access::Administrator,
        }
    }

    /// How a chain of the command is taken.
    pub(super) const fn chaining(&self) -> Chaining {
        match self {
            Self::Decapsulate { .. } => Chaining::Streamed,
            Self::PutCertificate { .. } => Chaining::Collected,
            Self::GetInfo
            | Self::GetPublicKey { .. }
            | Self::GetCertificate { .. }
            | Self::Verify { .. }
            | Self::QueryPin { .. }
            | Self::ChangeReferenceData { .. }
            | Self::ResetRetryCounter { .. }
            | Self::GetChallenge
            | Self::ExternalAuthenticate { .. }
            | Self::GenerateKey { .. }
            | Self::FactoryReset => Chaining::Never,
        }
    }

    /// Reads a command; `chained`: more of its chain follow.
    ///
    /// # Errors
    /// 6D00, 6E00, 6A86, 6A88 for a PIN or a key that the application does not have, 6700 and 6A80, in this order.
    pub(super) fn parse(command: &apdu::Command<'a>, chained: bool) -> Result<Self, Status> {
        if command.cla != class(command.ins)? {
            return Err(Status::ClassNotSupported);
        }
        let data = command.data;
        match command.ins {
            instruction::GET_INFO => parameters(command, [0, 0]).and_then(|()| empty(data)).map(|()| Self::GetInfo),
            instruction::GET_PUBLIC_KEY => {
                let key = key(command, 0x00)?;
                empty(data).map(|()| Self::GetPublicKey { key })
            }
            instruction::GET_CERTIFICATE => {
                let key = key(command, 0x00)?;
                empty(data).map(|()| Self::GetCertificate { key })
            }
            instruction::PUT_CERTIFICATE => match (key(command, 0x00)?, data) {
                (_, []) => Err(Status::WrongLength),
                (key, der) => Ok(Self::PutCertificate { key, der }),
            },
            instruction::DECAPSULATE => Ok(Self::Decapsulate { key: key(command, 0x00)?, data, is_last: !chained }),
            instruction::FACTORY_RESET => parameters(command, [0, 0]).and_then(|()| empty(data)).map(|()| Self::FactoryReset),
            ins::VERIFY => match (pin(command, 0x00)?, data) {
                (pin, []) => Ok(Self::QueryPin { pin }),
                (pin, data) => Ok(Self::Verify { pin, block: block(data)? }),
            },
            ins::CHANGE_REFERENCE_DATA => {
                let pin = pin(command, 0x00)?;
                blocks(data).map(|[old, new]| Self::ChangeReferenceData { pin, old, new })
            }
            ins::RESET_RETRY_COUNTER => match pin(command, 0x02)? {
                PinRef::Pin1 => Ok(Self::ResetRetryCounter { new: block(data)? }),
                PinRef::Pin2 | PinRef::Puk => Err(Status::KeyReferenceNotFound),
            },
            ins::GET_CHALLENGE => parameters(command, [0, 0]).and_then(|()| empty(data)).map(|()| Self::GetChallenge),
            ins::EXTERNAL_AUTHENTICATE => {
                parameters(command, [0, 0])?;
                Ok(Self::ExternalAuthenticate { answer: data.try_into().map_err(|_| Status::WrongLength)? })
            }
            ins::GENERATE_KEY => {
                let key = key(command, 0x80)?;
                let &[curve, touch] = data else { return Err(Status::WrongLength) };
                match (Curve::from_octet(curve), touch) {
                    (Some(curve), 0 | 1) => Ok(Self::GenerateKey { key, curve, touch: touch == 1 }),
                    _ => Err(Status::IncorrectDataParameter),
                }
            }
            _ => Err(Status::InstructionNotSupportedOrInvalid),
        }
    }
}

/// The class of an instruction.
const fn class(ins: u8) -> Result<u8, Status> {
    match ins {
        instruction::GET_INFO
        | instruction::GET_PUBLIC_KEY
        | instruction::GET_CERTIFICATE
        | instruction::PUT_CERTIFICATE
        | instruction::DECAPSULATE
        | instruction::FACTORY_RESET => Ok(CLA),
        ins::VERIFY
        | ins::CHANGE_REFERENCE_DATA
        | ins::RESET_RETRY_COUNTER
        | ins::GET_CHALLENGE
        | ins::EXTERNAL_AUTHENTICATE
        | ins::GENERATE_KEY
        | ins::SELECT
        | ins::GET_RESPONSE => Ok(0x00),
        _ => Err(Status::InstructionNotSupportedOrInvalid),
    }
}

fn parameters(command: &apdu::Command<'_>, expected: [u8; 2]) -> Result<(), Status> {
    if [command.p1, command.p2] == expected { Ok(()) } else { Err(Status::IncorrectP1OrP2Parameter) }
}

const fn empty(data: &[u8]) -> Result<(), Status> {
    if data.is_empty() { Ok(()) } else { Err(Status::WrongLength) }
}

/// The key that P2 names.
fn key(command: &apdu::Command<'_>, p1: u8) -> Result<KeyRef, Status> {
    parameters(command, [p1, command.p2])?;
    super::KEYS.into_iter().find(|key| key.reference() == command.p2).ok_or(Status::KeyReferenceNotFound)
}

/// The PIN that P2 names. This application has no use for PIN2.
fn pin(command: &apdu::Command<'_>, p1: u8) -> Result<PinRef, Status> {
    parameters(command, [p1, command.p2])?;
    match PinRef::from_reference(PINS, command.p2) {
        Some(pin @ (PinRef::Pin1 | PinRef::Puk)) => Ok(pin),
        Some(PinRef::Pin2) | None => Err(Status::KeyReferenceNotFound),
    }
}
