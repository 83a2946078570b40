//! The messages of the bulk pipes: what the host sends, parsed, and what the device answers, emitted (CCID Rev 1.1, 6.1 and 6.2).
//!
//! All numbers are little-endian. `PC_to_RDR` goes to the device, `RDR_to_PC` to the host; both begin with a header of ten octets.

use token_proto::Atr;

/// Octets of the header, which every message begins with.
pub(super) const HEADER_LEN: usize = 10;

/// `abProtocolDataStructure` for T=1 (CCID Rev 1.1, 6.1.7). There is no line between this reader and its card, so nothing follows from it; its
/// values are the defaults of ISO 7816-3, with the longest information field.
pub(super) const T1_PARAMETERS: [u8; T1_PARAMETERS_LEN] = [
    0x11, // bmFindexDindex: Fi 372, Di 1
    0x10, // bmTCCKST1: LRC, direct convention
    0x00, // bGuardTimeT1
    0x4D, // bmWaitingIntegersT1: BWI 4, CWI 13
    0x00, // bClockStop: may not be stopped
    0xFE, // bIFSC
    0x00, // bNadValue
];
/// Octets of [`T1_PARAMETERS`].
const T1_PARAMETERS_LEN: usize = 7;

/// `bProtocolNum` of T=1.
const T1: u8 = 1;

/// `bMessageType` of what the host sends.
mod pc_to_rdr {
    pub(super) const SET_PARAMETERS: u8 = 0x61;
    pub(super) const ICC_POWER_ON: u8 = 0x62;
    pub(super) const ICC_POWER_OFF: u8 = 0x63;
    pub(super) const GET_SLOT_STATUS: u8 = 0x65;
    pub(super) const SECURE: u8 = 0x69;
    pub(super) const ESCAPE: u8 = 0x6B;
    pub(super) const GET_PARAMETERS: u8 = 0x6C;
    pub(super) const RESET_PARAMETERS: u8 = 0x6D;
    pub(super) const XFR_BLOCK: u8 = 0x6F;
    pub(super) const ABORT: u8 = 0x72;
    pub(super) const SET_DATA_RATE_AND_CLOCK_FREQUENCY: u8 = 0x73;
}

/// `bMessageType` of what the device answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum RdrToPc {
    DataBlock = 0x80,
    SlotStatus = 0x81,
    Parameters = 0x82,
    Escape = 0x83,
    DataRateAndClockFrequency = 0x84,
}

/// The header of a message from the host. What follows it is `abData`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    message_type: u8,
    /// `dwLength`: octets of `abData`, as declared.
    pub(super) length: u32,
    /// `bSlot`.
    pub(super) slot: u8,
    /// `bSeq`, which the answer repeats.
    pub(super) seq: u8,
    /// The three octets whose meaning the message's type decides.
    specific: [u8; 3],
}

impl Header {
    /// Splits a message's first packet into header and the beginning of `abData`. Octets that a packet of less than [`HEADER_LEN`] lacks count as 0,
    /// so that even then the answer can repeat what is there.
    pub(super) fn parse(packet: &[u8]) -> (Self, &[u8]) {
        let mut header = [0; HEADER_LEN];
        for (to, from) in header.iter_mut().zip(packet) {
            *to = *from;
        }
        let [message_type, l0, l1, l2, l3, slot, seq, s0, s1, s2] = header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        (Self { message_type, length, slot, seq, specific: [s0, s1, s2] }, packet.get(HEADER_LEN..).unwrap_or(&[]))
    }

    /// What the host asks for.
    ///
    /// # Errors
    /// What the answer names: a message that this device does not support, or a field with a value that cannot be.
    pub(super) fn request(&self) -> Result<Request, SlotError> {
        let request = match self.message_type {
            pc_to_rdr::XFR_BLOCK => {
                let [_bwi, low, high] = self.specific;
                return Level::parse(u16::from_le_bytes([low, high])).map(Request::XfrBlock);
            }
            pc_to_rdr::SET_PARAMETERS => {
                let [protocol_num, ..] = self.specific;
                return match (protocol_num, usize::try_from(self.length)) {
                    (T1, Ok(T1_PARAMETERS_LEN)) => Ok(Request::Parameters),
                    (T1, _) => Err(SlotError::Length),
                    _ => Err(SlotError::Selection),
                };
            }
            pc_to_rdr::ICC_POWER_ON => {
                // bPowerSelect: automatic, or the 5 V that the descriptor announces
                let [0 | 1, ..] = self.specific else { return Err(SlotError::Selection) };
                Request::IccPowerOn
            }
            pc_to_rdr::ICC_POWER_OFF => Request::IccPowerOff,
            pc_to_rdr::GET_SLOT_STATUS => Request::GetSlotStatus,
            pc_to_rdr::GET_PARAMETERS | pc_to_rdr::RESET_PARAMETERS => Request::Parameters,
            pc_to_rdr::ABORT => Request::Abort,
            _ => return Err(SlotError::CommandNotSupported),
        };
        if self.length == 0 { Ok(request) } else { Err(SlotError::Length) }
    }

    /// `true` for the message whose `abData` belongs to a command APDU.
    pub(super) fn carries_apdu(&self) -> bool {
        self.message_type == pc_to_rdr::XFR_BLOCK
    }

    /// `true` for an `XfrBlock` that goes on with the command APDU of the one before.
    pub(super) fn continues_apdu(&self) -> bool {
        matches!(self.request(), Ok(Request::XfrBlock(Level::Continues | Level::Ends)))
    }

    /// The type of the answer to this message, whether it succeeds or not.
    const fn answer_type(&self) -> RdrToPc {
        match self.message_type {
            pc_to_rdr::ICC_POWER_ON | pc_to_rdr::XFR_BLOCK | pc_to_rdr::SECURE => RdrToPc::DataBlock,
            pc_to_rdr::GET_PARAMETERS | pc_to_rdr::RESET_PARAMETERS | pc_to_rdr::SET_PARAMETERS => RdrToPc::Parameters,
            pc_to_rdr::ESCAPE => RdrToPc::Escape,
            pc_to_rdr::SET_DATA_RATE_AND_CLOCK_FREQUENCY => RdrToPc::DataRateAndClockFrequency,
            _ => RdrToPc::SlotStatus,
        }
    }
}

/// A message that this device supports, of sound fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// 6.1.1.
    IccPowerOn,
    /// 6.1.2.
    IccPowerOff,
    /// 6.1.3.
    GetSlotStatus,
    /// 6.1.4.
    XfrBlock(Level),
    /// 6.1.5, 6.1.6 and 6.1.7: the parameters never change, so all three read them.
    Parameters,
    /// 6.1.13.
    Abort,
}

/// `wLevelParameter` of an `XfrBlock` at the level of extended APDUs (CCID Rev 1.1, 6.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// 0000: a whole command APDU.
    Whole,
    /// 0001: its beginning.
    Begins,
    /// 0002: its end.
    Ends,
    /// 0003: neither.
    Continues,
}

impl Level {
    /// 0010, which asks for more of a response, is none of these: a response is always one message.
    fn parse(level_parameter: u16) -> Result<Self, SlotError> {
        match level_parameter {
            0 => Ok(Self::Whole),
            1 => Ok(Self::Begins),
            2 => Ok(Self::Ends),
            3 => Ok(Self::Continues),
            _ => Err(SlotError::Level),
        }
    }
}

/// `bmICCStatus` (CCID Rev 1.1, 6.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum IccStatus {
    Active = 0,
    Inactive = 1,
    /// The card never leaves this reader, so only a slot that there isn't has none.
    NotPresent = 2,
}

/// `bError` of a message that failed (CCID Rev 1.1, 6.2.6): up to 7F the offset of the field that is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum SlotError {
    CommandNotSupported = 0x00,
    /// `dwLength` is not what arrived, or not what this message has, or there is no room for so much.
    Length = 1,
    /// `bSlot`.
    Slot = 5,
    /// `bPowerSelect` of `IccPowerOn`, `bProtocolNum` of `SetParameters`.
    Selection = 7,
    /// `wLevelParameter`.
    Level = 8,
    /// `CMD_SLOT_BUSY`.
    SlotBusy = 0xE0,
    /// `ICC_MUTE`.
    IccMute = 0xFE,
    /// `CMD_ABORTED`.
    Aborted = 0xFF,
}

/// A message to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    message_type: RdrToPc,
    slot: u8,
    seq: u8,
    /// `bStatus`: `bmICCStatus` and, in the top bits, `bmCommandStatus`.
    status: u8,
    /// `bError`.
    error: u8,
    /// The last octet, whose meaning the type decides: `bChainParameter`, `bClockStatus` (0, runs) or `bProtocolNum`.
    specific: u8,
    /// `abData`.
    pub(super) data: Data,
}

/// What an answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    None,
    Atr(Atr),
    T1Parameters,
    /// The response APDU in the slot's buffer.
    Response,
}

/// `bmCommandStatus` in its place in `bStatus`.
mod command_status {
    pub(super) const FAILED: u8 = 0x40;
    pub(super) const TIME_EXTENSION: u8 = 0x80;
}

impl Answer {
    /// `header`'s message is done.
    pub(super) fn done(header: &Header, icc: IccStatus, data: Data) -> Self {
        let specific = if data == Data::T1Parameters { T1 } else { 0 };
        Self { message_type: header.answer_type(), slot: header.slot, seq: header.seq, status: icc as u8, error: 0, specific, data }
    }

    /// `header`'s message failed with `error`.
    pub(super) fn failed(header: &Header, icc: IccStatus, error: SlotError) -> Self {
        Self { status: icc as u8 | command_status::FAILED, error: error as u8, ..Self::done(header, icc, Data::None) }
    }

    /// `header`'s `XfrBlock` takes longer: the host is to wait for `multiplier` times the block waiting time from now on.
    pub(super) fn time_extension(header: &Header, multiplier: u8) -> Self {
        let icc = IccStatus::Active;
        Self { status: icc as u8 | command_status::TIME_EXTENSION, error: multiplier, ..Self::done(header, icc, Data::None) }
    }

    /// `header`'s `XfrBlock` is taken, and the next goes on with the command APDU: `bChainParameter` 10.
    pub(super) fn next_block(header: &Header) -> Self {
        Self { specific: 0x10, ..Self::done(header, IccStatus::Active, Data::None) }
    }

    /// The header of the message, for `length` octets of data.
    pub(super) fn header(&self, length: u32) -> [u8; HEADER_LEN] {
        let [l0, l1, l2, l3] = length.to_le_bytes();
        [self.message_type as u8, l0, l1, l2, l3, self.slot, self.seq, self.status, self.error, self.specific]
    }
}
