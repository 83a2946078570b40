//! UC.Client.01: encrypt CDOC2 container for sending to Recipient with a security token.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use cdoc2_testbed::Algorithm;
use cdoc2_testbed::content::{Document, person};
use cdoc2_tests::process;
use cdoc2_tests::server_process::until;
use rustix::process::{Pid, Signal, kill_process};

use crate::http::day;
use crate::impostor::Impostor;
use crate::scene::{JAAN, MARI, Scene, code, has_unfit_files, holder, more_than_a_header, write_recipients};

#[test]
fn uc_client_01_encrypt_for_security_token() {
    let (scene, mari) = Scene::with_card();
    let jaan = scene.card(JAAN);
    scene.done(&format!("encrypt -o in.cdoc2 --server testbed -r token:{mari} -r token:{jaan} a.txt"));
    let records = scene.records("in.cdoc2");
    let ids: Vec<&str> = records.iter().map(|record| record["transaction_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    assert!(records.iter().all(|record| record["server_id"] == "testbed"), "{records:?}");
    for reader in [mari, jaan] {
        scene.opens("in.cdoc2", &format!("--reader {reader} --pin-file pin"));
    }
}

#[test]
fn uc_client_01_2a_recipient_from_ldap() {
    let scene = Scene::with_directory();
    let reader = scene.card(MARI);
    // 1 and 2: by the personal code; what was found is shown
    let found = scene.done("recipients find 60001017727");
    assert!(found.contains("MAASIKAS") && !found.contains("TAMM"), "{found}");
    // 3: what was found is chosen
    scene.done("encrypt -o in.cdoc2 -r id:60001017727 a.txt");
    scene.opens("in.cdoc2", &format!("--reader {reader} --pin-file pin"));
    // nobody of that name; and no such code, about which the directory is not even asked
    scene.fails(code::NO_RECORD, "encrypt -o out.cdoc2 -r id:38001085718 a.txt", &["no "]);
    scene.fails(code::USAGE, "encrypt -o out.cdoc2 -r id:60001017728 a.txt", &["mistyped"]);
}

#[test]
fn uc_client_01_2b_unreadable_certificate() {
    let scene = Scene::new();
    let identity = scene.bed.authority().identity(&person(&holder(MARI), Document::IdCard).unwrap(), Algorithm::P384).unwrap();
    let der = identity.certificate();
    for (name, octets) in [("text", &b"no certificate"[..]), ("cut", &der[..der.len() - 1]), ("empty", &[])] {
        scene.write(name, octets);
        scene.fails(code::USAGE, &format!("encrypt -o out.cdoc2 -r cert:{name} a.txt"), &[name]);
    }
    scene.fails(code::IO, "encrypt -o out.cdoc2 -r cert:absent a.txt", &["absent"]);
}

#[test]
fn uc_client_01_5a_no_server_in_the_configuration() {
    let (scene, reader) = Scene::with_card();
    scene.configure("empty.toml", "");
    scene.done(&format!("encrypt -o in.cdoc2 --config empty.toml -r token:{reader} a.txt"));
    assert_eq!(scene.records("in.cdoc2")[0]["transaction_id"], serde_json::Value::Null);
    scene.bed.server().stop();
    scene.opens("in.cdoc2", &format!("--config empty.toml --reader {reader} --pin-file pin"));
}

#[test]
fn uc_client_01_5b_default_server() {
    let (scene, reader) = Scene::with_card();
    scene.done(&format!("encrypt -o in.cdoc2 -r token:{reader} a.txt"));
    assert_eq!(scene.records("in.cdoc2")[0]["server_id"], "testbed");
}

#[test]
fn uc_client_01_6a_no_server_wanted() {
    let (scene, reader) = Scene::with_card();
    scene.bed.server().stop();
    scene.done(&format!("encrypt -o in.cdoc2 --no-server -r token:{reader} a.txt"));
    assert_eq!(scene.records("in.cdoc2")[0]["transaction_id"], serde_json::Value::Null);
    scene.opens("in.cdoc2", &format!("--reader {reader} --pin-file pin"));
}

#[test]
fn uc_client_01_7a_no_connection() {
    let (scene, reader) = Scene::with_card();
    scene.bed.server().stop();
    scene.fails(code::NETWORK, &format!("encrypt -o out.cdoc2 -r token:{reader} a.txt"), &["testbed"]);
    // 5: the sender chooses again
    scene.done(&format!("encrypt -o in.cdoc2 --no-server -r token:{reader} a.txt"));
}

#[test]
fn uc_client_01_8a_certificate_of_another_server() {
    let (scene, reader) = Scene::with_card();
    let impostor = Impostor::answering(&scene.bed, "HTTP/1.1 201 Created\r\nLocation: /key-capsules/KC0123456789ABCDEF\r\n\r\n");
    let other = Impostor::answering(&scene.bed, "");
    let port = |text: &str| text.split("localhost:").nth(1).unwrap()[..5].trim_end_matches('"').to_owned();
    // The addresses of one, the certificate of the other: of the same authority and for the same name.
    let config = other.config().replace(&port(&other.config()), &port(&impostor.config()));
    scene.configure("pins.toml", &config);
    scene.fails(
        code::NETWORK,
        &format!("encrypt -o out.cdoc2 --config pins.toml -r token:{reader} a.txt"),
        &["impostor", "certificate"],
    );
    assert_eq!(impostor.requests(), 0);
}

#[test]
fn uc_client_01_8b_expiry_from_the_policy_service() {
    let (scene, reader) = Scene::with_card();
    scene.bed.policy().set(200, r#"{"version":1,"capsule_expires":"7d"}"#);
    scene.done(&format!("encrypt -o in.cdoc2 -r token:{reader} a.txt"));
    assert!(scene.records("in.cdoc2")[0]["expires"].as_str().unwrap().starts_with(&day(7)));

    // A certificate that is valid for less time.
    let content = person(&holder(JAAN), Document::IdCard).unwrap();
    let content = cdoc2_testbed::Content { not_after: content.not_before + Duration::from_secs(2 * 24 * 60 * 60), ..content };
    let identity = scene.bed.authority().identity(&content, Algorithm::P384).unwrap();
    scene.write("short.pem", identity.certificate_pem());
    scene.done(&format!("encrypt -o in.cdoc2 --force -r token:{reader} -r cert:short.pem a.txt"));
    let records = scene.records("in.cdoc2");
    assert!(records[0]["expires"].as_str().unwrap().starts_with(&day(7)), "{records:?}");
    assert!(records[1]["expires"].as_str().unwrap().starts_with(&day(2)), "{records:?}");

    // Without the service's word nothing is sent.
    scene.bed.policy().set(503, "");
    scene.fails(code::NETWORK, &format!("encrypt -o out.cdoc2 -r token:{reader} a.txt"), &["policy"]);
}

/// Where nobody says until when, the server does; but for no longer than the certificate is valid.
#[test]
fn uc_client_01_8b_no_longer_than_the_certificate() {
    let scene = Scene::new();
    let mut config: toml::Table = fs::read_to_string(scene.bed.config()).unwrap().parse().unwrap();
    config.remove("policy").expect("it is there otherwise");
    let path = scene.bed.folder().join("without-policy.toml");
    fs::write(&path, config.to_string()).unwrap();
    for (name, days) in [("short.pem", 2), ("long.pem", 5 * 365)] {
        let content = person(&holder(JAAN), Document::IdCard).unwrap();
        let content =
            cdoc2_testbed::Content { not_after: content.not_before + Duration::from_secs(days * 24 * 60 * 60), ..content };
        scene.write(name, scene.bed.authority().identity(&content, Algorithm::P384).unwrap().certificate_pem());
    }
    scene.done(&format!("encrypt -o in.cdoc2 --config {} -r cert:short.pem -r cert:long.pem a.txt", path.display()));
    let records = scene.records("in.cdoc2");
    assert!(records[0]["expires"].as_str().unwrap().starts_with(&day(2)), "{records:?}");
    assert!(records[1]["expires"].as_str().unwrap().starts_with(&day(3 * 365)), "{records:?}");
}

#[test]
fn uc_client_01_8c_expiry_longer_than_allowed() {
    let scene = Scene::with(cdoc2_testbed::Options {
        ldap: false,
        configure_server: Box::new(|config| config.expiry.max = config.expiry.default),
        ..Default::default()
    });
    let reader = scene.card(MARI);
    scene.fails(code::NETWORK, &format!("encrypt -o out.cdoc2 --expires 1096d -r token:{reader} a.txt"), &["expir"]);
}

#[test]
fn uc_client_01_9a_server_does_not_take_it() {
    let (scene, reader) = Scene::with_card();
    for answer in [
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        "no HTTP",
    ] {
        let impostor = Impostor::answering(&scene.bed, answer);
        scene.configure("impostor.toml", &impostor.config());
        scene.fails(code::NETWORK, &format!("encrypt -o out.cdoc2 --config impostor.toml -r token:{reader} a.txt"), &["impostor"]);
        assert!(impostor.requests() >= 1);
    }
}

/// More recipients than the server takes at once from one address.
#[test]
fn uc_client_01_9a_server_that_is_busy_is_waited_for() {
    let scene = Scene::with(cdoc2_testbed::Options {
        ldap: false,
        configure_server: Box::new(|config| (config.limits.requests_per_second, config.limits.request_burst) = (10, 50)),
        ..Default::default()
    });
    write_recipients(&scene, "recipients", 150, "key");
    let said = scene.done("encrypt -o in.cdoc2 -R recipients a.txt");
    assert!(said.contains("\"testbed\" is busy, and is waited for"), "{said}");
    let records = scene.records("in.cdoc2");
    assert_eq!(records.iter().filter(|record| record["server_id"] == "testbed").count(), 150);
}

/// Whoever does not want to wait interrupts it, and nothing is left.
#[test]
fn uc_client_01_9a_waiting_is_interrupted() {
    let scene = Scene::new();
    let impostor =
        Impostor::answering(&scene.bed, "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 50\r\nContent-Length: 0\r\n\r\n");
    scene.configure("impostor.toml", &impostor.config());
    write_recipients(&scene, "recipients", 1, "key");
    let begin = Instant::now();
    let sender = scene.start("encrypt -o out.cdoc2 --config impostor.toml -R recipients a.txt");
    // It is asked once, and not before there is something to wait for.
    until("a request", || impostor.requests() == 1);
    kill_process(Pid::from_child(&sender), Signal::INT).unwrap();
    let (status, said) = process::ended(sender);
    assert_eq!(status.signal(), Some(2), "{said}");
    assert!(begin.elapsed() < Duration::from_secs(40) && !scene.path("out.cdoc2").exists());
    assert_eq!(impostor.requests(), 1);
}

#[test]
fn uc_client_01_9b_no_transaction_id() {
    let (scene, reader) = Scene::with_card();
    let locations =
        ["", "Location: /key-capsules/\r\n", "Location: /key-capsules/KC01/../..\r\n", "Location: https://elsewhere.example/\r\n"];
    for location in locations {
        let answer = format!("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n{location}\r\n");
        let impostor = Impostor::answering(&scene.bed, answer.leak());
        scene.configure("impostor.toml", &impostor.config());
        scene.fails(code::NETWORK, &format!("encrypt -o out.cdoc2 --config impostor.toml -r token:{reader} a.txt"), &["impostor"]);
    }
}

#[test]
fn uc_client_01_10a_header_too_long() {
    let scene = Scene::new();
    let impostor = Impostor::answering(&scene.bed, "HTTP/1.1 500 Internal Server Error\r\n\r\n");
    scene.configure("impostor.toml", &impostor.config());
    more_than_a_header(&scene, "recipients");
    scene.fails(code::LIMIT, "encrypt -o out.cdoc2 --config impostor.toml -R recipients a.txt", &["header"]);
    assert_eq!(impostor.requests(), 0, "a capsule was sent for a container that cannot be");
}

#[test]
fn uc_client_01_11a_files_not_correct() {
    let (scene, reader) = Scene::with_card();
    let impostor = Impostor::answering(&scene.bed, "HTTP/1.1 500 Internal Server Error\r\n\r\n");
    scene.configure("impostor.toml", &impostor.config());
    has_unfit_files(&scene, &format!("--config impostor.toml -r token:{reader}"));
    assert_eq!(impostor.requests(), 0, "a capsule was sent for a container that cannot be");
}
