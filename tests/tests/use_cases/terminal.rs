//! Somebody at a terminal: a pseudo-terminal with a shell on it that runs the command.

use cdoc2_tests::process::with_default_signals;
use cdoc2_tests::program::cdoc2;
use rexpect::session::{PtySession, spawn_command};

use crate::scene::Folder;

/// Milliseconds for what must appear.
const PATIENCE: u64 = 60_000;

pub(crate) struct Terminal(PtySession);

impl Terminal {
    /// Runs `cdoc2` with these words in the folder; its exit code is told after "ended with".
    pub(crate) fn new(folder: &Folder, words: &str) -> Self {
        let mut command = with_default_signals("bash");
        command.args(["-c", &format!("stty echo; '{}' {words}; echo \"ended with $?.\"", cdoc2().display())]);
        folder.prepare(&mut command);
        command.env("TERM", "xterm");
        Self(spawn_command(command, Some(PATIENCE)).unwrap())
    }

    /// Waits for `text`; what came before it.
    #[track_caller]
    pub(crate) fn until(&mut self, text: &str) -> String {
        self.0.exp_string(text).unwrap_or_else(|error| panic!("no {text:?}: {error}"))
    }

    /// Types an answer and waits for the end; all that came.
    #[track_caller]
    pub(crate) fn answer(&mut self, answer: &str) -> String {
        self.type_line(answer);
        self.end()
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        self.0.send_line(line).unwrap();
    }

    /// What comes until the command has ended, with its exit code.
    #[track_caller]
    pub(crate) fn end(&mut self) -> String {
        let before = self.until("ended with ");
        format!("{before}ended with {}", self.until(".\r\n"))
    }
}
