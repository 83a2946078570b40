//! Signals that end the program: nothing is left behind, neither on the disk nor at the terminal.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, exit};

use crate::prompt;

/// Starts the thread that waits for these signals.
pub(crate) fn watch() -> io::Result<()> {
    let ignored = ignored();
    // nohup(1), and shells that start something in the background, have signals ignored on purpose.
    let mut signals =
        Signals::new([SIGINT, SIGQUIT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0))?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let diverted = DIVERTED.lock().unwrap_or_else(PoisonError::into_inner).take();
            if diverted.is_none_or(|sender| sender.send(signal).is_err()) {
                die_of(signal);
            }
        }
    })?;
    // A file that outgrows the limit of the process (setrlimit(2)): the write fails instead, and that is an error like any other.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    Ok(())
}

/// Who is told of the next signal.
static DIVERTED: Mutex<Option<Sender<i32>>> = Mutex::new(None);

/// The next signal does not end the program, but is told to whoever holds this, who then has to end it in order. One more signal ends it at once, and so
/// does the first if nobody holds this any more.
pub(crate) fn divert() -> Receiver<i32> {
    let (sender, receiver) = mpsc::channel();
    *DIVERTED.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    receiver
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
pub(crate) fn die_of(signal: i32) -> ! {
    prompt::restore_terminal();
    cdoc2::pending::abandon_all();
    let _ = emulate_default_handler(signal);
    exit(128 + signal)
}
