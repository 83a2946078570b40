//! Keys made here: openssl(1) reads and checks them.

use cdoc2::keys::{Error, KeyType, PrivateKey, PublicKey};

use crate::openssl::Openssl;
use crate::{CURVES, give, private};

fn key_types() -> impl Iterator<Item = KeyType> {
    CURVES.into_iter().map(|(curve, _)| KeyType::Ec(curve)).chain([KeyType::Rsa { bits: 2048 }, KeyType::RSA])
}

#[test]
fn openssl_reads_new_keys() {
    let openssl = Openssl::new();
    for key_type in key_types() {
        let key = PrivateKey::generate(key_type).unwrap();
        let pem = key.to_pem(None).unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let public = key.public_key().to_pem().unwrap();
        assert_eq!(
            openssl.run_on("pkey -check -pubout", pem.as_bytes()),
            [b"Key is valid\n", public.as_bytes()].concat(),
            "{key_type:?}"
        );
        assert_eq!(openssl.run_on("pkey -pubin -pubcheck", public.as_bytes()), [b"Key is valid\n", public.as_bytes()].concat());

        assert_eq!(private(pem.as_bytes()).unwrap().public_key(), key.public_key());
        assert_eq!(PublicKey::parse(public.as_bytes()).unwrap(), key.public_key());
    }
}

#[test]
fn openssl_decrypts_new_keys() {
    let openssl = Openssl::new();
    for key_type in key_types() {
        let key = PrivateKey::generate(key_type).unwrap();
        let pem = key.to_pem(Some("Sõna7".as_bytes())).unwrap();
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
        let public = openssl.run_on("pkey -passin pass:Sõna7 -pubout", pem.as_bytes());
        assert_eq!(public, key.public_key().to_pem().unwrap().as_bytes(), "{key_type:?}");
        let text = String::from_utf8(openssl.run_on("asn1parse", pem.as_bytes())).unwrap();
        for expected in ["PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc", ":0927C0"] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert_eq!(PrivateKey::parse(pem.as_bytes(), give("Sõna7")).unwrap().public_key(), key.public_key());
        assert!(matches!(PrivateKey::parse(pem.as_bytes(), give("Sona7")), Err(Error::WrongPassphrase)));
    }
}

#[test]
fn no_two_keys_are_the_same() {
    for (curve, _) in CURVES {
        let key = || PrivateKey::generate(KeyType::Ec(curve)).unwrap();
        let (one, other) = (key(), key());
        assert_ne!(one.public_key(), other.public_key());
        assert_ne!(*one.to_pem(Some(b"x")).unwrap(), *one.to_pem(Some(b"x")).unwrap(), "salt and vector are random");
    }
}

#[test]
fn keys_out_of_range_are_not_made() {
    assert!(matches!(PrivateKey::generate(KeyType::Rsa { bits: 2047 }), Err(Error::RsaTooSmall { bits: 2047 })));
    assert!(matches!(PrivateKey::generate(KeyType::Rsa { bits: 16385 }), Err(Error::RsaTooLarge { bits: 16385 })));
    let odd = PrivateKey::generate(KeyType::Rsa { bits: 2052 }).unwrap();
    assert_eq!(format!("{odd:?}"), "Rsa(RsaPrivateKey { bits: 2052, .. })");
}

#[test]
fn an_empty_passphrase_encrypts_nothing() {
    let key = PrivateKey::generate(KeyType::Ec(CURVES[0].0)).unwrap();
    assert!(matches!(key.to_pem(Some(b"")), Err(Error::PassphraseNeeded)));
}
