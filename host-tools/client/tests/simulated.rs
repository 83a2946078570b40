//! Simulated tokens, whose firmware answers each command: as the ID-card of either generation, and as the CDOC2 applet.

use std::cell::RefCell;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use cdoc2::{Container, InputFile, Recipient, Selection};
use cdoc2_client::token::{
    Application, Atr, Cache, Dialogue, Direct, Error, Fault, Pin, PinQuestion, PinRef, Reader, Token, TokenHolder,
};
use clap::Parser as _;
use simulator::inserted::{Inserted, insert};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// What was said to a card.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<Vec<u8>>>>);

impl Log {
    /// Commands since this was asked last.
    fn take(&self) -> Vec<Vec<u8>> {
        self.0.take()
    }
}

/// A card that writes down what is said to it, and may have no CDOC2 applet. It is pulled out at the command that begins with `removed_at`.
struct Card {
    reader: Inserted,
    log: Log,
    has_applet: bool,
    removed_at: Option<Vec<u8>>,
}

impl Reader for Card {
    type Error = Fault;

    fn reset(&mut self) -> Result<Atr, Fault> {
        self.reader.reset().map_err(|refused| Fault::Other(refused.to_string()))
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, Fault> {
        self.log.0.borrow_mut().push(command.to_vec());
        if self.removed_at.as_ref().is_some_and(|begin| command.starts_with(begin)) {
            return Err(Fault::Removed);
        }
        if !self.has_applet && command.ends_with(b"\xF0CDOC2\x01\x00") {
            response[..2].copy_from_slice(b"\x6A\x82");
            return Ok(2);
        }
        self.reader.transmit(command, response).map_err(|refused| Fault::Other(refused.to_string()))
    }
}

struct Made {
    _folder: TempDir,
    path: PathBuf,
}

fn make(options: &str) -> Made {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let arguments = format!("token-sim new --name MAASIKAS,MARI --code 60001017727 {options}");
    let state = ["--state", path.to_str().unwrap()];
    let arguments = arguments.split_whitespace().chain(state);
    simulator::cli::Cli::try_parse_from(arguments).unwrap().command.execute(&mut Vec::new()).unwrap();
    Made { _folder: folder, path }
}

fn open(path: &Path, has_applet: bool, removed_at: Option<&[u8]>, cache: &mut Cache) -> (Token, Log) {
    let log = Log::default();
    let removed_at = removed_at.map(<[u8]>::to_vec);
    let card = Card { reader: insert(path).unwrap(), log: log.clone(), has_applet, removed_at };
    let slot = Direct::new("simulated", card, |fault| fault).unwrap();
    (Token::open(Box::new(slot), cache).unwrap(), log)
}

/// Types this PIN, whatever is asked.
struct Types(&'static str);

impl Dialogue for Types {
    fn pin(&mut self, question: &PinQuestion) -> Option<Pin> {
        assert_eq!(question.pin, PinRef::Pin1);
        Some(Pin::new(PinRef::Pin1, self.0.as_bytes()).unwrap())
    }

    fn touch(&mut self) {}
}

/// A container for `token` and a secret.
fn container(token: &Token) -> Container {
    let files = [InputFile::from_reader("a.txt", &mut Cursor::new(b"content")).unwrap()];
    let secret = Recipient::SymmetricKey { key: Zeroizing::new(vec![1; 32]), label: "s".into() };
    let recipients = [secret, Recipient::Certificate(Box::new(token.certificate().unwrap().clone()))];
    let mut octets = Vec::new();
    cdoc2::encrypt(&recipients, &files, &mut octets, &mut |_| {}).unwrap();
    Container::spool(&mut Cursor::new(octets)).unwrap()
}

fn unlock(container: &Container, token: &mut Token, pin: &'static str) -> Result<usize, Error> {
    let mut holder = TokenHolder::new(token, Types(pin));
    let unlocked = container.unlock_with(&mut holder, &Selection::Any)?;
    let index = unlocked.index();
    unlocked.authenticate(&mut |_| {}).unwrap();
    Ok(index)
}

#[test]
fn every_kind_of_card_opens_in_few_commands() {
    for (options, has_applet, application) in [
        ("", true, Application::Cdoc2),
        ("", false, Application::Esteid2018),
        ("--profile esteid2025", true, Application::Cdoc2),
        ("--profile esteid2025", false, Application::Esteid2025),
    ] {
        let made = make(options);
        let mut cache = Cache::default();
        let (mut token, log) = open(&made.path, has_applet, None, &mut cache);
        assert_eq!(token.application(), application);
        assert_eq!(token.document_number(), "AS0000001");
        let container = container(&token);
        let reading = log.take().len();
        assert_eq!(unlock(&container, &mut token, "1234").unwrap(), 2);
        let commands = log.take();
        assert!(commands.len() <= 10, "{commands:02X?}");
        drop(token);

        // Once it is known, its certificate is not read again.
        let (mut token, log) = open(&made.path, has_applet, None, &mut cache);
        assert!(log.take().len() < reading);
        assert_eq!(unlock(&container, &mut token, "1234").unwrap(), 2);
    }
}

#[test]
fn pin_is_not_left_verified() {
    for has_applet in [true, false] {
        let made = make("");
        let (mut token, _) = open(&made.path, has_applet, None, &mut Cache::default());
        unlock(&container(&token), &mut token, "1234").unwrap();
        // A card that had the PIN verified would not say how many tries are left.
        assert_eq!(token.tries_left(PinRef::Pin1).unwrap(), Some(3));
    }
}

#[test]
fn wrong_pins_are_counted_up_to_the_last_try() {
    for (options, has_applet) in [("", true), ("", false), ("--profile esteid2025", false)] {
        let made = make(options);
        let (mut token, log) = open(&made.path, has_applet, None, &mut Cache::default());
        let container = container(&token);
        for left in [2, 1] {
            let error = unlock(&container, &mut token, "9999").unwrap_err();
            assert!(matches!(error, Error::WrongPin { pin: PinRef::Pin1, tries_left: Some(seen) } if seen == left), "{error}");
        }
        log.take();
        assert!(matches!(unlock(&container, &mut token, "1234"), Err(Error::LastTry(PinRef::Pin1))));
        assert!(!log.take().iter().any(|command| command[1] == 0x20 && command.len() > 5), "a PIN was sent");
        let mut holder = TokenHolder::new(&mut token, Types("9999")).with_last_try(true);
        let error = container.unlock_with(&mut holder, &Selection::Any).unwrap_err();
        assert!(matches!(error, Error::Blocked(PinRef::Pin1)), "{error}");
        assert!(matches!(unlock(&container, &mut token, "1234"), Err(Error::Blocked(PinRef::Pin1))));

        let pin = |name, digits: &str| Pin::new(name, digits.as_bytes()).unwrap();
        token.unblock_pin(PinRef::Pin1, &pin(PinRef::Puk, "12345678"), &pin(PinRef::Pin1, "1234")).unwrap();
        assert_eq!(unlock(&container, &mut token, "1234").unwrap(), 2);
    }
}

#[test]
fn card_that_is_pulled_out_ends_it_and_nothing_is_said_twice() {
    let made = make("");
    let (mut token, log) = open(&made.path, true, None, &mut Cache::default());
    let container = container(&token);
    log.take();
    unlock(&container, &mut token, "1234").unwrap();
    let commands = log.take();
    drop(token);
    for begin in [&b"\x00\x20\x00\x01\x0C"[..], b"\x80\x2A"] {
        assert!(commands.iter().any(|command| command.starts_with(begin)));
        let (mut token, log) = open(&made.path, true, Some(begin), &mut Cache::default());
        let error = unlock(&container, &mut token, "1234").unwrap_err();
        assert!(matches!(error, Error::Fault(Fault::Removed)), "{error}");
        let again = log.take().iter().filter(|command| command.starts_with(begin)).count();
        assert_eq!(again, 1, "nothing is said twice");
    }
}
