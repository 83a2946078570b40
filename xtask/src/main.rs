//! The gates that `scripts/test` calls. Each prints what it looked at and exits with 1 if something is not as it must be.
//!
//! ```text
//! cargo xtask arrows                 who may depend on whom
//! cargo xtask features [host|cross]  the core with no feature, with each one alone, and with all
//! cargo xtask panics                 no path from core or firmware into core::panicking
//! cargo xtask sizes [--write]        flash, static RAM and stack of the microcontrollers' programs against the committed tables
//! ```

mod arrows;
mod cargo;
mod features;
mod graph;
mod panics;
mod sizes;
mod sources;

use std::process::ExitCode;

/// What a gate says when it does not pass: the lines for a person, finished.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: cargo xtask arrows | features [host|cross] | panics | sizes [--write]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["arrows"] => arrows::check(),
        ["features"] => features::host().and_then(|()| features::cross()),
        ["features", "host"] => features::host(),
        ["features", "cross"] => features::cross(),
        ["panics"] => panics::check(),
        ["sizes"] => sizes::check(),
        ["sizes", "--write"] => sizes::write(),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
