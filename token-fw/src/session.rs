//! What the card remembers from one command to the next, and forgets when another application is selected and when power goes.

use token_proto::PinRef;

use crate::applets::{cdoc2, esteid};
use crate::card::PinVerified;
use crate::dispatch::Header;

/// The selected application, with everything volatile that it has. Dropping it is the wiping: whatever in it is secret wipes itself.
#[derive(Default)]
#[allow(clippy::large_enum_variant, reason = "there is no heap to box into, and one token has one of these")]
pub(crate) enum Selected {
    /// None: so a blank card begins.
    #[default]
    Nothing,
    /// The Estonian ID-card.
    Esteid(esteid::State),
    /// CDOC2.
    Cdoc2(cdoc2::State),
}

impl Selected {
    /// Whether a chain with this header is being carried out as it comes.
    pub(crate) fn has_chain(&self, header: Header) -> bool {
        matches!(self, Self::Cdoc2(state) if state.has_chain(header))
    }

    /// Another command than the one that would continue a chain has come.
    pub(crate) fn break_chain(&mut self) {
        if let Self::Cdoc2(state) = self {
            state.break_chain();
        }
    }
}

/// Which PINs are verified.
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    pin1: Option<PinVerified>,
    pin2: Option<PinVerified>,
    puk: Option<PinVerified>,
}

impl Proofs {
    /// The proof that `pin` is verified.
    pub(crate) const fn of(&self, pin: PinRef) -> Option<&PinVerified> {
        match pin {
            PinRef::Pin1 => self.pin1.as_ref(),
            PinRef::Pin2 => self.pin2.as_ref(),
            PinRef::Puk => self.puk.as_ref(),
        }
    }

    /// Whether `pin` allows a use of its key. PIN2 does so once for each verification: asking spends it.
    pub(crate) fn spend(&mut self, pin: PinRef) -> bool {
        let verified = self.of(pin).is_some();
        match pin {
            PinRef::Pin2 => self.forget(pin),
            PinRef::Pin1 | PinRef::Puk => {}
        }
        verified
    }

    /// The PIN that `proof` is of is verified from now on.
    pub(crate) fn keep(&mut self, proof: PinVerified) {
        let place = self.place(proof.pin());
        *place = Some(proof);
    }

    /// `pin` is not verified any more.
    pub(crate) fn forget(&mut self, pin: PinRef) {
        *self.place(pin) = None;
    }

    const fn place(&mut self, pin: PinRef) -> &mut Option<PinVerified> {
        match pin {
            PinRef::Pin1 => &mut self.pin1,
            PinRef::Pin2 => &mut self.pin2,
            PinRef::Puk => &mut self.puk,
        }
    }
}
