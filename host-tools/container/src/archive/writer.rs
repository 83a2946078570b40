//! Writing a tar archive, as POSIX.1-2001 (pax) lays it down.
//!
//! Each file is a ustar header, its octets and padding; a pax extended header comes before it when the name is not
//! ASCII or takes the whole field, or when the size does not fit. Two zero blocks end the archive. `tar::Builder` would
//! write GNU long names, and does not notice a file that changes while it is read, so only the `tar` crate's header is
//! used.

use std::io::{self, Read, Write};

use tar::{EntryType, Header};

use super::error::Error;
use super::name::{self, NameSet, Rules};

pub(crate) const BLOCK_LEN: usize = 512;
/// The largest number in an octal field of eleven digits: 8 GiB - 1.
pub(crate) const MAX_OCTAL: u64 = 0o777_7777_7777;
/// Octets that are read from a file at once.
const COPY_LEN: usize = 128 << 10;

/// Writes regular files into a tar archive. Memory does not depend on their sizes.
///
/// Permissions are always 0644 and owners 0, because readers must ignore them. `sink` gets small writes for headers.
#[derive(Debug)]
pub struct ArchiveWriter<W> {
    sink: W,
    names: NameSet,
    buffer: Box<[u8]>,
}

impl<W: Write> ArchiveWriter<W> {
    /// Entries that the Java reader takes at most by default. A hint for a warning; nothing is refused here.
    pub const JAVA_MAX_FILES: usize = 1000;

    /// An archive without files, written to `sink`.
    pub fn new(sink: W) -> Self {
        Self { sink, names: NameSet::default(), buffer: vec![0; COPY_LEN].into() }
    }

    /// Adds a file: `size` octets of `source`, under `name`, last changed `mtime` seconds after 1970 (0 tells nothing).
    ///
    /// # Errors
    /// [`Error::Name`] and [`Error::Duplicate`] before anything is written. [`Error::Changed`] if `source` ends early or
    /// goes on, [`Error::Input`] if it fails, [`Error::Sink`]: the archive is broken then and must be thrown away.
    pub fn append(&mut self, name: &str, size: u64, mtime: u64, source: impl Read) -> Result<(), Error> {
        let escaped = || name::escaped(name.as_bytes());
        name::check(name.as_bytes(), Rules::Writing).map_err(|problem| Error::Name { name: escaped(), problem })?;
        if !self.names.insert(name) {
            return Err(Error::Duplicate { name: escaped() });
        }
        self.write_headers(name, size, mtime).map_err(Error::Sink)?;
        self.copy(name, size, source)?;
        self.pad(size).map_err(Error::Sink)
    }

    /// Writes the end of the archive and gives the sink back.
    ///
    /// # Errors
    /// [`Error::Sink`].
    pub fn finish(mut self) -> Result<W, Error> {
        self.sink.write_all(&[0; 2 * BLOCK_LEN]).map_err(Error::Sink)?;
        Ok(self.sink)
    }

    fn write_headers(&mut self, name: &str, size: u64, mtime: u64) -> io::Result<()> {
        let mut pax = Vec::new();
        // A name of exactly 100 octets would fit, but without the final NUL that some readers look for.
        if !name.is_ascii() || name.len() >= Header::new_ustar().as_old().name.len() {
            push_record(&mut pax, "path", name);
        }
        if size > MAX_OCTAL {
            push_record(&mut pax, "size", &size.to_string());
        }
        if !pax.is_empty() {
            let pax_len = pax.len() as u64;
            self.sink.write_all(header("././@PaxHeader", pax_len, 0, EntryType::XHeader).as_bytes())?;
            self.sink.write_all(&pax)?;
            self.pad(pax_len)?;
        }
        // As other pax writers do, a size that does not fit is 0 here.
        let size = if size > MAX_OCTAL { 0 } else { size };
        self.sink.write_all(header(name, size, mtime, EntryType::Regular).as_bytes())
    }

    fn copy(&mut self, name: &str, size: u64, mut source: impl Read) -> Result<(), Error> {
        let input = |source| Error::Input { name: name::escaped(name.as_bytes()), source };
        let changed = |actual| Error::Changed { name: name::escaped(name.as_bytes()), declared: size, actual };
        let mut left = size;
        while left > 0 {
            let want = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match read(&mut source, &mut self.buffer[..want]).map_err(input)? {
                0 => return Err(changed(Some(size - left))),
                len => {
                    self.sink.write_all(&self.buffer[..len]).map_err(Error::Sink)?;
                    left -= len as u64;
                }
            }
        }
        match read(&mut source, &mut self.buffer[..1]).map_err(input)? {
            0 => Ok(()),
            _ => Err(changed(None)),
        }
    }

    fn pad(&mut self, len: u64) -> io::Result<()> {
        self.sink.write_all(&[0; BLOCK_LEN][..padding_len(len)])
    }
}

/// Zeros after `len` octets, up to the next block.
pub(crate) fn padding_len(len: u64) -> usize {
    (len.wrapping_neg() % BLOCK_LEN as u64) as usize
}

/// [`Read::read`] that starts again when a signal interrupts it.
pub(crate) fn read(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// A ustar header. What does not fit the name field in ASCII is replaced and cut: the pax header has the real name.
fn header(name: &str, size: u64, mtime: u64, entry_type: EntryType) -> Header {
    let mut header = Header::new_ustar();
    let field = &mut header.as_old_mut().name;
    let last = field.len() - 1;
    for (octet, c) in field[..last].iter_mut().zip(name.chars()) {
        *octet = if c.is_ascii() { c as u8 } else { b'_' };
    }
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(mtime.min(MAX_OCTAL));
    header.set_entry_type(entry_type);
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.set_device_major(0);
        ustar.set_device_minor(0);
    }
    header.set_cksum();
    header
}

/// Appends `length key=value\n`, where the length counts its own digits too.
fn push_record(records: &mut Vec<u8>, key: &str, value: &str) {
    let rest = format!(" {key}={value}\n");
    let digits = |len: usize| len.to_string().len();
    let mut len = rest.len() + 1;
    while len < rest.len() + digits(len) {
        len += 1;
    }
    records.extend_from_slice(format!("{len}{rest}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, size: u64) -> Vec<u8> {
        let mut archive = ArchiveWriter::new(Vec::new());
        archive.write_headers(name, size, 0o14524770400).expect("a vector takes all");
        archive.sink
    }

    #[test]
    fn header_octets() {
        let octets = written("good.txt", 45);
        assert_eq!(octets.len(), BLOCK_LEN);
        for (offset, field) in [
            (0, &b"good.txt\0"[..]),
            (100, b"0000644\0"),
            (108, b"0000000\0"),
            (116, b"0000000\0"),
            (124, b"00000000055\0"),
            (136, b"14524770400\0"),
            (148, b"0010740\0"),
            (156, b"0\0"),
            (257, b"ustar\x0000"),
            (265, &[0; 64]),
            (329, b"0000000\x000000000\0"),
            (345, &[0; 167]),
        ] {
            assert_eq!(&octets[offset..offset + field.len()], field, "at {offset}");
        }
    }

    #[test]
    fn a_name_of_99_ascii_octets_needs_no_extended_header() {
        let octets = written(&"n".repeat(99), 0);
        assert_eq!(octets.len(), BLOCK_LEN);
        assert_eq!(octets[98..100], *b"n\0");
    }

    #[test]
    fn other_names_do() {
        for name in ["n".repeat(100), "õ".to_owned(), "n".repeat(255)] {
            let octets = written(&name, 0);
            assert_eq!(octets.len(), 3 * BLOCK_LEN);
            assert_eq!(octets[156], b'x');
            let rest = format!(" path={name}\n");
            let record = format!("{}{rest}", rest.len() + if name.len() > 90 { 3 } else { 2 });
            assert_eq!(octets[512..512 + record.len()], *record.as_bytes());
            assert_eq!(octets[1024 + 156], b'0');
            assert!(octets[1024..1124].is_ascii(), "the plain field is never cut inside a character");
            assert_eq!(octets[1024 + 99], 0);
        }
    }

    #[test]
    fn sizes_above_8_gib_are_in_the_extended_header() {
        assert_eq!(written("n", MAX_OCTAL).len(), BLOCK_LEN);
        let octets = written("n", MAX_OCTAL + 1);
        assert_eq!(octets[512..].split(|&octet| octet == b'\n').next(), Some(&b"19 size=8589934592"[..]));
        assert_eq!(octets[1024 + 124..1024 + 136], *b"00000000000\0");
    }

    #[test]
    fn record_lengths_count_their_own_digits() {
        for value_len in (0..1100).chain(9_980..10_000) {
            let mut record = Vec::new();
            push_record(&mut record, "key", &"v".repeat(value_len));
            let digits = record.iter().position(|&octet| octet == b' ').expect("a space");
            assert_eq!(str::from_utf8(&record[..digits]).map(str::parse), Ok(Ok(record.len())));
        }
    }

    #[test]
    fn padding_reaches_the_next_block() {
        assert_eq!([0, 1, 511, 512, 513, u64::MAX].map(padding_len), [0, 511, 1, 0, 511, 1]);
    }

    #[test]
    fn a_source_of_another_size_is_an_error_that_names_the_file() {
        let append = |declared, source: &[u8]| {
            let error = ArchiveWriter::new(Vec::new()).append("a.log", declared, 0, source).expect_err("sizes differ");
            error.to_string()
        };
        assert_eq!(append(4, b"abc"), "\"a.log\" changed while it was being read: 4 octets were announced, and 3 came");
        assert_eq!(append(2, b"abc"), "\"a.log\" changed while it was being read: 2 octets were announced, and more came");
        assert_eq!(append(0, b"a"), "\"a.log\" changed while it was being read: 0 octets were announced, and more came");
    }

    #[test]
    fn unsafe_and_repeated_names_are_refused_before_anything_is_written() {
        let mut archive = ArchiveWriter::new(Vec::new());
        for name in ["", "a/b", "../x", "a\nb", "a\"b", "nul.txt"] {
            assert!(matches!(archive.append(name, 0, 0, io::empty()), Err(Error::Name { .. })), "{name}");
        }
        assert!(archive.sink.is_empty());
        archive.append("Same.txt", 0, 0, io::empty()).expect("a good name");
        let error = archive.append("sAME.TXT", 0, 0, io::empty()).expect_err("the same name");
        assert!(matches!(error, Error::Duplicate { .. }));
        assert_eq!(archive.finish().expect("a vector takes all").len(), 3 * BLOCK_LEN);
    }
}
