//! UC.Client.02: decrypt CDOC2 container with a security token.

use std::fs;
use std::path::Path;

use cdoc2_testbed::ocsp::{Mode, Standing};
use cdoc2_testbed::{Algorithm, identity};
use token_proto::KeyRef;

use crate::scene::{JAAN, Scene, code};

#[test]
fn uc_client_02_decrypt_with_security_token() {
    let (scene, reader) = Scene::with_container();
    assert_eq!(scene.bed.ocsp().requests(), 0);
    // one PIN for the connection and for the decryption
    scene.opens("in.cdoc2", &format!("--reader {reader} --pin-file pin"));
    assert_eq!(scene.bed.ocsp().requests(), 1);
    // 10: re-encrypted for long-term storage
    scene.write("secret", [0x5A; 32]);
    scene.done(&format!("reencrypt in.cdoc2 -o kept.cdoc2 --reader {reader} --pin-file pin -r secret:kept:secret"));
    scene.bed.server().stop();
    scene.opens("kept.cdoc2", "--secret secret");
}

/// By a module: the certificate opens the connection, and the same key the capsule. RSA signs with RSA-PSS, as TLS 1.3 wants it, and decrypts with OAEP.
#[test]
fn uc_client_02_decrypt_with_pkcs11_token() {
    let scene = Scene::new();
    let algorithms = [Algorithm::Rsa, Algorithm::P384, Algorithm::P256];
    let (tokens, certificates) = scene.tokens(&algorithms);
    for (algorithm, certificate) in algorithms.iter().zip(certificates) {
        scene.done(&format!("encrypt -o in.cdoc2 --force --server testbed -r cert:{certificate} a.txt"));
        assert_eq!(scene.records("in.cdoc2")[0]["server_id"], "testbed");
        scene.opens_by_module("in.cdoc2", &format!("--token-label {}", algorithm.name()), &tokens);
        // The record says whose key it is.
        scene.opens_by_module("in.cdoc2", "", &tokens);
    }
}

#[test]
fn uc_client_02_2a_header_too_long() {
    let (scene, reader) = Scene::with_container();
    let mut octets = fs::read(scene.path("in.cdoc2")).unwrap();
    octets[5..9].copy_from_slice(&((1_u32 << 20) + 1).to_be_bytes());
    octets.resize(2 << 20, 0);
    scene.write("long.cdoc2", octets);
    scene.fails(code::FORMAT, &format!("decrypt long.cdoc2 -o out --reader {reader} --pin-file pin"), &["long.cdoc2", "header"]);
}

/// Alters an octet of what the card keeps of its authentication certificate, so that it answers the command to read it with an error.
fn spoil_certificate(state: &Path) {
    /// A certificate takes more than that.
    const STEP: usize = 256;
    const ERASED: u8 = 0xFF;
    let whole = fs::read(state).unwrap();
    let has = |key| simulator::cli::certificate(state, key).is_ok_and(|der| !der.is_empty());
    let is_spoilt = |at: &usize| {
        let mut octets = whole.clone();
        octets[*at] ^= 1;
        fs::write(state, octets).unwrap();
        !has(KeyRef::Authentication) && has(KeyRef::Signature)
    };
    let places = (0..whole.len()).step_by(STEP).filter(|at| whole[*at] != ERASED);
    places.into_iter().find(is_spoilt).expect("the certificate is somewhere");
}

#[test]
fn uc_client_02_3a_certificate_cannot_be_read() {
    let (scene, reader) = Scene::with_container();
    let words = format!("decrypt in.cdoc2 -o out --token --reader {reader} --pin-file pin");
    spoil_certificate(Path::new(reader.trim_start_matches("sim:")));
    scene.fails(code::CARD, &words, &[&reader, "CERTIFICATE", "6581"]);
    // a card without anything on it, and none at all
    scene.write("nothing", []);
    for card in ["nothing", "absent"] {
        scene.fails(code::CARD, &format!("decrypt in.cdoc2 -o out --token --reader sim:{card} --pin-file pin"), &[card]);
    }
    assert_eq!(scene.bed.ocsp().requests(), 0, "the server was asked");
}

#[test]
fn uc_client_02_4a_no_record_of_the_recipient() {
    let (scene, _) = Scene::with_container();
    let jaan = scene.card(JAAN);
    scene.fails(code::NO_RECORD, &format!("decrypt in.cdoc2 -o out --reader {jaan} --pin-file pin"), &["in.cdoc2"]);
    assert_eq!(scene.bed.ocsp().requests(), 0, "somebody else was told to the server");
}

#[test]
fn uc_client_02_5a_capsule_in_the_container() {
    let (scene, reader) = Scene::with_card();
    scene.done(&format!("encrypt -o in.cdoc2 --no-server -r token:{reader} a.txt"));
    scene.bed.server().stop();
    scene.opens("in.cdoc2", &format!("--reader {reader} --pin-file pin"));
}

#[test]
fn uc_client_02_6a_pin_is_required() {
    let (scene, reader) = Scene::with_container();
    // nobody is there to be asked
    scene.fails(code::USAGE, &format!("decrypt in.cdoc2 -o out --reader {reader}"), &["--pin-file"]);
    assert_eq!(scene.bed.ocsp().requests(), 0);
    scene.opens("in.cdoc2", &format!("--reader {reader} --pin-file pin"));
}

#[test]
fn uc_client_02_6b_authentication_fails() {
    let (scene, reader) = Scene::with_container();
    scene.write("wrong", "9999");
    scene.fails(code::REJECTED, &format!("decrypt in.cdoc2 -o out --reader {reader} --pin-file wrong"), &["PIN1", "2 tries"]);

    let state = Path::new(reader.trim_start_matches("sim:"));
    let der = simulator::cli::certificate(state, KeyRef::Authentication).unwrap();
    scene.bed.ocsp().set(&identity::serial(&der), Standing::Revoked);
    scene.fails(code::NETWORK, &format!("decrypt in.cdoc2 -o out --reader {reader} --pin-file pin"), &["testbed", "revoked"]);
}

/// An outage is no fault of the certificate's, and is not told as one.
#[test]
fn uc_client_02_6b_nobody_can_say_whether_the_certificate_is_valid() {
    let (scene, reader) = Scene::with_container();
    let words = format!("--reader {reader} --pin-file pin");
    scene.bed.ocsp().set_mode(Mode::Down);
    scene.fails(
        code::NETWORK,
        &format!("decrypt in.cdoc2 -o out {words}"),
        &["testbed", "could not find out now", "try again later"],
    );
    scene.bed.ocsp().set_mode(Mode::Normal);
    scene.opens("in.cdoc2", &words);
}

#[test]
fn uc_client_02_8a_no_capsule_on_the_server() {
    let (scene, reader) = Scene::with_container();
    scene.bed.server().stop();
    for name in ["capsules.sqlite", "capsules.sqlite-wal", "capsules.sqlite-shm"] {
        let _ = fs::remove_file(scene.bed.folder().join(name));
    }
    scene.bed.server().start().unwrap();
    let words = format!("decrypt in.cdoc2 -o out --reader {reader} --pin-file pin");
    scene.fails(code::NETWORK, &words, &["testbed", "expired"]);
    // nor any server at all
    scene.bed.server().stop();
    scene.fails(code::NETWORK, &words, &["testbed"]);
    // nor one that is known
    scene.configure("empty.toml", "");
    scene.fails(code::NO_RECORD, &format!("{words} --config empty.toml"), &["testbed", "empty.toml"]);
}

#[test]
fn uc_client_02_9a_decryption_fails() {
    let (scene, reader) = Scene::with_container();
    let mut octets = fs::read(scene.path("in.cdoc2")).unwrap();
    let header_len = usize::try_from(u32::from_be_bytes(octets[5..9].try_into().unwrap())).unwrap();
    octets[9 + header_len] ^= 1;
    scene.write("altered.cdoc2", octets);
    scene.fails(code::REJECTED, &format!("decrypt altered.cdoc2 -o out --reader {reader} --pin-file pin"), &["altered.cdoc2"]);
}
