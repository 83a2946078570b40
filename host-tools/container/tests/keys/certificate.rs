//! Certificates made by openssl(1).

use std::time::{Duration, SystemTime};

use cdoc2::keys::{Certificate, EidType, Error, PublicKey, UsageWarning, Validity};

use crate::openssl::Openssl;
use crate::refusal;

/// What the certificate of an identity card says, with `extensions` after it.
fn certificate(openssl: &Openssl, key: &[u8], extensions: &str) -> Vec<u8> {
    let subject = "/C=EE/CN=JÕEORG,JAAK-KRISTJAN,38001085718/SN=JÕEORG/GN=JAAK-KRISTJAN/serialNumber=PNOEE-38001085718";
    openssl.certificate(key, &format!("-utf8 -subj {subject} {extensions}"))
}

#[test]
fn the_holder_is_read() {
    let openssl = Openssl::new();
    let key = openssl.ec_key("P-384");
    let pem = certificate(&openssl, &key, "");
    let der = openssl.run_on("x509 -outform DER", &pem);
    for octets in [&pem, &der] {
        let certificate = Certificate::parse(octets).unwrap();
        assert_eq!(certificate.common_name(), Some("JÕEORG,JAAK-KRISTJAN,38001085718"));
        assert_eq!(certificate.serial_number(), Some("PNOEE-38001085718"));
        assert_eq!(certificate.surname(), Some("JÕEORG"));
        assert_eq!(certificate.given_name(), Some("JAAK-KRISTJAN"));
        assert_eq!(*certificate.public_key(), PublicKey::parse(&openssl.public(&key)).unwrap());
        assert_eq!(certificate.as_der(), der);
        assert_eq!(certificate.eid_type(), None);
        let fingerprint = String::from_utf8(openssl.run_on("x509 -noout -fingerprint -sha1", &pem)).unwrap();
        let (_, digits) = fingerprint.trim().split_once('=').unwrap();
        assert_eq!(certificate.sha1_hex(), digits.replace(':', ""));
    }
}

#[test]
fn names_may_be_missing() {
    let openssl = Openssl::new();
    let certificate = Certificate::parse(&openssl.certificate(&openssl.rsa_key(2048), "-subj /O=Asutus")).unwrap();
    assert_eq!(certificate.common_name(), None);
    assert_eq!(certificate.serial_number(), None);
    assert!(matches!(certificate.public_key(), PublicKey::Rsa(key) if key.bits() == 2048));
}

/// The masks of `ASN1_STRING_set_default_mask_asc(3)`.
#[test]
fn names_in_every_kind_of_string_are_read() {
    let openssl = Openssl::new();
    let key = openssl.ec_key("P-256");
    for (mask, tag, name) in [
        ("0x2000", "UTF8STRING", "Žaikovski-õ"),
        ("0x800", "BMPSTRING", "Žaikovski-õ"),
        ("0x4", "T61STRING", "Jõeorg"),
        ("0x2", "PRINTABLESTRING", "Joeorg"),
    ] {
        let config = format!(
            "[req]\nprompt = no\nutf8 = yes\nstring_mask = MASK:{mask}\ndistinguished_name = subject\n[subject]\nCN = {name}\n"
        );
        openssl.write("openssl.cnf", config.as_bytes());
        let pem = openssl.certificate(&key, "-config openssl.cnf");
        assert!(String::from_utf8_lossy(&openssl.run_on("asn1parse", &pem)).contains(tag), "{tag}");
        assert_eq!(Certificate::parse(&pem).unwrap().common_name(), Some(name), "{tag}");
    }
}

#[test]
fn dates_bound_the_validity() {
    let openssl = Openssl::new();
    let certificate = Certificate::parse(&openssl.certificate(&openssl.ec_key("P-256"), "-subj /CN=a")).unwrap();
    let (first, last) = (certificate.not_before(), certificate.not_after());
    let second = Duration::from_secs(1);
    assert!(SystemTime::now().duration_since(first).unwrap() < Duration::from_secs(600));
    assert_eq!(last.duration_since(first).unwrap(), Duration::from_secs(30 * 24 * 60 * 60));
    for (moment, expected) in [
        (SystemTime::UNIX_EPOCH, Validity::NotYetValid),
        (first - second, Validity::NotYetValid),
        (first, Validity::Valid),
        (SystemTime::now(), Validity::Valid),
        (last, Validity::Valid),
        (last + second, Validity::Expired),
    ] {
        assert_eq!(certificate.validity_at(moment), expected);
    }
}

#[test]
fn a_key_for_other_uses_gets_a_warning() {
    let openssl = Openssl::new();
    let (ec, rsa) = (openssl.ec_key("P-384"), openssl.rsa_key(2048));
    let (no_agreement, no_encipherment) = (Some(UsageWarning::NoKeyAgreement), Some(UsageWarning::NoKeyEncipherment));
    for (key, usage, expected) in [
        (&ec, "", None),
        (&ec, "-addext keyUsage=critical,keyAgreement", None),
        (&ec, "-addext keyUsage=digitalSignature,keyAgreement", None),
        (&ec, "-addext keyUsage=digitalSignature,keyEncipherment", no_agreement),
        (&ec, "-addext keyUsage=nonRepudiation", no_agreement),
        (&rsa, "", None),
        (&rsa, "-addext keyUsage=keyEncipherment,dataEncipherment", None),
        (&rsa, "-addext keyUsage=keyAgreement,dataEncipherment", no_encipherment),
        (&rsa, "-addext keyUsage=critical,digitalSignature", no_encipherment),
    ] {
        let certificate = Certificate::parse(&openssl.certificate(key, &format!("-subj /CN=a {usage}"))).unwrap();
        assert_eq!(certificate.usage_warning(), expected, "{usage}");
    }
}

#[test]
fn policies_tell_the_kind_of_card() {
    let openssl = Openssl::new();
    let key = openssl.ec_key("P-384");
    for (policies, expected) in [
        ("1.3.6.1.4.1.51361.1.1.1", Some(EidType::IdCard)),
        ("1.3.6.1.4.1.51361.1.2.1,0.4.0.2042.1.2", Some(EidType::IdCard)),
        ("0.4.0.2042.1.2,1.3.6.1.4.1.51361.2.1.1", Some(EidType::IdCard)),
        ("1.3.6.1.4.1.51455.1.1.1", Some(EidType::IdCard)),
        ("1.3.6.1.4.1.51361.1.1.3", Some(EidType::DigiId)),
        ("1.3.6.1.4.1.51361.1.2.3.4", Some(EidType::DigiId)),
        ("1.3.6.1.4.1.51361.1.1.4", Some(EidType::DigiIdEResident)),
        ("1.3.6.1.4.1.51361.2.1.6", Some(EidType::DigiIdEResident)),
        ("2.999.1.3.6.1.4.1.51361.1.1.4", Some(EidType::DigiIdEResident)),
        ("2.999.1.3.6.1.4.1.51361.2.1.1", Some(EidType::IdCard)),
        ("1.3.6.1.4.1.51361.3", None),
        ("1.3.6.1.4.1.51362.1.1", None),
        ("2.5.29.32.0", None),
    ] {
        let certificate = certificate(&openssl, &key, &format!("-addext certificatePolicies={policies}"));
        assert_eq!(Certificate::parse(&certificate).unwrap().eid_type(), expected, "{policies}");
    }
    assert_eq!(
        [EidType::IdCard, EidType::DigiId, EidType::DigiIdEResident].map(EidType::label_type),
        ["ID-card", "Digi-ID", "Digi-ID E-RESIDENT"]
    );
}

#[test]
fn the_holder_is_found_in_a_chain() {
    let openssl = Openssl::new();
    let holder = |name: &str| {
        openssl.certificate(&openssl.ec_key("P-256"), &format!("-subj /CN={name} -addext basicConstraints=critical,CA:FALSE"))
    };
    let authority = |key: &[u8]| openssl.certificate(key, "-subj /CN=authority -addext basicConstraints=critical,CA:TRUE");
    let (one, two) = (holder("one"), holder("two"));
    let authority = [openssl.ec_key("P-384"), openssl.run("genpkey -algorithm ED25519"), openssl.rsa_key(1024)]
        .map(|key| authority(&key))
        .concat();
    for chain in [[one.as_slice(), &authority].concat(), [authority.as_slice(), &one].concat()] {
        assert_eq!(Certificate::parse(&chain).unwrap().common_name(), Some("one"));
    }
    let several = Certificate::parse(&[one.as_slice(), &authority, &two].concat());
    assert!(matches!(several, Err(Error::Several { count: 5, .. })));
    assert!(matches!(Certificate::parse(&authority), Err(Error::Several { count: 3, .. })));
}

#[test]
fn other_files_and_keys_are_refused() {
    let openssl = Openssl::new();
    let key = openssl.ec_key("P-384");
    assert!(refusal(Certificate::parse(&openssl.public(&key))).contains("use it as a public key"));
    assert!(refusal(Certificate::parse(&key)).contains("holds a private key where a certificate is needed"));
    let ed25519 = openssl.certificate(&openssl.run("genpkey -algorithm ED25519"), "-subj /CN=a");
    assert!(matches!(Certificate::parse(&ed25519), Err(Error::UnsupportedAlgorithm(_))));
    let brainpool = openssl.certificate(&openssl.ec_key("brainpoolP256r1"), "-subj /CN=a");
    assert!(matches!(Certificate::parse(&brainpool), Err(Error::UnsupportedCurve(_))));
    let short = openssl.certificate(&openssl.rsa_key(1024), "-subj /CN=a");
    assert!(matches!(Certificate::parse(&short), Err(Error::RsaTooSmall { bits: 1024 })));
    openssl.write("certificate.pem", &short);
    let bundle = openssl.run("crl2pkcs7 -nocrl -certfile certificate.pem");
    assert!(refusal(Certificate::parse(&bundle)).contains("openssl pkcs7 -print_certs"));
    let der = openssl.run_on("x509 -outform DER", &openssl.certificate(&key, "-subj /CN=a"));
    assert!(matches!(Certificate::parse(&der[..der.len() - 3]), Err(Error::Malformed(_))));
}
