//! Smart cards: which reader is meant, which card is in it, and what an error of it means to the person who holds it.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use cdoc2_client::token::{
    Atr, Cache, Conversation, Direct, Error, Fault, PcscSlot, PinRef, ReaderInfo, Slot, Token, pin_name, readers,
};
use simulator::inserted;
use simulator::reader::{Tracer, Watched};

use crate::args;
use crate::exit::{Code, Failure, Result};
use crate::text;

/// What the name of a simulated token begins with.
const SIMULATED: &[u8] = b"sim:";

/// The cards that a command may use, and what was read from them before.
pub(crate) struct Cards<'a> {
    args: &'a args::Card,
    cache: RefCell<Cache>,
}

/// A reader, and the card in it.
pub(crate) struct Found {
    pub(crate) reader: String,
    pub(crate) token: Result<Token, Error>,
}

/// A reader's name, and the card in it.
type NamedSlot = (String, Result<Box<dyn Slot>, Fault>);

impl<'a> Cards<'a> {
    pub(crate) fn new(args: &'a args::Card) -> Self {
        Self { args, cache: RefCell::default() }
    }

    /// The reader that was named, by option or by variable.
    fn named(&self) -> Option<OsString> {
        self.args.reader.clone().or_else(|| std::env::var_os("CDOC2_READER")).filter(|name| !name.is_empty())
    }

    /// Whether a reader was named, so that its card must be meant.
    pub(crate) fn is_named(&self) -> bool {
        self.named().is_some()
    }

    /// Every card of the readers that are meant.
    pub(crate) fn all(&self) -> Result<Vec<Found>> {
        let slots = match self.named() {
            Some(name) => vec![self.slot(&name)?],
            None => every_slot()?,
        };
        Ok(slots.into_iter().map(|(reader, slot)| self.open(reader, slot)).collect())
    }

    /// The only card of the readers that are meant, or the one in `reader`.
    pub(crate) fn one(&self, reader: Option<&OsStr>) -> Result<Token> {
        let found = match reader {
            Some(name) => {
                let (reader, slot) = self.slot(name)?;
                vec![self.open(reader, slot)]
            }
            None => self.all()?,
        };
        let mut tokens = Vec::new();
        let mut failed: Option<Failure> = None;
        for Found { reader, token } in found {
            match token {
                Ok(token) => tokens.push(token),
                // An empty reader says less than one with a card that cannot be used.
                Err(Error::Fault(Fault::NoCard)) if failed.is_some() => {}
                Err(error) => failed = Some(failure(&reader, &error)),
            }
        }
        let names = tokens.iter().map(|token| format!("\"{}\"", token.reader())).collect::<Vec<_>>().join(", ");
        match (tokens.pop(), tokens.len()) {
            (Some(token), 0) => Ok(token),
            (Some(_), _) => {
                Err(Failure::usage(format!("there are several cards: in {names}")).hint("choose one with --reader NAME"))
            }
            (None, _) => Err(failed.unwrap_or_else(|| failure("", &Fault::NoReader.into()))),
        }
    }

    fn open(&self, reader: String, slot: Result<Box<dyn Slot>, Fault>) -> Found {
        let token = slot.map_err(Error::from).and_then(|slot| {
            let slot = if self.args.trace { Box::new(Traced(slot)) } else { slot };
            Token::open(slot, &mut self.cache.borrow_mut())
        });
        Found { reader, token }
    }

    /// The reader called `name`, or the only one with `name` in its name; or a simulated token.
    fn slot(&self, name: &OsStr) -> Result<NamedSlot> {
        if let Some(path) = name.as_bytes().strip_prefix(SIMULATED) {
            if path.is_empty() {
                return Err(Failure::usage("sim: is to be followed by the file that a simulated token lives in"));
            }
            return Ok((name.to_string_lossy().into_owned(), Ok(simulated(name, Path::new(OsStr::from_bytes(path)))?)));
        }
        let wanted = name.to_string_lossy();
        let present: Vec<String> =
            readers().map_err(|fault| failure("", &fault.into()))?.into_iter().map(|info| info.name).collect();
        let fitting: Vec<&String> = match present.iter().find(|name| **name == wanted) {
            Some(name) => vec![name],
            None => present.iter().filter(|name| name.contains(&*wanted)).collect(),
        };
        match fitting[..] {
            [name] => Ok((name.clone(), connect(name))),
            [] => {
                let error = failure("", &Fault::NoSuchReader(wanted.into_owned()).into());
                Err(if present.is_empty() { error } else { error.hint(format!("there are: {}", present.join(", "))) })
            }
            _ => {
                Err(Failure::usage(format!("several readers have \"{wanted}\" in their names")).hint("give the whole name of one"))
            }
        }
    }
}

/// Every reader of PC/SC.
fn every_slot() -> Result<Vec<NamedSlot>> {
    let readers = readers().map_err(|fault| failure("", &fault.into()))?;
    let slot = |info: ReaderInfo| {
        let slot = match (info.atr, info.is_mute) {
            (_, true) => Err(Fault::Mute),
            (None, false) => Err(Fault::NoCard),
            (Some(_), false) => connect(&info.name),
        };
        (info.name, slot)
    };
    Ok(readers.into_iter().map(slot).collect())
}

/// A token of the simulator, which lives in the file at `path`, in this very process.
fn simulated(name: &OsStr, path: &Path) -> Result<Box<dyn Slot>> {
    let reader = inserted::insert(path).map_err(|error| Failure::new(Code::Card, error.to_string()))?;
    let slot = Direct::new(name.to_string_lossy(), reader, |refused| Fault::Other(refused.to_string()));
    Ok(Box::new(slot.map_err(|fault| failure("", &fault.into()))?))
}

fn connect(reader: &str) -> Result<Box<dyn Slot>, Fault> {
    Ok(Box::new(PcscSlot::connect(reader)?))
}

/// A card whose conversations are printed on standard error.
struct Traced(Box<dyn Slot>);

impl fmt::Debug for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Slot for Traced {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn atr(&self) -> Atr {
        self.0.atr()
    }

    fn has_pin_pad(&self) -> bool {
        self.0.has_pin_pad()
    }

    fn begin(&mut self) -> Result<Conversation<'_>, Fault> {
        Ok(Conversation::new(Watched::new(self.0.begin()?, Tracer::new(io::stderr()))))
    }
}

/// An error of the card in `reader`; an empty name leaves the reader out.
pub(crate) fn failure(reader: &str, error: &Error) -> Failure {
    let message = match (reader, error) {
        ("", _) | (_, Error::Container(_)) => error.to_string(),
        (reader, _) => format!("{}: {error}", text::brief(reader.as_bytes())),
    };
    let failure = Failure::new(code(error), message);
    match hint(error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Why no card opens a container: what each reader holds, which is an error or a card without a record. The first card or reader that failed
/// decides how the program ends; an empty reader only where there is nothing else.
pub(crate) fn none_fits(held: &[(String, Option<Error>)]) -> Failure {
    let no_reader = Fault::NoReader.into();
    let errors = || held.iter().filter_map(|(_, error)| error.as_ref());
    let fault = match errors().find(|error| !matches!(error, Error::Fault(Fault::NoCard))) {
        Some(fault) => Some(fault),
        None if errors().count() < held.len() => None,
        None => Some(errors().next().unwrap_or(&no_reader)),
    };
    let line = |(reader, error): &(String, Option<Error>)| {
        let state = error.as_ref().map_or("the container is not for this card".to_owned(), Error::to_string);
        format!("{}: {state}", text::brief(reader.as_bytes()))
    };
    let lines = if held.is_empty() { vec![no_reader.to_string()] } else { held.iter().map(line).collect() };
    let failure = Failure::new(fault.map_or(Code::NoRecord, code), lines.join("; "));
    failure.hint(match fault.and_then(hint) {
        Some(hint) => format!("{hint}; or say what else opens it, such as --key PATH"),
        None => "cdoc2 inspect shows who can open it; say what else does, such as --key PATH".to_owned(),
    })
}

fn code(error: &Error) -> Code {
    match error {
        Error::WrongPin { .. } => Code::Rejected,
        Error::Blocked(_) | Error::LastTry(_) => Code::Blocked,
        Error::Unfit(_) | Error::UnfitNew(_) | Error::NotGiven(_) | Error::NoSuchPin(_) => Code::Usage,
        Error::Container(error) => error.kind().into(),
        _ => Code::Card,
    }
}

fn hint(error: &Error) -> Option<String> {
    Some(match error {
        Error::Fault(Fault::NoService) => "start it (on Linux: systemctl start pcscd.socket)".to_owned(),
        Error::Fault(Fault::NoReader) => "connect a card reader".to_owned(),
        Error::Fault(Fault::NoSuchReader(_)) => "cdoc2 token list shows the readers that there are".to_owned(),
        Error::Fault(Fault::NoCard) => "put the card into the reader".to_owned(),
        Error::Fault(Fault::Removed) => "put it back, and do not take it out before the end".to_owned(),
        Error::Fault(Fault::InUse) => "end the program that uses the card, and try again".to_owned(),
        Error::Fault(Fault::Mute) => "take the card out and put it in again, the chip first and up".to_owned(),
        Error::Fault(Fault::Reset) => "try again".to_owned(),
        Error::WrongPin { tries_left: Some(1), .. } => "--last-try uses the last one; if it fails, the PIN is blocked".to_owned(),
        Error::LastTry(_) => "--last-try uses it all the same".to_owned(),
        Error::Blocked(PinRef::Puk) => "nothing unblocks the PUK: the card's issuer has to help".to_owned(),
        Error::Blocked(pin) => {
            let name = pin_name(*pin);
            format!("cdoc2 token unblock {} gives it a new value, by the PUK", name.to_lowercase())
        }
        Error::NotTouched => "touch the token while its light is on".to_owned(),
        Error::BlankToken => "personalise it first".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code and text of [`none_fits`] for readers A, B and so on; `None` is a card without a record.
    fn told(faults: &[Option<Fault>]) -> (Code, String) {
        let names = ["A", "B", "C"].map(str::to_owned);
        let held: Vec<_> = names.into_iter().zip(faults.iter().map(|fault| fault.clone().map(Error::from))).collect();
        let failure = none_fits(&held);
        (failure.code, failure.text())
    }

    #[test]
    fn first_fault_decides_and_an_empty_reader_is_the_least() {
        for (faults, code, hint) in [
            (&[][..], Code::Card, "connect a card reader"),
            (&[Some(Fault::NoCard)], Code::Card, "put the card into the reader"),
            (&[None, Some(Fault::NoCard)], Code::NoRecord, "cdoc2 inspect shows who can open it"),
            (&[Some(Fault::NoCard), None], Code::NoRecord, "cdoc2 inspect shows who can open it"),
            (&[None, Some(Fault::Mute)], Code::Card, "take the card out and put it in again"),
            (&[Some(Fault::NoCard), Some(Fault::InUse), Some(Fault::Mute)], Code::Card, "end the program that uses the card"),
        ] {
            let (told_code, text) = told(faults);
            assert_eq!(told_code, code, "{faults:?}");
            assert!(text.contains(&format!("hint: {hint}")), "{text}");
        }
        let (_, text) = told(&[None, Some(Fault::Mute)]);
        assert!(text.starts_with("cdoc2: A: the container is not for this card; B: the card does not answer\n"), "{text}");
    }
}
