//! `run`: a token in a reader.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use token_fw::Token;
use token_fw::card::Card;

use super::{Error, Run, TouchArg, card};
use crate::hw::{Board, Person, RealClock, Rng};
use crate::reader::usbip::{Server, ccid_device};
use crate::reader::{End, Observer, Pcap, Tracer, Vpcd, Watched};
use crate::state::State;

/// Everybody who looks on.
type Observers = Vec<Box<dyn Observer + Send>>;

pub(super) fn execute(args: &Run, out: &mut impl Write, end: impl FnOnce() -> io::Result<Receiver<()>>) -> Result<(), Error> {
    let path = &args.state.state;
    let board = State::open(path).map_err(Error::failed)?.board(Rng::system());
    let board = board.with_person(match args.touch {
        TouchArg::Auto => Person::Eager,
        TouchArg::Ask => Person::asked(io::stderr(), io::stdin()),
        TouchArg::Never => Person::Absent,
    });
    let card = card(board, path)?;
    let end = end().map_err(|error| Error::failed(format!("signals cannot be caught: {error}")))?;
    match (&args.reader.vpcd, &args.reader.usbip) {
        (Some(address), _) => vpcd(card, address, args, out, end),
        (None, Some(address)) => usbip(card, address, args, out, &end),
        (None, None) => Err(Error::usage("no reader is given: use --vpcd or --usbip")),
    }
}

/// The token that `card` makes, looked at as `args` say. Called when there is a reader for it: a capture file is not made for nothing.
fn watched(card: Card<Board>, args: &Run) -> Result<Watched<Token<Board>, Observers>, Error> {
    let mut observers = Observers::new();
    if args.trace {
        observers.push(Box::new(Tracer::new(io::stderr())));
    }
    if let Some(path) = &args.pcap {
        observers.push(Box::new(pcap(path).map_err(|error| Error::failed(format!("{}: {error}", path.display())))?));
    }
    Ok(Watched::new(Token::new(card), observers))
}

/// Tells that the token can be used from now on. Whoever does not listen any more does not need to know.
fn ready(out: &mut impl Write, reader: &str, place: &str) {
    let _ = writeln!(out, "ready {reader} {place}").and_then(|()| out.flush());
}

fn vpcd(card: Card<Board>, address: &str, args: &Run, out: &mut impl Write, end: Receiver<()>) -> Result<(), Error> {
    let failed = |error: io::Error| Error::failed(format!("{address}: {error}"));
    let vpcd = Vpcd::connect(address).map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Error::failed(format!("{address}: {error}; is pcscd running, with vpcd listening there?"))
        }
        _ => failed(error),
    })?;
    let mut token = watched(card, args)?;
    let remover = vpcd.remover();
    let wait = move || {
        let _ = end.recv();
        remover.remove();
    };
    thread::Builder::new().name("end".into()).spawn(wait).map_err(failed)?;
    match vpcd.run(&mut token, &RealClock::default(), || ready(out, "vpcd", address)).map_err(failed)? {
        End::Removed => Ok(()),
        End::ReaderGone => {
            Err(Error::failed(format!("{address}: the reader is gone: pcscd has ended, or has another card in this reader")))
        }
    }
}

fn usbip(card: Card<Board>, address: &str, args: &Run, out: &mut impl Write, end: &Receiver<()>) -> Result<(), Error> {
    let failed = |error: &dyn Display| Error::failed(format!("{address}: {error}"));
    let mut server = Server::bind(address).map_err(|error| failed(&error))?;
    let serial = card.document_number().map_or_else(|_| "blank".into(), |number| String::from_utf8_lossy(number).into_owned());
    let token = watched(card, args)?;
    let bus_id = server.plug_in(ccid_device(token, RealClock::default(), serial)).map_err(|error| failed(&error))?;
    ready(out, "usbip", &format!("{} {bus_id}", server.address()));
    // If nobody can say any more that it is to end, it ends as well.
    let _ = end.recv();
    Ok(())
}

/// Something comes out of it when the program is asked to end.
pub(super) fn signalled() -> io::Result<Receiver<()>> {
    let (sender, receiver) = mpsc::channel();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        // Fails at the second signal, when the first is heard already.
        signals.forever().for_each(|_| _ = sender.send(()));
    })?;
    Ok(receiver)
}

fn pcap(path: &Path) -> io::Result<Pcap<File>> {
    let is_pipe = path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo());
    let file = OpenOptions::new().write(true).create_new(!is_pipe).open(path)?;
    let path = path.to_owned();
    Pcap::new(file, move |error| {
        let _ = writeln!(io::stderr(), "{}: {error}; nothing more is written to it", path.display());
    })
}
