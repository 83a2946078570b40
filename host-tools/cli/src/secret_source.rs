//! Where passwords and passphrases come from: a file, an open file descriptor, the environment, or a question at the terminal.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::args::{KeyPasswordSource, NewPasswordSource, PasswordSource, PinSource};
use crate::commands::token::args::{NewPinSource, PukSource};
use crate::exit::{Code, Failure, Result};
use crate::{prompt, stdin, text};

/// Octets of a password or a passphrase, wiped when dropped.
pub(crate) type Secret = Zeroizing<Vec<u8>>;

/// Octets of the longest password.
const MAX_LEN: usize = 4096;

/// Where one password comes from.
#[derive(Debug)]
pub(crate) struct SecretSource<'a> {
    file: Option<&'a Path>,
    fd: Option<u32>,
    /// The environment variable, which comes after file and descriptor.
    variable: &'static str,
    /// The options, for who must be told of them.
    options: &'static str,
    /// Whether nobody may be asked.
    batch: bool,
}

impl<'a> SecretSource<'a> {
    pub(crate) fn password(source: &'a PasswordSource, batch: bool) -> Self {
        Self {
            file: source.password_file.as_deref(),
            fd: source.password_fd,
            variable: "CDOC2_PASSWORD",
            options: "--password-file PATH, --password-fd N or CDOC2_PASSWORD",
            batch,
        }
    }

    pub(crate) fn new_password(source: &'a NewPasswordSource, batch: bool) -> Self {
        Self {
            file: source.new_password_file.as_deref(),
            fd: source.new_password_fd,
            variable: "CDOC2_NEW_PASSWORD",
            options: "--new-password-file PATH, --new-password-fd N or CDOC2_NEW_PASSWORD",
            batch,
        }
    }

    pub(crate) fn key_password(source: &'a KeyPasswordSource, batch: bool) -> Self {
        Self {
            file: source.key_password_file.as_deref(),
            fd: source.key_password_fd,
            variable: "CDOC2_KEY_PASSWORD",
            options: "--key-password-file PATH, --key-password-fd N or CDOC2_KEY_PASSWORD",
            batch,
        }
    }

    pub(crate) fn pin(source: &'a PinSource, batch: bool) -> Self {
        Self {
            file: source.pin_file.as_deref(),
            fd: source.pin_fd,
            variable: "CDOC2_PIN",
            options: "--pin-file PATH, --pin-fd N or CDOC2_PIN",
            batch,
        }
    }

    pub(crate) fn new_pin(source: &'a NewPinSource, batch: bool) -> Self {
        Self {
            file: source.new_pin_file.as_deref(),
            fd: source.new_pin_fd,
            variable: "CDOC2_NEW_PIN",
            options: "--new-pin-file PATH, --new-pin-fd N or CDOC2_NEW_PIN",
            batch,
        }
    }

    pub(crate) fn puk(source: &'a PukSource, batch: bool) -> Self {
        Self {
            file: source.puk_file.as_deref(),
            fd: source.puk_fd,
            variable: "CDOC2_PUK",
            options: "--puk-file PATH, --puk-fd N or CDOC2_PUK",
            batch,
        }
    }

    /// Whether an option names the source, the environment aside.
    pub(crate) fn is_named(&self) -> bool {
        self.file.is_some() || self.fd.is_some()
    }

    /// Whether the source is anything but a question.
    pub(crate) fn is_given(&self) -> bool {
        self.is_named() || std::env::var_os(self.variable).is_some()
    }

    /// The password, if it has not to be asked for. A file or a descriptor may be readable only once, so ask once.
    pub(crate) fn read(&self) -> Result<Option<Secret>> {
        if let Some(path) = self.file {
            let mut source = stdin::open(path, "the password")?;
            return read_all(&mut source).map(Some).map_err(|error| Failure::io(path, &error));
        }
        if let Some(fd) = self.fd {
            return read_fd(fd).map(Some);
        }
        Ok(std::env::var_os(self.variable).map(|value| Zeroizing::new(value.into_vec())))
    }

    /// Asks `question` at the terminal.
    ///
    /// # Errors
    /// With `--batch` and without a terminal one that says what to pass instead.
    pub(crate) fn ask(&self, question: &str) -> Result<Secret> {
        self.check_can_ask(question)?;
        prompt::ask(question).map_err(|error| Failure::new(Code::Io, format!("{question}: {error}")))
    }

    /// Fails where [`ask`](Self::ask) would fail before it asks.
    pub(crate) fn check_can_ask(&self, question: &str) -> Result<()> {
        let why = if self.batch {
            "--batch forbids to ask for it"
        } else if !prompt::is_possible() {
            "there is no terminal to ask for it"
        } else {
            return Ok(());
        };
        Err(Failure::usage(format!("{}: {why}", lower_first(question))).hint(format!("pass {}", self.options)))
    }
}

/// As it stands within a sentence: "New password" begins small there, and "PIN1" stays.
fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) if !characters.clone().next().is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text.to_owned(),
    }
}

/// Reads to the end and takes one line break off, if the last line has one.
fn read_all(source: &mut dyn Read) -> io::Result<Secret> {
    // Room for everything at once: a vector that grows leaves unwiped copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(MAX_LEN + 3));
    source.take(MAX_LEN as u64 + 3).read_to_end(&mut octets)?;
    if octets.ends_with(b"\n") {
        octets.pop();
        if octets.ends_with(b"\r") {
            octets.pop();
        }
    }
    if octets.len() > MAX_LEN {
        return Err(io::Error::other(format!("longer than {MAX_LEN} octets, so no password")));
    }
    Ok(octets)
}

fn read_fd(fd: u32) -> Result<Secret> {
    let failure = |error: &dyn std::fmt::Display| Failure::new(Code::Io, format!("file descriptor {fd}: {error}"));
    if fd == 0 {
        return read_all(&mut stdin::take("the password")?).map_err(|error| failure(&error));
    }
    // The descriptor is opened a second time by its name, as taking over the open one cannot be proven safe.
    let path = PathBuf::from(format!("/dev/fd/{fd}"));
    let flags = OFlags::NOCTTY.bits().cast_signed();
    let mut file = File::options()
        .read(true)
        .custom_flags(flags)
        .open(&path)
        .map_err(|error| failure(&error).hint(format!("open it for reading in the shell: {fd}< PATH")))?;
    if rustix::termios::isatty(&file) {
        return Err(Failure::usage(format!("file descriptor {fd} is a terminal, where the password would be shown"))
            .hint("leave the option out and be asked for the password"));
    }
    read_all(&mut file).map_err(|error| failure(&error))
}

/// Asks for a new secret until `check` finds nothing wrong with it, then a second time to be sure.
///
/// `check` answers what is wrong, in words.
pub(crate) fn ask_new(source: &SecretSource<'_>, question: &str, check: impl Fn(&[u8]) -> Result<(), String>) -> Result<Secret> {
    loop {
        let secret = source.ask(question)?;
        if let Err(wrong) = check(&secret) {
            tell(&format!("{wrong}. Try another."));
            continue;
        }
        let again = source.ask("The same once more")?;
        if *again == *secret {
            return Ok(secret);
        }
        tell("The two are not the same. Try again.");
    }
}

/// Says at the terminal what is wrong with an answer, whatever is quiet: whoever is asked has to know.
pub(crate) fn tell(line: &str) {
    use io::Write as _;
    let _ = writeln!(io::stderr().lock(), "{}", text::message(line));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut octets: &[u8]) -> Vec<u8> {
        read_all(&mut octets).unwrap().to_vec()
    }

    #[test]
    fn abbreviations_stay() {
        for (text, expected) in [
            ("New password", "new password"),
            ("A password", "a password"),
            ("Õ", "õ"),
            ("PIN1", "PIN1"),
            ("PUK", "PUK"),
            ("PIN of \"mari\"", "PIN of \"mari\""),
            ("", ""),
        ] {
            assert_eq!(lower_first(text), expected);
        }
    }

    #[test]
    fn one_line_break_is_taken_off_and_nothing_else() {
        assert_eq!(read(b"pw"), b"pw");
        assert_eq!(read(b"pw\n"), b"pw");
        assert_eq!(read(b"pw\r\n"), b"pw");
        assert_eq!(read(b"pw\n\n"), b"pw\n");
        assert_eq!(read(b"pw\r"), b"pw\r");
        assert_eq!(read(b" pw \n"), b" pw ");
        assert_eq!(read(b"\n"), b"");
        assert_eq!(read(b""), b"");
        assert_eq!(read(b"two\nlines\n"), b"two\nlines");
    }

    #[test]
    fn length_is_bounded() {
        let longest = [vec![b'x'; MAX_LEN], b"\r\n".to_vec()].concat();
        assert_eq!(read(&longest).len(), MAX_LEN);
        assert!(read_all(&mut &vec![b'x'; MAX_LEN + 1][..]).is_err());
        assert!(read_all(&mut io::repeat(b'\n')).is_err());
    }
}
