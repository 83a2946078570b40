//! A server that cannot start says what, where and what to do, and how by its exit code.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use cdoc2_tests::capsule_server::{Capsule, Installation};
use cdoc2_tests::pki::{Kind, key_pem};
use cdoc2_tests::process::{ends_with, fails, run};
use cdoc2_tests::program::cdoc2_server;

/// A file, an address or the database cannot be used.
const UNUSABLE: Option<i32> = Some(1);
/// The configuration is wrong.
const CONFIGURATION: Option<i32> = Some(3);

fn assert_fails(site: &Installation, code: Option<i32>, words: &[&str]) {
    let (found, said) = site.fails_to_start();
    assert_eq!(found, code, "{words:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for section in ["sender", "recipient", "operations"] {
        let mut site = Installation::with_sqlite();
        site.set(&format!("[{section}]\naddress = \"{address}\""));
        assert_fails(&site, UNUSABLE, &[section, &address]);
    }
}

#[test]
fn files_that_are_no_use_are_named() {
    let other_key = key_pem(&Installation::with_sqlite().root.server());
    for (file, content) in [
        ("server.key", None),
        ("server.pem", None),
        ("root.pem", None),
        ("server.key", Some("")),
        ("server.pem", Some("")),
        ("root.pem", Some("")),
        ("server.key", Some("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")),
        ("server.key", Some(&other_key)),
        ("server.pem", Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
    ] {
        let site = Installation::with_sqlite();
        match content {
            Some(content) => site.write(file, content.as_bytes()),
            None => fs::remove_file(site.path().join(file)).expect("the file is there"),
        }
        assert_fails(&site, UNUSABLE, &[file]);
    }
}

#[test]
fn a_wrong_configuration_is_told_by_key() {
    for (section, word) in [
        ("[limits]\nconections = 1", "conections"),
        ("[expiry]\ndefault = \"2d\"\nmax = \"1d\"", "expiry.default"),
        ("[recipient]\nclient_authorities = []", "client_authorities"),
        ("[ocsp]\npolicy = \"lax\"", "lax"),
    ] {
        let mut site = Installation::with_sqlite();
        site.set(section);
        assert_fails(&site, CONFIGURATION, &[word, "cdoc2-server.toml"]);
    }
    let said = fails(Command::new(cdoc2_server()).args(["capsule", "--config", "/nonexistent/cdoc2.toml"]));
    assert!(said.contains("/nonexistent/cdoc2.toml"), "{said}");
    ends_with(2, Command::new(cdoc2_server()).arg("capsules"));
}

#[test]
fn a_sound_configuration_is_said_to_be_sound() {
    let site = Installation::with_sqlite();
    drop(site.start());
    let config = site.path().join("cdoc2-server.toml");
    let check = || run(Command::new(cdoc2_server()).args(["check-config", "--config"]).arg(&config)).0.code();
    assert_eq!(check(), Some(0));
    fs::remove_file(site.path().join("server.key")).expect("the file is there");
    assert_eq!(check(), UNUSABLE);
}

#[test]
fn a_second_server_may_share_the_file() {
    let site = Installation::with_sqlite();
    let servers = [site.start(), site.start()];
    let recipient = site.person(Kind::P384);
    for (receives, issues) in [(0, 1), (1, 0)] {
        let capsule = Capsule::new(Kind::P384, &recipient);
        let at = servers[receives].keep(&capsule);
        let got = servers[issues].get(&site.client(&recipient), &at).expect("an answer");
        assert_eq!(Capsule::read(&got), capsule, "received by {receives}, issued by {issues}");
    }
}

#[test]
fn a_database_that_is_none_is_refused() {
    let site = Installation::with_sqlite();
    site.write("capsules.sqlite", &[7; 8192]);
    assert_fails(&site, UNUSABLE, &["capsules.sqlite"]);
    assert_eq!(fs::read(site.path().join("capsules.sqlite")).expect("the file"), [7; 8192], "it is not touched");
    let mut site = Installation::with_sqlite();
    site.set("[store]\nsqlite = \"nowhere/capsules.sqlite\"");
    assert_fails(&site, UNUSABLE, &["nowhere/capsules.sqlite"]);
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let site = Installation::with_postgresql(&format!("postgresql://somebody:geheim@127.0.0.1:{closed}/capsules"));
    let (code, said) = site.fails_to_start();
    assert_eq!(code, UNUSABLE, "{said}");
    assert!(!said.contains("geheim"), "{said}");
}
