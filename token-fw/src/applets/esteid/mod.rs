//! The Estonian ID-card, in its profiles of 2018 and 2025.

mod command;
mod exec;
mod files;

use heapless::VecView;
use iso7816::Status;
use token_proto::esteid::{Environment, Fcp, HASH_LEN};
use token_proto::{Profile, aid, apdu};

use super::{Release, append};
use crate::card::Card;
use crate::platform::Platform;
use crate::session::Proofs;
use command::{Command, Needs, Place};
use files::{Df, Ef};

/// Everything volatile of the application.
#[derive(Default)]
pub(crate) struct State {
    df: Df,
    ef: Option<Ef>,
    environment: Option<Environment>,
    /// What PSO: HASH of 2025 handed over, for one signature.
    hash: Option<[u8; HASH_LEN]>,
    proofs: Proofs,
}

/// An application identifier of the card selects a DF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Application(Df);

impl Application {
    /// The application that `name`, an identifier or its first part, selects on a card of `profile`.
    pub(crate) fn find(profile: Profile, matches: impl Fn(&[u8]) -> bool) -> Option<Self> {
        let applications: &[(&[u8], Df)] = match profile {
            Profile::Esteid2018V1 => &[
                (aid::ESTEID_MAIN, Df::Mf),
                (aid::ESTEID_AUTHENTICATION, Df::Authentication),
                (aid::ESTEID_SIGNATURE, Df::Signature),
            ],
            Profile::Esteid2025 => &[(aid::ESTEID_2025, Df::Mf)],
        };
        applications.iter().find(|(aid, _)| matches(aid)).map(|(_, df)| Self(*df))
    }
}

impl State {
    /// SELECT by application identifier while this application is selected. The main one is also how hosts log out: it forgets everything.
    pub(crate) fn select(&mut self, application: Application) {
        match application.0 {
            Df::Mf => *self = Self::default(),
            df @ (Df::PersonalData | Df::Authentication | Df::Signature) => {
                self.df = df;
                self.ef = None;
            }
        }
    }

    /// What SELECT by application identifier answers if it is asked.
    pub(crate) fn control_parameters(&self, profile: Profile, response: &mut VecView<u8>) -> Result<(), Status> {
        answer(Fcp::Df { id: self.df.id(profile) }, profile, response)
    }

    /// Carries out a command. The class is 00 or 80, and no other command of a chain follows.
    pub(crate) fn run<P: Platform>(
        &mut self,
        card: &mut Card<P>,
        profile: Profile,
        command: &apdu::Command<'_>,
        response: &mut VecView<u8>,
    ) -> Result<Release, Status> {
        let command = Command::parse(command, profile)?;
        self.authorize(command, profile)?.exec(self, card, profile, response)
    }

    /// The only maker of [`Authorized`]. Spends a PIN2.
    ///
    /// # Errors
    /// - [`Status::KeyReferenceNotFound`] (6A88), [`Status::ConditionsOfUseNotSatisfied`] (6985): not in this DF, or without this environment.
    /// - [`Status::SecurityStatusNotSatisfied`] (6982): the PIN that it needs is not verified.
    fn authorize<'a>(&mut self, command: Command<'a>, profile: Profile) -> Result<Authorized<'a>, Status> {
        let access = command.access(profile);
        match access.place {
            Place::Anywhere => {}
            Place::PinOf(df) | Place::KeyOf(df) if df == self.df => {}
            Place::PinOf(_) => return Err(Status::KeyReferenceNotFound),
            Place::KeyOf(_) => return Err(Status::ConditionsOfUseNotSatisfied),
        }
        let pin = match access.needs {
            Needs::Nothing => None,
            Needs::Pin(pin) => Some(pin),
            Needs::Environment(environments) => {
                let environment = self.environment.filter(|environment| environments.contains(environment));
                Some(command::pin_of(environment.ok_or(Status::ConditionsOfUseNotSatisfied)?))
            }
        };
        if pin.is_none_or(|pin| self.proofs.spend(pin)) { Ok(Authorized(command)) } else { Err(Status::SecurityStatusNotSatisfied) }
    }
}

/// A command that may be carried out now.
struct Authorized<'a>(Command<'a>);

fn answer(fcp: Fcp, profile: Profile, response: &mut VecView<u8>) -> Result<(), Status> {
    let mut octets = [0; token_proto::esteid::MAX_FCP_LEN];
    let len = fcp.emit(profile, &mut octets).map_err(|_| Status::NotEnoughMemory)?;
    append(response, octets.get(..len).unwrap_or(&[]))
}
