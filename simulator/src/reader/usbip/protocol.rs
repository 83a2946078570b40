//! The messages of USB/IP, both ways: each emitter stands beside its parser.
//!
//! All numbers are big-endian. A connection starts with one request and its reply (`OP_…`); after an import, it carries USB request blocks
//! (URB) until it is closed.
//!
//! Source: Linux kernel documentation, "USB/IP protocol", section "Message Format"; version 0x0111.

mod op;
mod urb;

pub use op::{BusId, FULL_SPEED, OpHeader, OpStatus, Record, Request, emit_devices, emit_import, read_devices, read_import};
pub use urb::{Command, Reply, Room, Status, Submit, Transfer};

use std::io::{self, Read};

use thiserror::Error;

/// The protocol's version, 1.1.1.
pub const VERSION: u16 = 0x0111;

/// Octets of the longest transfer that is accepted, as a USB host splits longer ones anyhow.
pub const MAX_TRANSFER_LEN: usize = 1 << 20;

/// A message that cannot be read.
#[derive(Debug, Error)]
pub enum Error {
    /// The connection failed, or ended within a message.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The message breaks the protocol; what follows cannot be understood.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// How a message breaks the protocol.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Malformed {
    /// Another version.
    #[error("USB/IP version {0:#06x}, not {VERSION:#06x}")]
    Version(u16),
    /// An operation that is not expected here.
    #[error("USB/IP operation {0:#06x} is not expected here")]
    Operation(u16),
    /// A bus id that is empty, not printable or not ended by a zero octet.
    #[error("the USB/IP bus id is no text of 1 to 31 printable characters")]
    BusId,
    /// A command that is not expected here.
    #[error("USB/IP command {0} is not expected here")]
    Command(u32),
    /// A direction other than 0 and 1.
    #[error("USB/IP direction {0} is neither out (0) nor in (1)")]
    Direction(u32),
    /// An endpoint number beyond 15.
    #[error("there is no USB endpoint {0}")]
    Endpoint(u32),
    /// A transfer beyond [`MAX_TRANSFER_LEN`], or more octets than were asked for.
    #[error("a USB transfer of {0} octets is too long")]
    TransferLength(u32),
    /// An isochronous transfer, which no device here has.
    #[error("isochronous USB transfers are not supported")]
    Isochronous,
    /// A reply to something that was not asked.
    #[error("a USB/IP reply with sequence number {0}, which is not pending")]
    Sequence(u32),
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    from.read_exact(&mut octets)?;
    Ok(octets)
}

fn vec(from: &mut impl Read, len: usize) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; len];
    from.read_exact(&mut octets)?;
    Ok(octets)
}

fn u16_at(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

fn u32_at(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

#[cfg(test)]
mod tests;
