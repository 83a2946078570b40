//! Archives made octet by octet, and folders to unpack them into.

#![allow(dead_code, reason = "not every test file uses all of it")]

use std::io::Write;
use std::path::Path;

use cdoc2::archive::Error;
use cdoc2::archive::check::{Limits, Policy, Summary, UnsafeNames};
use cdoc2::pending::Existing;
use cdoc2::unpack::Staging;

pub(crate) const BLOCK_LEN: usize = 512;

/// A tar header whose fields can be set; the checksum is put in at the end.
pub(crate) struct Header([u8; BLOCK_LEN]);

impl Header {
    /// A ustar header of a regular file.
    pub(crate) fn new(name: &[u8], size: usize) -> Self {
        Self([0; BLOCK_LEN])
            .set(0, name)
            .set(100, b"0000644\x000000000\x000000000\0")
            .set(124, format!("{size:011o}\0").as_bytes())
            .set(136, b"14524770400\0")
            .set(156, b"0")
            .set(257, b"ustar\x0000")
    }

    /// A header as libcdoc writes it: no magic, only name, size, checksum and type.
    pub(crate) fn v7(name: &[u8], size: usize) -> Self {
        Self([0; BLOCK_LEN]).set(0, name).set(124, format!("{size:011o} ").as_bytes()).set(156, b"0")
    }

    pub(crate) fn set(mut self, offset: usize, octets: &[u8]) -> Self {
        self.0[offset..offset + octets.len()].copy_from_slice(octets);
        self
    }

    pub(crate) fn kind(self, flag: u8) -> Self {
        self.set(156, &[flag])
    }

    pub(crate) fn build(self) -> Vec<u8> {
        let header = self.set(148, b"        ");
        let sum: u32 = header.0.iter().map(|&octet| u32::from(octet)).sum();
        header.set(148, format!("{sum:06o}\0 ").as_bytes()).0.to_vec()
    }
}

/// Octets and padding.
pub(crate) fn data(octets: &[u8]) -> Vec<u8> {
    let mut data = octets.to_vec();
    data.resize(octets.len().next_multiple_of(BLOCK_LEN), 0);
    data
}

/// A regular file.
pub(crate) fn file(name: &str, octets: &[u8]) -> Vec<u8> {
    [Header::new(name.as_bytes(), octets.len()).build(), data(octets)].concat()
}

/// An extended header with these records.
pub(crate) fn pax(records: &[u8]) -> Vec<u8> {
    [Header::new(b"PaxHeaders/entry", records.len()).kind(b'x').build(), data(records)].concat()
}

/// One record of an extended header.
pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = [format!(" {key}=").as_bytes(), value, b"\n"].concat();
    let len = (rest.len()..).find(|len| len.to_string().len() + rest.len() == *len).expect("there is one");
    [len.to_string().as_bytes(), &rest].concat()
}

/// The end of an archive.
pub(crate) fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK_LEN]
}

/// The parts, one after another, in a zlib stream.
pub(crate) fn zlib(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&parts.concat()).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

/// The parts and the end of the archive in a zlib stream.
pub(crate) fn archive(parts: &[Vec<u8>]) -> Vec<u8> {
    zlib(&[parts.concat(), end()])
}

pub(crate) fn make_safe() -> Policy {
    Policy { unsafe_names: UnsafeNames::MakeSafe, limits: Limits::default() }
}

/// What a folder holds, sorted: names and contents.
pub(crate) fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut contents: Vec<_> = entries
        .map(|path| {
            (path.file_name().expect("a name").to_str().expect("UTF-8").to_owned(), std::fs::read(&path).unwrap_or_default())
        })
        .collect();
    contents.sort();
    contents
}

/// Unpacks into `folder` and releases.
pub(crate) fn unpack_into(folder: &Path, archive: &[u8], policy: &Policy) -> Result<Summary, Error> {
    let mut staging = Staging::create(folder, Existing::Refuse)?;
    let summary = staging.unpack(archive, policy)?;
    staging.release()?;
    Ok(summary)
}

/// Unpacks into a new folder; what is there afterwards, which must be nothing after an error.
pub(crate) fn unpack(archive: &[u8], policy: &Policy) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let outcome = unpack_into(folder.path(), archive, policy);
    let contents = contents(folder.path());
    if outcome.is_err() {
        assert_eq!(contents, [], "something was left behind");
    }
    outcome.map(|_| contents)
}
