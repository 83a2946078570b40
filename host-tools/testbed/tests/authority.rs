//! Certificates of the authority, as OpenSSL sees them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use cdoc2_testbed::authority::to_pem;
use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::{Algorithm, Authority, Card, Content, Holder, PersonalCode, Subject, oid};
use x509_cert::ext::pkix::KeyUsages;

fn holder() -> Holder {
    Holder::new("ÕUN,ŽANNA", PersonalCode::parse("60001019906").unwrap()).unwrap()
}

/// `openssl verify` of a certificate under the authority, for `purpose`.
fn verify(folder: &Path, authority: &Authority, certificate: &[u8], purpose: &str) -> Output {
    for (name, pem) in
        [("root.pem", authority.root_pem()), ("intermediate.pem", authority.intermediate_pem()), ("leaf.pem", to_pem(certificate))]
    {
        fs::write(folder.join(name), pem).unwrap();
    }
    let arguments =
        ["verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "intermediate.pem", "-purpose", purpose, "leaf.pem"];
    Command::new("openssl").args(arguments).current_dir(folder).output().unwrap()
}

fn refusal(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn openssl_accepts_the_chain_of_every_kind_of_key() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Test", Some("http://127.0.0.1:1/ocsp")).unwrap();
    let person = content::person(&holder(), Document::IdCard).unwrap();
    for algorithm in [Algorithm::P256, Algorithm::P384, Algorithm::P521] {
        let identity = authority.identity(&person, algorithm).unwrap();
        let output = verify(folder.path(), &authority, identity.certificate(), "sslclient");
        assert!(output.status.success(), "{algorithm:?}: {output:?}");
    }
    let identity = authority.identity(&content::for_rsa(person), Algorithm::Rsa).unwrap();
    assert!(verify(folder.path(), &authority, identity.certificate(), "sslclient").status.success());
    let server = Content::server(Subject::named("localhost").unwrap(), std::time::SystemTime::now()).unwrap();
    let identity = authority.identity(&server, Algorithm::P256).unwrap();
    assert!(verify(folder.path(), &authority, identity.certificate(), "sslserver").status.success());
    let card = Card::new(&holder(), &authority, &folder.path().join("card.token")).unwrap();
    assert!(verify(folder.path(), &authority, &card.certificate, "sslclient").status.success());
}

#[test]
fn openssl_refuses_what_is_made_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Test", None).unwrap();
    let person = content::person(&holder(), Document::IdCard).unwrap();
    let refused = |content: Content| {
        let identity = authority.identity(&content, Algorithm::P384).unwrap();
        refusal(&verify(folder.path(), &authority, identity.certificate(), "sslclient"))
    };
    assert!(refused(content::expired(person.clone())).contains("certificate has expired"));
    assert!(refused(content::not_yet_valid(person.clone())).contains("certificate is not yet valid"));
    assert!(refused(content::without_purpose(person, oid::CLIENT_AUTH)).contains("unsuitable certificate purpose"));
    assert!(refused(content::signature(&holder()).unwrap()).contains("unsuitable certificate purpose"));
}

#[test]
fn other_authority_of_the_same_name_does_not_pass() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, other) = (Authority::new("Test", None).unwrap(), Authority::new("Test", None).unwrap());
    let person = content::person(&holder(), Document::IdCard).unwrap();
    let identity = authority.identity(&person, Algorithm::P384).unwrap();
    let same_key = other.certify_again(&identity, &person).unwrap();
    assert_eq!(same_key.public_key(), identity.public_key());
    assert!(verify(folder.path(), &other, same_key.certificate(), "sslclient").status.success());
    refusal(&verify(folder.path(), &authority, same_key.certificate(), "sslclient"));
}

#[test]
fn certificate_names_the_responder_and_the_kind() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Test", Some("http://127.0.0.1:1/ocsp")).unwrap();
    let text = |certificate: &[u8]| {
        fs::write(folder.path().join("leaf.pem"), to_pem(certificate)).unwrap();
        let output =
            Command::new("openssl").args(["x509", "-in", "leaf.pem", "-noout", "-text"]).current_dir(folder.path()).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let issued = |content: &Content, algorithm| text(authority.identity(content, algorithm).unwrap().certificate());
    for (document, policy) in [
        (Document::IdCard, "1.3.6.1.4.1.51361.1.2.1"),
        (Document::DigiId, "1.3.6.1.4.1.51361.1.2.3"),
        (Document::EResidentDigiId, "1.3.6.1.4.1.51361.1.2.4"),
        (Document::MobileId, "1.3.6.1.4.1.10015.18.1"),
    ] {
        let text = issued(&content::person(&holder(), document).unwrap(), Algorithm::P256);
        assert!(text.contains(&format!("Policy: {policy}\n")), "{text}");
        assert!(text.contains("Digital Signature, Key Agreement"), "{text}");
        assert!(text.contains("OCSP - URI:http://127.0.0.1:1/ocsp"), "{text}");
    }
    let text = issued(&content::smart_id(&holder()).unwrap(), Algorithm::Rsa);
    for line in ["Policy: 1.3.6.1.4.1.10015.17.2\n", "1.3.6.1.4.1.62306.5.7.0\n", "serialNumber = PNOEE-60001019906"] {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.contains("Digital Signature\n") && text.contains("Public-Key: (2048 bit)"), "{text}");
    let text = issued(&content::mobile_id(&holder()).unwrap(), Algorithm::P256);
    assert!(text.contains("Policy: 1.3.6.1.4.1.10015.18.1\n") && !text.contains("Extended Key Usage"), "{text}");
    let person = content::person(&holder(), Document::IdCard).unwrap();
    let text = issued(&content::without_usage(person, KeyUsages::DigitalSignature), Algorithm::P384);
    assert!(text.contains("Key Agreement") && !text.contains("Digital Signature"), "{text}");
    let organisation = content::organisation("Näidis OÜ", "12345678", Algorithm::Rsa).unwrap();
    let text = issued(&organisation, Algorithm::Rsa);
    assert!(text.contains("Key Encipherment, Data Encipherment") && text.contains("serialNumber = 12345678"), "{text}");
    assert!(!text.contains("Extended Key Usage"), "{text}");
}
