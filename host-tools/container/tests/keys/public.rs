//! Public keys in every form that openssl(1) writes, and what is refused.

use cdoc2::keys::{Error, PublicKey};
use cdoc2_nostd::Curve;

use crate::openssl::Openssl;
use crate::{CURVES, refusal};

#[test]
fn ec_keys_are_held_as_capsules_hold_them() {
    let openssl = Openssl::new();
    for (curve, name) in CURVES {
        let private = openssl.ec_key(name);
        let der = openssl.run_on("pkey -pubout -outform DER", &private);
        let point = &der[der.len() - curve.point_len()..];
        for form in [
            "pkey -pubout",
            "pkey -pubout -outform DER",
            "pkey -pubout -ec_conv_form compressed",
            "pkey -pubout -ec_conv_form compressed -outform DER",
        ] {
            let key = PublicKey::parse(&openssl.run_on(form, &private)).unwrap();
            assert_eq!(key.capsule_octets(), point, "{form}");
            assert!(key.is_ec_recipient(curve, point));
        }
    }
}

#[test]
fn rsa_keys_are_held_as_capsules_hold_them() {
    let openssl = Openssl::new();
    let private = openssl.rsa_key(2048);
    let pkcs1 = openssl.run_on("rsa -RSAPublicKey_out -outform DER", &private);
    for form in ["pkey -pubout", "pkey -pubout -outform DER", "rsa -RSAPublicKey_out", "rsa -RSAPublicKey_out -outform DER"] {
        let key = PublicKey::parse(&openssl.run_on(form, &private)).unwrap();
        assert_eq!(key.capsule_octets(), pkcs1, "{form}");
        assert!(key.is_rsa_recipient(&pkcs1));
    }
}

#[test]
fn a_capsule_for_another_key_is_told_apart() {
    let openssl = Openssl::new();
    let key = |name| PublicKey::parse(&openssl.public(&openssl.ec_key(name))).unwrap();
    let (mine, other) = (key("P-384"), key("P-384"));
    assert!(!mine.is_ec_recipient(Curve::Secp384r1, other.capsule_octets()));
    assert!(!mine.is_ec_recipient(Curve::Secp256r1, mine.capsule_octets()));
    assert!(!mine.is_rsa_recipient(mine.capsule_octets()));
    let rsa = PublicKey::parse(&openssl.public(&openssl.rsa_key(2048))).unwrap();
    assert!(!rsa.is_ec_recipient(Curve::Secp384r1, rsa.capsule_octets()));
    assert!(!rsa.is_rsa_recipient(mine.capsule_octets()));
}

#[test]
fn other_files_are_refused_with_advice() {
    let openssl = Openssl::new();
    let private = openssl.ec_key("P-384");
    let certificate = openssl.certificate(&private, "-subj /CN=a");
    openssl.write("certificate.pem", &certificate);
    let store = openssl.run("pkcs12 -export -inkey key.pem -in certificate.pem -passout pass:");
    assert!(refusal(PublicKey::parse(&private)).contains("openssl pkey -in PRIVATE -pubout"));
    assert!(refusal(PublicKey::parse(&certificate)).contains("use it as a certificate"));
    assert!(refusal(PublicKey::parse(&store)).contains("openssl pkcs12 -in STORE -nokeys -clcerts"));
    assert!(refusal(PublicKey::parse(b"ssh-rsa AAAA me@here")).contains("ssh-keygen -e -m PKCS8"));

    let public = openssl.public(&private);
    assert!(matches!(PublicKey::parse(&[public.as_slice(), &public].concat()), Err(Error::Several { count: 2, .. })));
    let ed25519 = openssl.public(&openssl.run("genpkey -algorithm ED25519"));
    assert!(matches!(PublicKey::parse(&ed25519), Err(Error::UnsupportedAlgorithm(_))));
    let explicit = openssl.run_on("pkey -pubout -ec_param_enc explicit", &private);
    assert!(matches!(PublicKey::parse(&explicit), Err(Error::ExplicitCurve)));
}

#[test]
fn a_point_off_the_curve_is_refused() {
    let openssl = Openssl::new();
    let mut der = openssl.run_on("pkey -pubout -outform DER", &openssl.ec_key("P-256"));
    *der.last_mut().unwrap() ^= 1;
    assert!(matches!(PublicKey::parse(&der), Err(Error::InvalidPoint)));
}

/// `RSAPublicKey` with a modulus of all ones.
fn rsa_key(modulus_len: usize, exponent: &[u8]) -> Vec<u8> {
    fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(value.len()).unwrap().to_be_bytes();
        let len = if value.len() < 128 { vec![len[1]] } else { vec![0x82, len[0], len[1]] };
        [&[tag], len.as_slice(), value].concat()
    }
    let modulus = [&[0], vec![0xFF; modulus_len].as_slice()].concat();
    tlv(0x30, &[tlv(2, &modulus), tlv(2, exponent)].concat())
}

#[test]
fn rsa_keys_have_their_limits() {
    assert!(PublicKey::parse(&rsa_key(256, &[1, 0, 1])).is_ok());
    assert!(PublicKey::parse(&rsa_key(2048, &[1, 0, 1])).is_ok());
    assert!(matches!(PublicKey::parse(&rsa_key(255, &[1, 0, 1])), Err(Error::RsaTooSmall { bits: 2040 })));
    assert!(matches!(PublicKey::parse(&rsa_key(2049, &[1, 0, 1])), Err(Error::RsaTooLarge { bits: 16392 })));
    for exponent in [&[1][..], &[2], &[1, 0, 0], &[1; 9]] {
        assert!(refusal(PublicKey::parse(&rsa_key(256, exponent))).contains("not those of an RSA key"), "{exponent:?}");
    }
}
