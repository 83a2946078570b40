//! RSA-OAEP against openssl(1), and every ciphertext that must not decrypt.

use cdoc2::keys::{Error, KEK_LEN, PrivateKey, PublicKey, RsaPrivateKey, RsaPublicKey};

use crate::openssl::Openssl;
use crate::private;

const OAEP: &str = "-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256";
const KEK: [u8; KEK_LEN] = *b"0123456789abcdef0123456789ABCDEF";

fn rsa(octets: &[u8]) -> RsaPrivateKey {
    match private(octets).unwrap() {
        PrivateKey::Rsa(key) => key,
        other => panic!("{other:?}"),
    }
}

fn decrypt(key: &RsaPrivateKey, encrypted_kek: &[u8]) -> Result<[u8; KEK_LEN], Error> {
    let mut kek = [0xA5; KEK_LEN];
    let result = key.decrypt_kek(encrypted_kek, &mut kek);
    assert!(result.is_ok() || kek == [0xA5; KEK_LEN], "nothing of a failed decryption may show");
    result.map(|()| kek)
}

fn both_ways(pem: &[u8], bits: usize) {
    let openssl = Openssl::new();
    let key = rsa(pem);
    assert_eq!(key.public_key().bits(), bits);
    openssl.write("key.pem", pem);

    let theirs = openssl.run_on(&format!("pkeyutl -encrypt -inkey key.pem {OAEP}"), &KEK);
    assert_eq!(decrypt(&key, &theirs).unwrap(), KEK);

    let ours = key.public_key().encrypt_kek(&KEK).unwrap();
    assert_eq!(ours.len(), bits / 8);
    assert_eq!(openssl.run_on(&format!("pkeyutl -decrypt -inkey key.pem {OAEP}"), &ours), KEK);
    assert_ne!(ours, key.public_key().encrypt_kek(&KEK).unwrap(), "the padding is random");
}

#[test]
fn openssl_decrypts_what_is_encrypted_here_and_back() {
    let openssl = Openssl::new();
    both_ways(&openssl.rsa_key(2048), 2048);
    both_ways(&openssl.rsa_key(3072), 3072);
}

/// `rsa16384.pem` was made by openssl(1) for this test alone: it takes minutes to make one.
#[test]
fn the_longest_keys_work() {
    both_ways(include_bytes!("../data/rsa16384.pem"), 16384);
}

#[test]
fn every_other_ciphertext_fails_alike() {
    let openssl = Openssl::new();
    let pem = openssl.rsa_key(2048);
    openssl.write("key.pem", &pem);
    let key = rsa(&pem);
    let good = key.public_key().encrypt_kek(&KEK).unwrap();
    let mut altered = good.clone();
    altered[100] ^= 1;
    let modulus = &key.public_key().pkcs1()[9..265];
    let oaep = |message: &[u8]| openssl.run_on(&format!("pkeyutl -encrypt -inkey key.pem {OAEP}"), message);
    let cases: [(&str, Vec<u8>); 18] = [
        ("altered", altered),
        ("one octet short", good[1..].to_vec()),
        ("one octet long", [&[0], good.as_slice()].concat()),
        ("one octet more", [good.as_slice(), &[0]].concat()),
        ("nothing", Vec::new()),
        ("zero", vec![0; 256]),
        ("one", [vec![0; 255], vec![1]].concat()),
        ("the modulus", modulus.to_vec()),
        ("all ones", vec![0xFF; 256]),
        ("for another key", rsa(&openssl.rsa_key(2048)).public_key().encrypt_kek(&KEK).unwrap()),
        ("for a longer key", rsa(&openssl.rsa_key(3072)).public_key().encrypt_kek(&KEK).unwrap()),
        ("an empty KEK", oaep(&[])),
        ("a KEK of 31 octets", oaep(&KEK[1..])),
        ("a KEK of 33 octets", oaep(&[&KEK[..], &[0]].concat())),
        ("OAEP with SHA-1", openssl.run_on("pkeyutl -encrypt -inkey key.pem -pkeyopt rsa_padding_mode:oaep", &KEK)),
        (
            "MGF1 with SHA-1",
            openssl.run_on(
                "pkeyutl -encrypt -inkey key.pem -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha1",
                &KEK,
            ),
        ),
        ("with a label", openssl.run_on(&format!("pkeyutl -encrypt -inkey key.pem {OAEP} -pkeyopt rsa_oaep_label:4344"), &KEK)),
        ("PKCS#1 v1.5", openssl.run_on("pkeyutl -encrypt -inkey key.pem -pkeyopt rsa_padding_mode:pkcs1", &KEK)),
    ];
    assert_eq!(modulus[0] & 0x80, 0x80, "the modulus was cut out of its DER");
    for (what, encrypted_kek) in cases {
        assert!(matches!(decrypt(&key, &encrypted_kek), Err(Error::Decryption)), "{what}");
    }
    assert_eq!(decrypt(&key, &good).unwrap(), KEK);
}

#[test]
fn a_public_key_alone_encrypts() {
    let openssl = Openssl::new();
    let pem = openssl.rsa_key(2048);
    let Ok(PublicKey::Rsa(public)) = PublicKey::parse(&openssl.public(&pem)) else { panic!("an RSA key") };
    assert_eq!(public, RsaPublicKey::from_pkcs1(public.pkcs1()).unwrap());
    assert_eq!(decrypt(&rsa(&pem), &public.encrypt_kek(&KEK).unwrap()).unwrap(), KEK);
}
