//! Any octets as an archive: first as the zlib stream that they may be, then as the tar inside one.
#![no_main]

use std::io::Write as _;

use cdoc2::archive::check::{self, Limits, Policy, UnsafeNames};
use cdoc2::archive::{Deflate, name};
use libfuzzer_sys::fuzz_target;

fn list(archive: &[u8]) {
    let limits = Limits { total: 1 << 24, files: 1000, ratio: 100, ratio_from: 1 << 20, keep_free: 0 };
    for unsafe_names in [UnsafeNames::Refuse, UnsafeNames::MakeSafe] {
        let Ok(summary) = check::list(archive, &Policy { limits, unsafe_names }) else { continue };
        assert!(summary.files.len() <= 1000 && summary.total_len() <= 1 << 24);
        assert_eq!(summary.compressed_len, archive.len() as u64);
        let mut names = name::NameSet::default();
        for file in &summary.files {
            assert!(name::check(file.name.as_bytes(), name::Rules::Reading).is_ok() && names.insert(&file.name));
        }
    }
}

fuzz_target!(|octets: &[u8]| {
    list(octets);
    let mut deflate = Deflate::new(Vec::new());
    deflate.write_all(octets).unwrap();
    list(&deflate.finish().unwrap());
});
