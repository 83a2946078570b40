//! Messages become packets of the bulk-IN pipe.

use usb_device::bus::UsbBus;
use usb_device::endpoint::EndpointIn;
use zeroize::Zeroizing;

use super::PACKET_LEN;
use super::message::{Answer, Data, T1_PARAMETERS};

/// What the host has yet to fetch.
#[derive(Debug)]
pub(super) enum Sending {
    Nothing,
    /// The rest of `answer`: `sent` octets of it have been handed over.
    Rest {
        answer: Answer,
        sent: usize,
    },
}

impl Sending {
    /// Begins with `answer`.
    pub(super) const fn of(answer: Answer) -> Self {
        Self::Rest { answer, sent: 0 }
    }

    /// Hands over the next packet, which `response` gives the data of if the answer has it. `false` if there is none, or if the host has not fetched
    /// the one before. A message whose length is a multiple of the packet's ends with an empty packet.
    pub(super) fn packet<B: UsbBus>(&mut self, response: &[u8], bulk_in: &EndpointIn<'_, B>) -> bool {
        let Self::Rest { answer, sent } = self else { return false };
        let data = match &answer.data {
            Data::None => &[],
            Data::Atr(atr) => atr.octets(),
            Data::T1Parameters => &T1_PARAMETERS[..],
            Data::Response => response,
        };
        // a response is short, so this cannot fail
        let header = answer.header(u32::try_from(data.len()).unwrap_or(u32::MAX));
        let mut packet = Zeroizing::new([0; PACKET_LEN]);
        let mut len = 0usize;
        for (to, from) in packet.iter_mut().zip(header.iter().chain(data).skip(*sent)) {
            *to = *from;
            len = len.saturating_add(1);
        }
        if bulk_in.write(packet.get(..len).unwrap_or(&[])).is_err() {
            return false;
        }
        if len < PACKET_LEN {
            *self = Self::Nothing;
        } else {
            *sent = sent.saturating_add(len);
        }
        true
    }
}
