//! Mari again, in a test bed, whose services answer as the real ones do.

use std::cell::Cell;
use std::fs;

use cdoc2_client::auth::{Algorithm, AuthSigner as _, Error, MobileId, Signed, SmartId};
use cdoc2_client::config::{Config, SigningService};
use cdoc2_testbed::phone::{self, mobile_id, smart_id};
use cdoc2_testbed::{Options, Testbed};

use crate::phone::{INPUT, PHONE, Terminal, UUID, holder, mari, pace};

pub(crate) struct Bed {
    pub(crate) testbed: Testbed,
    /// Her account with Smart-ID.
    pub(crate) smart_id: smart_id::Account,
    /// Her SIM.
    pub(crate) mobile_id: mobile_id::Account,
    inputs: Cell<u32>,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let testbed = Testbed::start(Options { ldap: false, ..Options::default() }).unwrap();
        let mari = holder("MAASIKAS,MARI", "60001017727");
        let (smart_id, mobile_id) = (testbed.smart_id_account(&mari).unwrap(), testbed.mobile_id_account(&mari, PHONE).unwrap());
        Self { testbed, smart_id, mobile_id, inputs: Cell::new(0) }
    }

    pub(crate) fn config(&self) -> Config {
        Config::read(self.testbed.config()).unwrap()
    }

    /// The configuration of somebody whom the services do not know.
    pub(crate) fn config_of_a_stranger(&self) -> Config {
        let text = fs::read_to_string(self.testbed.config()).unwrap().replace(phone::RELYING_PARTY_UUID, UUID);
        let path = self.testbed.folder().join("stranger.toml");
        fs::write(&path, text).unwrap();
        Config::read(&path).unwrap()
    }

    /// Something else to sign each time: the same would find the session that it has begun before.
    pub(crate) fn input(&self) -> Vec<u8> {
        self.inputs.set(self.inputs.get() + 1);
        [INPUT, &self.inputs.get().to_be_bytes()].concat()
    }

    pub(crate) fn by_smart_id(&self, config: &SigningService, terminal: &mut Terminal<'_>) -> Result<Signed, Error> {
        SmartId::new(config, pace()).sign(&mari(), &self.input(), Algorithm::Rs256, terminal)
    }

    pub(crate) fn by_mobile_id(&self, config: &SigningService, terminal: &mut Terminal<'_>) -> Result<Signed, Error> {
        MobileId::new(config, PHONE.parse().unwrap(), pace()).sign(&mari(), &self.input(), Algorithm::Es256, terminal)
    }

    /// Why Smart-ID does not sign.
    pub(crate) fn smart_id_error(&self) -> Error {
        self.by_smart_id(self.config().smart_id().unwrap(), &mut Terminal::new()).unwrap_err()
    }

    /// Why Mobile-ID does not.
    pub(crate) fn mobile_id_error(&self) -> Error {
        self.by_mobile_id(self.config().mobile_id().unwrap(), &mut Terminal::new()).unwrap_err()
    }
}
