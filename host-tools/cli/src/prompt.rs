//! Questions at the terminal, most of whose answers do not appear on the screen.
//!
//! Written here and not taken from `rpassword`: that crate's answer grows in memory that is never wiped, it replaces octets that are not
//! UTF-8, and the terminal's state is known to it alone, while here the thread that catches signals has to bring the echo back too. The
//! terminal edits the line itself (canonical mode), so that nothing but the echo has to be turned off.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::exit::{Code, Failure, Result};

/// Octets of a line that a terminal takes in canonical mode, the line break included.
const MAX_LINE_LEN: usize = 4096;

/// The value of a special code that turns it off (termios(3)).
const DISABLED: u8 = 0;

/// A terminal whose echo is off, and how it was before.
static SILENCED: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Brings back the echo that a question has turned off, if one has.
pub(crate) fn restore_terminal() {
    if let Some((terminal, before)) = SILENCED.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // There is nobody left to tell if this fails.
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
    }
}

/// Turns the echo off while it lives.
struct Silence;

impl Silence {
    fn over(terminal: &File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        // The line break is still shown, or whatever is printed next would stand behind the question.
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        // Who stops the program here and comes back would find the echo on.
        silent.special_codes[SpecialCodeIndex::VSUSP] = DISABLED;
        *SILENCED.lock().unwrap_or_else(PoisonError::into_inner) = Some((terminal.try_clone()?, before));
        let silence = Self;
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(silence)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        restore_terminal();
    }
}

/// The terminal that the program was started from, wherever its standard streams go.
fn terminal() -> io::Result<File> {
    let flags = OFlags::NOCTTY.bits().cast_signed();
    std::os::unix::fs::OpenOptionsExt::custom_flags(File::options().read(true).write(true), flags).open("/dev/tty")
}

/// Whether there is a terminal to ask at.
pub(crate) fn is_possible() -> bool {
    terminal().is_ok_and(|terminal| rustix::termios::isatty(terminal.as_fd()))
}

/// Asks `question` at the terminal and returns the line that is typed, without its line break.
///
/// # Errors
/// No terminal; the end of the input (Ctrl-D) before the end of a line; a line of more than 4095 octets.
pub(crate) fn ask(question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut terminal = terminal()?;
    let silence = Silence::over(&terminal)?;
    write!(terminal, "{}: ", crate::text::message(question))?;
    let line = read_line(&mut terminal);
    drop(silence);
    line
}

/// Asks `question` at the terminal, where the answer is shown as it is typed, and returns that without blanks around it.
pub(crate) fn ask_openly(question: &str) -> Result<String> {
    let ask = || {
        let mut terminal = terminal()?;
        write!(terminal, "{}: ", crate::text::message(question))?;
        read_line(&mut terminal)
    };
    let line = ask().map_err(|error| Failure::new(Code::Io, format!("{question}: {error}")))?;
    Ok(String::from_utf8_lossy(&line).trim().to_owned())
}

/// Asks `question` at the terminal: whether the answer is yes.
pub(crate) fn agrees(question: &str) -> Result<bool> {
    let answer = ask_openly(&format!("{question} [y/N]"))?;
    Ok(["y", "yes"].iter().any(|yes| answer.eq_ignore_ascii_case(yes)))
}

fn read_line(terminal: &mut File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(vec![0; MAX_LINE_LEN]);
    let mut len = 0;
    loop {
        match terminal.read(&mut line[len..]) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "nothing was typed")),
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if line[..len].ends_with(b"\n") {
            line.truncate(len - 1);
            return Ok(line);
        }
        if len == MAX_LINE_LEN {
            return Err(io::Error::other("the line is too long"));
        }
    }
}
