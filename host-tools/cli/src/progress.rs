//! A bar on the terminal while something takes long.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::Report;

/// Work that is done sooner shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// Octets done of a known total.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
    is_wanted: bool,
}

impl Progress {
    /// A bar for work of `total` octets that is called `what`.
    pub(crate) fn new(what: &'static str, total: u64, report: &Report) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden()).with_message(what);
        let style = "{msg} {percent:>3}% [{bar:30}] {binary_bytes} of {binary_total_bytes}, {eta} left";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
        Self { bar, started: Instant::now(), is_wanted: !report.is_quiet() && !is_dumb && io::stderr().is_terminal() }
    }

    /// Names the part of the work that begins.
    pub(crate) fn begin(&self, what: &'static str) {
        self.bar.set_message(what);
    }

    /// Takes note of `octets` more.
    pub(crate) fn advance(&mut self, octets: u64) {
        if self.is_wanted && self.started.elapsed() >= PATIENCE {
            self.is_wanted = false;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(octets);
    }
}

impl Drop for Progress {
    /// Leaves no trace on the terminal.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
