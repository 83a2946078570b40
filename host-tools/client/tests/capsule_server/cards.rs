//! Simulated cards, whose key authenticates to the server and opens what it gives.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use cdoc2::Container;
use cdoc2::Recipient;
use cdoc2_client::token::{
    Application, Atr, Cache, Dialogue, Direct, Error, Fault, Pin, PinQuestion, PinRef, Reader, Token, TokenHolder,
};
use cdoc2_testbed::Card;
use cdoc2_testbed::card::PIN1;
use simulator::inserted::{Inserted, insert};

use crate::world::{World, holder, open, reason, seal};

/// A card that may have no CDOC2 applet, and that is pulled out at the command with this instruction.
struct Slot {
    reader: Inserted,
    has_applet: bool,
    removed_at: Option<u8>,
    verified: Rc<Cell<usize>>,
}

impl Reader for Slot {
    type Error = Fault;

    fn reset(&mut self) -> Result<Atr, Fault> {
        self.reader.reset().map_err(|refused| Fault::Other(refused.to_string()))
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, Fault> {
        if self.removed_at == Some(command[1]) {
            return Err(Fault::Removed);
        }
        if command[1] == 0x20 && command.len() > 5 {
            self.verified.set(self.verified.get() + 1);
        }
        if !self.has_applet && command.ends_with(b"\xF0CDOC2\x01\x00") {
            response[..2].copy_from_slice(b"\x6A\x82");
            return Ok(2);
        }
        self.reader.transmit(command, response).map_err(|refused| Fault::Other(refused.to_string()))
    }
}

/// Types this PIN and counts how often it was asked.
struct Types<'a>(&'static str, &'a RefCell<Vec<PinQuestion>>);

impl Dialogue for Types<'_> {
    fn pin(&mut self, question: &PinQuestion) -> Option<Pin> {
        self.1.borrow_mut().push(*question);
        Some(Pin::new(PinRef::Pin1, self.0.as_bytes()).unwrap())
    }

    fn touch(&mut self) {}
}

struct Inserts {
    world: World,
    card: Card,
}

impl Inserts {
    fn new() -> Self {
        let world = World::new();
        let card = Card::new(&holder(), &world.authority, &world.path("card")).unwrap();
        Self { world, card }
    }

    fn token(&self, has_applet: bool, removed_at: Option<u8>) -> (Token, Rc<Cell<usize>>) {
        let verified = Rc::default();
        let slot = Slot { reader: insert(&self.card.path).unwrap(), has_applet, removed_at, verified: Rc::clone(&verified) };
        let slot = Direct::new("simulated", slot, |fault| fault).unwrap();
        (Token::open(Box::new(slot), &mut Cache::default()).unwrap(), verified)
    }

    fn container(&self) -> Container {
        let (token, _) = self.token(true, None);
        let recipient = Recipient::Certificate(Box::new(token.certificate().unwrap().clone()));
        seal(&self.world.config(), &[recipient], None).unwrap().0
    }
}

#[test]
fn one_pin_serves_tls_and_decryption() {
    let inserts = Inserts::new();
    let container = inserts.container();
    for (has_applet, application) in [(true, Application::Cdoc2), (false, Application::Esteid2018)] {
        let (mut token, verified) = inserts.token(has_applet, None);
        assert_eq!(token.application(), application);
        let questions = RefCell::default();
        open(&container, &inserts.world.config(), TokenHolder::new(&mut token, Types(PIN1, &questions))).unwrap();
        assert_eq!(questions.borrow().len(), 1, "{application:?}");
        assert_eq!(verified.get(), 2, "{application:?}: once for TLS, once for ECDH");
    }
}

#[test]
fn nothing_is_asked_for_a_server_that_is_not_known() {
    let inserts = Inserts::new();
    let container = inserts.container();
    let (mut token, verified) = inserts.token(true, None);
    let questions = RefCell::default();
    let config = inserts.world.config_with("other", "\"root.pem\"");
    let error = open(&container, &config, TokenHolder::new(&mut token, Types(PIN1, &questions))).unwrap_err();
    assert!(matches!(error, Error::Container(error) if error.to_string().contains("\"test\": it is not known")));
    assert_eq!((questions.borrow().len(), verified.get()), (0, 0));
}

#[test]
fn a_wrong_pin_costs_one_try_and_reaches_no_server() {
    let inserts = Inserts::new();
    let container = inserts.container();
    let questions = RefCell::default();
    for left in [2, 1] {
        let (mut token, verified) = inserts.token(true, None);
        let error = open(&container, &inserts.world.config(), TokenHolder::new(&mut token, Types("9999", &questions))).unwrap_err();
        assert!(matches!(error, Error::WrongPin { tries_left: Some(tries), .. } if tries == left), "{error}");
        assert_eq!(verified.get(), 1);
    }
    let (mut token, verified) = inserts.token(true, None);
    let error = open(&container, &inserts.world.config(), TokenHolder::new(&mut token, Types("9999", &questions))).unwrap_err();
    assert!(matches!(error, Error::LastTry(PinRef::Pin1)), "{error}");
    assert_eq!(verified.get(), 0);
    let last = TokenHolder::new(&mut token, Types("9999", &questions)).with_last_try(true);
    let error = open(&container, &inserts.world.config(), last).unwrap_err();
    assert!(matches!(error, Error::Blocked(PinRef::Pin1)), "{error}");
}

#[test]
fn a_card_may_be_pulled_out_at_any_time() {
    let inserts = Inserts::new();
    let container = inserts.container();
    // VERIFY, INTERNAL AUTHENTICATE, PSO: DECIPHER
    for removed_at in [0x20, 0x88, 0x2A] {
        let (mut token, _) = inserts.token(false, Some(removed_at));
        let questions = RefCell::default();
        let holder = TokenHolder::new(&mut token, Types(PIN1, &questions));
        let error = open(&container, &inserts.world.config(), holder).unwrap_err();
        assert!(matches!(error, Error::Fault(Fault::Removed)), "{removed_at:02X}: {error}");
    }
}

#[test]
fn a_server_that_is_gone_is_not_the_cards_fault() {
    let mut inserts = Inserts::new();
    let container = inserts.container();
    let config = inserts.world.config();
    inserts.world.stop();
    let (mut token, verified) = inserts.token(true, None);
    let questions = RefCell::default();
    let error = open(&container, &config, TokenHolder::new(&mut token, Types(PIN1, &questions))).unwrap_err();
    let Error::Container(error) = error else { panic!("{error}") };
    assert!(
        matches!(reason(&error), cdoc2_client::capsule_server::Error::Https(cdoc2_client::https::Error::Connect { .. })),
        "{error}"
    );
    assert_eq!(verified.get(), 0);
}
