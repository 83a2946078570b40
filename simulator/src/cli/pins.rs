//! Where a new card's PINs come from.

use std::fs;
use std::path::Path;

use zeroize::Zeroizing;

use super::{Error, PinArgs};
use crate::personalise::Pins;

/// The PINs of a card for tests.
const DEFAULTS: [&str; 3] = ["1234", "12345", "12345678"];

impl PinArgs {
    pub(super) fn pins(&self) -> Result<Pins, Error> {
        if let Some(path) = &self.pins_file {
            return from_file(path);
        }
        let [pin1, pin2, puk] = [&self.pin1, &self.pin2, &self.puk].map(Option::as_deref);
        let [default1, default2, default_puk] = DEFAULTS;
        Pins::new(pin1.unwrap_or(default1), pin2.unwrap_or(default2), puk.unwrap_or(default_puk)).map_err(Error::usage)
    }
}

fn from_file(path: &Path) -> Result<Pins, Error> {
    let text =
        fs::read_to_string(path).map(Zeroizing::new).map_err(|error| Error::failed(format!("{}: {error}", path.display())))?;
    let wrong = |what: String| Error::usage(format!("{}: {what}", path.display()));
    let mut pins = DEFAULTS;
    let mut given = [false; 3];
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line is not repeated: it may hold a PIN.
        let (name, digits) = line.split_once('=').ok_or_else(|| wrong(format!("line {number} is not of the form pin1=1234")))?;
        let place = ["pin1", "pin2", "puk"].iter().position(|known| *known == name.trim());
        let place = place.ok_or_else(|| wrong(format!("line {number} is about something other than pin1, pin2 or puk")))?;
        if given[place] {
            return Err(wrong(format!("line {number} is about a PIN that an earlier line gave")));
        }
        given[place] = true;
        pins[place] = digits.trim();
    }
    let [pin1, pin2, puk] = pins;
    Pins::new(pin1, pin2, puk).map_err(|error| wrong(error.to_string()))
}
