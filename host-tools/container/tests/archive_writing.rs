//! What is written here is read here, whatever the names, sizes and contents.

mod archive_support;

use std::io::{self, Cursor, Read};

use cdoc2::archive::check::{Policy, extract, list};
use cdoc2::archive::name::{self, Rules};
use cdoc2::archive::reader::RawEntry;
use cdoc2::archive::{ArchiveReader, ArchiveWriter, Deflate, Error};
use proptest::prelude::*;

fn write(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = ArchiveWriter::new(Deflate::new(Vec::new()));
    for (name, octets) in files {
        archive.append(name, octets.len() as u64, 0, &octets[..]).expect("a good file");
    }
    archive.finish().expect("a vector takes all").finish().expect("a vector takes all")
}

/// Safe names of all scripts, often as long as they may be.
fn names() -> impl Strategy<Value = String> {
    let any = prop_oneof![
        proptest::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter),
        proptest::collection::vec(any::<char>(), 60..300).prop_map(String::from_iter),
        "[a-z =.]{90,110}",
        "[õäöü]{1,200}",
    ];
    any.prop_map(|name| name::make_safe(name.as_bytes(), |_| false))
}

/// Sizes around the edges of blocks and buffers.
fn sizes() -> impl Strategy<Value = usize> {
    let edge = prop_oneof![Just(0_usize), Just(512), Just(1024), Just(65_536), Just(131_072), Just(262_144)];
    (edge, 0_usize..4).prop_map(|(edge, off)| (edge + off).saturating_sub(2))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn files_come_back(files in proptest::collection::vec((names(), sizes(), any::<u8>()), 0..8)) {
        let mut files: Vec<_> = files
            .into_iter()
            .map(|(name, size, seed)| {
                let octets = (0..size).map(|index| (index as u8).wrapping_mul(seed)).collect::<Vec<u8>>();
                (name, octets)
            })
            .collect();
        let mut seen = name::NameSet::default();
        files.retain(|(name, _)| seen.insert(name));
        let stream = write(&files);
        files.sort();
        prop_assert_eq!(archive_support::unpack(&stream, &Policy::default()).expect("our own archive"), files);
    }

    #[test]
    fn safe_names_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        let safe = name::make_safe(&octets, |_| false);
        prop_assert_eq!(name::check(safe.as_bytes(), Rules::Writing), Ok(safe.as_str()));
    }

    #[test]
    fn a_safe_name_is_left_alone(name in names()) {
        prop_assert_eq!(name::make_safe(name.as_bytes(), |_| false), name);
    }

    #[test]
    fn no_octets_make_the_reader_panic(octets in proptest::collection::vec(any::<u8>(), 0..2000), zlib in any::<bool>()) {
        let octets = if zlib { archive_support::zlib(&[octets]) } else { octets };
        prop_assert!(list(&octets[..], &Policy::default()).is_err());
    }

    #[test]
    fn an_altered_archive_never_makes_the_reader_panic(at in 0_usize..5000, to in any::<u8>()) {
        let records = archive_support::record("path", "õ".repeat(70).as_bytes());
        let mut tar = [archive_support::pax(&records), archive_support::file("a", b"abc"), archive_support::end()].concat();
        let at = at % tar.len();
        tar[at] = to;
        // Most are refused; octets of the file, its padding or its times may change.
        let _ = list(&archive_support::zlib(&[tar])[..], &Policy::default());
    }
}

#[test]
fn many_files_come_back() {
    let files: Vec<_> = (0..2500).map(|index| (format!("õ{index}.txt"), index.to_string().into_bytes())).collect();
    let summary = list(&write(&files)[..], &Policy::default()).expect("our own archive");
    assert!(summary.files.iter().map(|entry| &entry.name).eq(files.iter().map(|(name, _)| name)));
}

#[test]
fn one_file_can_be_taken_out() {
    let files = [("a".to_owned(), vec![1; 300_000]), ("b".to_owned(), vec![2; 5]), ("c".to_owned(), Vec::new())];
    let stream = write(&files);
    for (name, octets) in &files {
        let mut out = Vec::new();
        let summary = extract(&stream[..], &Policy::default(), name, &mut out).expect("it is there");
        assert_eq!((&out, summary.files.len()), (octets, 3));
        assert_eq!(summary.compressed_len, stream.len() as u64);
    }
    let error = extract(&stream[..], &Policy::default(), "d", io::sink()).expect_err("it is not there");
    assert!(matches!(error, Error::Missing { .. }));
}

/// Yields so many octets, without touching the buffer.
struct Lengthy(u64);

impl Read for Lengthy {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.0.min(buffer.len() as u64);
        self.0 -= len;
        Ok(len as usize)
    }
}

/// Keeps the ends of what is written and counts the rest.
struct Ends {
    start: Vec<u8>,
    len: u64,
}

impl io::Write for Ends {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.start.len() < 2048 {
            self.start.extend_from_slice(octets);
        }
        self.len += octets.len() as u64;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_over_8_gib_comes_back() {
    let size = (9 << 30) + 5;
    let mut archive = ArchiveWriter::new(Ends { start: Vec::new(), len: 0 });
    archive.append("huge", size, 0, Lengthy(size)).expect("a good file");
    let written = archive.finish().expect("nothing fails");
    assert_eq!(written.len, 3 * 512 + (9 << 30) + 512 + 1024);

    let headers = Cursor::new(&written.start[..3 * 512]);
    let zeros = io::repeat(0).take(507 + 1024);
    let mut reader = ArchiveReader::new(headers.chain(Lengthy(size)).chain(zeros));
    assert_eq!(reader.next_entry().expect("our own archive"), Some(RawEntry { name: b"huge".to_vec(), size }));
    let mut buffer = vec![0; 1 << 20];
    let mut len = 0;
    loop {
        match reader.read_data(&mut buffer).expect("our own archive") {
            0 => break,
            more => len += more as u64,
        }
    }
    assert_eq!(len, size);
    assert_eq!(reader.next_entry().expect("our own archive"), None);
}
