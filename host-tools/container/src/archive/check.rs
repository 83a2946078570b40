//! Reading an archive by the rules of "Requirements for payload unpacking": names, duplicates, limits.

use std::io::{self, Read, Write};

use super::error::{Error, Exceeded, Limit};
use super::inflate::Inflate;
use super::name::{self, NameProblem, NameSet, Rules};
use super::reader::ArchiveReader;

/// Octets of a file that are read at once. Large pieces make the inflater fast.
pub(crate) const PIECE_LEN: usize = 256 << 10;

/// How much an archive may unpack to. Sizes are in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All files together.
    pub total: u64,
    /// Number of files.
    pub files: u64,
    /// Octets out of the inflater for each octet into it, once [`Self::ratio_from`] is reached.
    pub ratio: u64,
    /// Output from which on [`Self::ratio`] counts, so that a small file of zeros is no offence.
    pub ratio_from: u64,
    /// What must stay free on the disk that is unpacked to.
    pub keep_free: u64,
}

impl Default for Limits {
    /// 1 TiB, 10 000 files, 100 : 1 above 32 MiB, 64 MiB free.
    fn default() -> Self {
        Self { total: 1 << 40, files: 10_000, ratio: 100, ratio_from: 32 << 20, keep_free: 64 << 20 }
    }
}

/// What to do about names that are unsafe or occur twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnsafeNames {
    /// Refuse the archive.
    #[default]
    Refuse,
    /// Use a safe name and say so in [`Entry::renamed`].
    MakeSafe,
}

/// How strictly to read an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// How much to unpack at most.
    pub limits: Limits,
    /// What to do about unsafe names.
    pub unsafe_names: UnsafeNames,
}

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// A safe name, different from all others.
    pub name: String,
    /// Octets.
    pub size: u64,
    /// Set if the archive has another name, for a warning.
    pub renamed: Option<Renamed>,
}

/// Why a file has another name than in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The name in the archive, escaped for people.
    pub original: String,
    /// The rule that it breaks; `None` if only another file has the same name.
    pub problem: Option<NameProblem>,
}

/// What an archive holds, once all of it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The files, in the order of the archive.
    pub files: Vec<Entry>,
    /// Octets of the zlib stream.
    pub compressed_len: u64,
}

impl Summary {
    /// Octets of all files together.
    pub fn total_len(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// Reads every file of `archive` and keeps nothing: all rules are applied but those about the disk.
///
/// To show progress, count what is read from `archive`: its length is known before.
///
/// # Errors
/// As [`Unpacker::next_entry`] and [`Unpacker::read_data`].
pub fn list(archive: impl Read, policy: &Policy) -> Result<Summary, Error> {
    walk(archive, policy, |_, _| Ok(()))
}

/// Writes the file `wanted` of `archive` to `sink`, and reads the rest as [`list`] does.
///
/// # Errors
/// As [`list`]; also [`Error::Sink`], and [`Error::Missing`] if there is no such file.
pub fn extract(archive: impl Read, policy: &Policy, wanted: &str, mut sink: impl Write) -> Result<Summary, Error> {
    let summary =
        walk(archive, policy, |entry, data| if entry.name == wanted { sink.write_all(data).map_err(Error::Sink) } else { Ok(()) })?;
    sink.flush().map_err(Error::Sink)?;
    if summary.files.iter().any(|file| file.name == wanted) {
        return Ok(summary);
    }
    Err(Error::Missing { name: name::escaped(wanted.as_bytes()) })
}

fn walk(archive: impl Read, policy: &Policy, mut visit: impl FnMut(&Entry, &[u8]) -> Result<(), Error>) -> Result<Summary, Error> {
    let mut unpacker = Unpacker::new(archive, policy);
    let mut buffer = vec![0; PIECE_LEN];
    let mut files = Vec::new();
    while let Some(entry) = unpacker.next_entry()? {
        loop {
            match unpacker.read_data(&mut buffer)? {
                0 => break,
                len => visit(&entry, &buffer[..len])?,
            }
        }
        files.push(entry);
    }
    Ok(Summary { files, compressed_len: unpacker.compressed_len() })
}

/// Reads the files of a zlib-compressed tar archive one after another, with every rule applied that needs no disk.
///
/// Memory grows with the number of files (their names are kept to find duplicates), not with their sizes.
#[derive(Debug)]
pub struct Unpacker<R> {
    reader: ArchiveReader<Bounded<R>>,
    policy: Policy,
    names: NameSet,
    total: u64,
}

impl<R: Read> Unpacker<R> {
    /// An unpacker of what `archive` yields, to its end.
    pub fn new(archive: R, policy: &Policy) -> Self {
        let inflate = Bounded { inflate: Inflate::new(archive), limits: policy.limits };
        Self { reader: ArchiveReader::new(inflate), policy: *policy, names: NameSet::default(), total: 0 }
    }

    /// Octets of the zlib stream used so far.
    pub fn compressed_len(&self) -> u64 {
        self.reader.source().inflate.total_in()
    }

    /// Goes to the next file, over what is left of the current one. `None` is the end: everything was read and verified.
    ///
    /// # Errors
    /// Every [`Error`] about the archive. [`Error::Source`] holds the error of `archive`.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        let Some(raw) = self.reader.next_entry()? else {
            return Ok(None);
        };
        let Limits { total, files, .. } = self.policy.limits;
        let count = self.names.len() as u64 + 1;
        if count > files {
            return Err(Exceeded { limit: Limit::Files, actual: count, allowed: files }.into());
        }
        self.total = self.total.saturating_add(raw.size);
        if self.total > total {
            return Err(Exceeded { limit: Limit::Total, actual: self.total, allowed: total }.into());
        }
        let (name, renamed) = self.choose_name(&raw.name)?;
        self.names.insert(&name);
        Ok(Some(Entry { name, size: raw.size, renamed }))
    }

    /// Reads octets of the current file; 0 at its end.
    ///
    /// # Errors
    /// As [`Self::next_entry`].
    pub fn read_data(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.reader.read_data(buffer)
    }

    fn choose_name(&self, raw: &[u8]) -> Result<(String, Option<Renamed>), Error> {
        let checked = name::check(raw, Rules::Reading);
        if let Ok(name) = checked
            && !self.names.contains(name)
        {
            return Ok((name.to_owned(), None));
        }
        let (original, problem) = (name::escaped(raw), checked.err());
        match (self.policy.unsafe_names, problem) {
            (UnsafeNames::MakeSafe, _) => {
                let safe = name::make_safe(raw, |name| self.names.contains(name));
                Ok((safe, Some(Renamed { original, problem })))
            }
            (UnsafeNames::Refuse, Some(problem)) => Err(Error::Name { name: original, problem }),
            (UnsafeNames::Refuse, None) => Err(Error::Duplicate { name: original }),
        }
    }
}

/// Stops a decompression bomb, wherever in the archive it is.
#[derive(Debug)]
struct Bounded<R> {
    inflate: Inflate<R>,
    limits: Limits,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.inflate.read(buffer)?;
        let Limits { ratio, ratio_from, .. } = self.limits;
        let (total_in, total_out) = (self.inflate.total_in(), self.inflate.total_out());
        if total_out > ratio_from && total_out > total_in.saturating_mul(ratio) {
            let actual = total_out.div_ceil(total_in.max(1));
            return Err(io::Error::other(Error::from(Exceeded { limit: Limit::Ratio, actual, allowed: ratio })));
        }
        Ok(len)
    }
}
