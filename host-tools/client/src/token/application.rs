//! What every application of a card has: PINs, and how it is chosen.

use token_proto::esteid::{self, Tries};
use token_proto::{Command, PinRef, Profile, Status, aid, ins};

use super::apdu::Channel;
use super::{Error, Pin};

/// What a card is, as far as that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Application {
    /// A token with the applet that knows CDOC2.
    Cdoc2,
    /// The Estonian ID-card of 2018.
    Esteid2018,
    /// The Estonian ID-card of 2025.
    Esteid2025,
}

impl Application {
    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cdoc2 => "CDOC2 token",
            Self::Esteid2018 => "Estonian ID-card of 2018",
            Self::Esteid2025 => "Estonian ID-card of 2025",
        }
    }

    /// How it refers to PINs and pads them.
    pub(super) const fn profile(self) -> Profile {
        match self {
            Self::Cdoc2 | Self::Esteid2018 => Profile::Esteid2018V1,
            Self::Esteid2025 => Profile::Esteid2025,
        }
    }

    /// The application that has `pin`: the applet that knows CDOC2 shares PIN1 and the PUK with the ID-card beside it, which has PIN2 too.
    fn with(self, pin: PinRef, channel: &mut Channel<'_>) -> Result<Self, Error> {
        if (self, pin) != (Self::Cdoc2, PinRef::Pin2) {
            return Ok(self);
        }
        self.id_card(channel)?.ok_or(Error::NoSuchPin(pin))
    }

    /// The ID-card that it is, or that is beside the applet that knows CDOC2.
    pub(super) fn id_card(self, channel: &mut Channel<'_>) -> Result<Option<Self>, Error> {
        if self != Self::Cdoc2 {
            return Ok(Some(self));
        }
        for application in [Self::Esteid2018, Self::Esteid2025] {
            if select(channel, application.aid(PinRef::Pin1))? == Status::Success {
                return Ok(Some(application));
            }
        }
        Ok(None)
    }

    /// What to select before a command about `pin`. PIN2 of 2018 is known in the application for signatures alone.
    const fn aid(self, pin: PinRef) -> &'static [u8] {
        match (self, pin) {
            (Self::Cdoc2, _) => aid::CDOC2,
            (Self::Esteid2018, PinRef::Pin2) => aid::ESTEID_SIGNATURE,
            (Self::Esteid2018, PinRef::Pin1 | PinRef::Puk) => aid::ESTEID_MAIN,
            (Self::Esteid2025, _) => aid::ESTEID_2025,
        }
    }

    fn select_for(self, pin: PinRef, channel: &mut Channel<'_>) -> Result<(), Error> {
        match select(channel, self.aid(pin))? {
            Status::Success => Ok(()),
            status => Err(Error::Status { command: "SELECT", status }),
        }
    }

    /// The tries that are left for `pin`, if the card tells.
    pub(super) fn tries_left(self, pin: PinRef, channel: &mut Channel<'_>) -> Result<Option<u8>, Error> {
        let application = self.with(pin, channel)?;
        application.select_for(pin, channel)?;
        let profile = application.profile();
        if application == Self::Cdoc2 {
            // VERIFY without a PIN asks for the counter (ISO 7816-4, 11.6.6).
            let query = Command::new(0x00, ins::VERIFY, 0x00, pin.reference(profile));
            return Ok(match channel.send(query)?.status {
                Status::RemainingRetries(left) => Some(left),
                Status::OperationBlocked => Some(0),
                _ => None,
            });
        }
        let answer = channel.send(esteid::get_tries(pin, profile))?;
        Ok(match answer.status {
            Status::Success => Tries::parse(&answer.data, pin, profile).ok().map(|tries| tries.left),
            _ => None,
        })
    }

    /// Verifies `pin` in the application chosen last.
    pub(super) fn verify(self, pin: PinRef, typed: &Pin, channel: &mut Channel<'_>) -> Result<(), Error> {
        let status = channel.send_once(esteid::verify(pin, &typed.block(self.profile()), self.profile()))?;
        of_pin(pin, "VERIFY", status)
    }

    /// Chooses the application of `pin` and verifies it.
    pub(super) fn select_and_verify(self, pin: PinRef, typed: &Pin, channel: &mut Channel<'_>) -> Result<(), Error> {
        let application = self.with(pin, channel)?;
        application.select_for(pin, channel)?;
        application.verify(pin, typed, channel)
    }

    /// Changes `pin` from `old` to `new`.
    pub(super) fn change(self, pin: PinRef, old: &Pin, new: &Pin, channel: &mut Channel<'_>) -> Result<(), Error> {
        let application = self.with(pin, channel)?;
        application.select_for(pin, channel)?;
        let profile = application.profile();
        let blocks = old.blocks(new, profile);
        match channel.send_once(esteid::change_reference_data(pin, &blocks, profile))? {
            Status::IncorrectDataParameter => Err(Error::UnfitNew(pin)),
            status => of_pin(pin, "CHANGE REFERENCE DATA", status),
        }
    }

    /// Gives `pin` the value `new` and all its tries, by the PUK.
    pub(super) fn unblock(self, pin: PinRef, puk: &Pin, new: &Pin, channel: &mut Channel<'_>) -> Result<(), Error> {
        const COMMAND: &str = "RESET RETRY COUNTER";
        let application = self.with(pin, channel)?;
        let profile = application.profile();
        let status = match profile {
            Profile::Esteid2018V1 => {
                application.select_and_verify(PinRef::Puk, puk, channel)?;
                if pin == PinRef::Pin2 {
                    application.select_for(pin, channel)?;
                }
                channel.send_once(esteid::reset_retry_counter(pin, &*new.block(profile), profile))?
            }
            Profile::Esteid2025 => {
                application.select_for(pin, channel)?;
                channel.send_once(esteid::reset_retry_counter(pin, &*puk.blocks(new, profile), profile))?
            }
        };
        match (status, profile) {
            (Status::IncorrectDataParameter, _) => Err(Error::UnfitNew(pin)),
            // The PUK came in the same command, so the refusal is about it.
            (status, Profile::Esteid2025) => of_pin(PinRef::Puk, COMMAND, status),
            (status, Profile::Esteid2018V1) => of_pin(pin, COMMAND, status),
        }
    }

    /// Makes the card forget that a PIN was verified, before somebody else talks to it.
    pub(super) fn forget_pins(self, channel: &mut Channel<'_>) -> Result<(), Error> {
        self.select_for(PinRef::Pin1, channel)
    }
}

/// Selects the application with this identifier; whether there is one.
pub(super) fn select(channel: &mut Channel<'_>, application: &[u8]) -> Result<Status, Error> {
    channel.send(esteid::select_application(application)).map(|answer| answer.status)
}

/// The status of a command with a PIN in it.
fn of_pin(pin: PinRef, command: &'static str, status: Status) -> Result<(), Error> {
    Err(match status {
        Status::Success => return Ok(()),
        Status::RemainingRetries(0) | Status::OperationBlocked => Error::Blocked(pin),
        Status::RemainingRetries(left) => Error::WrongPin { pin, tries_left: Some(left) },
        Status::VerificationFailed => Error::WrongPin { pin, tries_left: None },
        Status::KeyReferenceNotFound => Error::NoSuchPin(pin),
        status => Error::Status { command, status },
    })
}
