//! The command `token-sim`, for that program and for any other that offers the same.

mod info;
mod new;
mod pins;
mod run;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use token_fw::card::Card;
use token_proto::{KeyRef, Profile, cdoc2};

use crate::hw::{Board, Rng};
use crate::inserted;
use crate::personalise::DocumentNumber;
use crate::reader;
use crate::state::State;

pub use info::certificate;

/// Where usbip(8) looks for devices on this machine.
const USBIP_ADDRESS: &str = "127.0.0.1:3240";

/// Simulates smart-card tokens with the Estonian ID-card and CDOC2 on them.
///
/// The firmware is the real one; its hardware is a file. Whoever reads that file has the token's keys: simulated tokens are for tests.
#[derive(Debug, Parser)]
#[command(name = "token-sim", version, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done with simulated tokens.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token: keys, certificates, PINs.
    New(New),
    /// Put a token into a reader, until it is interrupted.
    ///
    /// Prints one line that begins with "ready" when the reader has given it power.
    Run(Run),
    /// Show whose a token is and what is on it; it may be running.
    Info(Info),
    /// Print one of a token's certificates in PEM; it may be running.
    Cert(Cert),
}

/// Which file the token lives in.
#[derive(Debug, Args)]
pub struct StateArg {
    /// The file that the token lives in.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub state: PathBuf,
}

/// Arguments of `new`.
#[derive(Debug, Args)]
pub struct New {
    #[command(flatten)]
    state: StateArg,
    /// The holder's names: the surname, a comma, the given names.
    #[arg(long, value_name = "SURNAME,GIVEN")]
    name: String,
    /// The holder's personal code of 11 digits.
    #[arg(long)]
    code: String,
    /// The number of the card: nine capital letters and digits.
    #[arg(long, value_name = "NUMBER", default_value = DocumentNumber::DEFAULT)]
    document_number: String,
    #[command(flatten)]
    pins: PinArgs,
    /// Take the authority that issues the certificates from ca.pem and ca.key in this folder, and make it there if there is none. Without,
    /// one is made for this card only, and thrown away.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    ca: Option<PathBuf>,
    /// Which ID-card it looks like.
    #[arg(long, value_enum, default_value_t = ProfileArg::Esteid2018)]
    profile: ProfileArg,
    /// Bring the authentication key in from a file (PKCS#8 in PEM, P-384) instead of generating it on the card.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    auth_key: Option<PathBuf>,
    /// Give it one more key, on this curve, that does nothing but decapsulate CDOC2.
    #[arg(long, value_enum, value_name = "CURVE", group = "cdoc2")]
    cdoc2_key: Option<CurveArg>,
    /// The same, but bring that key in from a file (PKCS#8 in PEM).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, group = "cdoc2")]
    cdoc2_key_file: Option<PathBuf>,
    /// Each use of that key waits for a touch of the button.
    #[arg(long, requires = "cdoc2")]
    require_touch: bool,
    /// Throw away the token in the file if there is one.
    #[arg(long)]
    force: bool,
}

/// The first PINs. They are meant for tests: a PIN that matters does not belong on a command line.
#[derive(Args)]
pub struct PinArgs {
    /// PIN1, which the authentication key asks for [default: 1234].
    #[arg(long, value_name = "DIGITS")]
    pin1: Option<String>,
    /// PIN2, which the signature key asks for [default: 12345].
    #[arg(long, value_name = "DIGITS")]
    pin2: Option<String>,
    /// The PUK, which unblocks both [default: 12345678].
    #[arg(long, value_name = "DIGITS")]
    puk: Option<String>,
    /// Read PINs from a file instead: lines of the form pin1=1234; empty lines and lines that begin with # are left out.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["pin1", "pin2", "puk"])]
    pins_file: Option<PathBuf>,
}

impl std::fmt::Debug for PinArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinArgs")
    }
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    state: StateArg,
    #[command(flatten)]
    reader: ReaderArgs,
    /// Print every command and response to standard error; PINs, shared secrets and content keys are masked.
    #[arg(long)]
    trace: bool,
    /// Write every command and response to a new file that Wireshark opens, or to a named pipe that it reads; masked likewise.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pcap: Option<PathBuf>,
    /// Who touches the button when the token asks for it: nobody has to, whoever presses Enter here, or nobody ever does.
    #[arg(long, value_enum, default_value_t = TouchArg::Auto)]
    touch: TouchArg,
}

/// Which reader it goes into.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ReaderArgs {
    /// A reader of pcscd's vpcd driver; its second one is at 127.0.0.1:35964.
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = reader::VPCD_ADDRESS, value_parser = address)]
    vpcd: Option<String>,
    /// A USB port: the token is a CCID reader with its card, and is served over USB/IP at this address, to be attached by usbip(8).
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, default_missing_value = USBIP_ADDRESS, value_parser = address)]
    usbip: Option<String>,
}

/// A host and a port as they are typed.
fn address(typed: &str) -> Result<String, &'static str> {
    match typed.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(typed.to_owned()),
        _ => Err("it is not of the form HOST:PORT"),
    }
}

/// Arguments of `info`.
#[derive(Debug, Args)]
pub struct Info {
    #[command(flatten)]
    state: StateArg,
}

/// Arguments of `cert`.
#[derive(Debug, Args)]
pub struct Cert {
    #[command(flatten)]
    state: StateArg,
    /// Whose certificate: the authentication key's, the signature key's, or that of the key for CDOC2 alone.
    #[arg(value_enum)]
    key: KeyArg,
}

/// A profile as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProfileArg {
    /// The card of 2018 (IDEMIA)
    Esteid2018,
    /// The card of 2025 (Thales)
    Esteid2025,
}

impl ProfileArg {
    const fn profile(self) -> Profile {
        match self {
            Self::Esteid2018 => Profile::Esteid2018V1,
            Self::Esteid2025 => Profile::Esteid2025,
        }
    }

    /// The name of `profile`.
    const fn name(profile: Profile) -> &'static str {
        match profile {
            Profile::Esteid2018V1 => "esteid2018",
            Profile::Esteid2025 => "esteid2025",
        }
    }
}

/// A curve as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum CurveArg {
    P384,
    P256,
    P521,
}

impl CurveArg {
    const fn curve(self) -> cdoc2::Curve {
        match self {
            Self::P384 => cdoc2::Curve::Secp384r1,
            Self::P256 => cdoc2::Curve::Secp256r1,
            Self::P521 => cdoc2::Curve::Secp521r1,
        }
    }
}

/// Who touches the button, as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum TouchArg {
    /// The button is touched whenever the token asks
    Auto,
    /// You are asked, on this terminal
    Ask,
    /// Nobody touches it
    Never,
}

/// A key as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum KeyArg {
    Auth,
    Sign,
    Cdoc2,
}

impl KeyArg {
    const fn key(self) -> KeyRef {
        match self {
            Self::Auth => KeyRef::Authentication,
            Self::Sign => KeyRef::Signature,
            Self::Cdoc2 => KeyRef::Cdoc2,
        }
    }
}

/// Why the command did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments ask for something that cannot be done.
    #[error("{0}")]
    Usage(String),
    /// Something else.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    fn usage(text: impl Display) -> Self {
        Self::Usage(text.to_string())
    }

    fn failed(text: impl Display) -> Self {
        Self::Failed(text.to_string())
    }

    /// The program's exit code: 2 for a wrong command line, as with every wrong option; 1 for anything else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

impl Command {
    /// Does it; what it has to say goes to `out`, which is standard output. SIGINT and SIGTERM end `run` in order.
    ///
    /// # Errors
    /// It cannot be done. The text is one for people.
    pub fn execute(&self, out: &mut impl Write) -> Result<(), Error> {
        self.execute_until(out, run::signalled)
    }

    /// The same for a program that takes its signals itself: `run` ends in order when something comes out of what `end` gives it.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub fn execute_until(&self, out: &mut impl Write, end: impl FnOnce() -> io::Result<Receiver<()>>) -> Result<(), Error> {
        match self {
            Self::New(args) => new::execute(args),
            Self::Run(args) => run::execute(args, out, end),
            Self::Info(args) => info::info(args, out),
            Self::Cert(args) => info::cert(args, out),
        }
    }
}

/// Opens the card that is on `board`, which came out of `path`.
fn card(board: Board, path: &Path) -> Result<Card<Board>, Error> {
    inserted::start(board, path).map_err(Error::failed)
}

/// A copy of the card in the file at `path`.
fn copied_card(path: &Path) -> Result<Card<Board>, Error> {
    card(State::copy(path).map_err(Error::failed)?.board(Rng::system()), path)
}
