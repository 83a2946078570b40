//! Lines of "name: value", a paragraph a thing.

use std::fmt::Write as _;

use crate::text;

/// Text that grows line by line, fit for a terminal.
#[derive(Debug, Default)]
pub(crate) struct Table(String);

impl Table {
    pub(crate) fn heading(&mut self, what: &str, name: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "\n{what}: {}", text::brief(name.as_bytes()));
    }

    pub(crate) fn line(&mut self, name: &str, value: impl AsRef<str>) {
        let _ = writeln!(self.0, "{name:<13}{}", text::brief(value.as_ref().as_bytes()));
    }

    pub(crate) fn optional(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.line(name, value);
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}
