//! Packets of the bulk-OUT pipe become messages.

use heapless::VecView;
use zeroize::Zeroize;

use super::message::{HEADER_LEN, Header};
use super::{PACKET_LEN, SILENCE_MS};
use crate::platform::Instant;

/// Where in the stream of packets the host is.
///
/// A message ends with its last declared octet, whether or not an empty packet follows. One that ends otherwise is not sound: with a short packet
/// before, with more in the packet than was declared, or with silence. The next packet then begins the next message.
#[derive(Debug)]
pub(super) enum Assembly {
    /// Between two messages.
    Between,
    /// Within one, whose latest packet was full and came at `at`.
    Within { header: Header, missing: Missing, at: Instant },
}

/// What is still to come of a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Missing {
    /// So many octets, all wanted.
    Sound(u32),
    /// So many octets, none of them wanted: there is no room for them.
    Unsound(u32),
    /// Whatever comes until a short packet: the host has sent more than it declared.
    Excess,
}

/// A message that has ended.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) header: Header,
    /// As many octets arrived as were declared, and there was room for them.
    pub(super) sound: bool,
}

impl Assembly {
    /// Takes the next packet, of at most [`PACKET_LEN`] octets; octets of a command APDU go to `apdu`. Answers the message that ends with it.
    pub(super) fn packet(&mut self, now: Instant, packet: &[u8], apdu: &mut VecView<u8>) -> Option<Message> {
        let (header, missing, data) = match *self {
            // the end of a message whose length is a multiple of the packet's
            Self::Between if packet.is_empty() => return None,
            Self::Between => {
                let (header, data) = Header::parse(packet);
                if header.carries_apdu() && !header.continues_apdu() {
                    apdu.zeroize();
                }
                (header, Missing::Sound(header.length), data)
            }
            Self::Within { header, missing, .. } => (header, missing, packet),
        };
        let cut = matches!(self, Self::Between) && packet.len() < HEADER_LEN;
        let missing = if cut { Missing::Excess } else { missing.take(data, header.carries_apdu().then_some(apdu)) };
        let sound = match missing {
            Missing::Sound(0) => true,
            Missing::Unsound(0) => false,
            _ if packet.len() < PACKET_LEN => false,
            _ => {
                *self = Self::Within { header, missing, at: now };
                return None;
            }
        };
        *self = Self::Between;
        Some(Message { header, sound })
    }

    /// Answers the message, not sound, that the host has left unfinished for [`SILENCE_MS`].
    pub(super) fn silence(&mut self, now: Instant) -> Option<Message> {
        match *self {
            Self::Within { header, at, .. } if now.ms_since(at) >= SILENCE_MS => {
                *self = Self::Between;
                Some(Message { header, sound: false })
            }
            _ => None,
        }
    }
}

impl Missing {
    /// What is missing after `data`, which goes to `apdu` if it is wanted.
    fn take(self, data: &[u8], apdu: Option<&mut VecView<u8>>) -> Self {
        // a packet is short, so this cannot fail
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        match self {
            Self::Sound(missing) => match missing.checked_sub(len) {
                Some(missing) if apdu.is_none_or(|apdu| apdu.extend_from_slice(data).is_ok()) => Self::Sound(missing),
                Some(missing) => Self::Unsound(missing),
                None => Self::Excess,
            },
            Self::Unsound(missing) => missing.checked_sub(len).map_or(Self::Excess, Self::Unsound),
            Self::Excess => Self::Excess,
        }
    }
}
