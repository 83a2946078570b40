//! How the program ends: exit codes, and errors as they are printed.

use std::fmt::Display;
use std::path::Path;

use cdoc2::Kind;

use crate::text;

/// Exit codes. Scripts rely on them; the manual page lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// The command line asks for something that cannot be done.
    Usage = 2,
    /// Not a sound CDOC2 container, or an unsupported one.
    Format = 3,
    /// No record for the key, or nobody to encrypt to in the directories.
    NoRecord = 4,
    /// Wrong password or key, or altered header.
    Rejected = 5,
    /// Payload altered or cut short.
    Payload = 6,
    /// Archive malformed or unsafe.
    Archive = 7,
    /// A limit exceeded.
    Limit = 8,
    /// Input or output.
    Io = 9,
    /// Network or server.
    Server = 10,
    /// No smart card, or one that failed or was removed.
    Card = 11,
    /// A PIN that is blocked, or would be if its last try failed.
    Blocked = 12,
}

/// Every exit code and what it means, for the help and the manual page.
pub(crate) const CODES: [(u8, &str); 12] = [
    (0, "done"),
    (Code::Usage as u8, "the command line asks for something that cannot be done"),
    (Code::Format as u8, "not a sound CDOC2 file, or an unsupported one"),
    (Code::NoRecord as u8, "no record for your key, or no certificate found to encrypt to"),
    (Code::Rejected as u8, "wrong password, PIN or key, or header altered"),
    (Code::Payload as u8, "payload altered or cut short"),
    (Code::Archive as u8, "archive malformed or unsafe"),
    (Code::Limit as u8, "a limit exceeded"),
    (Code::Io as u8, "input or output"),
    (Code::Server as u8, "network or server"),
    (Code::Card as u8, "no smart card or PKCS#11 token, or it failed or was removed"),
    (Code::Blocked as u8, "PIN blocked, or one try left and --last-try not given"),
];

impl From<Kind> for Code {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Usage => Self::Usage,
            Kind::Format => Self::Format,
            Kind::NoRecord => Self::NoRecord,
            Kind::Rejected => Self::Rejected,
            Kind::Payload => Self::Payload,
            Kind::Archive => Self::Archive,
            Kind::Limit => Self::Limit,
            Kind::Io => Self::Io,
            Kind::Server => Self::Server,
        }
    }
}

/// Why the program ends without having done what was asked, in words for the person who asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    message: String,
    hint: Option<String>,
}

/// What every step of the program answers.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// Input or output at `path` failed.
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::about(path, Code::Io, error)
    }

    /// Something is wrong with what is at `path`.
    pub(crate) fn about(path: &Path, code: Code, error: impl Display) -> Self {
        Self::new(code, format!("{}: {error}", text::path(path)))
    }

    /// What to do about it.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same, said to be the reason of `what`.
    #[must_use]
    pub(crate) fn reason_of(self, what: &str) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// The lines that are printed, fit for a terminal.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("cdoc2: {}", text::message(&self.message));
        if let Some(hint) = &self.hint {
            text.push_str("\nhint: ");
            text.push_str(&text::message(hint));
        }
        text
    }
}
