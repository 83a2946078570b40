//! A simulated card.

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::rc::Rc;

use cdoc2_client::auth::{Algorithm, AuthSigner, CardSigner, Error, Untrusted};
use cdoc2_client::token::{
    Application, Atr, Cache, Dialogue, Direct, Error as CardError, Fault, Pin, PinQuestion, PinRef, Reader, Token,
};
use cdoc2_testbed::Card;
use cdoc2_testbed::card::PIN1;
use clap::Parser as _;
use simulator::inserted::{Inserted, insert};

use crate::phone::{INPUT, Terminal, World, holder, mari};

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

/// Types these PINs, one after the other, and counts how often it was asked.
struct Types<'a>(&'a RefCell<Vec<&'static str>>);

impl Dialogue for Types<'_> {
    fn pin(&mut self, question: &PinQuestion) -> Option<Pin> {
        assert_eq!(question.pin, PinRef::Pin1);
        self.0.borrow_mut().pop().map(|pin| Pin::new(PinRef::Pin1, pin.as_bytes()).unwrap())
    }

    fn touch(&mut self) {
        panic!("nothing is touched to sign in");
    }
}

fn open(card: &Card, has_applet: bool, removed_at: Option<u8>) -> (Token, Rc<Cell<usize>>) {
    let verified = Rc::default();
    let slot = Slot { reader: insert(&card.path).unwrap(), has_applet, removed_at, verified: Rc::clone(&verified) };
    let slot = Direct::new("simulated", slot, |fault| fault).unwrap();
    (Token::open(Box::new(slot), &mut Cache::default()).unwrap(), verified)
}

fn card(world: &World) -> Card {
    Card::new(&holder("MAASIKAS,MARI", "60001017727"), &world.authority, &world.path("card")).unwrap()
}

#[test]
fn one_pin_signs() {
    let world = World::new();
    let card = card(&world);
    for has_applet in [true, false] {
        let (mut token, verified) = open(&card, has_applet, None);
        let pins = RefCell::new(vec![PIN1]);
        let mut signer = CardSigner::new(&mut token, Types(&pins));
        assert_eq!(signer.algorithm(&mari()).unwrap(), Algorithm::Es384);
        assert_eq!((pins.borrow().len(), verified.get()), (1, 0));
        // A second signature needs no second PIN.
        for _ in 0..2 {
            let signed = signer.sign(&mari(), INPUT, Algorithm::Es384, &mut Terminal::new()).unwrap();
            assert_eq!((signed.certificate, signed.signature.len()), (card.certificate.clone(), 96));
        }
        assert_eq!((pins.borrow().len(), verified.get()), (0, 2));
    }
}

/// As the simulator makes it for whoever types this.
#[test]
fn the_card_of_2025_signs_too() {
    let world = World::new();
    let path = world.path("card of 2025");
    let arguments = "token-sim new --name MAASIKAS,MARI --code 60001017727 --profile esteid2025 --state".split(' ');
    let arguments = arguments.map(OsStr::new).chain([path.as_os_str()]);
    simulator::cli::Cli::try_parse_from(arguments).unwrap().command.execute(&mut Vec::new()).unwrap();
    let card = Card { path, certificate: Vec::new() };
    let (mut token, _) = open(&card, false, None);
    assert_eq!(token.application(), Application::Esteid2025);
    let pins = RefCell::new(vec![PIN1]);
    CardSigner::new(&mut token, Types(&pins)).sign(&mari(), INPUT, Algorithm::Es384, &mut Terminal::new()).unwrap();
}

#[test]
fn another_persons_card_costs_no_pin() {
    let world = World::new();
    let card = card(&world);
    let (mut token, verified) = open(&card, true, None);
    let pins = RefCell::new(vec![PIN1]);
    let mut signer = CardSigner::new(&mut token, Types(&pins));
    let jaan = "etsi/PNOEE-38001085718".parse().unwrap();
    for error in
        [signer.algorithm(&jaan).unwrap_err(), signer.sign(&jaan, INPUT, Algorithm::Es384, &mut Terminal::new()).unwrap_err()]
    {
        assert!(matches!(error, Error::Untrusted(Untrusted::OtherPerson)), "{error}");
        assert!(!error.to_string().contains("60001017727"));
    }
    let error = signer.sign(&mari(), INPUT, Algorithm::Es256, &mut Terminal::new()).unwrap_err();
    assert!(matches!(error, Error::UnfitKey(_)), "{error}");
    let mut given_up = Terminal::giving_up(|| true);
    let error = signer.sign(&mari(), INPUT, Algorithm::Es384, &mut given_up).unwrap_err();
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert_eq!((pins.borrow().len(), verified.get()), (1, 0));
}

#[test]
fn a_wrong_pin_may_be_typed_again() {
    let world = World::new();
    let card = card(&world);
    let (mut token, _) = open(&card, false, None);
    let pins = RefCell::new(vec![PIN1, "9999"]);
    let mut signer = CardSigner::new(&mut token, Types(&pins));
    let error = signer.sign(&mari(), INPUT, Algorithm::Es384, &mut Terminal::new()).unwrap_err();
    assert!(matches!(error, Error::Card(CardError::WrongPin { tries_left: Some(2), .. })), "{error}");
    assert!(error.may_be_tried_again());
    signer.sign(&mari(), INPUT, Algorithm::Es384, &mut Terminal::new()).unwrap();

    let nobody = RefCell::new(Vec::new());
    let error =
        CardSigner::new(&mut token, Types(&nobody)).sign(&mari(), INPUT, Algorithm::Es384, &mut Terminal::new()).unwrap_err();
    assert!(matches!(error, Error::Card(CardError::NotGiven(PinRef::Pin1))), "{error}");
    assert!(!error.may_be_tried_again());
}

#[test]
fn the_last_try_is_not_taken_without_consent() {
    let world = World::new();
    let card = card(&world);
    let (mut token, _) = open(&card, false, None);
    let pins = RefCell::new(vec!["9999"; 3]);
    let mut signer = CardSigner::new(&mut token, Types(&pins));
    let mut sign = || signer.sign(&mari(), INPUT, Algorithm::Es384, &mut Terminal::new()).unwrap_err();
    let errors = [sign(), sign(), sign()];
    assert!(matches!(errors[2], Error::Card(CardError::LastTry(PinRef::Pin1))), "{}", errors[2]);
    let mut signer = CardSigner::new(&mut token, Types(&pins)).with_last_try(true);
    let error = signer.sign(&mari(), INPUT, Algorithm::Es384, &mut Terminal::new()).unwrap_err();
    assert!(matches!(error, Error::Card(CardError::Blocked(PinRef::Pin1))), "{error}");
}

#[test]
fn a_card_may_be_pulled_out() {
    let world = World::new();
    let card = card(&world);
    // VERIFY, INTERNAL AUTHENTICATE
    for removed_at in [0x20, 0x88] {
        let (mut token, _) = open(&card, false, Some(removed_at));
        let pins = RefCell::new(vec![PIN1]);
        let mut signer = CardSigner::new(&mut token, Types(&pins));
        let error = signer.sign(&mari(), INPUT, Algorithm::Es384, &mut Terminal::new()).unwrap_err();
        assert!(matches!(error, Error::Card(CardError::Fault(Fault::Removed))), "{removed_at:02X}: {error}");
    }
}
