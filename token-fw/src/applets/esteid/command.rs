//! Commands of the ID-card: syntax, and who may use them.

use iso7816::Status;
use token_proto::esteid::{AGREE_LEN, Environment, HASH_LEN, MAX_HASH_LEN, file, get_tries, requested_tries};
use token_proto::{MAX_DATA_LEN, PinRef, Profile, apdu, ins, tlv};

use super::files::Df;
use crate::applets::pins::{Block, block, blocks};

/// A command of the ID-card whose octets are sound. Whether it may be carried out is another question. No `Debug`: PINs are in it.
pub(super) enum Command<'a> {
    /// SELECT of a file.
    SelectFile { target: Target<'a>, with_control_parameters: bool },
    /// READ BINARY of the selected file.
    ReadBinary { offset: usize, len: usize },
    /// VERIFY.
    Verify { pin: PinRef, block: &'a Block },
    /// VERIFY without data.
    QueryPin { pin: PinRef },
    /// CHANGE REFERENCE DATA.
    ChangeReferenceData { pin: PinRef, old: &'a Block, new: &'a Block },
    /// RESET RETRY COUNTER of 2018: the PUK is verified before.
    ResetRetryCounter { pin: PinRef, new: &'a Block },
    /// RESET RETRY COUNTER of 2025: the PUK is in it.
    ResetRetryCounterWithPuk { pin: PinRef, puk: &'a Block, new: &'a Block },
    /// GET DATA for the tries of a PIN.
    GetTries { pin: PinRef },
    /// MANAGE SECURITY ENVIRONMENT: SET.
    SetEnvironment { environment: Environment },
    /// INTERNAL AUTHENTICATE; 2018 only.
    InternalAuthenticate { hash: &'a [u8; HASH_LEN] },
    /// PSO: COMPUTE DIGITAL SIGNATURE of a hash; 2018 only.
    ComputeDigitalSignature { hash: &'a [u8; HASH_LEN] },
    /// PSO: HASH; 2025 only.
    SetHash { hash: &'a [u8] },
    /// PSO: COMPUTE DIGITAL SIGNATURE of the hash before; 2025 only.
    ComputeDigitalSignatureOfHash,
    /// PSO: DECIPHER, that is ECDH.
    Decipher { point: &'a [u8] },
    /// GET CHALLENGE.
    GetChallenge { len: usize },
}

/// What SELECT looks for.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// The MF.
    Mf,
    /// A DF right below the current one.
    ChildDf(u16),
    /// An EF right below the current DF.
    ChildEf(u16),
    /// What a path from the MF leads to.
    PathFromMf(&'a [u8]),
    /// What a path from the current DF leads to, or from the MF if it begins with that.
    Path(&'a [u8]),
}

/// Who may use a command, and where. [`Command::access`] is the table.
#[derive(Clone, Copy)]
pub(super) struct Access {
    pub(super) place: Place,
    pub(super) needs: Needs,
}

/// Where a command may be used.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Anywhere,
    /// Where its PIN is known. Elsewhere: 6A88.
    PinOf(Df),
    /// Where its key is known. Elsewhere: 6985.
    KeyOf(Df),
}

/// What must have happened before a command.
#[derive(Clone, Copy)]
pub(super) enum Needs {
    Nothing,
    /// This PIN is verified.
    Pin(PinRef),
    /// One of these environments is set, and the PIN of its key is verified.
    Environment(&'static [Environment]),
}

/// The PIN that protects an environment's key.
pub(super) const fn pin_of(environment: Environment) -> PinRef {
    match environment {
        Environment::Authenticate | Environment::Agree => PinRef::Pin1,
        Environment::Sign => PinRef::Pin2,
    }
}

impl<'a> Command<'a> {
    /// Who may use the command, and where. In 2018, PIN2 and each key are local to an application; the card of 2025 tells keys and PINs apart
    /// by their references alone.
    pub(super) const fn access(&self, profile: Profile) -> Access {
        let (place, needs) = match self {
            Self::SelectFile { .. }
            | Self::ReadBinary { .. }
            | Self::SetEnvironment { .. }
            | Self::SetHash { .. }
            | Self::ResetRetryCounterWithPuk { .. }
            | Self::GetChallenge { .. } => (Place::Anywhere, Needs::Nothing),
            Self::Verify { pin, .. } | Self::QueryPin { pin } | Self::ChangeReferenceData { pin, .. } | Self::GetTries { pin } => {
                (pin_place(*pin, profile), Needs::Nothing)
            }
            Self::ResetRetryCounter { pin, .. } => (pin_place(*pin, profile), Needs::Pin(PinRef::Puk)),
            Self::InternalAuthenticate { .. } => {
                (key_place(Df::Authentication, profile), Needs::Environment(&[Environment::Authenticate]))
            }
            Self::Decipher { .. } => (key_place(Df::Authentication, profile), Needs::Environment(&[Environment::Agree])),
            Self::ComputeDigitalSignature { .. } => (key_place(Df::Signature, profile), Needs::Environment(&[Environment::Sign])),
            Self::ComputeDigitalSignatureOfHash => {
                (Place::Anywhere, Needs::Environment(&[Environment::Authenticate, Environment::Sign]))
            }
        };
        Access { place, needs }
    }

    /// Reads a command of the ID-card.
    ///
    /// # Errors
    /// 6E00, 6D00, 6A86, 6A88 for a PIN that the profile does not have, 6700 and 6A80, in this order.
    pub(super) fn parse(command: &apdu::Command<'a>, profile: Profile) -> Result<Self, Status> {
        if command.cla != 0x00 {
            return Err(Status::ClassNotSupported);
        }
        match (command.ins, profile) {
            (ins::SELECT, _) => select(command),
            (ins::READ_BINARY, _) => read_binary(command),
            (ins::VERIFY, _) => {
                let pin = pin(command, 0x00, profile)?;
                match command.data {
                    [] => Ok(Self::QueryPin { pin }),
                    data => Ok(Self::Verify { pin, block: block(data)? }),
                }
            }
            (ins::CHANGE_REFERENCE_DATA, _) => {
                let pin = pin(command, 0x00, profile)?;
                blocks(command.data).map(|[old, new]| Self::ChangeReferenceData { pin, old, new })
            }
            (ins::RESET_RETRY_COUNTER, Profile::Esteid2018V1) => {
                let pin = resettable(pin(command, 0x02, profile)?)?;
                Ok(Self::ResetRetryCounter { pin, new: block(command.data)? })
            }
            (ins::RESET_RETRY_COUNTER, Profile::Esteid2025) => {
                let pin = resettable(pin(command, 0x00, profile)?)?;
                blocks(command.data).map(|[puk, new]| Self::ResetRetryCounterWithPuk { pin, puk, new })
            }
            (ins::GET_DATA, _) => get_data(command, profile),
            (ins::MANAGE_SECURITY_ENVIRONMENT, _) => match (command.p1, command.p2, command.data) {
                (0x41, 0xA4 | 0xB6 | 0xB8, []) => Err(Status::WrongLength),
                (0x41, p2 @ (0xA4 | 0xB6 | 0xB8), data) => Environment::parse(p2, data, profile)
                    .map(|environment| Self::SetEnvironment { environment })
                    .ok_or(Status::IncorrectDataParameter),
                _ => Err(Status::IncorrectP1OrP2Parameter),
            },
            (ins::INTERNAL_AUTHENTICATE, Profile::Esteid2018V1) => {
                no_parameters(command)?;
                Ok(Self::InternalAuthenticate { hash: hash(command.data)? })
            }
            (ins::PERFORM_SECURITY_OPERATION, _) => perform_security_operation(command, profile),
            (ins::GET_CHALLENGE, _) => {
                no_parameters(command)?;
                match (command.data, command.le) {
                    ([], len @ 1..) => Ok(Self::GetChallenge { len: len.min(MAX_DATA_LEN) }),
                    _ => Err(Status::WrongLength),
                }
            }
            _ => Err(Status::InstructionNotSupportedOrInvalid),
        }
    }
}

const fn pin_place(pin: PinRef, profile: Profile) -> Place {
    match (pin, profile) {
        (PinRef::Pin2, Profile::Esteid2018V1) => Place::PinOf(Df::Signature),
        (PinRef::Pin1 | PinRef::Puk, Profile::Esteid2018V1) | (_, Profile::Esteid2025) => Place::Anywhere,
    }
}

const fn key_place(df: Df, profile: Profile) -> Place {
    match profile {
        Profile::Esteid2018V1 => Place::KeyOf(df),
        Profile::Esteid2025 => Place::Anywhere,
    }
}

fn select<'a>(command: &apdu::Command<'a>) -> Result<Command<'a>, Status> {
    const MF: [u8; 2] = file::MF.to_be_bytes();
    let with_control_parameters = match command.p2 {
        0x00 | 0x04 => true,
        0x0C => false,
        _ => return Err(Status::IncorrectP1OrP2Parameter),
    };
    let id = || command.data.try_into().map(u16::from_be_bytes).map_err(|_| Status::WrongLength);
    let target = match (command.p1, command.data) {
        (0x00, []) => Target::Mf,
        (0x01 | 0x02 | 0x08 | 0x09, []) => return Err(Status::IncorrectP1OrP2Parameter),
        // absolute, whatever P1 says
        (0x00 | 0x01 | 0x02 | 0x08 | 0x09, path) if path.starts_with(&MF) => Target::Path(path),
        (0x01, _) => Target::ChildDf(id()?),
        (0x02, _) => Target::ChildEf(id()?),
        (0x08, path) => Target::PathFromMf(path),
        (0x00 | 0x09, path) => Target::Path(path),
        _ => return Err(Status::IncorrectP1OrP2Parameter),
    };
    if !command.data.len().is_multiple_of(2) {
        return Err(Status::WrongLength);
    }
    Ok(Command::SelectFile { target, with_control_parameters })
}

fn read_binary<'a>(command: &apdu::Command<'a>) -> Result<Command<'a>, Status> {
    // otherwise P1 has a short file identifier, which no file here has
    if command.p1 >= 0x80 {
        return Err(Status::IncorrectP1OrP2Parameter);
    }
    if !command.data.is_empty() {
        return Err(Status::WrongLength);
    }
    let len = if command.le == 0 { 256 } else { command.le };
    Ok(Command::ReadBinary { offset: usize::from(u16::from_be_bytes([command.p1, command.p2])), len: len.min(MAX_DATA_LEN) })
}

fn get_data<'a>(command: &apdu::Command<'a>, profile: Profile) -> Result<Command<'a>, Status> {
    let known = get_tries(PinRef::Pin1, profile);
    if [command.p1, command.p2] != [known.p1, known.p2] {
        return Err(Status::IncorrectP1OrP2Parameter);
    }
    if command.data.len() != known.data.len() {
        return Err(Status::WrongLength);
    }
    let pin = requested_tries(command.data, profile).ok_or(Status::KeyReferenceNotFound)?;
    Ok(Command::GetTries { pin })
}

fn perform_security_operation<'a>(command: &apdu::Command<'a>, profile: Profile) -> Result<Command<'a>, Status> {
    match (command.p1, command.p2, profile) {
        (0x9E, 0x9A, Profile::Esteid2018V1) => Ok(Command::ComputeDigitalSignature { hash: hash(command.data)? }),
        (0x9E, 0x9A, Profile::Esteid2025) if command.data.is_empty() => Ok(Command::ComputeDigitalSignatureOfHash),
        (0x9E, 0x9A, Profile::Esteid2025) => Err(Status::WrongLength),
        (0x90, 0xA0, Profile::Esteid2025) => match tlv::only(command.data, 0x90) {
            Ok(hash) if (1..=MAX_HASH_LEN).contains(&hash.len()) => Ok(Command::SetHash { hash }),
            _ => Err(Status::IncorrectDataParameter),
        },
        (0x80, 0x86, _) => match command.data {
            [0x00, point @ ..] if command.data.len() == AGREE_LEN => Ok(Command::Decipher { point }),
            _ => Err(Status::IncorrectDataParameter),
        },
        _ => Err(Status::IncorrectP1OrP2Parameter),
    }
}

/// The PIN that P2 names.
fn pin(command: &apdu::Command<'_>, p1: u8, profile: Profile) -> Result<PinRef, Status> {
    if command.p1 != p1 {
        return Err(Status::IncorrectP1OrP2Parameter);
    }
    PinRef::from_reference(profile, command.p2).ok_or(Status::KeyReferenceNotFound)
}

/// The PUK is not among what it resets.
const fn resettable(pin: PinRef) -> Result<PinRef, Status> {
    match pin {
        PinRef::Pin1 | PinRef::Pin2 => Ok(pin),
        PinRef::Puk => Err(Status::KeyReferenceNotFound),
    }
}

const fn no_parameters(command: &apdu::Command<'_>) -> Result<(), Status> {
    match [command.p1, command.p2] {
        [0x00, 0x00] => Ok(()),
        _ => Err(Status::IncorrectP1OrP2Parameter),
    }
}

fn hash(data: &[u8]) -> Result<&[u8; HASH_LEN], Status> {
    data.try_into().map_err(|_| Status::WrongLength)
}
