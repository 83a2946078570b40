//! Errors of the container library as the person at the command line needs them: which file, and what to do.

use std::error::Error as StdError;
use std::path::Path;

use cdoc2::archive::error::{Error as ArchiveError, Exceeded, Limit};
use cdoc2::core::Field;
use cdoc2::{Error, NoRecord, keys, pending};

use crate::exit::{Code, Failure};
use crate::{servers, stdin, text};

/// An error about the container `input`, or about what is made of it.
pub(crate) fn of_container(input: &Path, error: &Error) -> Failure {
    let name = if stdin::is_meant(input) { "standard input".to_owned() } else { text::path(input).to_string() };
    failure(error, Some(&name), hint(error, input))
}

/// An error about a file that was to be encrypted, which it names.
pub(crate) fn of_input(error: &Error) -> Failure {
    failure(error, None, None)
}

/// An error about the making of a container that goes to `output`.
pub(crate) fn of_encryption(output: &str, error: &Error) -> Failure {
    let name = match error {
        Error::WriteOutput(_) | Error::HeaderTooLong | Error::PayloadTooLong => Some(output),
        // The others name the file that they are about.
        _ => None,
    };
    failure(error, name, hint(error, Path::new("IN")))
}

/// An error about `output`, which is made from the container `input`, or about that.
pub(crate) fn of_conversion(input: &Path, output: &str, error: &Error) -> Failure {
    match error {
        Error::WriteOutput(_) | Error::HeaderTooLong | Error::PayloadTooLong | Error::Recipient { .. } => {
            of_encryption(output, error)
        }
        _ => of_container(input, error),
    }
}

/// An error about a file that was to be written.
pub(crate) fn of_pending(error: &pending::Error) -> Failure {
    let failure = Failure::new(Code::Io, with_sources(error));
    match hint_of_pending(error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// There is a file at `path` already.
pub(crate) fn exists(path: &Path) -> Failure {
    of_pending(&pending::Error::Exists { path: path.to_owned() })
}

/// An error about the key or the certificate at `path`.
pub(crate) fn of_key(path: &Path, error: &keys::Error) -> Failure {
    let code = match error {
        keys::Error::Io(_) => Code::Io,
        keys::Error::WrongPassphrase => Code::Rejected,
        _ => Code::Usage,
    };
    Failure::about(path, code, with_sources(error))
}

fn failure(error: &Error, name: Option<&str>, hint: Option<String>) -> Failure {
    let text = with_sources(error);
    let message = name.map_or_else(|| text.clone(), |name| format!("{name}: {text}"));
    if let Error::Server { reason, .. } | Error::SharesServer { reason, .. } | Error::NotFetched { reason, .. } = error
        && let Some(failure) = servers::failure(&**reason, &message)
    {
        return failure;
    }
    let failure = Failure::new(error.kind().into(), message);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The error and those beneath it that its own text leaves out.
fn with_sources(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

/// What to do about `error`.
fn hint(error: &Error, input: &Path) -> Option<String> {
    let inspect = || format!("cdoc2 inspect {} shows who can open it", text::path(input));
    Some(match error {
        Error::Malformed(Field::Prelude) => {
            "only CDOC2 containers (.cdoc2) are read here; DigiDoc4 opens CDOC1 (.cdoc) too".to_owned()
        }
        Error::HeaderCut | Error::PayloadCut => "the file is not complete: fetch it again".to_owned(),
        Error::PayloadAltered => "the file was damaged or altered on its way: ask the sender for it again".to_owned(),
        Error::Unsupported(_) => format!("a newer program may be able to open it; {}", inspect()),
        Error::NoRecord(NoRecord::OnServer { .. }) => {
            "the certificate of the key, or the card, gets it from there: --key with --cert, --p12, --token or --pkcs11".to_owned()
        }
        Error::NoRecord(_) => inspect(),
        Error::Rejected => format!("check the password or the key; {}, and --label or --index picks one", inspect()),
        Error::KdfIterations { asked, .. } => format!("--max-kdf-iterations {asked} allows it, if the sender is trusted"),
        Error::Archive(error) => return hint_of_archive(error),
        Error::NotSingle { .. } => "name a folder with -o to unpack all of them".to_owned(),
        Error::HeaderTooLong => "make two containers of it, each for some of the recipients".to_owned(),
        Error::PayloadTooLong => "make several containers of it".to_owned(),
        _ => return None,
    })
}

fn hint_of_archive(error: &ArchiveError) -> Option<String> {
    match error {
        ArchiveError::Name { .. } | ArchiveError::Duplicate { .. } => {
            Some("--rename-unsafe gives such files safe names".to_owned())
        }
        ArchiveError::Limit(exceeded) => Some(hint_of_limit(exceeded)),
        ArchiveError::File(error) => hint_of_pending(error),
        ArchiveError::Changed { .. } => Some("encrypt it when nothing writes to it".to_owned()),
        _ => None,
    }
}

/// Which option moves the limit.
fn hint_of_limit(exceeded: &Exceeded) -> String {
    match exceeded.limit {
        Limit::Total => format!("--max-size allows more than {}", text::size(exceeded.allowed)),
        Limit::Files => format!("--max-files allows more than {}", exceeded.allowed),
        Limit::Ratio => format!("--max-ratio allows more than {}, if the sender is trusted", exceeded.allowed),
        Limit::FreeSpace => format!("free some space; --min-free leaves less than {} free", text::size(exceeded.allowed)),
    }
}

fn hint_of_pending(error: &pending::Error) -> Option<String> {
    match error {
        pending::Error::Exists { .. } => Some("--force overwrites it".to_owned()),
        pending::Error::NoSpace { .. } => Some("free some space, or write elsewhere".to_owned()),
        pending::Error::NotAFile { .. } | pending::Error::Io { .. } => None,
    }
}
