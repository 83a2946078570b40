//! Private keys in every form that openssl(1) writes, and what is refused.

use std::cell::Cell;

use cdoc2::keys::{Error, Format, PrivateKey, PublicKey, Wanted};

use crate::openssl::Openssl;
use crate::{CURVES, give, nobody, private, refusal};

/// Asserts that `octets` hold the private half of `public`.
fn assert_holds(octets: &[u8], public: &PublicKey, what: &str) {
    let key = private(octets).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(key.public_key(), *public, "{what}");
}

#[test]
fn every_form_of_an_ec_key_is_read() {
    let openssl = Openssl::new();
    for (curve, name) in CURVES {
        let pkcs8 = openssl.ec_key(name);
        let public = PublicKey::parse(&openssl.public(&pkcs8)).unwrap();
        assert!(matches!(&public, PublicKey::Ec(key) if key.curve() == curve));
        assert_holds(&pkcs8, &public, "PKCS#8 PEM");
        for form in [
            "pkcs8 -topk8 -nocrypt -outform DER",
            "pkey -outform DER",
            "ec",
            "ec -outform DER",
            "ec -no_public",
            "ec -no_public -outform DER",
            "ec -conv_form compressed",
            "pkey -ec_conv_form compressed",
            "pkey -text",
        ] {
            assert_holds(&openssl.run_on(form, &pkcs8), &public, form);
        }
    }
}

#[test]
fn ec_parameters_in_front_do_no_harm() {
    let openssl = Openssl::new();
    let key = openssl.run("ecparam -genkey -name secp384r1");
    assert!(key.starts_with(b"-----BEGIN EC PARAMETERS"));
    assert_holds(&key, &PublicKey::parse(&openssl.public(&key)).unwrap(), "ecparam -genkey");
}

#[test]
fn every_form_of_an_rsa_key_is_read() {
    let openssl = Openssl::new();
    let pkcs8 = openssl.rsa_key(2048);
    let public = PublicKey::parse(&openssl.public(&pkcs8)).unwrap();
    assert_holds(&pkcs8, &public, "PKCS#8 PEM");
    for form in ["pkcs8 -topk8 -nocrypt -outform DER", "pkey -outform DER", "rsa -traditional", "rsa -traditional -outform DER"] {
        assert_holds(&openssl.run_on(form, &pkcs8), &public, form);
    }
}

#[test]
fn every_encryption_is_read() {
    let openssl = Openssl::new();
    let plain = openssl.ec_key("P-384");
    let public = PublicKey::parse(&openssl.public(&plain)).unwrap();
    for encryption in [
        "-v2 aes-128-cbc",
        "-v2 aes-192-cbc",
        "-v2 aes-256-cbc",
        "-v2 aes-256-cbc -v2prf hmacWithSHA1",
        "-v2 aes-256-cbc -v2prf hmacWithSHA512",
        "-v2 des3",
        "-scrypt",
        "-v1 PBE-SHA1-3DES",
        "-v1 PBE-SHA1-2DES",
        "-v1 PBE-SHA1-RC2-128 -provider legacy -provider default",
        "-v1 PBE-SHA1-RC2-40 -provider legacy -provider default",
    ] {
        for form in ["PEM", "DER"] {
            let encrypted = openssl.run_on(&format!("pkcs8 -topk8 -passout pass:Põder9 -outform {form} {encryption}"), &plain);
            let key = PrivateKey::parse(&encrypted, give("Põder9")).unwrap_or_else(|error| panic!("{encryption}: {error}"));
            assert_eq!(key.public_key(), public, "{encryption}");
            let wrong = PrivateKey::parse(&encrypted, give("Poder9"));
            assert!(matches!(wrong, Err(Error::WrongPassphrase)), "{encryption}");
        }
    }
}

/// The padding of a wrong passphrase is right once in 256 times: the structure inside must tell as well.
#[test]
fn a_wrong_passphrase_is_told_every_time() {
    let openssl = Openssl::new();
    let plain = openssl.ec_key("P-256");
    let encrypted = openssl.run_on("pkcs8 -topk8 -passout pass:right -iter 1 -outform DER", &plain);
    for attempt in 0..2000 {
        let wrong = PrivateKey::parse(&encrypted, give(&attempt.to_string()));
        assert!(matches!(wrong, Err(Error::WrongPassphrase)), "{attempt}: {wrong:?}");
    }
}

#[test]
fn a_passphrase_is_asked_for_once_and_only_if_needed() {
    let openssl = Openssl::new();
    let plain = openssl.ec_key("P-256");
    let encrypted = openssl.run_on("pkcs8 -topk8 -passout pass:x", &plain);
    let asked = Cell::new(0);
    let ask = || {
        asked.set(asked.get() + 1);
        give("x")()
    };
    PrivateKey::parse(&plain, ask).unwrap();
    assert_eq!(asked.get(), 0);
    PrivateKey::parse(&encrypted, ask).unwrap();
    assert_eq!(asked.get(), 1);
    // Nobody is troubled about a file that could not be opened anyway.
    let cut = &encrypted[..encrypted.len() / 2];
    assert!(matches!(PrivateKey::parse(cut, ask), Err(Error::Malformed(_))));
    assert_eq!(asked.get(), 1);
    assert!(matches!(private(&encrypted), Err(Error::PassphraseNeeded)));
}

#[test]
fn the_callers_own_errors_pass_through() {
    #[derive(Debug)]
    enum Own {
        Interrupted,
        Key,
    }
    impl From<Error> for Own {
        fn from(_: Error) -> Self {
            Self::Key
        }
    }
    let openssl = Openssl::new();
    let encrypted = openssl.run_on("pkcs8 -topk8 -passout pass:x", &openssl.ec_key("P-256"));
    assert!(matches!(PrivateKey::parse(&encrypted, || Err(Own::Interrupted)), Err(Own::Interrupted)));
    assert!(matches!(PrivateKey::parse(b"", || Err(Own::Interrupted)), Err(Own::Key)));
}

#[test]
fn pem_is_read_however_it_was_mangled() {
    let openssl = Openssl::new();
    let pem = openssl.ec_key("P-256");
    let public = PublicKey::parse(&openssl.public(&pem)).unwrap();
    let certificate = openssl.certificate(&pem, "-subj /CN=a");
    let text = String::from_utf8(pem).unwrap();

    assert_holds(text.replace('\n', "\r\n").as_bytes(), &public, "CRLF");
    assert_holds(text.replace('\n', "\r").as_bytes(), &public, "CR");
    assert_holds(text.replace('\n', "\n\n").as_bytes(), &public, "empty lines");
    assert_holds(text.replace('\n', "\n  ").as_bytes(), &public, "indented");
    assert_holds(text.trim_end().as_bytes(), &public, "no newline at the end");
    assert_holds(format!("\u{FEFF}{text}").as_bytes(), &public, "byte order mark");
    assert_holds(format!("Võti: minu\n{text}\nmore").as_bytes(), &public, "text around it");
    assert_holds(&[b"T\xF5si: \n", text.as_bytes()].concat(), &public, "text in Latin-1 before it");
    assert_holds(&[certificate.as_slice(), text.as_bytes()].concat(), &public, "certificate before it");
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    assert_holds(format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----").as_bytes(), &public, "one long line");
    for (mark, octets) in [([0xFF, 0xFE], u16::to_le_bytes as fn(u16) -> [u8; 2]), ([0xFE, 0xFF], u16::to_be_bytes)] {
        let utf16: Vec<u8> = mark.into_iter().chain(text.encode_utf16().flat_map(octets)).collect();
        assert_holds(&utf16, &public, "UTF-16");
    }
}

#[test]
fn each_wrong_kind_of_file_is_named() {
    let openssl = Openssl::new();
    let key = openssl.ec_key("P-256");
    let certificate = openssl.certificate(&key, "-subj /CN=a");
    openssl.write("certificate.pem", &certificate);
    let cases: [(Vec<u8>, Format, &str); 15] = [
        (certificate.clone(), Format::Certificate, "holds a certificate where a private key is needed; a certificate carries"),
        (openssl.run_on("x509 -outform DER", &certificate), Format::Certificate, "a certificate carries the public half only"),
        (
            openssl.public(&key),
            Format::Spki,
            "holds a public key where a private key is needed; the private key is in another file",
        ),
        (openssl.run_on("pkey -pubout -outform DER", &key), Format::Spki, "holds a public key"),
        (openssl.run_on("rsa -RSAPublicKey_out", &openssl.rsa_key(2048)), Format::Pkcs1Public, "holds a public key"),
        (openssl.run("req -new -key key.pem -subj /CN=a"), Format::CertificateRequest, "holds a certificate request"),
        (openssl.run("req -new -key key.pem -subj /CN=a -outform DER"), Format::CertificateRequest, "holds a certificate request"),
        (openssl.run("pkcs12 -export -inkey key.pem -in certificate.pem -passout pass:"), Format::Pkcs12, "open it as PKCS#12"),
        (openssl.run("crl2pkcs7 -nocrl -certfile certificate.pem -outform DER"), Format::Pkcs7, "holds a PKCS#7 bundle"),
        (
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbg==\n-----END OPENSSH PRIVATE KEY-----\n".to_vec(),
            Format::OpenSshPrivate,
            "ssh-keygen -p -m PKCS8",
        ),
        (b"ecdsa-sha2-nistp384 AAAAE2Vj me@here\n".to_vec(), Format::OpenSshPublic, "holds an OpenSSH public key"),
        (
            b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nx\n-----END PGP PRIVATE KEY BLOCK-----".to_vec(),
            Format::Pgp,
            "holds a PGP key",
        ),
        (b"\xFE\xED\xFE\xED\x00\x00\x00\x02".to_vec(), Format::JavaKeyStore, "keytool -importkeystore"),
        (b"CDOC\x02\x00\x00\x01\x00".to_vec(), Format::Cdoc2, "holds a CDOC2 container"),
        (Vec::new(), Format::Empty, "holds nothing"),
    ];
    for (octets, expected, text) in cases {
        match private(&octets) {
            Err(error @ Error::WrongFormat { wanted: Wanted::PrivateKey, found }) => {
                assert_eq!(found, expected);
                assert!(error.to_string().contains(text), "{error}");
            }
            other => panic!("{expected:?}: {other:?}"),
        }
    }
    assert!(matches!(private(b"hello"), Err(Error::WrongFormat { found: Format::Unknown, .. })));
    assert!(matches!(private(&openssl.run("ecparam -name secp384r1")), Err(Error::WrongFormat { found: Format::Parameters, .. })));
}

#[test]
fn each_unusable_key_is_refused_for_its_own_reason() {
    let openssl = Openssl::new();
    let rsa = openssl.rsa_key(2048);
    let ec = openssl.ec_key("P-384");

    let legacy = openssl.run_on("rsa -traditional -aes128 -passout pass:x", &rsa);
    assert!(refusal(private(&legacy)).contains("openssl pkcs8 -topk8"));
    assert!(matches!(PrivateKey::parse(&legacy, give("x")), Err(Error::LegacyEncryption)));

    let ed25519 = openssl.run("genpkey -algorithm ED25519");
    assert!(matches!(private(&ed25519), Err(Error::UnsupportedAlgorithm(name)) if name == "id-Ed25519"));
    let pss = openssl.run("genpkey -quiet -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048");
    assert!(matches!(private(&pss), Err(Error::UnsupportedAlgorithm(name)) if name == "id-RSASSA-PSS"));
    assert!(matches!(private(&openssl.ec_key("secp256k1")), Err(Error::UnsupportedCurve(name)) if name == "1.3.132.0.10"));
    assert!(refusal(private(&openssl.ec_key("brainpoolP384r1"))).contains("brainpoolP384r1"));

    for form in ["pkey -ec_param_enc explicit", "ec -param_enc explicit"] {
        let explicit = openssl.run_on(form, &ec);
        assert!(matches!(private(&explicit), Err(Error::ExplicitCurve)), "{form}");
        assert!(refusal(private(&explicit)).contains("openssl ec -param_enc named_curve"));
        openssl.write("explicit.pem", &explicit);
        private(&openssl.run("ec -param_enc named_curve -in explicit.pem")).expect("the advice helps");
    }

    assert!(matches!(private(&openssl.rsa_key(1024)), Err(Error::RsaTooSmall { bits: 1024 })));
    let primes = openssl.run("genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_primes:3");
    assert!(refusal(private(&primes)).contains("RSA with more than two primes"));

    let two = [ec.as_slice(), rsa.as_slice()].concat();
    assert!(matches!(private(&two), Err(Error::Several { wanted: Wanted::PrivateKey, count: 2 })));
    assert!(refusal(private(&two)).contains("holds 2 candidates for a private key"));

    let md5 = openssl.run_on("pkcs8 -topk8 -v1 PBE-MD5-DES -passout pass:x -provider legacy -provider default", &ec);
    assert!(
        matches!(PrivateKey::parse(&md5, give("x")), Err(Error::UnsupportedEncryption(name)) if name == "1.2.840.113549.1.5.3")
    );
    let camellia = openssl.run_on("pkcs8 -topk8 -v2 camellia-256-cbc -passout pass:x", &ec);
    assert!(matches!(PrivateKey::parse(&camellia, give("x")), Err(Error::UnsupportedEncryption(_))));
    let endless = openssl.run_on("pkcs8 -topk8 -iter 10000001 -passout pass:x", &ec);
    assert!(matches!(PrivateKey::parse(&endless, give("x")), Err(Error::TooMuchWork("iterations"))));
}

#[test]
fn damage_is_called_damage() {
    let openssl = Openssl::new();
    let pem = String::from_utf8(openssl.ec_key("P-256")).unwrap();
    let der = openssl.run_on("pkcs8 -topk8 -nocrypt -outform DER", pem.as_bytes());
    assert!(refusal(private(&der[..der.len() - 1])).contains("cut short"));
    assert!(refusal(private(&[der.as_slice(), b"\n"].concat())).contains("something follows"));
    assert!(refusal(private(pem.split("-----END").next().unwrap().as_bytes())).contains("no END line"));
    assert!(refusal(private(pem.replace("END PRIVATE", "END PUBLIC").as_bytes())).contains("another label"));
    assert!(refusal(private(pem.replacen("\nM", "\n*", 1).as_bytes())).contains("not in base64"));
    assert!(refusal(private(pem.replace("PRIVATE KEY", "EC PRIVATE KEY").as_bytes())).contains("not an EC private key"));
    assert!(matches!(private(&[0x30, 0x80, 0, 0]), Err(Error::IndefiniteLength)));
}

#[test]
fn the_two_halves_in_a_file_must_belong_together() {
    let openssl = Openssl::new();
    let sec1 = openssl.run_on("ec -outform DER", &openssl.ec_key("P-256"));
    let other = openssl.run_on("ec -outform DER", &openssl.ec_key("P-256"));
    // 30 77 02 01 01 04 20 and the private number; the public point comes last.
    let mixed = [&sec1[..39], &other[39..]].concat();
    assert!(refusal(private(&mixed)).contains("does not belong"));
    let zero = [&sec1[..7], &[0; 32], &sec1[39..]].concat();
    assert!(refusal(private(&zero)).contains("out of the range"));
    let large = [&sec1[..7], &[0xFF; 32], &sec1[39..]].concat();
    assert!(refusal(private(&large)).contains("out of the range"));

    let rsa = openssl.run_on("rsa -traditional -outform DER", &openssl.rsa_key(2048));
    // Past the modulus: 30 82 .. .. 02 01 00 02 82 01 01 00 and 256 octets.
    let mut altered = rsa.clone();
    altered[600] ^= 1;
    assert!(refusal(private(&altered)).contains("not those of an RSA key"));
}

#[test]
fn debug_shows_no_secret() {
    let openssl = Openssl::new();
    let key = private(&openssl.ec_key("P-384")).unwrap();
    assert_eq!(format!("{key:?}"), "Ec(EcPrivateKey { curve: Secp384r1, .. })");
    let key = private(&openssl.rsa_key(2048)).unwrap();
    assert_eq!(format!("{key:?}"), "Rsa(RsaPrivateKey { bits: 2048, .. })");
}

#[test]
fn files_are_read_up_to_the_limit() {
    let full = vec![b'x'; cdoc2::keys::MAX_FILE_LEN];
    assert_eq!(cdoc2::keys::read(full.as_slice()).unwrap().len(), full.len());
    let over = [full.as_slice(), b"x"].concat();
    assert!(matches!(cdoc2::keys::read(over.as_slice()), Err(Error::FileTooLarge)));
    assert!(matches!(PrivateKey::parse(&full, nobody), Err(Error::WrongFormat { .. })));
}
