//! Standard input, which only one argument can mean.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;
use std::sync::OnceLock;

use crate::exit::{Failure, Result};

/// What standard input was taken for.
static TAKEN: OnceLock<String> = OnceLock::new();

/// Whether `path` means standard input.
pub(crate) fn is_meant(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Standard input as `what`, which an error names.
///
/// # Errors
/// It was taken before; or it is a terminal, at which nobody types the octets of a file.
pub(crate) fn take(what: &str) -> Result<io::Stdin> {
    if let Err(second) = TAKEN.set(what.to_owned()) {
        let first = TAKEN.get().map_or("something else", String::as_str);
        return Err(Failure::usage(format!("standard input cannot be both {first} and {second}")));
    }
    let input = io::stdin();
    if input.is_terminal() {
        return Err(Failure::usage(format!("standard input is a terminal, and it is to be {what}"))
            .hint("name a file, or feed one in with < or |"));
    }
    Ok(input)
}

/// The file at `path`, or standard input for `-`, as `what`.
pub(crate) fn open(path: &Path, what: &str) -> Result<Box<dyn Read>> {
    if is_meant(path) {
        return Ok(Box::new(take(what)?));
    }
    let file = File::open(path).map_err(|error| Failure::io(path, &error))?;
    Ok(Box::new(file))
}
