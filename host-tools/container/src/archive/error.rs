//! What can go wrong with an archive.

use std::fmt;
use std::io;

use super::name::NameProblem;
use crate::pending;

/// Why an archive cannot be written, read or unpacked. Names in it are escaped and safe to print.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The payload is not one sound zlib stream.
    #[error("the payload is not a sound zlib stream: {0}")]
    Zlib(ZlibProblem),
    /// The tar archive inside is malformed.
    #[error("the archive is malformed at entry {entry}: {problem}")]
    Tar {
        /// Which entry, counted from 1 (extended headers are not counted).
        entry: u64,
        /// What is wrong with it.
        problem: TarProblem,
    },
    /// Only regular files are allowed.
    #[error("entry {entry}, \"{name}\", is {entry_type}; only regular files are allowed")]
    NotRegular {
        /// Which entry, counted from 1.
        entry: u64,
        /// Its name.
        name: String,
        /// What it is instead.
        entry_type: EntryType,
    },
    /// A file name that breaks a rule.
    #[error("unsafe file name \"{name}\": {problem}")]
    Name {
        /// The name.
        name: String,
        /// The rule that it breaks.
        problem: NameProblem,
    },
    /// Two files would get the same name on some file system.
    #[error("two files are called \"{name}\" (upper and lower case count as the same)")]
    Duplicate {
        /// The second one.
        name: String,
    },
    /// The archive holds no such file.
    #[error("there is no file \"{name}\" in the archive")]
    Missing {
        /// The file that was asked for.
        name: String,
    },
    /// A limit of the caller is exceeded.
    #[error(transparent)]
    Limit(#[from] Exceeded),
    /// A file had another size when it was read than when it was measured.
    #[error("\"{name}\" changed while it was being read: {declared} octets were announced, and {} came", Came(*.actual))]
    Changed {
        /// The file.
        name: String,
        /// Octets announced.
        declared: u64,
        /// Octets that came; `None` if there are more than announced.
        actual: Option<u64>,
    },
    /// A file could not be read.
    #[error("cannot read \"{name}\"")]
    Input {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What the archive is read from failed. The source is that reader's own error.
    #[error("cannot read the archive")]
    Source(#[source] io::Error),
    /// What the archive, or an entry of it, is written to failed. The source is that writer's own error.
    #[error("cannot write")]
    Sink(#[source] io::Error),
    /// A file or folder on disk could not be created, written or released.
    #[error(transparent)]
    File(#[from] pending::Error),
}

/// Who has to act on an [`Error`]; the command line makes its exit code of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The sender: the archive is malformed or unsafe.
    Archive,
    /// The user: raise a limit or free some space.
    Limit,
    /// The system, or the user: reading or writing failed.
    Io,
}

impl Error {
    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Zlib(_) | Self::Tar { .. } | Self::NotRegular { .. } | Self::Name { .. } => ErrorKind::Archive,
            Self::Duplicate { .. } | Self::Missing { .. } => ErrorKind::Archive,
            Self::Limit(_) => ErrorKind::Limit,
            Self::Changed { .. } | Self::Input { .. } | Self::Source(_) | Self::Sink(_) | Self::File(_) => ErrorKind::Io,
        }
    }

    /// An error of this crate that travelled through [`io::Read`] comes back as itself.
    pub(crate) fn from_source(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Source)
    }
}

/// What is wrong with a zlib stream (RFC 1950, RFC 1951).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZlibProblem {
    /// The first two octets are not a zlib header for deflate with a window of at most 32 KiB.
    #[error("it does not start with a zlib header")]
    Header,
    /// The stream needs a preset dictionary, which CDOC2 does not know.
    #[error("it asks for a preset dictionary")]
    Dictionary,
    /// The compressed octets, or the Adler-32 over the text, are wrong. The text is zlib's own.
    #[error("{0}")]
    Data(String),
    /// It ends too early.
    #[error("it is cut short")]
    Truncated,
    /// Octets follow the end of the stream.
    #[error("something follows its end")]
    Trailing,
}

/// What is wrong with a tar archive (POSIX.1-2001, pax Interchange Format).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TarProblem {
    /// The archive ends inside this entry.
    #[error("it is cut short")]
    Truncated,
    /// There is no zero block at the end.
    #[error("the end-of-archive blocks are missing")]
    NoEnd,
    /// Something follows the end-of-archive blocks.
    #[error("something follows the end of the archive")]
    AfterEnd,
    /// There are too many zeros after the end of the archive.
    #[error("the padding after the end of the archive is too long")]
    EndTooLong,
    /// The checksum of the header is wrong, or this is no tar header at all.
    #[error("its header has a wrong checksum")]
    Checksum,
    /// The size field is not a number.
    #[error("its size is not a number")]
    Size,
    /// An extended header above the limit.
    #[error("its extended header is too long ({0} octets)")]
    PaxLen(u64),
    /// A record of the extended header is not `length key=value\n`.
    #[error("its extended header has a malformed record")]
    PaxRecord,
    /// The size in the extended header is not a number.
    #[error("the size in its extended header is not a number")]
    PaxSize,
    /// Extended header and header state different sizes, so two readers would see two archives.
    #[error("its extended header and its header disagree about the size")]
    PaxSizeDiffers,
    /// Two extended headers in a row, or one at the end.
    #[error("its extended header is not followed by a file")]
    PaxAlone,
    /// A sparse file, which pax tools store as a regular one with extra records.
    #[error("it is a sparse file")]
    Sparse,
}

/// The type flag of a tar header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryType(pub u8);

impl fmt::Display for EntryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            b'1' => "a hard link",
            b'2' => "a symbolic link",
            b'3' => "a character device",
            b'4' => "a block device",
            b'5' => "a folder",
            b'6' => "a FIFO",
            b'7' => "a contiguous file",
            b'S' => "a GNU sparse file",
            b'L' | b'K' => "a GNU long name",
            b'g' => "a global extended header",
            other => return write!(f, "of unknown type '{}'", char::from(other).escape_default()),
        };
        f.write_str(text)
    }
}

/// A limit on what an archive may unpack to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Octets of all files.
    Total,
    /// Number of files.
    Files,
    /// Octets out of the inflater for each octet into it.
    Ratio,
    /// Octets that must stay free on the disk.
    FreeSpace,
}

/// A limit that was exceeded: by how much, for a message that names the flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Which limit.
    pub limit: Limit,
    /// The value when unpacking stopped; the whole archive may be further over the limit.
    pub actual: u64,
    /// The limit itself.
    pub allowed: u64,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, actual, allowed } = self;
        match limit {
            Limit::Total => write!(f, "the files take {actual} octets or more; the limit is {allowed}"),
            Limit::Files => write!(f, "there are {actual} files or more; the limit is {allowed}"),
            Limit::Ratio => write!(f, "the archive unpacks to {actual} times its size or more; the limit is {allowed}"),
            Limit::FreeSpace => write!(f, "only {actual} octets would stay free on the disk; the limit is {allowed}"),
        }
    }
}

impl std::error::Error for Exceeded {}

/// How many octets came, in words.
struct Came(Option<u64>);

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(len) => write!(f, "{len}"),
            None => f.write_str("more"),
        }
    }
}
