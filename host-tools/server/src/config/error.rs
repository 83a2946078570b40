//! What is wrong with a configuration, for the operator.

use std::io;
use std::path::Path;

/// A configuration that cannot be used. The text names the file, the line where there is one, the key, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    pub(super) fn unreadable(file: &Path, error: &io::Error) -> Self {
        Self(format!("{}: cannot be read: {error}", file.display()))
    }

    /// Not [`toml::de::Error`]'s own text: that quotes the line, which may hold a password.
    pub(super) fn malformed(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let place = text.lines().nth(line - 1).and_then(key).map(|key| format!(", {key}")).unwrap_or_default();
        Self(format!("{}, line {line}{place}: {}", file.display(), error.message()))
    }

    pub(super) fn contradiction(file: &Path, key: &str, what: &str) -> Self {
        Self(format!("{}: {key} {what}", file.display()))
    }
}

/// The key that a line sets, or the section that it begins.
fn key(line: &str) -> Option<&str> {
    let line = line.trim();
    let name = if line.starts_with('[') { line } else { line.split_once('=')?.0.trim() };
    (!name.is_empty()).then_some(name)
}
