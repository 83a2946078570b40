//! PKCS#12 files made by openssl(1), and some that it does not make.

use cdoc2::keys::{Error, Format, Pkcs12, PublicKey, Wanted};

use crate::openssl::Openssl;
use crate::{give, nobody, refusal};

/// Leaves `key.pem` and `certificate.pem` behind.
fn holder(openssl: &Openssl, key: &[u8]) -> PublicKey {
    let certificate = openssl.certificate(key, "-subj /CN=Mari");
    openssl.write("certificate.pem", &certificate);
    PublicKey::parse(&openssl.public(key)).unwrap()
}

const EXPORT: &str = "pkcs12 -export -inkey key.pem -in certificate.pem -passout pass:Põder9 -name Võti";

#[test]
fn every_protection_is_read() {
    let openssl = Openssl::new();
    for key in [openssl.ec_key("P-384"), openssl.rsa_key(2048)] {
        let public = holder(&openssl, &key);
        for protection in [
            "",
            "-legacy",
            "-macalg sha1",
            "-macalg sha384",
            "-macalg sha512",
            "-nomac",
            "-keypbe AES-128-CBC -certpbe NONE",
            "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1",
            "-legacy -keypbe PBE-SHA1-RC2-128 -certpbe PBE-SHA1-2DES",
            "-noiter -nomaciter",
        ] {
            let file = openssl.run(&format!("{EXPORT} {protection}"));
            let store = Pkcs12::parse(&file, give("Põder9")).unwrap_or_else(|error| panic!("{protection}: {error}"));
            let [entry] = store.entries() else { panic!("one key") };
            assert_eq!(entry.key.public_key(), public, "{protection}");
            assert_eq!(entry.friendly_name.as_deref(), Some("Võti"));
            assert_eq!(entry.certificate.as_ref().and_then(|certificate| certificate.common_name()), Some("Mari"));
            assert!(matches!(Pkcs12::parse(&file, give("Poder9")), Err(Error::WrongPassphrase)), "{protection}");
            assert!(matches!(Pkcs12::parse(&file, give("")), Err(Error::WrongPassphrase)), "{protection}");
            assert!(matches!(Pkcs12::parse(&file, nobody), Err(Error::PassphraseNeeded)), "{protection}");
        }
    }
}

/// Without a MAC the padding of a wrong passphrase is right once in 256 times.
#[test]
fn a_wrong_passphrase_is_told_every_time() {
    let openssl = Openssl::new();
    holder(&openssl, &openssl.ec_key("P-256"));
    let file = openssl.run("pkcs12 -export -inkey key.pem -in certificate.pem -passout pass:right -nomac -noiter");
    for attempt in 0..2000 {
        let wrong = Pkcs12::parse(&file, give(&attempt.to_string()));
        assert!(matches!(wrong, Err(Error::WrongPassphrase)), "{attempt}: {wrong:?}");
    }
}

#[test]
fn an_empty_passphrase_opens_what_it_protects() {
    let openssl = Openssl::new();
    let public = holder(&openssl, &openssl.ec_key("P-256"));
    for protection in ["", "-legacy"] {
        let file = openssl.run(&format!("pkcs12 -export -inkey key.pem -in certificate.pem -passout pass: {protection}"));
        let store = Pkcs12::parse(&file, give("")).unwrap();
        assert_eq!(store.entries()[0].key.public_key(), public);
        assert_eq!(store.entries()[0].friendly_name, None);
    }
}

#[test]
fn nobody_is_asked_about_an_open_file() {
    let openssl = Openssl::new();
    let public = holder(&openssl, &openssl.ec_key("P-256"));
    let file = openssl.run(&format!("{EXPORT} -keypbe NONE -certpbe NONE -nomac"));
    let store = Pkcs12::parse(&file, nobody).unwrap();
    assert_eq!(store.into_entries()[0].key.public_key(), public);
}

#[test]
fn the_certificate_is_the_one_of_the_key() {
    let openssl = Openssl::new();
    let other = openssl.certificate(&openssl.ec_key("P-384"), "-subj /CN=other");
    openssl.write("other.pem", &other);
    holder(&openssl, &openssl.ec_key("P-384"));
    let file = openssl.run(&format!("{EXPORT} -certfile other.pem"));
    let store = Pkcs12::parse(&file, give("Põder9")).unwrap();
    assert_eq!(store.entries()[0].certificate.as_ref().unwrap().common_name(), Some("Mari"));
    let file = openssl.run("pkcs12 -export -inkey key.pem -nocerts -passout pass:x");
    assert!(Pkcs12::parse(&file, give("x")).unwrap().entries()[0].certificate.is_none());
}

#[test]
fn other_files_are_refused() {
    let openssl = Openssl::new();
    let key = openssl.ec_key("P-384");
    holder(&openssl, &key);
    assert!(refusal(Pkcs12::parse(&key, nobody)).contains("use it as a private key"));
    let certificates = openssl.run("pkcs12 -export -nokeys -in certificate.pem -passout pass:x");
    let error = Pkcs12::parse(&certificates, give("x"));
    assert!(matches!(error, Err(Error::WrongFormat { wanted: Wanted::Pkcs12, found: Format::Certificate })), "{error:?}");
    let file = openssl.run(EXPORT);
    assert!(matches!(Pkcs12::parse(&file[..file.len() - 1], nobody), Err(Error::Malformed(_))));
    let mut altered = file.clone();
    altered[200] ^= 1;
    assert!(matches!(Pkcs12::parse(&altered, give("Põder9")), Err(Error::WrongPassphrase | Error::Malformed(_))));
    let sha3 = openssl.run(&format!("{EXPORT} -macalg sha3-256"));
    assert!(matches!(Pkcs12::parse(&sha3, give("Põder9")), Err(Error::UnsupportedEncryption(name)) if name == "id-sha3-256"));
}

/// A file without any protection that holds `keys` in PKCS#8 DER, each with a name.
fn open_file(keys: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let der = |tag: u8, value: Vec<u8>| {
        let len = u16::try_from(value.len()).unwrap().to_be_bytes();
        let len = match value.len() {
            ..128 => vec![len[1]],
            128..256 => vec![0x81, len[1]],
            _ => vec![0x82, len[0], len[1]],
        };
        [vec![tag], len, value].concat()
    };
    let oid = |octets: &[u8]| der(6, [&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1], octets].concat());
    let data = |octets: Vec<u8>| der(0x30, [oid(&[7, 1]), der(0xA0, der(4, octets))].concat());
    let bags = keys.iter().map(|(name, key)| {
        let name = der(0x1E, name.encode_utf16().flat_map(u16::to_be_bytes).collect());
        let attribute = der(0x30, [oid(&[9, 20]), der(0x31, name)].concat());
        der(0x30, [oid(&[12, 10, 1, 1]), der(0xA0, key.clone()), der(0x31, attribute)].concat())
    });
    let contents = data(der(0x30, bags.collect::<Vec<_>>().concat()));
    der(0x30, [vec![2, 1, 3], data(der(0x30, contents))].concat())
}

#[test]
fn several_keys_are_all_given_with_their_names() {
    let openssl = Openssl::new();
    let der = |key: &[u8]| openssl.run_on("pkcs8 -topk8 -nocrypt -outform DER", key);
    let (one, two) = (openssl.ec_key("P-384"), openssl.rsa_key(2048));
    let ed25519 = der(&openssl.run("genpkey -algorithm ED25519"));
    let file = open_file(&[("üks", der(&one)), ("signing", ed25519.clone()), ("kaks", der(&two))]);
    let store = Pkcs12::parse(&file, nobody).unwrap();
    let found: Vec<_> =
        store.entries().iter().map(|entry| (entry.friendly_name.as_deref().unwrap(), entry.key.public_key())).collect();
    let public = |key: &[u8]| PublicKey::parse(&openssl.public(key)).unwrap();
    assert_eq!(found, [("üks", public(&one)), ("kaks", public(&two))]);

    // The only key there is says why it is not taken.
    let unusable = Pkcs12::parse(&open_file(&[("signing", ed25519)]), nobody);
    assert!(matches!(unusable, Err(Error::UnsupportedAlgorithm(name)) if name == "id-Ed25519"));
    let empty = Pkcs12::parse(&open_file(&[]), nobody);
    assert!(matches!(empty, Err(Error::WrongFormat { found: Format::Empty, .. })));
}
