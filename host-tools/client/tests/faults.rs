//! A decryption in which one command goes wrong: each of its commands, in every way.
//!
//! Whatever it is, nothing panics, a PIN is said once at most, no plaintext comes out that is not the right one, and the error is of a kind that
//! fits what happened.

use std::cell::RefCell;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use cdoc2::archive::check::Policy;
use cdoc2::{Container, InputFile, Recipient, Selection};
use cdoc2_client::token::{
    Application, Atr, Cache, Dialogue, Direct, Error, Fault, Pin, PinQuestion, PinRef, Reader, Token, TokenHolder,
};
use clap::Parser as _;
use simulator::hw::ManualClock;
use simulator::inserted::insert_copy;
use simulator::reader::{Failed, Fault as Planned, Faulty};
use tempfile::TempDir;

const CONTENT: &[u8] = b"what only the recipient may read";

/// Longest response of which every octet is tried; of a longer one, those at both ends and some between them.
const SHORT: usize = 40;

/// A card that says of the CDOC2 applet that it is not there, if it shall not be.
struct Applets<R> {
    reader: R,
    has_cdoc2: bool,
}

impl<R: Reader> Reader for Applets<R> {
    type Error = R::Error;

    fn reset(&mut self) -> Result<Atr, R::Error> {
        self.reader.reset()
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, R::Error> {
        if !self.has_cdoc2 && command.starts_with(b"\x00\xA4\x04") && command.windows(7).any(|octets| octets == b"\xF0CDOC2\x01") {
            response[..2].copy_from_slice(b"\x6A\x82");
            return Ok(2);
        }
        self.reader.transmit(command, response)
    }
}

/// A command, and how many octets answered it.
#[derive(Clone, Debug)]
struct Exchange {
    command: Vec<u8>,
    response_len: usize,
}

impl Exchange {
    /// VERIFY with a PIN in it; without, it asks how many tries are left.
    fn has_pin(&self) -> bool {
        self.command.starts_with(b"\x00\x20") && self.command.len() > 5
    }

    /// PERFORM SECURITY OPERATION of the ID-card, or DECAPSULATE.
    fn uses_key(&self) -> bool {
        self.command[1] == 0x2A
    }
}

/// Writes down what the host said, whether it came to the card or not.
struct Logged<R> {
    reader: R,
    log: Rc<RefCell<Vec<Exchange>>>,
}

impl<R, E> Reader for Logged<R>
where
    R: Reader<Error = Failed<E>>,
    E: std::fmt::Debug + std::fmt::Display,
{
    type Error = Fault;

    fn reset(&mut self) -> Result<Atr, Fault> {
        self.reader.reset().map_err(fault)
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, Fault> {
        let answer = self.reader.transmit(command, response).map_err(fault);
        let response_len = answer.as_ref().map_or(0, |len| *len);
        self.log.borrow_mut().push(Exchange { command: command.to_vec(), response_len });
        answer
    }
}

fn fault<E: std::fmt::Debug + std::fmt::Display>(failed: Failed<E>) -> Fault {
    match failed {
        Failed::Removed => Fault::Removed,
        other => Fault::Other(other.to_string()),
    }
}

/// Types PIN1.
struct Types;

impl Dialogue for Types {
    fn pin(&mut self, question: &PinQuestion) -> Option<Pin> {
        assert_eq!(question.pin, PinRef::Pin1);
        Some(Pin::new(PinRef::Pin1, b"1234").unwrap())
    }

    fn touch(&mut self) {}
}

/// A token in a file, and a container for it.
struct World {
    _folder: TempDir,
    path: PathBuf,
    has_cdoc2: bool,
    container: Container,
}

/// What came of a decryption: the plaintext, or why there is none; and what was said for it.
struct Outcome {
    plaintext: Result<Vec<u8>, Error>,
    said: Vec<Exchange>,
}

impl World {
    fn new(options: &[&str], has_cdoc2: bool, application: Application) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let new = ["token-sim", "new", "--name", "MAASIKAS,MARI", "--code", "60001017727", "--state", path.to_str().unwrap()];
        simulator::cli::Cli::try_parse_from(new.iter().chain(options)).unwrap().command.execute(&mut Vec::new()).unwrap();
        let (token, _) = open(&path, has_cdoc2, None);
        let token = token.unwrap();
        assert_eq!(token.application(), application);
        let recipient = Recipient::Certificate(Box::new(token.certificate().unwrap().clone()));
        let file = InputFile::from_reader("a.txt", &mut Cursor::new(CONTENT)).unwrap();
        let mut octets = Vec::new();
        cdoc2::encrypt(&[recipient], &[file], &mut octets, &mut |_| {}).unwrap();
        let container = Container::spool(&mut Cursor::new(octets)).unwrap();
        Self { _folder: folder, path, has_cdoc2, container }
    }

    /// A whole decryption by a card as new, with this fault in the command of this number.
    fn decrypt(&self, fault: Option<(u64, Planned)>) -> Outcome {
        let (token, log) = open(&self.path, self.has_cdoc2, fault);
        let plaintext = token.and_then(|mut token| {
            let unlocked = self.container.unlock_with(&mut TokenHolder::new(&mut token, Types), &Selection::Any)?;
            let authentic = unlocked.authenticate(&mut |_| {})?;
            let mut plaintext = Vec::new();
            authentic.extract_single(&mut plaintext, &Policy::default(), &mut |_| {})?;
            Ok(plaintext)
        });
        Outcome { plaintext, said: log.take() }
    }
}

fn open(path: &Path, has_cdoc2: bool, fault: Option<(u64, Planned)>) -> (Result<Token, Error>, Rc<RefCell<Vec<Exchange>>>) {
    let clock = ManualClock::default();
    let reader = Applets { reader: insert_copy(path, clock.clone()).unwrap(), has_cdoc2 };
    let mut faulty = Faulty::new(reader, clock);
    if let Some((number, fault)) = fault {
        faulty = faulty.with(number, fault);
    }
    let log = Rc::new(RefCell::default());
    let slot = Direct::new("faulty", Logged { reader: faulty, log: Rc::clone(&log) }, |fault| fault).unwrap();
    (Token::open(Box::new(slot), &mut Cache::default()), log)
}

/// Every way in which a command with a response of `len` octets goes wrong.
fn faults(len: usize) -> Vec<Planned> {
    let places = || (0..len).filter(|at| len <= SHORT || *at < 8 || at % 61 == 0 || *at + 4 >= len);
    let mut faults = vec![Planned::RemovedBefore, Planned::RemovedAfter, Planned::Delayed(3_600_000)];
    faults.extend(places().map(Planned::Truncated));
    faults.extend([&b"\x00"[..], b"\x90\x00", &[0; 300]].map(|octets| Planned::Extended(octets.to_vec())));
    for at in places() {
        faults.extend([0x01, 0x80].map(|mask| Planned::Corrupted { at, mask }));
    }
    // 9000 becomes 61xx, 6Cxx and 67xx, upon which something is said again: the rest is asked for, another Le, a shorter form; and 6300.
    faults.extend([0xF1, 0xFC, 0xF7, 0xF3].map(|mask| Planned::Corrupted { at: len - 2, mask }));
    // Three tries become none.
    faults.extend(places().map(|at| Planned::Corrupted { at, mask: 0x03 }));
    faults
}

/// Whether `error` is one that a host may come to when the card has said something wrong at this point.
fn fits(error: &Error, exchange: &Exchange) -> bool {
    let only_reads = !exchange.has_pin() && !exchange.uses_key();
    match error {
        Error::Nonsense(_) | Error::Status { .. } => true,
        Error::WrongPin { .. } => exchange.has_pin(),
        // The MAC of the header under a wrong shared secret, the tag of the payload under a wrong CEK; 6300 to DECAPSULATE.
        Error::Container(cdoc2::Error::Rejected | cdoc2::Error::PayloadAltered) => exchange.uses_key(),
        Error::UnknownCard { .. }
        | Error::UnknownVersion { .. }
        | Error::BlankToken
        | Error::Certificate(_)
        | Error::Blocked(_) => only_reads,
        _ => false,
    }
}

fn every_command_goes_wrong_in_every_way(options: &[&str], has_cdoc2: bool, application: Application) {
    let world = World::new(options, has_cdoc2, application);
    let Outcome { plaintext, said } = world.decrypt(None);
    assert_eq!(plaintext.unwrap(), CONTENT);
    assert!(said.iter().filter(|exchange| exchange.has_pin()).count() == 1 && said.iter().any(Exchange::uses_key), "{said:02X?}");
    for (number, exchange) in said.iter().enumerate() {
        let is_last = number + 1 == said.len();
        for planned in faults(exchange.response_len) {
            let what = format!("{application:?}, command {number} {:02X?}, {planned:02X?}", exchange.command);
            let outcome = world.decrypt(Some((number as u64, planned.clone())));
            let pins = outcome.said.iter().filter(|exchange| exchange.has_pin()).count();
            assert!(pins <= 1, "{what}: a PIN is said {pins} times");
            match (outcome.plaintext, planned) {
                (Ok(plaintext), planned) => {
                    assert_eq!(plaintext, CONTENT, "{what}");
                    // The last command only makes the card forget.
                    let removed = matches!(planned, Planned::RemovedBefore | Planned::RemovedAfter);
                    assert!(!removed || is_last, "{what}: done without a card");
                }
                (Err(error), Planned::RemovedBefore | Planned::RemovedAfter) => {
                    assert!(matches!(error, Error::Fault(Fault::Removed)), "{what}: {error}");
                }
                (Err(error), Planned::Delayed(_)) => panic!("{what}: {error}"),
                (Err(error), _) => assert!(fits(&error, exchange), "{what}: {error:?}"),
            }
        }
    }
}

#[test]
fn cdoc2_applet() {
    every_command_goes_wrong_in_every_way(&[], true, Application::Cdoc2);
}

#[test]
fn id_card_of_2018() {
    every_command_goes_wrong_in_every_way(&[], false, Application::Esteid2018);
}

#[test]
fn id_card_of_2025() {
    every_command_goes_wrong_in_every_way(&["--profile", "esteid2025"], false, Application::Esteid2025);
}
