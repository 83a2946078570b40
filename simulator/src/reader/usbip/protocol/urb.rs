//! USB request blocks of an imported device: transfers, their ends, and giving them up.

use std::io::{self, Read};

use super::super::octets::Octets;
use super::{Error, MAX_TRANSFER_LEN, Malformed, array, u32_at, vec};

const URB_HEADER_LEN: usize = 48;

const CMD_SUBMIT: u32 = 1;
const CMD_UNLINK: u32 = 2;
const RET_SUBMIT: u32 = 3;
const RET_UNLINK: u32 = 4;

const DIRECTION_OUT: u32 = 0;
const DIRECTION_IN: u32 = 1;

/// `URB_ZERO_PACKET`: the transfer ends with an empty packet if its last packet is a full one.
const FLAG_ZERO_PACKET: u32 = 0x40;

/// `number_of_packets` of a transfer that is not isochronous: 0 from the kernel's client, all ones in its documentation.
const NOT_ISOCHRONOUS: [u32; 2] = [0, u32::MAX];

/// What a host asks an imported device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Carry out a transfer.
    Submit(Submit),
    /// Give up the transfer with the sequence number `victim`.
    Unlink {
        /// The number of this command.
        seq: u32,
        /// The number of the transfer.
        victim: u32,
    },
}

/// A transfer to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submit {
    /// Its number, by which it is answered or given up.
    pub seq: u32,
    /// [`Record::device_id`](super::Record::device_id).
    pub device_id: u32,
    /// Number of the endpoint, at most 15.
    pub endpoint: u8,
    /// SETUP packet; zeros unless `endpoint` is 0.
    pub setup: [u8; 8],
    /// Direction and data.
    pub transfer: Transfer,
}

/// Direction and data of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// To the host.
    In {
        /// Octets of room: `transfer_buffer_length`.
        len: usize,
    },
    /// To the device.
    Out {
        /// The octets.
        data: Octets,
        /// Whether an empty packet follows if the last one is full.
        zero_packet: bool,
    },
}

impl Command {
    /// Reads one; `None` at the orderly end of the connection.
    ///
    /// # Errors
    /// It is [`Malformed`], or the connection failed or ended within it.
    pub fn read(from: &mut impl Read) -> Result<Option<Self>, Error> {
        let mut octets = [0; URB_HEADER_LEN];
        let first = loop {
            match from.read(&mut octets[..1]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => break answer?,
            }
        };
        if first == 0 {
            return Ok(None);
        }
        from.read_exact(&mut octets[1..])?;
        let seq = u32_at(&octets, 4);
        match u32_at(&octets, 0) {
            CMD_SUBMIT => {}
            CMD_UNLINK => return Ok(Some(Self::Unlink { seq, victim: u32_at(&octets, 20) })),
            command => return Err(Malformed::Command(command).into()),
        }
        let endpoint = u32_at(&octets, 16);
        let endpoint = u8::try_from(endpoint).ok().filter(|number| *number < 16).ok_or(Malformed::Endpoint(endpoint))?;
        if !NOT_ISOCHRONOUS.contains(&u32_at(&octets, 32)) {
            return Err(Malformed::Isochronous.into());
        }
        let len = transfer_len(u32_at(&octets, 24), MAX_TRANSFER_LEN)?;
        let transfer = match u32_at(&octets, 12) {
            DIRECTION_IN => Transfer::In { len },
            DIRECTION_OUT => {
                Transfer::Out { data: vec(from, len)?.into(), zero_packet: u32_at(&octets, 20) & FLAG_ZERO_PACKET != 0 }
            }
            direction => return Err(Malformed::Direction(direction).into()),
        };
        let mut setup = [0; 8];
        setup.copy_from_slice(&octets[40..]);
        Ok(Some(Self::Submit(Submit { seq, device_id: u32_at(&octets, 8), endpoint, setup, transfer })))
    }

    /// Appends it to `to`.
    pub fn emit(&self, to: &mut Vec<u8>) {
        match self {
            Self::Submit(submit) => submit.emit(to),
            Self::Unlink { seq, victim } => {
                for number in [CMD_UNLINK, *seq, 0, 0, 0, *victim] {
                    to.extend(number.to_be_bytes());
                }
                to.resize(to.len() + 24, 0);
            }
        }
    }
}

impl Submit {
    fn emit(&self, to: &mut Vec<u8>) {
        let (direction, flags, len, data) = match &self.transfer {
            Transfer::In { len } => (DIRECTION_IN, 0, *len, &[][..]),
            Transfer::Out { data, zero_packet } => {
                (DIRECTION_OUT, if *zero_packet { FLAG_ZERO_PACKET } else { 0 }, data.len(), &data[..])
            }
        };
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        for number in [CMD_SUBMIT, self.seq, self.device_id, direction, self.endpoint.into(), flags, len, 0, 0, 0] {
            to.extend(number.to_be_bytes());
        }
        to.extend(self.setup);
        to.extend(data);
    }
}

/// How a transfer ended: 0, or the negative of a Linux error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub i32);

impl Status {
    /// Done.
    pub const DONE: Self = Self(0);
    /// There is no such endpoint (`ENOENT`).
    pub const NO_ENDPOINT: Self = Self(-2);
    /// Too many transfers are pending (`ENOMEM`).
    pub const TOO_MANY: Self = Self(-12);
    /// Another device was meant (`ENODEV`).
    pub const NO_DEVICE: Self = Self(-19);
    /// Direction or length are not those of the SETUP packet (`EINVAL`).
    pub const INVALID: Self = Self(-22);
    /// The device stalled the endpoint (`EPIPE`).
    pub const STALL: Self = Self(-32);
    /// The device sent more than there was room for (`EOVERFLOW`).
    pub const BABBLE: Self = Self(-75);
    /// The host gave the transfer up (`ECONNRESET`).
    pub const UNLINKED: Self = Self(-104);
}

/// What a device answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A transfer ended.
    Submit {
        /// Its number.
        seq: u32,
        /// How it ended.
        status: Status,
        /// Octets that went over: to the host, of `data`; to the device, of what it was sent.
        actual: usize,
        /// Octets for the host.
        data: Octets,
    },
    /// A transfer was given up, or had ended before.
    Unlink {
        /// The number of the command to give it up.
        seq: u32,
        /// [`Status::UNLINKED`], or [`Status::DONE`] if the transfer had ended before.
        status: Status,
    },
}

impl Reply {
    /// Reads one. `room` tells how many octets the transfer with a sequence number may bring: 0 if it is an OUT transfer, `None` if no such
    /// is pending. The reply does not tell its direction itself.
    ///
    /// # Errors
    /// It is [`Malformed`], or the connection failed.
    pub fn read(from: &mut impl Read, room: impl FnOnce(u32) -> Option<Room>) -> Result<Self, Error> {
        let octets: [u8; URB_HEADER_LEN] = array(from)?;
        let seq = u32_at(&octets, 4);
        let status = Status(u32_at(&octets, 20).cast_signed());
        match u32_at(&octets, 0) {
            RET_SUBMIT => {}
            RET_UNLINK => return Ok(Self::Unlink { seq, status }),
            command => return Err(Malformed::Command(command).into()),
        }
        let room = room(seq).ok_or(Malformed::Sequence(seq))?;
        let (Room::In(limit) | Room::Out(limit)) = room;
        let actual = transfer_len(u32_at(&octets, 24), limit)?;
        let data = if matches!(room, Room::In(_)) { vec(from, actual)?.into() } else { Octets::default() };
        Ok(Self::Submit { seq, status, actual, data })
    }

    /// Appends it to `to`.
    pub fn emit(&self, to: &mut Vec<u8>) {
        let (command, seq, status, actual, data) = match self {
            Self::Submit { seq, status, actual, data } => (RET_SUBMIT, *seq, *status, *actual, &data[..]),
            Self::Unlink { seq, status } => (RET_UNLINK, *seq, *status, 0, &[][..]),
        };
        let actual = u32::try_from(actual).unwrap_or(u32::MAX);
        for number in [command, seq, 0, 0, 0, status.0.cast_unsigned(), actual, 0, 0, 0, 0, 0] {
            to.extend(number.to_be_bytes());
        }
        to.extend(data);
    }
}

/// Direction and octets of a pending transfer, as its reply needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// To the host, at most so many octets.
    In(usize),
    /// To the device, so many octets.
    Out(usize),
}

fn transfer_len(len: u32, limit: usize) -> Result<usize, Malformed> {
    usize::try_from(len).ok().filter(|len| *len <= limit).ok_or(Malformed::TransferLength(len))
}
