//! Shares servers as they are, in a test bed, and everything that signs for Mari.

use cdoc2::Container;
use cdoc2_client::auth::{CardSigner, EndState, Error as SignerError, MobileId, Pace, SmartId};
use cdoc2_client::config::{Config, SharesInterface};
use cdoc2_client::https;
use cdoc2_client::shares_server::{Error, Reason};
use cdoc2_client::token::{Cache, Dialogue, Direct, Fault, Pin, PinQuestion, Token};
use cdoc2_testbed::card::PIN1;
use cdoc2_testbed::ocsp::Standing;
use cdoc2_testbed::phone::smart_id::{Behaviour, End};
use cdoc2_testbed::{Options, SHARES_SET_ID, Testbed};
use simulator::inserted::insert;

use crate::world::{JAAN, MARI, holder, open, sealed};

const PHONE: &str = "+37200000766";

fn start() -> (Testbed, Config) {
    let testbed = Testbed::start(Options { ldap: false, ..Options::default() }).unwrap();
    let config = Config::read(testbed.config()).unwrap();
    (testbed, config)
}

struct KnowsPin1;

impl Dialogue for KnowsPin1 {
    fn pin(&mut self, question: &PinQuestion) -> Option<Pin> {
        Some(Pin::new(question.pin, PIN1.as_bytes()).unwrap())
    }

    fn touch(&mut self) {
        panic!("nothing is touched to sign in");
    }
}

fn by_smart_id(container: &Container, config: &Config) -> Result<usize, Error> {
    open(container, MARI, &mut SmartId::new(config.smart_id().unwrap(), Pace::default()), config)
}

#[test]
fn both_interfaces_are_in_the_configuration() {
    let (testbed, config) = start();
    let set = config.default_shares_set().unwrap();
    assert_eq!(set.id, SHARES_SET_ID);
    let owners = testbed.shares_servers().iter().map(|server| server.owner().to_owned());
    assert!(set.servers.iter().map(|server| server.owner.clone()).eq(owners));
    let interfaces: Vec<_> = set.servers.iter().map(|server| server.interface).collect();
    assert_eq!(interfaces, [SharesInterface::Token, SharesInterface::Ticket]);
}

#[test]
fn one_container_is_opened_by_phone_and_by_card() {
    let (testbed, config) = start();
    let mari = holder("MAASIKAS,MARI", "60001017727");
    let smart_id = testbed.smart_id_account(&mari).unwrap();
    testbed.mobile_id_account(&mari, PHONE).unwrap();
    let card = testbed.card(&mari).unwrap();
    let container = sealed(&config);
    by_smart_id(&container, &config).unwrap();
    assert_eq!(smart_id.displayed().len(), 1);
    let mut mobile_id = MobileId::new(config.mobile_id().unwrap(), PHONE.parse().unwrap(), Pace::default());
    open(&container, MARI, &mut mobile_id, &config).unwrap();
    let reader = Direct::new("simulated", insert(&card.path).unwrap(), |refused| Fault::Other(refused.to_string())).unwrap();
    let mut token = Token::open(Box::new(reader), &mut Cache::default()).unwrap();
    open(&container, MARI, &mut CardSigner::new(&mut token, KnowsPin1), &config).unwrap();
    // Both servers have looked up each of the three certificates.
    assert_eq!(testbed.ocsp().requests(), 6);
}

#[test]
fn nobody_else_and_nobody_who_is_revoked_gets_a_share() {
    let (testbed, config) = start();
    let account = testbed.smart_id_account(&holder("MAASIKAS,MARI", "60001017727")).unwrap();
    testbed.smart_id_account(&holder("TAMM,JAAN", "38001085718")).unwrap();
    let container = sealed(&config);
    let mut smart_id = SmartId::new(config.smart_id().unwrap(), Pace::default());
    // There is no record of his.
    let error = open(&container, JAAN, &mut smart_id, &config).unwrap_err();
    assert!(matches!(error, Error::Container(_)), "{error}");
    account.set_behaviour(Behaviour::Ends(End::UserRefused));
    let error = by_smart_id(&container, &config).unwrap_err();
    assert!(matches!(error, Error::Signer(SignerError::Ended { state: EndState::Refused, .. })), "{error}");
    account.set_behaviour(Behaviour::Accepts);
    testbed.ocsp().set(&account.identity().serial(), Standing::Revoked);
    let error = by_smart_id(&container, &config).unwrap_err();
    assert!(matches!(error, Error::Server { reason: Reason::Refused, .. }), "{error}");
    assert_eq!(account.displayed().len(), 2);
}

#[test]
fn all_servers_are_needed() {
    let (testbed, config) = start();
    testbed.smart_id_account(&holder("MAASIKAS,MARI", "60001017727")).unwrap();
    let container = sealed(&config);
    for server in testbed.shares_servers() {
        server.stop();
        let error = by_smart_id(&container, &config).unwrap_err();
        let Error::Server { server: address, reason: Reason::Https(https::Error::Connect { .. }) } = &error else {
            panic!("{error}")
        };
        assert_eq!(*address, server.url());
        server.start().unwrap();
    }
    by_smart_id(&container, &config).unwrap();
}
