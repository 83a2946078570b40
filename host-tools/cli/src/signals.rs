//! Signals that end the program: nothing is left behind, neither on the disk nor at the terminal.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, exit};

use crate::prompt;
use crate::secret_source::tell;

/// Starts the thread that waits for these signals.
pub(crate) fn watch() -> io::Result<()> {
    let ignored = ignored();
    // nohup(1), and shells that start something in the background, have signals ignored on purpose.
    let mut signals =
        Signals::new([SIGINT, SIGQUIT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0))?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let diverted = DIVERTED.lock().unwrap_or_else(PoisonError::into_inner).take();
            if diverted.is_none_or(|sender| sender.send(()).is_err()) {
                die_of(signal);
            }
        }
    })?;
    // A file that outgrows the limit of the process (setrlimit(2)): the write fails instead, and that is an error like any other.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    Ok(())
}

/// Who is told of the next signal.
static DIVERTED: Mutex<Option<Sender<()>>> = Mutex::new(None);

/// The next signal does not end the program, but is told to whoever holds this, who then has to end it in order. One more signal ends it at once.
pub(crate) fn divert() -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    *DIVERTED.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    receiver
}

/// What is said when a signal ends the program, if anything.
static LAST_WORDS: Mutex<Option<&'static str>> = Mutex::new(None);

/// While it lives, a signal that ends the program says something first, on standard error: what goes on elsewhere.
pub(crate) struct LastWords;

impl LastWords {
    pub(crate) fn new(words: &'static str) -> Self {
        *LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
        Self
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// The signals that are ignored, a bit each, as proc(5) tells. None where there is no such file.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Ends the program as any other that writes to a pipe which nobody reads.
pub(crate) fn die_of_broken_pipe() -> ! {
    die_of(SIGPIPE)
}

/// Cleans up, then dies of the signal itself: a shell sees an interrupted program (128 + signal), and stops its own loop too.
fn die_of(signal: i32) -> ! {
    prompt::restore_terminal();
    cdoc2::pending::abandon_all();
    if let Some(words) = LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner).take() {
        tell(words);
    }
    let _ = emulate_default_handler(signal);
    exit(128 + signal)
}
