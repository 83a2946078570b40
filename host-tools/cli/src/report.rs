//! What is said on standard error besides errors.

use std::io::{self, Write as _};

use crate::args::Global;
use crate::text;

/// How much is said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    quiet: bool,
    verbose: bool,
    /// Whether nobody may be asked.
    pub(crate) batch: bool,
}

impl Report {
    pub(crate) fn new(global: &Global) -> Self {
        Self { quiet: global.quiet, verbose: global.verbose, batch: global.batch }
    }

    /// Something that went well but should be known.
    pub(crate) fn warn(&self, message: impl AsRef<str>) {
        self.print("cdoc2: warning: ", message.as_ref());
    }

    /// What was done.
    pub(crate) fn note(&self, message: impl AsRef<str>) {
        self.print("", message.as_ref());
    }

    /// How it was done, for who asked to know.
    pub(crate) fn detail(&self, message: impl AsRef<str>) {
        if self.verbose {
            self.print("", message.as_ref());
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    fn print(&self, prefix: &str, message: &str) {
        if !self.quiet {
            // Whoever closed standard error does not want to know.
            let _ = writeln!(io::stderr().lock(), "{prefix}{}", text::message(message));
        }
    }
}
