//! Which signatures count, and by which keys.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, RSA_PKCS1_SHA512,
    RSA_PSS_SHA512, RsaKeyPair,
};
use cdoc2_auth_token::{Algorithm, Ticket, Unverified};

use crate::support::{Deterministic, Forged, Signer, audiences, base64};

const MESSAGE: &[u8] = b"eyJ0eXAi.eyJpc3Mi";

#[test]
fn an_algorithm_fits_its_keys() {
    let signers = [Signer::p256(), Signer::p384(), Signer::rsa(), Signer::ec(&ECDSA_P521_SHA512_FIXED_SIGNING)];
    let fits: [&[Algorithm]; 4] = [&[Algorithm::Es256], &[Algorithm::Es384], &[Algorithm::Rs256, Algorithm::Ps256], &[]];
    for (signer, fits) in signers.iter().zip(fits) {
        let public_key_info = signer.public_key_info();
        assert_eq!(Algorithm::of_public_key(&public_key_info), fits);
        for algorithm in Algorithm::ALL {
            let signature = signer.sign(algorithm, MESSAGE);
            let expected = if fits.contains(&algorithm) { Ok(()) } else { Err(Unverified::Algorithm) };
            assert_eq!(algorithm.verify(&public_key_info, MESSAGE, &signature), expected, "{algorithm:?}");
        }
    }
    // Ed25519 (RFC 8410), and no key at all.
    let ed25519 = [&b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..], &[7; 32]].concat();
    for other in [&ed25519[..], b"", b"\x30\x00"] {
        assert!(Algorithm::of_public_key(other).is_empty());
        assert_eq!(Algorithm::Es256.verify(other, MESSAGE, &[1; 64]), Err(Unverified::Algorithm));
    }
}

#[test]
fn digests_are_those_of_the_algorithms() {
    // FIPS 180-4: of "abc".
    let start = |algorithm: Algorithm| algorithm.digest(b"abc")[..4].to_vec();
    for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::Ps256] {
        assert_eq!((start(algorithm), algorithm.digest(b"").len()), (vec![0xba, 0x78, 0x16, 0xbf], 32));
    }
    assert_eq!((start(Algorithm::Es384), Algorithm::Es384.digest(b"").len()), (vec![0xcb, 0x00, 0x75, 0x3f], 48));
}

#[test]
fn a_signature_is_one_persons_over_one_text() {
    for algorithm in Algorithm::ALL {
        let [signer, stranger] = [Signer::of(algorithm), Signer::of(algorithm)];
        let key = signer.public_key_info();
        let signature = signer.sign(algorithm, MESSAGE);
        assert_eq!(algorithm.verify(&key, MESSAGE, &signature), Ok(()));
        assert_eq!(algorithm.verify(&stranger.public_key_info(), MESSAGE, &signature), Err(Unverified::Signature));
        assert_eq!(algorithm.verify(&key, &MESSAGE[1..], &signature), Err(Unverified::Signature));
        assert_eq!(algorithm.verify(&key, b"", &signature), Err(Unverified::Signature));
        for cut in [
            &signature[1..],
            &signature[..signature.len() - 1],
            &[],
            &[&[0], &signature[..]].concat(),
            &[&signature[..], &[0]].concat(),
        ] {
            assert_eq!(algorithm.verify(&key, MESSAGE, cut), Err(Unverified::Signature), "{algorithm:?} {}", cut.len());
        }
        for value in [0, 0xFF] {
            assert_eq!(algorithm.verify(&key, MESSAGE, &vec![value; signature.len()]), Err(Unverified::Signature));
        }
    }
}

#[test]
fn padding_and_hash_of_rsa_are_the_algorithms() {
    let signer = Signer::rsa();
    let key = signer.public_key_info();
    let [pkcs1, pss] = [Algorithm::Rs256, Algorithm::Ps256].map(|algorithm| signer.sign(algorithm, MESSAGE));
    assert_eq!(Algorithm::Rs256.verify(&key, MESSAGE, &pss), Err(Unverified::Signature));
    assert_eq!(Algorithm::Ps256.verify(&key, MESSAGE, &pkcs1), Err(Unverified::Signature));
    let Signer::Rsa(pair) = &signer else { unreachable!() };
    let other = |pair: &RsaKeyPair, padding| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(padding, &SystemRandom::new(), MESSAGE, &mut signature).unwrap();
        signature
    };
    assert_eq!(Algorithm::Rs256.verify(&key, MESSAGE, &other(pair, &RSA_PKCS1_SHA512)), Err(Unverified::Signature));
    assert_eq!(Algorithm::Ps256.verify(&key, MESSAGE, &other(pair, &RSA_PSS_SHA512)), Err(Unverified::Signature));
}

#[test]
fn ecdsa_is_r_and_s_and_nothing_else() {
    for (algorithm, signing) in
        [(Algorithm::Es256, &ECDSA_P256_SHA256_ASN1_SIGNING), (Algorithm::Es384, &ECDSA_P384_SHA384_ASN1_SIGNING)]
    {
        let signer = Signer::ec(signing);
        let (key, der) = (signer.public_key_info(), signer.sign(algorithm, MESSAGE));
        assert_eq!(algorithm.verify(&key, MESSAGE, &der), Err(Unverified::Signature));
        // The same numbers as they ought to be: it was the form.
        assert_eq!(algorithm.verify(&key, MESSAGE, &raw(&der, algorithm)), Ok(()));
    }
}

/// r and s of a signature in DER (RFC 3279, 2.2.3), each filled up with zeros at its front.
fn raw(der: &[u8], algorithm: Algorithm) -> Vec<u8> {
    let len = algorithm.digest(b"").len();
    let mut rest = &der[2..];
    let mut octets = Vec::new();
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        octets.extend(vec![0; len - number.len()]);
        octets.extend(number);
        rest = after;
    }
    octets
}

#[test]
fn zero_and_the_order_are_no_numbers_of_ecdsa() {
    // FIPS 186-5 by SP 800-186: the orders of P-256 and P-384.
    let orders = [
        (Algorithm::Es256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
        (Algorithm::Es384, "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973"),
    ];
    for (algorithm, order) in orders {
        let order: Vec<u8> = (0..order.len()).step_by(2).map(|at| u8::from_str_radix(&order[at..at + 2], 16).unwrap()).collect();
        let signer = Signer::of(algorithm);
        let key = signer.public_key_info();
        let signature = signer.sign(algorithm, MESSAGE);
        let (r, s) = signature.split_at(order.len());
        let zero = vec![0; order.len()];
        for (r, s) in [(&zero[..], s), (r, &zero), (&zero, &zero), (&order, s), (r, &order), (&order, &order)] {
            assert_eq!(algorithm.verify(&key, MESSAGE, &[r, s].concat()), Err(Unverified::Signature));
        }
    }
}

#[test]
fn points_off_the_curve_are_no_keys() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384] {
        let signer = Signer::of(algorithm);
        let signature = signer.sign(algorithm, MESSAGE);
        let mut key = signer.public_key_info();
        *key.last_mut().unwrap() ^= 1;
        assert_eq!(algorithm.verify(&key, MESSAGE, &signature), Err(Unverified::Signature));
    }
}

/// DER: one element with a length of two octets.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap().to_be_bytes();
    let len = match len {
        [0, short @ ..0x80] => vec![short],
        [0, len] => vec![0x81, len],
        [high, low] => vec![0x82, high, low],
    };
    [&[tag], &len[..], content].concat()
}

#[test]
fn an_rsa_exponent_of_one_verifies_nothing() {
    // With e = 1 the padded digest is its own signature: RFC 8017, 9.2.
    let info = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
    let digest = Algorithm::Rs256.digest(MESSAGE);
    let fill = vec![0xFF; 256 - 3 - info.len() - digest.len()];
    let signature = [&[0, 1], &fill[..], &[0], info, &digest].concat();
    let modulus = [&[0][..], &[0xC1; 256]].concat();
    let algorithm = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    for exponent in [1, 2, 3] {
        let key = element(0x30, &[element(2, &modulus), element(2, &[exponent])].concat());
        let key = element(0x30, &[&algorithm[..], &element(3, &[&[0], &key[..]].concat())].concat());
        assert_eq!(Algorithm::of_public_key(&key), [Algorithm::Rs256, Algorithm::Ps256]);
        assert_eq!(Algorithm::Rs256.verify(&key, MESSAGE, &signature), Err(Unverified::Signature), "{exponent}");
    }
}

#[test]
fn the_ticket_does_not_choose_another_algorithm_for_the_key() {
    let mut rng = Deterministic(9);
    let audiences = audiences(2, &mut rng);
    let [p256, p384, rsa] = [Signer::p256(), Signer::p384(), Signer::rsa()];
    for signed in Algorithm::ALL {
        let signer = match signed {
            Algorithm::Es256 => &p256,
            Algorithm::Es384 => &p384,
            Algorithm::Rs256 | Algorithm::Ps256 => &rsa,
        };
        let text = signer.token(signed, &audiences, &mut rng).ticket(0).unwrap();
        let (_, rest) = text.split_once('.').unwrap();
        for claimed in Algorithm::ALL {
            let header = Forged::new().header.replace("ES256", claimed.name());
            let ticket = Ticket::parse(&format!("{}.{rest}", base64(header))).unwrap();
            assert_eq!(ticket.algorithm(), claimed);
            for other in [&p256, &p384, &rsa] {
                let expected = claimed == signed && std::ptr::eq(signer, other);
                assert_eq!(ticket.verify_signature(&other.public_key_info()).is_ok(), expected, "{signed:?} as {claimed:?}");
            }
        }
    }
}
