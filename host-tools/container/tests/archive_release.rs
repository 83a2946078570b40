//! Files appear complete or not at all, nothing is overwritten unasked, and nothing is left behind.

mod archive_support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use archive_support::*;
use cdoc2::archive::check::Policy;
use cdoc2::archive::{Error, ErrorKind};
use cdoc2::pending::{self, Existing, PendingFile};
use cdoc2::unpack::Staging;

fn three() -> Vec<u8> {
    archive(&[file("a", b"new a"), file("b", b"new b"), file("c", b"new c")])
}

fn staged(target: &Path, existing: Existing) -> Staging {
    let mut staging = Staging::create(target, existing).expect("a folder");
    staging.unpack(&three()[..], &Policy::default()).expect("a sound archive");
    staging
}

fn texts(folder: &Path) -> Vec<(String, String)> {
    let text = |octets| String::from_utf8(octets).expect("UTF-8");
    contents(folder).into_iter().map(|(name, octets)| (name, text(octets))).collect()
}

#[track_caller]
fn assert_files(folder: &Path, files: &[(&str, &str)]) {
    let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    assert_eq!(texts(folder), files);
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn files_wait_in_a_private_folder() {
    let target = tempfile::tempdir().expect("a temporary folder");
    let staging = staged(target.path(), Existing::Refuse);
    let entries: Vec<_> = target.path().read_dir().expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    let [private] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(mode(private), 0o700);
    assert_files(private, &[("a", "new a"), ("b", "new b"), ("c", "new c")]);
    staging.release().expect("nothing is in the way");
    assert_files(target.path(), &[("a", "new a"), ("b", "new b"), ("c", "new c")]);
    assert_eq!(mode(&target.path().join("a")), 0o600);
}

#[test]
fn what_is_dropped_is_gone() {
    let target = tempfile::tempdir().expect("a temporary folder");
    fs::write(target.path().join("other"), "stays").expect("write");
    drop(staged(target.path(), Existing::Refuse));
    assert_files(target.path(), &[("other", "stays")]);
}

#[test]
fn the_target_folder_is_made_and_goes_again() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let target = parent.path().join("x/y/z");
    drop(staged(&target, Existing::Refuse));
    assert_files(parent.path(), &[]);
    staged(&target, Existing::Refuse).release().expect("nothing is in the way");
    assert_eq!(texts(&target).len(), 3);
    // What was there, or is in use, stays.
    drop(staged(&target.join("deeper"), Existing::Refuse));
    assert_eq!(texts(&target).len(), 3);
    let shared = parent.path().join("shared");
    let staging = staged(&shared, Existing::Refuse);
    fs::write(shared.join("other"), "stays").expect("write");
    drop(staging);
    assert_files(&shared, &[("other", "stays")]);
}

#[test]
fn a_file_as_the_target_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("file"), "stays").expect("write");
    let error = Staging::create(&folder.path().join("file"), Existing::Replace).expect_err("not a folder");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_files(folder.path(), &[("file", "stays")]);
}

#[test]
fn an_existing_file_is_found_early() {
    let target = tempfile::tempdir().expect("a temporary folder");
    fs::write(target.path().join("b"), "old b").expect("write");
    let mut staging = Staging::create(target.path(), Existing::Refuse).expect("a folder");
    let error = staging.unpack(&three()[..], &Policy::default()).expect_err("b is there");
    assert!(matches!(&error, Error::File(pending::Error::Exists { path }) if path.ends_with("b")), "{error}");
    assert_eq!(error.kind(), ErrorKind::Io);
    drop(staging);
    assert_files(target.path(), &[("b", "old b")]);
}

#[test]
fn an_existing_file_is_found_late() {
    let target = tempfile::tempdir().expect("a temporary folder");
    let staging = staged(target.path(), Existing::Refuse);
    fs::write(target.path().join("b"), "old b").expect("write");
    let error = staging.release().expect_err("b is there");
    assert!(matches!(&error, Error::File(pending::Error::Exists { path }) if path.ends_with("b")), "{error}");
    assert_files(target.path(), &[("b", "old b")]);
}

#[test]
fn existing_files_are_replaced_when_asked() {
    let target = tempfile::tempdir().expect("a temporary folder");
    fs::write(target.path().join("a"), "old a").expect("write");
    fs::write(target.path().join("c"), "old c").expect("write");
    let staging = staged(target.path(), Existing::Replace);
    assert_eq!(fs::read(target.path().join("a")).expect("not yet"), b"old a");
    staging.release().expect("replacing was asked for");
    assert_files(target.path(), &[("a", "new a"), ("b", "new b"), ("c", "new c")]);
}

#[test]
fn a_folder_is_never_replaced_and_all_files_come_back() {
    let target = tempfile::tempdir().expect("a temporary folder");
    fs::write(target.path().join("a"), "old a").expect("write");
    let staging = staged(target.path(), Existing::Replace);
    fs::create_dir(target.path().join("c")).expect("a folder");
    let error = staging.release().expect_err("c is a folder");
    assert!(matches!(&error, Error::File(pending::Error::NotAFile { path }) if path.ends_with("c")), "{error}");
    assert_files(target.path(), &[("a", "old a"), ("c", "")]);
}

#[test]
fn planted_links_lead_nowhere() {
    let target = tempfile::tempdir().expect("a temporary folder");
    let outside = tempfile::tempdir().expect("a temporary folder");
    let victim = outside.path().join("victim");
    fs::write(&victim, "untouched").expect("write");

    let staging = staged(target.path(), Existing::Refuse);
    symlink(&victim, target.path().join("b")).expect("a link");
    staging.release().expect_err("a link is in the way");
    assert_files(outside.path(), &[("victim", "untouched")]);
    assert_eq!(fs::read_link(target.path().join("b")).expect("still a link"), victim);

    let mut staging = Staging::create(target.path(), Existing::Refuse).expect("a folder");
    staging.unpack(&three()[..], &Policy::default()).expect_err("a link is in the way");
    drop(staging);

    fs::remove_file(target.path().join("b")).expect("remove");
    let staging = staged(target.path(), Existing::Replace);
    symlink(&victim, target.path().join("b")).expect("a link");
    let error = staging.release().expect_err("a link is in the way");
    assert!(matches!(&error, Error::File(pending::Error::NotAFile { path }) if path.ends_with("b")), "{error}");
    assert_files(target.path(), &[("b", "untouched")]);
    assert_files(outside.path(), &[("victim", "untouched")]);
}

#[test]
fn a_private_folder_that_is_moved_away_takes_its_files_along() {
    let target = tempfile::tempdir().expect("a temporary folder");
    let outside = tempfile::tempdir().expect("a temporary folder");
    let staging = Staging::create(target.path(), Existing::Refuse).expect("a folder");
    let private = target.path().read_dir().expect("a folder").next().expect("it is there").expect("an entry").path();
    let elsewhere = outside.path().join("moved");
    fs::rename(&private, &elsewhere).expect("a move");
    symlink(outside.path(), &private).expect("a link in its place");
    let mut staging = staging;
    staging.unpack(&three()[..], &Policy::default()).expect("a sound archive");
    assert_eq!(texts(&elsewhere).len(), 3);
    staging.release().expect("the handle still leads to the files");
    assert_eq!(fs::read(target.path().join("a")).expect("released"), b"new a");
}

#[test]
fn a_pending_file_gets_its_name_at_release() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("out.cdoc2");
    let reference = folder.path().join("reference");
    fs::write(&reference, "").expect("write");
    let usual = mode(&reference);
    fs::remove_file(&reference).expect("remove");

    let mut pending = PendingFile::create(&path, Existing::Refuse).expect("a new file");
    pending.write_all(b"content").expect("write");
    assert!(!path.exists());
    let hidden = folder.path().read_dir().expect("a folder").next().expect("it is there").expect("an entry").path();
    assert_eq!(mode(&hidden), 0o600);
    pending.release().expect("nothing is in the way");
    assert_files(folder.path(), &[("out.cdoc2", "content")]);
    assert_eq!(mode(&path), usual);
}

#[test]
fn a_pending_file_replaces_only_when_asked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("out");
    let mut pending = PendingFile::create(&path, Existing::Refuse).expect("a new file");
    pending.write_all(b"new").expect("write");
    fs::write(&path, "old").expect("write");
    assert!(matches!(pending.release(), Err(pending::Error::Exists { .. })));
    assert!(matches!(PendingFile::create(&path, Existing::Refuse), Err(pending::Error::Exists { .. })));
    assert_files(folder.path(), &[("out", "old")]);

    drop(PendingFile::create(&path, Existing::Replace).expect("a new file"));
    assert_files(folder.path(), &[("out", "old")]);
    let mut pending = PendingFile::create(&path, Existing::Replace).expect("a new file");
    pending.write_all(b"new").expect("write");
    pending.release().expect("replacing was asked for");
    assert_files(folder.path(), &[("out", "new")]);
}

#[test]
fn a_pending_file_never_replaces_what_is_no_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let link = folder.path().join("link");
    symlink("elsewhere", &link).expect("a link");
    for path in [folder.path(), &link, Path::new("/dev/null"), Path::new("/dev/stdout"), Path::new(".."), Path::new("/")] {
        let error = PendingFile::create(path, Existing::Replace).expect_err("not a file");
        assert!(matches!(error, pending::Error::NotAFile { .. }), "{error}");
    }
    let error = PendingFile::create(&folder.path().join("missing/out"), Existing::Refuse).expect_err("no such folder");
    assert!(error.to_string().contains("missing"), "{error}");
}

/// Set for the child process that is to be ended in the middle of its work.
const CHILD: &str = "CDOC2_TEST_ABANDON_IN";

#[test]
#[ignore = "not a test of its own: an_interrupted_process_leaves_nothing starts it"]
fn child_that_abandons() {
    let folder = std::env::var_os(CHILD).expect("started by the test below");
    let folder = Path::new(&folder);
    let _staging = staged(&folder.join("new/target"), Existing::Refuse);
    let mut file = PendingFile::create(&folder.join("out"), Existing::Refuse).expect("a new file");
    file.write_all(b"half of it").expect("write");
    PendingFile::create(&folder.join("done"), Existing::Refuse).expect("a new file").release().expect("nothing is in the way");
    assert_eq!(contents(folder).len(), 3);
    let signal = std::thread::spawn(|| {
        pending::abandon_all();
        std::process::exit(77);
    });
    // Blocks until the process ends.
    let released = file.release();
    let _ = signal.join();
    unreachable!("{released:?}");
}

#[test]
fn an_interrupted_process_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child_that_abandons", "--ignored", "--nocapture"])
        .env(CHILD, folder.path())
        .output()
        .expect("it starts");
    assert_eq!(child.status.code(), Some(77), "{}", String::from_utf8_lossy(&child.stderr));
    let left = contents(folder.path());
    // The release may have been quicker than the signal; half a file is never there.
    let complete = [("done".to_owned(), vec![]), ("out".to_owned(), b"half of it".to_vec())];
    assert!(left == complete[..1] || left == complete, "{left:?}");
}
