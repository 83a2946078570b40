//! Where what is made goes to: a file that appears when it is complete, or standard output.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use cdoc2::pending::{Existing, PendingFile};

use crate::exit::{Code, Failure, Result};
use crate::{failure, signals, stdin, text};

/// Where to write, looked at before any work is done.
#[derive(Debug)]
pub(crate) enum Destination {
    Stdout,
    /// A file that does not exist yet, or may be replaced.
    File(PathBuf, Existing),
    /// A device or a named pipe, which cannot be replaced.
    Stream(PathBuf),
}

impl Destination {
    /// `-`, or nothing, is standard output.
    ///
    /// # Errors
    /// The file exists and `force` is not given; binary octets would go to a terminal.
    pub(crate) fn of_binary(path: Option<&Path>, force: bool) -> Result<Self> {
        let destination = Self::of(path, force)?;
        let is_terminal = match &destination {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stream(path) => is_terminal(path),
            Self::File(..) => false,
        };
        if is_terminal {
            return Err(Failure::usage("the output is a terminal, which binary octets would confuse")
                .hint("name a file with -o, or send the output on with > or |"));
        }
        Ok(destination)
    }

    /// As [`of_binary`](Self::of_binary), for text that may go to a terminal.
    pub(crate) fn of(path: Option<&Path>, force: bool) -> Result<Self> {
        let Some(path) = path.filter(|path| !stdin::is_meant(path)) else { return Ok(Self::Stdout) };
        match fs::metadata(path) {
            Err(_) => Ok(Self::File(path.to_owned(), if force { Existing::Replace } else { Existing::Refuse })),
            Ok(metadata) if metadata.is_dir() => {
                Err(Failure::about(path, Code::Usage, "is a folder, and the name of a file is wanted"))
            }
            Ok(metadata) if metadata.file_type().is_char_device() || metadata.file_type().is_fifo() => {
                Ok(Self::Stream(path.to_owned()))
            }
            Ok(_) if force => Ok(Self::File(path.to_owned(), Existing::Replace)),
            Ok(_) => Err(failure::exists(path)),
        }
    }

    /// Whether it is the file that `other` is now.
    pub(crate) fn is_same_file(&self, other: &Path) -> bool {
        let Self::File(path, _) = self else { return false };
        match (fs::metadata(path), fs::metadata(other)) {
            (Ok(this), Ok(other)) => this.is_file() && (this.dev(), this.ino()) == (other.dev(), other.ino()),
            _ => false,
        }
    }

    /// Whether it is a file that exists below the folder `other`.
    pub(crate) fn is_inside(&self, other: &Path) -> bool {
        let Self::File(path, _) = self else { return false };
        match (path.canonicalize(), other.canonicalize()) {
            (Ok(this), Ok(folder)) => this.starts_with(folder),
            _ => false,
        }
    }

    /// What an error about writing names.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".to_owned(),
            Self::File(path, _) | Self::Stream(path) => text::path(path).to_string(),
        }
    }

    /// Opens it for writing.
    pub(crate) fn create(&self) -> Result<Output> {
        match self {
            Self::Stdout => Ok(Output::Stdout(Stdout)),
            Self::File(path, existing) => {
                let file = PendingFile::create(path, *existing).map_err(|error| failure::of_pending(&error))?;
                Ok(Output::File(file))
            }
            Self::Stream(path) => {
                let file = File::options().write(true).open(path).map_err(|error| Failure::io(path, &error))?;
                Ok(Output::Stream(path.clone(), file))
            }
        }
    }
}

/// Whether there is a terminal at `path`. A named pipe is not opened: that would wait for a writer.
fn is_terminal(path: &Path) -> bool {
    let is_device = fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_char_device());
    is_device && File::open(path).is_ok_and(|file| file.is_terminal())
}

/// Something that is being written.
#[derive(Debug)]
pub(crate) enum Output {
    Stdout(Stdout),
    /// Gone if it is not finished.
    File(PendingFile),
    Stream(PathBuf, File),
}

impl Output {
    /// Gives the file its name.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Stdout(mut stdout) => stdout.flush().map_err(|error| Failure::new(Code::Io, format!("standard output: {error}"))),
            Self::File(file) => file.release().map_err(|error| failure::of_pending(&error)),
            Self::Stream(path, mut file) => file.flush().map_err(|error| Failure::io(&path, &error)),
        }
    }
}

impl Write for Output {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(octets),
            Self::File(file) => file.write(octets),
            Self::Stream(_, file) => file.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File(file) => file.flush(),
            Self::Stream(_, file) => file.flush(),
        }
    }
}

/// Standard output. When its reader has gone, the program ends as any other that writes to a closed pipe.
#[derive(Debug)]
pub(crate) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        unless_broken(io::stdout().lock().write(octets))
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_broken(io::stdout().lock().flush())
    }
}

fn unless_broken<T>(result: io::Result<T>) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => signals::die_of_broken_pipe(),
        result => result,
    }
}

/// Writes all of `octets` to standard output.
pub(crate) fn print(octets: &[u8]) -> Result<()> {
    let printed = Stdout.write_all(octets).and_then(|()| Stdout.flush());
    printed.map_err(|error| Failure::new(Code::Io, format!("standard output: {error}")))
}
