//! GNU tar, bsdtar, and Python's tarfile and zlib read what is written here, and what they write is read here.
//!
//! The tools must be installed (`scripts/bootstrap` does it); without one, its test fails.

mod archive_support;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use cdoc2::archive::check::Policy;
use cdoc2::archive::{ArchiveWriter, Deflate};
use unicode_normalization::UnicodeNormalization;

/// Runs a tool with `input` and gives its output.
fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{:?} cannot be started ({error}); run scripts/bootstrap", command.get_program()));
    let mut stdin = child.stdin.take().expect("it is piped");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).expect("the tool reads its input"));
        child.wait_with_output().expect("the tool ends")
    });
    assert!(output.status.success(), "{:?} failed", command.get_program());
    output.stdout
}

fn python(script: &str, argument: &Path, input: &[u8]) -> Vec<u8> {
    run(Command::new("python3").arg("-c").arg(script).arg(argument), input)
}

/// Names and contents that have been trouble somewhere.
fn files() -> Vec<(String, Vec<u8>)> {
    let lines: Vec<u8> = (0..60_000).flat_map(|line| format!("line {line} of a text\n").into_bytes()).collect();
    let names = [
        "empty",
        "plain.txt",
        "a=b, c.txt",
        ".hidden",
        "Žürii šefi ülesanne.docx",
        "文書 資料.txt",
        "Jo\u{303}geva",
        "C'est #1 & (2)",
    ];
    let mut files: Vec<_> = names.iter().map(|name| ((*name).to_owned(), name.as_bytes().to_vec())).collect();
    files[0].1.clear();
    files.extend([99, 100, 101, 255].map(|len| ("L".repeat(len), vec![b'x'; len * 100])));
    files.push(("õ".repeat(127), vec![b'y'; 512]));
    files.push(("large.txt".to_owned(), lines));
    files.sort();
    files
}

/// A tar, and the same in a zlib stream.
fn ours() -> (Vec<u8>, Vec<u8>) {
    let mut plain = ArchiveWriter::new(Vec::new());
    let mut packed = ArchiveWriter::new(Deflate::new(Vec::new()));
    for (name, octets) in files() {
        plain.append(&name, octets.len() as u64, 1_700_000_000, &octets[..]).expect("a good file");
        packed.append(&name, octets.len() as u64, 1_700_000_000, &octets[..]).expect("a good file");
    }
    let packed = packed.finish().expect("a vector takes all").finish().expect("a vector takes all");
    (plain.finish().expect("a vector takes all"), packed)
}

fn read_by(extract: impl FnOnce(&Path, &[u8])) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    extract(folder.path(), &ours().0);
    assert!(composed(archive_support::contents(folder.path())) == composed(files()));
}

/// With composed characters in the names: bsdtar creates them so.
fn composed(files: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = files.into_iter().map(|(name, octets)| (name.nfc().collect(), octets)).collect();
    files.sort();
    files
}

#[test]
fn gnu_tar_reads_ours() {
    read_by(|folder, tar| {
        let warnings = run(Command::new("sh").args(["-c", "tar -xf - -C \"$0\" 2>&1"]).arg(folder), tar);
        assert_eq!(String::from_utf8_lossy(&warnings), "");
    });
}

#[test]
fn bsdtar_reads_ours() {
    read_by(|folder, tar| {
        let warnings = run(Command::new("sh").args(["-c", "bsdtar -xf - -C \"$0\" 2>&1"]).arg(folder), tar);
        assert_eq!(String::from_utf8_lossy(&warnings), "");
    });
}

#[test]
fn python_tarfile_reads_ours() {
    let script = "import sys,tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode='r|', errorlevel=2).extractall(sys.argv[1], filter='data')";
    read_by(|folder, tar| drop(python(script, folder, tar)));
}

#[test]
fn python_zlib_reads_ours() {
    let (plain, packed) = ours();
    let script = "import sys,zlib; d=zlib.decompressobj(); sys.stdout.buffer.write(d.decompress(sys.stdin.buffer.read())); \
                  assert d.eof and not d.unused_data";
    assert!(python(script, Path::new(""), &packed) == plain);
    // Stored blocks among others.
    let mixed: Vec<u8> = [&packed[..], &plain[..], &packed[..]].concat().repeat(3);
    let mut deflate = Deflate::new(Vec::new());
    deflate.write_all(&mixed).expect("a vector takes all");
    assert!(python(script, Path::new(""), &deflate.finish().expect("a vector takes all")) == mixed);
}

#[test]
fn tools_find_a_file_over_8_gib() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("huge.tar");
    let size = (9_u64 << 30) + 5;
    // Headers as they are written, then a hole instead of the file.
    let mut headers = ArchiveWriter::new(File::create(&path).expect("a new file"));
    headers.append("huge", size, 0, std::io::empty()).expect_err("nothing follows the headers");
    drop(headers);
    let file = File::options().write(true).open(&path).expect("it was just made");
    file.set_len(3 * 512 + size.next_multiple_of(512) + 1024).expect("a sparse file");
    for tool in ["tar", "bsdtar"] {
        let listing = run(Command::new(tool).arg("-tvf").arg(&path), b"");
        assert!(String::from_utf8_lossy(&listing).contains(" 9663676421 "), "{tool}");
    }
    let script = "import sys,tarfile; t=tarfile.open(sys.argv[1]); print([(m.name, m.size) for m in t])";
    assert_eq!(python(script, &path, b""), b"[('huge', 9663676421)]\n");
}

fn written_by(create: impl FnOnce(&Path) -> Vec<u8>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, octets) in files() {
        std::fs::write(folder.path().join(name), octets).expect("a new file");
    }
    let stream = archive_support::zlib(&[create(folder.path())]);
    assert!(archive_support::unpack(&stream, &Policy::default()).expect("a sound archive") == files());
}

#[test]
fn what_gnu_tar_writes() {
    // The names without the folder.
    let script = "cd \"$0\" && find . -type f -printf '%P\\0' | tar --null -T - --format=pax -cf -";
    written_by(|folder| run(Command::new("sh").args(["-c", script]).arg(folder), b""));
}

#[test]
fn what_bsdtar_writes() {
    let script = "cd \"$0\" && find . -type f -printf '%P\\0' | bsdtar --null -T - --format=pax -cf -";
    written_by(|folder| run(Command::new("sh").args(["-c", script]).arg(folder), b""));
}

#[test]
fn what_python_writes() {
    let script = "import os,sys,tarfile\nt=tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.PAX_FORMAT)\n\
                  for n in os.listdir(sys.argv[1]): t.add(os.path.join(sys.argv[1], n), n)\nt.close()";
    written_by(|folder| python(script, folder, b""));
}

#[test]
fn what_python_compresses() {
    let script = "import sys,zlib; sys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read(), 9))";
    let stream = python(script, Path::new(""), &ours().0);
    assert!(archive_support::unpack(&stream, &Policy::default()).expect("a sound archive") == files());
}
