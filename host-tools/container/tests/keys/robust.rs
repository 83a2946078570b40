//! Whatever a file holds, it is refused or read, and nothing panics.

use std::sync::LazyLock;

use cdoc2::keys::{Certificate, Pkcs12, PrivateKey, PublicKey};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::give;
use crate::openssl::Openssl;

fn parse_as_everything(octets: &[u8]) {
    let _ = PrivateKey::parse(octets, give("x"));
    let _ = PublicKey::parse(octets);
    let _ = Certificate::parse(octets);
    let _ = Pkcs12::parse(octets, give("x"));
}

/// One sound file of each kind; the encrypted ones with little work, since a mutation keeps it.
static SOUND: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let openssl = Openssl::new();
    let ec = openssl.ec_key("P-256");
    let rsa = openssl.rsa_key(2048);
    let certificate = openssl.certificate(
        &ec,
        "-subj /CN=a/serialNumber=1 -addext keyUsage=keyAgreement -addext certificatePolicies=1.3.6.1.4.1.51361.1.1.3",
    );
    openssl.write("certificate.pem", &certificate);
    let export = "pkcs12 -export -inkey key.pem -in certificate.pem -passout pass:x -noiter -nomaciter";
    vec![
        openssl.run_on("pkcs8 -topk8 -nocrypt -outform DER", &ec),
        openssl.run_on("ec -outform DER", &ec),
        openssl.run_on("rsa -traditional -outform DER", &rsa),
        openssl.run_on("pkey -outform DER -pubout", &ec),
        openssl.run_on("pkey -outform DER -pubout", &rsa),
        openssl.run_on("x509 -outform DER", &certificate),
        openssl.run_on("pkcs8 -topk8 -outform DER -iter 1 -passout pass:x", &ec),
        openssl.run_on("pkcs8 -topk8 -outform DER -iter 1 -v2 des3 -passout pass:x", &ec),
        openssl.run_on("pkcs8 -topk8 -outform DER -v1 PBE-SHA1-3DES -iter 1 -passout pass:x", &ec),
        openssl.run_on("pkcs8 -topk8 -outform DER -scrypt -scrypt_N 2 -passout pass:x", &ec),
        openssl.run(export),
        openssl.run(&format!("{export} -legacy")),
        openssl.run(&format!("{export} -keypbe NONE -certpbe NONE -nomac")),
        ec,
        certificate,
    ]
});

#[derive(Clone, Debug)]
enum Mutation {
    Set(Index, u8),
    Flip(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    Cut(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        // Tags and lengths, where most decisions are taken.
        (any::<Index>(), select(vec![0, 1, 2, 3, 4, 5, 6, 0x30, 0x31, 0x7F, 0x80, 0x81, 0x82, 0xA0, 0xFF]))
            .prop_map(|(at, to)| Mutation::Set(at, to)),
        (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        any::<Index>().prop_map(Mutation::Remove),
        (any::<Index>(), any::<u8>()).prop_map(|(at, octet)| Mutation::Insert(at, octet)),
        any::<Index>().prop_map(Mutation::Cut),
    ]
}

fn apply(octets: &mut Vec<u8>, mutation: &Mutation) {
    if octets.is_empty() {
        return;
    }
    let len = octets.len();
    match *mutation {
        Mutation::Set(at, to) => octets[at.index(len)] = to,
        Mutation::Flip(at, bit) => octets[at.index(len)] ^= 1 << bit,
        Mutation::Remove(at) => drop(octets.remove(at.index(len))),
        Mutation::Insert(at, octet) => octets.insert(at.index(len), octet),
        Mutation::Cut(at) => octets.truncate(at.index(len)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_octets_do_not_panic(octets in vec(any::<u8>(), 0..300)) {
        parse_as_everything(&octets);
        parse_as_everything(&[&[0x30, 0x82][..], &u16::try_from(octets.len()).unwrap().to_be_bytes(), &octets].concat());
    }

    #[test]
    fn arbitrary_text_does_not_panic(text in "(-----(BEGIN|END) (PRIVATE KEY|CERTIFICATE|EC PRIVATE KEY|X)-----|[A-Za-z0-9+/=:, -]{0,70}|\r?\n){0,20}") {
        parse_as_everything(text.as_bytes());
    }

    #[test]
    fn mutated_files_do_not_panic(which in any::<Index>(), mutations in vec(mutation(), 1..4)) {
        let mut octets = which.get(&SOUND[..]).clone();
        for mutation in &mutations {
            apply(&mut octets, mutation);
        }
        parse_as_everything(&octets);
    }
}

/// Every prefix of every kind of file.
#[test]
fn files_cut_short_are_refused() {
    for octets in SOUND.iter() {
        for len in 0..octets.len() - 1 {
            let octets = &octets[..len];
            assert!(PrivateKey::parse(octets, give("x")).is_err());
            assert!(PublicKey::parse(octets).is_err());
            assert!(Certificate::parse(octets).is_err());
            assert!(Pkcs12::parse(octets, give("x")).is_err());
        }
    }
}
