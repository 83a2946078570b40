//! What a test bed leaves behind: nothing.

use std::fs;
use std::net::TcpStream;
use std::path::Path;

use cdoc2_testbed::{Algorithm, Error, Holder, Options, PersonalCode, Testbed};

/// Processes whose command line names `folder`.
fn processes(folder: &Path) -> usize {
    let name = folder.to_str().unwrap();
    let command_lines = fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok());
    command_lines.filter(|line| String::from_utf8_lossy(line).contains(name)).count()
}

fn holder() -> Holder {
    Holder::new("MAASIKAS,MARI", PersonalCode::parse("60001017727").unwrap()).unwrap()
}

#[test]
fn nothing_is_left_when_it_is_dropped() {
    let testbed = Testbed::start(Options::default()).unwrap();
    testbed.card(&holder()).unwrap();
    let folder = testbed.folder().to_owned();
    let slapd = testbed.directory().unwrap().ldap_url();
    let address = slapd.trim_start_matches("ldap://").to_owned();
    assert!(folder.exists() && processes(&folder) > 0);
    TcpStream::connect(&address).unwrap();
    drop(testbed);
    assert!(!folder.exists());
    assert_eq!(processes(&folder), 0);
    TcpStream::connect(&address).unwrap_err();
}

#[test]
fn named_folder_stays_and_is_never_taken_twice() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a \"folder\"");
    let options = || Options { folder: Some(folder.clone()), ..Options::default() };
    let testbed = Testbed::start(options()).unwrap();
    let files = testbed.software_key(&holder(), Algorithm::P256).unwrap();
    drop(testbed);
    assert_eq!(processes(&folder), 0);
    assert!(files.key.exists() && folder.join("config.toml").exists());
    assert!(matches!(Testbed::start(options()), Err(Error::NotEmpty(_))));
}

/// Inside a runtime nobody may block it, nor drop another one.
#[tokio::test]
async fn it_lives_inside_a_runtime() {
    let testbed = Testbed::start(Options::default()).unwrap();
    testbed.card(&holder()).unwrap();
    testbed.server().stop();
    testbed.server().start().unwrap();
    drop(testbed);
}

#[test]
fn several_live_side_by_side() {
    let [one, other] = [0, 1].map(|_| Testbed::start(Options { ldap: false, ..Options::default() }).unwrap());
    assert_ne!(one.folder(), other.folder());
    assert_ne!(one.ocsp().url(), other.ocsp().url());
    assert_ne!(one.authority().root(), other.authority().root());
}
