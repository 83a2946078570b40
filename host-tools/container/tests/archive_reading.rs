//! What is taken and what is refused: every family of archives that other tools, old bugs and attackers produce.

mod archive_support;

use archive_support::*;
use cdoc2::archive::check::{Limits, Policy, Renamed, list};
use cdoc2::archive::error::{EntryType, Exceeded, Limit, TarProblem, ZlibProblem};
use cdoc2::archive::name::NameProblem;
use cdoc2::archive::{Error, ErrorKind};

/// The archive is taken and holds exactly these files.
#[track_caller]
fn taken(parts: &[Vec<u8>], files: &[(&str, &[u8])]) {
    let mut files: Vec<_> = files.iter().map(|(name, octets)| ((*name).to_owned(), octets.to_vec())).collect();
    files.sort();
    assert_eq!(unpack(&archive(parts), &Policy::default()).expect("a sound archive"), files);
}

#[track_caller]
fn error(stream: &[u8]) -> Error {
    let error = unpack(stream, &Policy::default()).expect_err("it must be refused");
    // Reading without a disk finds the same.
    let listed = list(stream, &Policy::default()).expect_err("it must be refused");
    assert_eq!(error.to_string(), listed.to_string());
    error
}

#[track_caller]
fn malformed(parts: &[Vec<u8>], problem: TarProblem) {
    let error = error(&zlib(parts));
    assert_eq!(error.kind(), ErrorKind::Archive);
    assert!(matches!(error, Error::Tar { problem: found, .. } if found == problem), "{error}");
}

#[track_caller]
fn unsafe_name(entry: Vec<u8>, problem: NameProblem, safe: &str) {
    let good = file("good.txt", b"written before the bad entry");
    let stream = archive(&[good, entry]);
    let error = error(&stream);
    assert_eq!(error.kind(), ErrorKind::Archive);
    assert!(matches!(error, Error::Name { problem: found, .. } if found == problem), "{error}");
    let names: Vec<_> = unpack(&stream, &make_safe()).expect("made safe").into_iter().map(|(name, _)| name).collect();
    let mut expected = ["good.txt".to_owned(), safe.to_owned()];
    expected.sort();
    assert_eq!(names, expected);
}

#[track_caller]
fn wrong_type(entry: Vec<u8>, flag: u8) {
    let error = error(&archive(&[file("good.txt", b"x"), entry]));
    assert_eq!(error.kind(), ErrorKind::Archive);
    assert!(matches!(error, Error::NotRegular { entry: 2, entry_type: EntryType(found), .. } if found == flag), "{error}");
}

// Files

#[test]
fn zero_length_files_alone_and_between_others() {
    taken(&[file("empty", b"")], &[("empty", b"")]);
    taken(&[file("a", b""), file("b", b"x"), file("c", b"")], &[("a", b""), ("b", b"x"), ("c", b"")]);
}

#[test]
fn sizes_around_the_block_edges() {
    for len in [1, 511, 512, 513, 1023, 1024, 1025, 262_144, 262_145] {
        let octets = vec![b'x'; len];
        taken(&[file("a", &octets), file("b", b"y")], &[("a", &octets), ("b", b"y")]);
    }
}

#[test]
fn headers_of_libcdoc_without_magic() {
    let header = Header::v7(b"v7.txt", 3).build();
    taken(&[[header, data(b"abc")].concat()], &[("v7.txt", b"abc")]);
}

#[test]
fn headers_of_libcdoc_with_a_name_cut_inside_a_character() {
    let name = format!("{}x.t", "õ".repeat(60));
    let cut = &name.as_bytes()[..99];
    assert!(str::from_utf8(cut).is_err());
    let entry = [pax(&record("path", name.as_bytes())), Header::v7(cut, 2).build(), data(b"zz")].concat();
    taken(&[entry], &[(&name, b"zz")]);
}

#[test]
fn headers_of_java() {
    let header = Header::new(b"a.txt", 0).set(100, b"0100644 ").set(124, b"00000000003 ").set(265, b"somebody").build();
    let attributes = [record("atime", b"1721027354.2085493"), record("LIBARCHIVE.creationtime", b"1720419602.8274919")];
    taken(&[pax(&attributes.concat()), header, data(b"abc")], &[("a.txt", b"abc")]);
}

#[test]
fn type_nul_and_old_gnu_magic_mean_a_regular_file() {
    taken(&[Header::new(b"a", 1).kind(0).build(), data(b"x")], &[("a", b"x")]);
    taken(&[Header::new(b"b", 1).set(257, b"ustar  \0").build(), data(b"x")], &[("b", b"x")]);
}

#[test]
fn permission_bits_are_ignored() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let header = Header::new(b"mode.sh", 1).set(100, b"0006777\0").build();
    unpack_into(folder.path(), &archive(&[header, data(b"x")]), &Policy::default()).expect("a sound archive");
    let mode = folder.path().join("mode.sh").metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

// Names

#[test]
fn names_of_any_script_and_length() {
    for name in ["文書 資料.txt", "Jo\u{303}geva.txt", "a=b = c.txt", &"L".repeat(99), &"L".repeat(255), &"õ".repeat(127)] {
        let entry = [pax(&record("path", name.as_bytes())), file("short", b"x")].concat();
        taken(&[entry], &[(name, b"x")]);
    }
    // The whole field, without a NUL.
    taken(&[file(&"L".repeat(100), b"x")], &[(&"L".repeat(100), b"x")]);
}

#[test]
fn name_traversal_and_absolute_paths() {
    unsafe_name(file("../escape", b"x"), NameProblem::Separator, ".._escape");
    unsafe_name(file("sub/../../escape", b"x"), NameProblem::Separator, "sub_.._.._escape");
    unsafe_name(file("/tmp/canary", b"x"), NameProblem::Separator, "_tmp_canary");
    unsafe_name(file("//tmp/canary", b"x"), NameProblem::Separator, "__tmp_canary");
    unsafe_name(file("..", b"x"), NameProblem::Folder, "__");
    unsafe_name(file(".", b"x"), NameProblem::Folder, "_");
}

#[test]
fn name_with_folders_drive_or_backslash() {
    unsafe_name(file("dir/file.txt", b"x"), NameProblem::Separator, "dir_file.txt");
    unsafe_name(file("./file.txt", b"x"), NameProblem::Separator, "._file.txt");
    unsafe_name(file("file.txt/", b"x"), NameProblem::Separator, "file.txt_");
    unsafe_name(file("C:\\evil.txt", b"x"), NameProblem::Separator, "C__evil.txt");
    unsafe_name(file("C:evil.txt", b"x"), NameProblem::Forbidden, "C_evil.txt");
    unsafe_name(file("..\\escape.txt", b"x"), NameProblem::Separator, ".._escape.txt");
}

#[test]
fn name_from_the_ustar_prefix() {
    let header = Header::new(b"tail.txt", 1).set(345, b"pre/fix").build();
    unsafe_name([header, data(b"x")].concat(), NameProblem::Separator, "pre_fix_tail.txt");
}

#[test]
fn name_empty_too_long_or_not_utf8() {
    unsafe_name(file("", b"x"), NameProblem::Empty, "_");
    let long = pax(&record("path", &[b'n'; 300]));
    unsafe_name([long, file("short", b"x")].concat(), NameProblem::TooLong, &"n".repeat(255));
    let latin = Header::new(b"bad\xff\xfe.txt", 1).build();
    unsafe_name([latin, data(b"x")].concat(), NameProblem::NotUtf8, "bad__.txt");
    let half = pax(&record("path", b"\xc3"));
    unsafe_name([half, file("short", b"x")].concat(), NameProblem::NotUtf8, "_");
}

#[test]
fn name_with_control_or_direction_characters() {
    unsafe_name(file("a\nb.txt", b"x"), NameProblem::Control, "a_b.txt");
    unsafe_name(file("esc\u{1b}[2J.txt", b"x"), NameProblem::Control, "esc_[2J.txt");
    unsafe_name(file("x\u{9b}y.txt", b"x"), NameProblem::Control, "x_y.txt");
    unsafe_name(file("a\u{7f}b.txt", b"x"), NameProblem::Control, "a_b.txt");
    let nul = pax(&record("path", b"good2.txt\0.exe"));
    unsafe_name([nul, file("short", b"x")].concat(), NameProblem::Control, "good2.txt_.exe");
    unsafe_name(file("invoice\u{202e}fdp.exe", b"x"), NameProblem::Direction, "invoice_fdp.exe");
    unsafe_name(file("a\u{fffe}.txt", b"x"), NameProblem::Noncharacter, "a_.txt");
}

#[test]
fn name_reserved_or_with_bad_ends() {
    unsafe_name(file("CON", b"x"), NameProblem::Device, "_CON");
    unsafe_name(file("nul", b"x"), NameProblem::Device, "_nul");
    unsafe_name(file("-rf", b"x"), NameProblem::Start, "_rf");
    unsafe_name(file(" lead", b"x"), NameProblem::Start, "_lead");
    unsafe_name(file("trail.", b"x"), NameProblem::End, "trail_");
    unsafe_name(file("a|b", b"x"), NameProblem::Forbidden, "a_b");
}

#[test]
fn names_that_only_other_readers_refuse_are_taken() {
    taken(&[file("a\"b.txt", b"x"), file("con.txt", b"y")], &[("a\"b.txt", b"x"), ("con.txt", b"y")]);
}

#[test]
fn duplicate_names() {
    for (first, second, renamed) in
        [("same.txt", "same.txt", "same (2).txt"), ("Same.txt", "sAME.TXT", "sAME (2).TXT"), ("õ", "o\u{303}", "o\u{303} (2)")]
    {
        let stream = archive(&[file(first, b"1"), file(second, b"2")]);
        let error = error(&stream);
        assert!(matches!(error, Error::Duplicate { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Archive);
        let summary = list(&stream[..], &make_safe()).expect("made safe");
        assert_eq!(summary.files[1].name, renamed);
        assert_eq!(summary.files[1].renamed, Some(Renamed { original: second.to_owned(), problem: None }));
    }
}

#[test]
fn duplicates_that_only_replacing_makes() {
    let stream = archive(&[file("a_b.txt", b"1"), file("a:b.txt", b"2"), file("a?b.txt", b"3")]);
    let files = unpack(&stream, &make_safe()).expect("made safe");
    let expected = [("a_b (2).txt", b"2"), ("a_b (3).txt", b"3"), ("a_b.txt", b"1")];
    assert_eq!(files, expected.map(|(name, octets)| (name.to_owned(), octets.to_vec())));
}

#[test]
fn many_files() {
    let parts: Vec<_> = (0..3000).map(|index| file(&format!("f{index}"), format!("{index}").as_bytes())).collect();
    let summary = list(&archive(&parts)[..], &Policy::default()).expect("a sound archive");
    assert_eq!(summary.files.len(), 3000);
    assert_eq!(summary.total_len(), 10 + 90 * 2 + 900 * 3 + 2000 * 4);
}

// Types

#[test]
fn types_other_than_regular() {
    for flag in *b"1234567AVMDNKX" {
        wrong_type(Header::new(b"entry", 0).set(157, b"/etc/passwd").kind(flag).build(), flag);
    }
}

#[test]
fn type_folder_with_data_or_after_an_extended_header() {
    wrong_type([Header::new(b"dir/", 5).kind(b'5').build(), data(b"12345")].concat(), b'5');
    wrong_type([pax(&record("path", b"d/")), Header::new(b"d/", 0).kind(b'5').build()].concat(), b'5');
}

#[test]
fn type_gnu_long_name_is_never_followed_by_a_cut_name() {
    let name = "G".repeat(150);
    let long = [Header::new(b"././@LongLink", 151).kind(b'L').build(), data(format!("{name}\0").as_bytes())].concat();
    wrong_type([long, file(&name[..100], b"x")].concat(), b'L');
}

#[test]
fn type_sparse_of_gnu_and_pax() {
    wrong_type(Header::new(b"sparse", 0).kind(b'S').build(), b'S');
    let records = [record("GNU.sparse.major", b"1"), record("GNU.sparse.name", b"real.bin")].concat();
    malformed(&[pax(&records), file("GNUSparseFile.0/real.bin", b"1\n0\n1\n"), end()], TarProblem::Sparse);
}

#[test]
fn type_global_extended_header() {
    let records = record("path", b"../global.txt");
    wrong_type([Header::new(b"pax_global_header", records.len()).kind(b'g').build(), data(&records)].concat(), b'g');
}

#[test]
fn a_link_and_then_a_file_through_it() {
    let link = Header::new(b"link", 0).kind(b'2').set(157, b"/tmp").build();
    let stream = archive(&[link, file("link", b"x")]);
    assert!(matches!(error(&stream), Error::NotRegular { entry: 1, .. }));
}

// Extended headers

#[test]
fn pax_path_and_size_replace_those_of_the_header() {
    let records = [record("path", b"first"), record("path", b"real.txt"), record("size", b"3"), record("linkpath", b"/x")].concat();
    taken(&[pax(&records), file("plain", b"abc")], &[("real.txt", b"abc")]);
    // An empty value takes the record back.
    taken(&[pax(&[record("path", b"first"), record("path", b"")].concat()), file("plain", b"x")], &[("plain", b"x")]);
    // It holds for one file only.
    taken(&[pax(&record("path", b"one")), file("x", b"1"), file("two", b"2")], &[("one", b"1"), ("two", b"2")]);
}

#[test]
fn pax_records_of_no_interest_may_hold_anything() {
    let records = [
        record("mtime", b"not a number"),
        record("uid", b"99999999999999999999"),
        record("comment", b"a\nb=c\0"),
        record("path", b"p"),
    ];
    taken(&[pax(&records.concat()), file("plain", b"x")], &[("p", b"x")]);
}

#[test]
fn pax_hdrcharset_binary_needs_utf8_all_the_same() {
    let binary = record("hdrcharset", b"BINARY");
    taken(&[pax(&[binary.clone(), record("path", b"bin.txt")].concat()), file("plain", b"x")], &[("bin.txt", b"x")]);
    let latin = [pax(&[binary, record("path", b"\xe4")].concat()), file("plain", b"x")].concat();
    unsafe_name(latin, NameProblem::NotUtf8, "_");
}

#[test]
fn pax_size_alone() {
    // libcdoc writes it above 2 MiB.
    let octets = vec![b'x'; 2_097_153];
    taken(&[pax(&record("size", b"2097153")), file("a", &octets), file("b", b"y")], &[("a", &octets), ("b", b"y")]);
}

#[test]
fn pax_size_that_another_reader_would_not_use() {
    for size in ["3", "512", "5000"] {
        let parts = [pax(&record("size", size.as_bytes())), file("plain", &[b'x'; 1024]), end()];
        malformed(&parts, TarProblem::PaxSizeDiffers);
    }
    for size in [&b"-1"[..], b"99999999999999999999", b"abc", b" 1"] {
        malformed(&[pax(&record("size", size)), file("plain", b"x"), end()], TarProblem::PaxSize);
    }
    // Without a disk, since one that has less than that free would object first.
    let longer = zlib(&[pax(&record("size", b"10000000000")), file("plain", b"x"), end()]);
    let error = list(&*longer, &Policy::default()).expect_err("it must be refused");
    assert!(matches!(error, Error::Tar { problem: TarProblem::Truncated, .. }), "{error}");
}

#[test]
fn pax_records_with_wrong_framing() {
    for records in
        [&b"99999 path=x\n"[..], b"5 path=abc\n", b"0 path=x\n", b"-9 path=x\n", b"11 path=abc", b"8 path\nx", b"9 path=x\n\0\0"]
    {
        malformed(&[pax(records), file("plain", b"x"), end()], TarProblem::PaxRecord);
    }
}

#[test]
fn pax_header_without_a_file() {
    let header = pax(&record("path", b"x"));
    malformed(&[header.clone(), end()], TarProblem::PaxAlone);
    malformed(&[header.clone(), header.clone(), file("a", b"x"), end()], TarProblem::PaxAlone);
    malformed(&[header], TarProblem::NoEnd);
}

#[test]
fn pax_header_length_is_bounded_before_it_is_read() {
    let fits = pax(&record("comment", &vec![b'c'; 65_520]));
    taken(&[fits, file("a", b"x")], &[("a", b"x")]);
    let too_long = pax(&record("comment", &vec![b'c'; 65_530]));
    malformed(&[too_long, file("a", b"x"), end()], TarProblem::PaxLen(65_545));
    let declared = Header::new(b"PaxHeaders/x", 200 << 20).kind(b'x').build();
    malformed(&[declared], TarProblem::PaxLen(200 << 20));
    let many: Vec<u8> = (0..5000).flat_map(|index| record(&format!("k{index}"), b"v")).collect();
    taken(&[pax(&many), file("a", b"x")], &[("a", b"x")]);
}

// Tar

#[test]
fn tar_checksum_and_numbers() {
    let mut bad = file("bad.txt", b"abc");
    bad[0] = b'B';
    malformed(&[file("good.txt", b"x"), bad, end()], TarProblem::Checksum);
    malformed(&[vec![b'x'; 10_240]], TarProblem::Checksum);
    for size in [&b"zzzzzzzzzzz\0"[..], &[0xff; 12], b"\x80\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f"] {
        malformed(&[Header::new(b"bad.bin", 0).set(124, size).build(), end()], TarProblem::Size);
    }
    let base_256 = Header::new(b"b256.bin", 0).set(124, b"\x80\0\0\0\0\0\0\0\0\0\0\x01").build();
    taken(&[base_256, data(b"x")], &[("b256.bin", b"x")]);
    let spaces = Header::new(b"sp.bin", 0).set(124, b"          1 ").build();
    taken(&[spaces, data(b"x")], &[("sp.bin", b"x")]);
}

#[test]
fn tar_cut_anywhere() {
    let whole = [pax(&record("path", "õ".as_bytes())), file("a", &[b'x'; 700]), file("b", b"y"), end()].concat();
    for len in (0..whole.len() - BLOCK_LEN).step_by(100) {
        let error = error(&zlib(&[whole[..len].to_vec()]));
        assert!(
            matches!(error, Error::Tar { problem: TarProblem::Truncated | TarProblem::NoEnd | TarProblem::PaxAlone, .. }),
            "{len}: {error}"
        );
    }
}

#[test]
fn tar_end_blocks() {
    let good = file("good.txt", b"x");
    let files = vec![("good.txt".to_owned(), b"x".to_vec())];
    for zeros in [512, 1024, 10_240, 700, 1 << 20] {
        let stream = zlib(&[good.clone(), vec![0; zeros]]);
        assert_eq!(unpack(&stream, &Policy::default()).expect("a sound archive"), files, "{zeros}");
    }
    malformed(std::slice::from_ref(&good), TarProblem::NoEnd);
    malformed(&[], TarProblem::NoEnd);
    malformed(&[good.clone(), end(), vec![0; 1 << 20]], TarProblem::EndTooLong);
    malformed(&[good.clone(), end(), file("hidden", b"x"), end()], TarProblem::AfterEnd);
    malformed(&[good.clone(), end(), b"garbage".to_vec()], TarProblem::AfterEnd);
    malformed(&[vec![0; BLOCK_LEN], good, end()], TarProblem::AfterEnd);
}

#[test]
fn tar_without_files() {
    taken(&[], &[]);
}

#[test]
fn good_files_before_a_bad_one_do_not_stay() {
    let link = Header::new(b"four", 0).kind(b'2').build();
    error(&archive(&[file("one", b"1"), file("two", b"2"), file("three", b"3"), link]));
}

// zlib

#[test]
fn zlib_of_any_level_window_and_flush() {
    let tar = [file("good.txt", &[b'x'; 2000]), end()].concat();
    for level in [0, 9] {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
        for piece in tar.chunks(300) {
            std::io::Write::write_all(&mut encoder, piece).expect("a vector takes all");
            std::io::Write::flush(&mut encoder).expect("a vector takes all");
        }
        let stream = encoder.finish().expect("a vector takes all");
        assert_eq!(unpack(&stream, &Policy::default()).expect("a sound stream").len(), 1);
    }
    let mut stream = Vec::with_capacity(4096);
    flate2::Compress::new_with_window_bits(flate2::Compression::default(), true, 9)
        .compress_vec(&tar, &mut stream, flate2::FlushCompress::Finish)
        .expect("enough space");
    assert_eq!(stream[0] >> 4, 1);
    assert_eq!(unpack(&stream, &Policy::default()).expect("a sound stream").len(), 1);
}

#[test]
fn zlib_malformed() {
    let stream = archive(&[file("good.txt", b"x")]);
    let problem = |stream: &[u8]| match error(stream) {
        Error::Zlib(problem) => problem,
        other => panic!("{other}"),
    };
    assert_eq!(problem(&[]), ZlibProblem::Truncated);
    assert_eq!(problem(&stream[2..]), ZlibProblem::Header);
    assert_eq!(problem(&[file("good.txt", b"x"), end()].concat()), ZlibProblem::Header);
    assert_eq!(problem(&stream[..stream.len() - 4]), ZlibProblem::Truncated);
    assert_eq!(problem(&stream[..stream.len() - 1]), ZlibProblem::Truncated);
    assert_eq!(problem(&stream[..20]), ZlibProblem::Truncated);
    assert_eq!(problem(&[&stream[..], b"x"].concat()), ZlibProblem::Trailing);
    assert_eq!(problem(&[&stream[..], &stream[..]].concat()), ZlibProblem::Trailing);
    let mut checksum = stream.clone();
    *checksum.last_mut().expect("not empty") ^= 1;
    assert_eq!(problem(&checksum), ZlibProblem::Data("incorrect data check".to_owned()));
    assert_eq!(problem(&[0x78, 0x9c, 0x07]), ZlibProblem::Data("invalid block type".to_owned()));
}

#[test]
fn stored_streams_that_end_at_the_edges_of_buffers() {
    for plain_len in [4080, 4096, 4097, 4112, 8191, 16_356, 16_384, 16_385, 65_535, 65_536, 65_537] {
        let len = (plain_len - 3 * BLOCK_LEN) / BLOCK_LEN * BLOCK_LEN;
        let octets = vec![b's'; len];
        let mut tar = [file("s.bin", &octets), end()].concat();
        tar.resize(plain_len, 0);
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::none());
        std::io::Write::write_all(&mut encoder, &tar).expect("a vector takes all");
        let stream = encoder.finish().expect("a vector takes all");
        let files = unpack(&stream, &Policy::default()).expect("a sound stream");
        assert_eq!(files, [("s.bin".to_owned(), octets)], "{plain_len}");
    }
}

// Limits

#[track_caller]
fn exceeded(stream: &[u8], limits: Limits) -> Exceeded {
    let error = unpack(stream, &Policy { limits, ..Policy::default() }).expect_err("over the limit");
    assert_eq!(error.kind(), ErrorKind::Limit);
    match error {
        Error::Limit(exceeded) => exceeded,
        other => panic!("{other}"),
    }
}

#[test]
fn bomb_of_one_file() {
    let zeros = archive(&[file("zeros", &vec![0; 40 << 20])]);
    let Exceeded { limit, actual, allowed } = exceeded(&zeros, Limits::default());
    assert_eq!((limit, allowed), (Limit::Ratio, 100));
    assert!((900..1100).contains(&actual), "{actual}");
    let limits = Limits { ratio: 1100, ..Limits::default() };
    assert_eq!(unpack(&zeros, &Policy { limits, ..Policy::default() }).expect("allowed now").len(), 1);
}

#[test]
fn a_small_file_of_zeros_is_no_bomb() {
    assert_eq!(unpack(&archive(&[file("zeros", &vec![0; 20 << 20])]), &Policy::default()).expect("below the floor").len(), 1);
}

#[test]
fn bomb_of_several_files_and_of_extended_headers() {
    let limits = Limits { ratio_from: 1 << 20, ..Limits::default() };
    let files: Vec<_> = (0..8).map(|index| file(&format!("part{index}"), &vec![0; 200_000])).collect();
    assert_eq!(exceeded(&archive(&files), limits).limit, Limit::Ratio);
    let padding = pax(&record("comment", &[b'c'; 60_000]));
    let headers: Vec<_> = (0..40).map(|index| [padding.clone(), file(&format!("f{index}"), b"")].concat()).collect();
    assert_eq!(exceeded(&archive(&headers), limits).limit, Limit::Ratio);
}

#[test]
fn limits_on_total_and_number() {
    let stream = archive(&[file("a", &[1; 600]), file("b", &[2; 401])]);
    let limits = Limits { total: 1000, ..Limits::default() };
    assert_eq!(exceeded(&stream, limits), Exceeded { limit: Limit::Total, actual: 1001, allowed: 1000 });
    let limits = Limits { files: 1, ..Limits::default() };
    assert_eq!(exceeded(&stream, limits), Exceeded { limit: Limit::Files, actual: 2, allowed: 1 });
    let limits = Limits { total: 1001, files: 2, ..Limits::default() };
    assert_eq!(unpack(&stream, &Policy { limits, ..Policy::default() }).expect("exactly at the limits").len(), 2);
}

#[test]
fn limit_on_free_space_counts_what_a_file_declares() {
    let stream = archive(&[file("a", b"x")]);
    let all = Limits { keep_free: u64::MAX, ..Limits::default() };
    let Exceeded { limit, actual: free, .. } = exceeded(&stream, all);
    assert_eq!(limit, Limit::FreeSpace);
    let size = free + (1 << 30);
    let declared = archive(&[pax(&record("size", size.to_string().as_bytes())), Header::new(b"huge", 0).build()]);
    let limits = Limits { total: u64::MAX, ..Limits::default() };
    assert_eq!(exceeded(&declared, limits).limit, Limit::FreeSpace);
}
