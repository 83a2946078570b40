//! Reading a tar archive strictly, in bounded memory.
//!
//! The `tar` crate's own reader takes an extended header of any length into memory, follows GNU extensions and hides
//! entry types that must be refused, so the reading is done here, over that crate's header layout. Whatever could be
//! read in two ways is refused: CDOC2 needs regular files and nothing else.
//!
//! Taken: v7 headers (libcdoc writes no magic), ustar with its prefix, old GNU magic, numbers in octal or base 256, pax
//! extended headers. A prefix gives a name with `/`, which the name rules refuse.

use std::io::Read;

use tar::Header;

use super::error::{EntryType, Error, TarProblem};
use super::name;
use super::pax::Pax;
use super::writer::{BLOCK_LEN, MAX_OCTAL, padding_len, read};

/// The longest extended header that is read. libcdoc has the same limit.
const MAX_PAX_LEN: u64 = 64 << 10;
/// Zeros after the end of the archive at most. Tapes were filled up to 10 KiB, some tools go up to 1 MiB.
const MAX_END_LEN: usize = 1 << 20;
/// Octets that are skipped at once.
const SKIP_LEN: usize = 16 << 10;

/// What the headers say about a file. Neither the name nor anything else was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEntry {
    /// The name as it is in the archive.
    pub name: Vec<u8>,
    /// Octets of the file.
    pub size: u64,
}

/// Reads the entries of a tar archive one after another.
#[derive(Debug)]
pub struct ArchiveReader<R> {
    source: R,
    /// Entries seen so far.
    entries: u64,
    /// Octets of the current file that were not read yet.
    data_left: u64,
    /// Zeros after the current file.
    padding_len: usize,
    at_end: bool,
}

impl<R: Read> ArchiveReader<R> {
    /// A reader of the archive that `source` yields. It reads in large and small pieces and needs no buffer for large
    /// files.
    pub fn new(source: R) -> Self {
        Self { source, entries: 0, data_left: 0, padding_len: 0, at_end: false }
    }

    /// The source, to ask it what was read.
    pub fn source(&self) -> &R {
        &self.source
    }

    /// Goes to the next file, over what is left of the current one. `None` is the end: the source was read to its own
    /// end, and nothing but zeros came.
    ///
    /// # Errors
    /// [`Error::Tar`], [`Error::NotRegular`], or the error of the source. The reader must not be used after one.
    pub fn next_entry(&mut self) -> Result<Option<RawEntry>, Error> {
        self.skip_rest()?;
        if self.at_end {
            return Ok(None);
        }
        self.entries += 1;
        let Some(mut header) = self.read_header()? else {
            self.read_end()?;
            return Ok(None);
        };
        let mut pax = Pax::default();
        if header.as_old().linkflag == [b'x'] {
            pax = self.read_pax(&header)?;
            header = self.read_header()?.ok_or_else(|| self.malformed(TarProblem::PaxAlone))?;
        }
        let name = pax.path.unwrap_or_else(|| header.path_bytes().into_owned());
        match header.as_old().linkflag {
            [b'0' | b'\0'] => {}
            [b'x'] => return Err(self.malformed(TarProblem::PaxAlone)),
            [flag] => {
                let (name, entry_type) = (name::escaped(&name), EntryType(flag));
                return Err(Error::NotRegular { entry: self.entries, name, entry_type });
            }
        }
        let size = self.size(&header, pax.size)?;
        self.data_left = size;
        self.padding_len = padding_len(size);
        Ok(Some(RawEntry { name, size }))
    }

    /// Reads octets of the current file; 0 at its end.
    ///
    /// # Errors
    /// [`TarProblem::Truncated`], or the error of the source.
    pub fn read_data(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let want = buffer.len().min(usize::try_from(self.data_left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        match read(&mut self.source, &mut buffer[..want]).map_err(Error::from_source)? {
            0 => Err(self.malformed(TarProblem::Truncated)),
            len => {
                self.data_left -= len as u64;
                Ok(len)
            }
        }
    }

    fn skip_rest(&mut self) -> Result<(), Error> {
        let mut scratch = [0; SKIP_LEN];
        while self.read_data(&mut scratch)? > 0 {}
        let padding_len = std::mem::take(&mut self.padding_len);
        self.read_exact(&mut scratch[..padding_len])
    }

    /// The next header, or `None` for a zero block.
    fn read_header(&mut self) -> Result<Option<Header>, Error> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        match self.read_up_to(block)? {
            BLOCK_LEN => {}
            0 => return Err(self.malformed(TarProblem::NoEnd)),
            _ => return Err(self.malformed(TarProblem::Truncated)),
        }
        if header.as_bytes().iter().all(|&octet| octet == 0) {
            return Ok(None);
        }
        if number(&header.as_old().cksum) != Some(checksum(&header)) {
            return Err(self.malformed(TarProblem::Checksum));
        }
        Ok(Some(header))
    }

    fn read_pax(&mut self, header: &Header) -> Result<Pax, Error> {
        let len = self.size(header, None)?;
        if len > MAX_PAX_LEN {
            return Err(self.malformed(TarProblem::PaxLen(len)));
        }
        let mut records = vec![0; len as usize + padding_len(len)];
        self.read_exact(&mut records)?;
        Pax::parse(&records[..len as usize]).map_err(|problem| self.malformed(problem))
    }

    /// The size in the header, or the one of the extended header that stands in for it.
    fn size(&self, header: &Header, pax: Option<u64>) -> Result<u64, Error> {
        let field = number(&header.as_old().size);
        match (field, pax) {
            (Some(size), None) => Ok(size),
            // What does not fit the field leaves it without meaning.
            (_, Some(size)) if size > MAX_OCTAL || field == Some(size) => Ok(size),
            (_, Some(_)) => Err(self.malformed(TarProblem::PaxSizeDiffers)),
            (None, None) => Err(self.malformed(TarProblem::Size)),
        }
    }

    /// Reads the source to its end, after one zero block.
    fn read_end(&mut self) -> Result<(), Error> {
        let mut scratch = [0; SKIP_LEN];
        let mut total = BLOCK_LEN;
        loop {
            let len = read(&mut self.source, &mut scratch).map_err(Error::from_source)?;
            total += len;
            if scratch[..len].iter().any(|&octet| octet != 0) {
                return Err(self.malformed(TarProblem::AfterEnd));
            }
            if total > MAX_END_LEN {
                return Err(self.malformed(TarProblem::EndTooLong));
            }
            if len == 0 {
                self.at_end = true;
                return Ok(());
            }
        }
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        match self.read_up_to(buffer)? {
            len if len == buffer.len() => Ok(()),
            _ => Err(self.malformed(TarProblem::Truncated)),
        }
    }

    /// Fills `buffer` unless the source ends, and says how far.
    fn read_up_to(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut len = 0;
        while len < buffer.len() {
            match read(&mut self.source, &mut buffer[len..]) {
                Ok(0) => break,
                Ok(more) => len += more,
                Err(error) => return Err(Error::from_source(error)),
            }
        }
        Ok(len)
    }

    fn malformed(&self, problem: TarProblem) -> Error {
        Error::Tar { entry: self.entries, problem }
    }
}

/// The sum of all octets, those of the checksum field counted as spaces.
fn checksum(header: &Header) -> u64 {
    let sum = |octets: &[u8]| octets.iter().map(|&octet| u64::from(octet)).sum::<u64>();
    let field = &header.as_old().cksum;
    sum(header.as_bytes()) - sum(field) + field.len() as u64 * u64::from(b' ')
}

/// A number in a header field: spaces, octal digits, then NULs or spaces; or base 256 after an octet 80. At most 2^63 - 1.
fn number(field: &[u8]) -> Option<u64> {
    let number = match field {
        [0x80, rest @ ..] => rest.iter().try_fold(0_u64, |sum, &octet| Some(sum.checked_mul(256)? + u64::from(octet)))?,
        _ => {
            let text = str::from_utf8(field).ok()?.trim_start_matches(' ').trim_end_matches(['\0', ' ']);
            // `from_str_radix` would take a sign.
            let octal = !text.is_empty() && text.bytes().all(|octet| matches!(octet, b'0'..=b'7'));
            octal.then(|| u64::from_str_radix(text, 8).ok())??
        }
    };
    (number <= i64::MAX as u64).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_all_layouts() {
        for (field, value) in [
            (&b"00000000130\0"[..], Some(88)),
            // libcdoc and Java end with a space.
            (b"00000000130 ", Some(88)),
            (b"        130 ", Some(88)),
            (b"130\0\0\0\0\0\0\0\0\0", Some(88)),
            (b"777777777777", Some((1 << 36) - 1)),
            (b"\x80\0\0\0\0\0\0\0\0\0\0X", Some(88)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX as u64)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\x80\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"zzzzzzzzzzz\0", None),
            (b"0000000008 \0", None),
            (b"-0000000001\0", None),
            (b"+0000000001\0", None),
            (b"0000 000001\0", None),
            (b"0000\x00000001\0", None),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0", None),
            (b"            ", None),
        ] {
            assert_eq!(number(field), value, "{}", field.escape_ascii());
        }
    }
}
