//! Cards that say what a script has them say.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use token_proto::{Atr, PinRef, Profile, Reader};

use super::{Application, Cache, Conversation, Error, Fault, Pin, Slot, Token};

/// What happens to a command.
#[derive(Clone, Debug)]
enum Step {
    /// This command must come, and gets this answer.
    Exchange(Vec<u8>, Vec<u8>),
    /// This command must come, and fails.
    Fails(Vec<u8>, Fault),
}

/// A card with a script.
#[derive(Clone, Debug, Default)]
struct Script {
    steps: Rc<RefCell<VecDeque<Step>>>,
    conversations: Rc<RefCell<usize>>,
}

impl Script {
    fn then(self, command: &[u8], answer: &[u8]) -> Self {
        self.steps.borrow_mut().push_back(Step::Exchange(command.to_vec(), answer.to_vec()));
        self
    }

    fn fails(self, command: &[u8], fault: Fault) -> Self {
        self.steps.borrow_mut().push_back(Step::Fails(command.to_vec(), fault));
        self
    }

    fn is_over(&self) -> bool {
        self.steps.borrow().is_empty()
    }
}

impl Reader for Script {
    type Error = Fault;

    fn reset(&mut self) -> Result<Atr, Fault> {
        Ok(Profile::Esteid2018V1.atr())
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, Fault> {
        let step = self.steps.borrow_mut().pop_front().unwrap_or_else(|| panic!("no command was to follow: {command:02X?}"));
        match step {
            Step::Exchange(expected, answer) => {
                assert_eq!(command, expected, "{command:02X?}");
                response[..answer.len()].copy_from_slice(&answer);
                Ok(answer.len())
            }
            Step::Fails(expected, fault) => {
                assert_eq!(command, expected, "{command:02X?}");
                Err(fault)
            }
        }
    }
}

impl Slot for Script {
    fn name(&self) -> &str {
        "script"
    }

    fn atr(&self) -> Atr {
        Profile::Esteid2018V1.atr()
    }

    fn begin(&mut self) -> Result<Conversation<'_>, Fault> {
        *self.conversations.borrow_mut() += 1;
        Ok(Conversation::new(self.clone()))
    }
}

mod channel {
    use token_proto::{Command, Status};

    use super::super::apdu::Channel;
    use super::*;

    const READ: Command<'_> = Command::new(0x00, 0xB0, 0x00, 0x00);

    fn channel(script: &Script) -> Channel<'_> {
        Channel::new(Conversation::new(script.clone()))
    }

    #[test]
    fn rest_of_an_answer_is_fetched() {
        let script = Script::default()
            .then(b"\x00\xB0\x00\x00\x00", b"ab\x61\x02")
            .then(b"\x00\xC0\x00\x00\x02", b"cd\x61\x00")
            .then(b"\x00\xC0\x00\x00\x00", b"e\x90\x00");
        let answer = channel(&script).send(READ.with_le(256)).unwrap();
        assert_eq!((&answer.data[..], answer.status), (&b"abcde"[..], Status::Success));
        assert!(script.is_over());
    }

    #[test]
    fn answer_without_end_is_given_up() {
        let script = Script::default().then(b"\x00\xB0\x00\x00\x00", b"\x61\x02").then(b"\x00\xC0\x00\x00\x02", b"\x61\x02");
        assert!(matches!(channel(&script).send(READ.with_le(256)), Err(Error::Nonsense(_))));
    }

    #[test]
    fn another_length_is_asked_for_when_the_card_names_it() {
        let script = Script::default().then(b"\x00\xB0\x00\x00\x00", b"\x6C\x03").then(b"\x00\xB0\x00\x00\x03", b"abc\x90\x00");
        assert_eq!(channel(&script).send(READ.with_le(256)).unwrap().data[..], *b"abc");
        // But once only.
        let script = Script::default().then(b"\x00\xB0\x00\x00\x00", b"\x6C\x03").then(b"\x00\xB0\x00\x00\x03", b"\x6C\x03");
        assert_eq!(channel(&script).send(READ.with_le(256)).unwrap().status, Status::WrongLeField(3));
        assert!(script.is_over());
    }

    #[test]
    fn answer_without_a_status_is_refused() {
        for answer in [&b""[..], b"\x90", b"\x12\x34", b"ab\x00\x00"] {
            let script = Script::default().then(b"\x00\xB0\x00\x00\x00", answer);
            assert!(matches!(channel(&script).send(READ.with_le(256)), Err(Error::Nonsense(_))), "{answer:?}");
        }
    }

    #[test]
    fn extended_length_that_does_not_pass_is_given_up() {
        for refused in [Step::Exchange(vec![], b"\x67\x00".to_vec()), Step::Fails(vec![], Fault::NotTransacted)] {
            let extended = b"\x00\xB0\x00\x00\x00\x00\x00";
            let script = match refused {
                Step::Exchange(_, answer) => Script::default().then(extended, &answer),
                Step::Fails(_, fault) => Script::default().fails(extended, fault),
            };
            let script = script.then(b"\x00\xB0\x00\x00\x00", b"a\x90\x00").then(b"\x00\xB0\x00\x00\x00", b"b\x90\x00");
            let mut channel = channel(&script);
            channel.extend(2048);
            assert_eq!(channel.send(READ.with_le(channel.le())).unwrap().data[..], *b"a");
            assert_eq!(channel.send(READ.with_le(channel.le())).unwrap().data[..], *b"b");
            assert!(script.is_over());
        }
    }

    #[test]
    fn chain_is_as_long_as_it_must_be() {
        let data: Vec<u8> = (0..600_u16).map(|n| n as u8).collect();
        let script = Script::default()
            .then(&[&b"\x90\x2A\x00\x83\xFF"[..], &data[..255]].concat(), b"\x90\x00")
            .then(&[&b"\x90\x2A\x00\x83\xFF"[..], &data[255..510]].concat(), b"\x90\x00")
            .then(&[&b"\x80\x2A\x00\x83\x5A"[..], &data[510..], &[0]].concat(), b"cek\x90\x00");
        let mut before = 0;
        let answer = channel(&script).send_chain(Command::new(0x80, 0x2A, 0x00, 0x83), &data, &mut || before += 1).unwrap();
        assert_eq!((&answer.data[..], before), (&b"cek"[..], 1));
        assert!(script.is_over());
    }

    #[test]
    fn chain_begins_anew_in_short_commands() {
        let data = [7; 300];
        let script = Script::default()
            .then(&[&b"\x80\x2A\x00\x83\x00\x01\x2C"[..], &data, &[0, 0]].concat(), b"\x67\x00")
            .then(&[&b"\x90\x2A\x00\x83\xFF"[..], &data[..255]].concat(), b"\x90\x00")
            .then(&[&b"\x80\x2A\x00\x83\x2D"[..], &data[255..], &[0]].concat(), b"cek\x90\x00");
        let mut channel = channel(&script);
        channel.extend(2048);
        let answer = channel.send_chain(Command::new(0x80, 0x2A, 0x00, 0x83), &data, &mut || {}).unwrap();
        assert_eq!(answer.data[..], *b"cek");
        assert!(script.is_over());
    }

    #[test]
    fn refusal_in_a_chain_ends_it() {
        let script = Script::default().then(&[&b"\x90\x2A\x00\x83\xFF"[..], &[7; 255]].concat(), b"\x69\x82");
        let answer = channel(&script).send_chain(Command::new(0x80, 0x2A, 0x00, 0x83), &[7; 300], &mut || {}).unwrap();
        assert_eq!(answer.status, Status::SecurityStatusNotSatisfied);
    }
}

const SELECT_CDOC2: &[u8] = b"\x00\xA4\x04\x00\x07\xF0CDOC2\x01\x00";
const SELECT_2018: &[u8] = b"\x00\xA4\x04\x0C\x10\xA0\x00\x00\x00\x77\x01\x08\x00\x07\x00\x00\xFE\x00\x00\x01\x00";
const SELECT_2025: &[u8] = b"\x00\xA4\x04\x0C\x0C\xA0\x00\x00\x00\x63PKCS-15";
const NOT_FOUND: &[u8] = b"\x6A\x82";
const DONE: &[u8] = b"\x90\x00";

fn pin(digits: &str) -> Pin {
    Pin::new(PinRef::Pin1, digits.as_bytes()).unwrap()
}

/// A token of 2018 that was opened before, over `script`.
fn token(script: Script) -> Token {
    Token::known(Box::new(script), Application::Esteid2018)
}

#[test]
fn unknown_card_is_named_by_its_answer_to_reset() {
    let script = Script::default().then(SELECT_CDOC2, NOT_FOUND).then(SELECT_2018, NOT_FOUND).then(SELECT_2025, b"\x6D\x00");
    let error = Token::open(Box::new(script.clone()), &mut Cache::default()).unwrap_err();
    assert!(error.to_string().contains("3BDB960080B1FE451F830012233F536549440F9000F1"), "{error}");
    assert!(script.is_over());
}

#[test]
fn reading_goes_on_after_somebody_has_reset_the_card() {
    let script = Script::default()
        .fails(SELECT_CDOC2, Fault::Reset)
        .then(SELECT_CDOC2, NOT_FOUND)
        .then(SELECT_2018, NOT_FOUND)
        .then(SELECT_2025, NOT_FOUND);
    let error = Token::open(Box::new(script.clone()), &mut Cache::default()).unwrap_err();
    assert!(matches!(error, Error::UnknownCard { .. }), "{error}");
    assert_eq!(*script.conversations.borrow(), 2);
    // Whoever resets it again and again is not followed for ever.
    let script = Script::default().fails(SELECT_CDOC2, Fault::Reset).fails(SELECT_CDOC2, Fault::Reset);
    let error = Token::open(Box::new(script), &mut Cache::default()).unwrap_err();
    assert!(matches!(error, Error::Fault(Fault::Reset)), "{error}");
}

#[test]
fn removed_card_ends_it() {
    let script = Script::default().fails(SELECT_CDOC2, Fault::Removed);
    let error = Token::open(Box::new(script), &mut Cache::default()).unwrap_err();
    assert!(matches!(error, Error::Fault(Fault::Removed)), "{error}");
}

#[test]
fn pin_is_sent_once_whatever_happens() {
    const VERIFY: &[u8] = b"\x00\x20\x00\x01\x0C1234\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
    for fault in [Fault::Reset, Fault::Removed, Fault::NotTransacted] {
        let script = Script::default().then(SELECT_2018, DONE).fails(VERIFY, fault.clone()).fails(SELECT_2018, Fault::Removed);
        let error = token(script.clone()).verify_pin(PinRef::Pin1, &pin("1234")).unwrap_err();
        assert!(matches!(&error, Error::Fault(seen) if *seen == fault), "{error}");
        assert!(script.is_over());
    }
    for (status, message) in [
        (b"\x63\xC2", "wrong PIN1; 2 tries are left"),
        (b"\x63\xC1", "wrong PIN1; one try is left"),
        (b"\x63\xC0", "the PIN1 is blocked: it was typed wrong too often"),
        (b"\x69\x83", "the PIN1 is blocked: it was typed wrong too often"),
        (b"\x6A\x88", "the card has no PIN1"),
        // Neither of these is a reason to send it again in another way.
        (b"\x6C\x0C", "the card refused VERIFY with status 6C0C"),
        (b"\x67\x00", "the card refused VERIFY with status 6700"),
    ] {
        let script = Script::default().then(SELECT_2018, DONE).then(VERIFY, status).then(SELECT_2018, DONE);
        let error = token(script.clone()).verify_pin(PinRef::Pin1, &pin("1234")).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(script.is_over());
    }
}

#[test]
fn last_try_wants_consent() {
    let get_tries = b"\x00\xCB\x3F\xFF\x0A\x4D\x08\x70\x06\xBF\x81\x01\x02\xA0\x80\x00";
    let tries = |left: u8| {
        let answer = [&b"\x70\x0C\xBF\x81\x01\x08\xA0\x06\x9A\x01\x03\x9B\x01"[..], &[left, 0x90, 0x00]].concat();
        token(Script::default().then(SELECT_2018, DONE).then(get_tries, &answer))
    };
    assert_eq!(tries(3).check_tries(PinRef::Pin1, false).unwrap(), Some(3));
    assert!(matches!(tries(1).check_tries(PinRef::Pin1, false), Err(Error::LastTry(PinRef::Pin1))));
    assert_eq!(tries(1).check_tries(PinRef::Pin1, true).unwrap(), Some(1));
    assert!(matches!(tries(0).check_tries(PinRef::Pin1, true), Err(Error::Blocked(PinRef::Pin1))));
    let silent = Script::default().then(SELECT_2018, DONE).then(get_tries, b"\x6D\x00");
    assert_eq!(token(silent).check_tries(PinRef::Pin1, false).unwrap(), None);
}

#[test]
fn files_that_make_no_sense_are_refused() {
    const SELECT_NUMBER: &[u8] = b"\x00\xA4\x09\x04\x04\x3F\x00\xD0\x03\x00";
    const READ_NUMBER: &[u8] = b"\x00\xB0\x00\x00\x0B";
    const CONTROL: &[u8] = b"\x62\x0E\x80\x02\x00\x0B\x82\x01\x01\x83\x02\xD0\x03\x8A\x01\x05\x90\x00";
    let open = |answers: &[(&[u8], &[u8])]| {
        let script = Script::default().then(SELECT_CDOC2, NOT_FOUND).then(SELECT_2018, DONE);
        let script = answers.iter().fold(script, |script, (command, answer)| script.then(command, answer));
        let error = Token::open(Box::new(script.clone()), &mut Cache::default()).unwrap_err();
        assert!(script.is_over());
        error
    };
    // No size; no end; a folder where a file should be.
    for control in [DONE, b"\x62\x04\x80\x02\x00\x0B\x90\x00", b"\x62\x0A\x82\x01\x38\x83\x02\xD0\x03\x8A\x01\x05\x90\x00"] {
        assert!(matches!(open(&[(SELECT_NUMBER, control)]), Error::Nonsense(_)));
    }
    assert!(matches!(open(&[(SELECT_NUMBER, CONTROL), (READ_NUMBER, DONE)]), Error::Nonsense(_)));
    for number in [&b"\x05\x09AS0000001"[..], b"\x04\x0AAS0000001", b"\x04\x09AS00000 1", b"AS0000001AS"] {
        let answer = [number, DONE].concat();
        assert!(matches!(open(&[(SELECT_NUMBER, CONTROL), (READ_NUMBER, &answer)]), Error::Nonsense(_)), "{number:02X?}");
    }
    let refused = open(&[(SELECT_NUMBER, CONTROL), (READ_NUMBER, b"\x69\x82")]);
    assert_eq!(refused.to_string(), "the card refused READ BINARY with status 6982");
}
