//! Private keys and the certificates that go with them.

use cdoc2_nostd::Curve;
use cdoc2_nostd::Field;
use cdoc2_nostd::ecdh::SoftKey;
use p256::NistP256;
use p384::NistP384;
use p384::ecdsa::signature::hazmat::PrehashVerifier as _;
use p384::ecdsa::{Signature, VerifyingKey};
use p521::NistP521;
use token_fw::card::{Fault, KeyError, KeyInfo, MAX_POINT_LEN};
use token_proto::KeyRef;

use crate::board::Rng;
use crate::{SCALAR, card, reopen};

/// The public point of `key`.
fn point(card: &mut crate::Card<crate::Board>, key: KeyRef) -> Vec<u8> {
    let mut octets = [0; MAX_POINT_LEN];
    let len = card.public_key(key, &mut octets).unwrap();
    octets[..len].to_vec()
}

/// Whether `key` and a stranger's new key agree on a secret.
fn agrees(card: &mut crate::Card<crate::Board>, key: KeyRef) -> bool {
    let mut rng: Rng = crate::Board::<4>::blank(2).rng;
    let ours = point(card, key);
    macro_rules! with {
        ($curve:ty) => {{
            let other = SoftKey::<$curve>::generate(&mut rng).unwrap();
            let theirs = other.agree(&ours, Field::RecipientPublicKey).unwrap();
            card.agree(key, other.public_key().octets()).unwrap().expose() == theirs.expose()
        }};
    }
    match card.key(key).unwrap().curve {
        Curve::Secp384r1 => with!(NistP384),
        Curve::Secp256r1 => with!(NistP256),
        Curve::Secp521r1 => with!(NistP521),
    }
}

#[test]
fn imported_key_is_the_one_that_was_given() {
    let mut card = card();
    assert_eq!(card.key(KeyRef::Authentication), Some(KeyInfo { curve: Curve::Secp384r1, touch: false }));
    let soft = SoftKey::<NistP384>::from_scalar(&SCALAR).unwrap();
    assert_eq!(point(&mut card, KeyRef::Authentication), soft.public_key().octets());
    let other = SoftKey::<NistP384>::from_scalar(&[7; 48]).unwrap();
    let expected = soft.agree(other.public_key().octets(), Field::SenderPublicKey).unwrap();
    assert_eq!(card.agree(KeyRef::Authentication, other.public_key().octets()).unwrap().expose(), expected.expose());
}

#[test]
fn generated_keys_agree_on_every_curve_and_survive() {
    let mut card = card();
    for (curve, touch) in [(Curve::Secp384r1, false), (Curve::Secp256r1, true), (Curve::Secp521r1, true)] {
        let before = point(&mut card, KeyRef::Cdoc2);
        card.generate_key(KeyRef::Cdoc2, curve, touch).unwrap();
        let after = point(&mut card, KeyRef::Cdoc2);
        assert_ne!(before, after);
        assert_eq!(after.len(), curve.point_len());
        card = reopen(card);
        assert_eq!(card.key(KeyRef::Cdoc2), Some(KeyInfo { curve, touch }));
        assert_eq!(point(&mut card, KeyRef::Cdoc2), after);
        assert!(agrees(&mut card, KeyRef::Cdoc2));
    }
}

#[test]
fn signatures_verify_and_are_hedged() {
    let mut card = card();
    card.generate_key(KeyRef::Signature, Curve::Secp384r1, false).unwrap();
    for key in [KeyRef::Authentication, KeyRef::Signature] {
        let public = VerifyingKey::from_sec1_bytes(&point(&mut card, key)).unwrap();
        // the last one is a short hash, padded on the left, and all ones is above the order of the curve
        for digest in [[0xAB; 48], [0xFF; 48], [0; 48], std::array::from_fn(|index| if index < 16 { 0 } else { 0x5A })] {
            let (mut one, mut other) = ([0; 96], [0; 96]);
            card.sign(key, &digest, &mut one).unwrap();
            card.sign(key, &digest, &mut other).unwrap();
            assert_ne!(one, other);
            for signature in [one, other] {
                public.verify_prehash(&digest, &Signature::from_slice(&signature).unwrap()).unwrap();
            }
        }
    }
}

#[test]
fn each_key_has_its_use() {
    let mut card = card();
    let peer = point(&mut card, KeyRef::Authentication);
    let mut signature = [0; 96];
    assert_eq!(card.sign(KeyRef::Cdoc2, &[1; 48], &mut signature), Err(KeyError::NotAllowed));
    assert_eq!(card.sign(KeyRef::Signature, &[1; 48], &mut signature), Err(KeyError::NoKey));
    assert_eq!(signature, [0; 96]);
    assert_eq!(card.agree(KeyRef::Signature, &peer).unwrap_err(), KeyError::NotAllowed);
    assert_eq!(card.public_key(KeyRef::Signature, &mut [0; MAX_POINT_LEN]), Err(KeyError::NoKey));
    assert_eq!(card.key(KeyRef::Signature), None);
    for key in [KeyRef::Authentication, KeyRef::Signature] {
        assert_eq!(card.generate_key(key, Curve::Secp256r1, false), Err(KeyError::NotAllowed));
    }
}

#[test]
fn points_off_the_curve_and_other_forms_are_refused() {
    let mut card = card();
    let good = point(&mut card, KeyRef::Authentication);
    let mut off = good.clone();
    off[96] ^= 1;
    let mut compressed = good[..49].to_vec();
    compressed[0] = 2 | good[96] & 1;
    let mut hybrid = good.clone();
    hybrid[0] = 6;
    let cdoc2 = point(&mut card, KeyRef::Cdoc2);
    for peer in [&off, &compressed, &hybrid, &good[..96].to_vec(), &[good.clone(), vec![0]].concat(), &vec![], &vec![0; 97], &cdoc2]
    {
        assert_eq!(card.agree(KeyRef::Authentication, peer).unwrap_err(), KeyError::Point);
    }
    assert!(card.agree(KeyRef::Authentication, &good).is_ok());
}

#[test]
fn certificate_goes_with_its_key() {
    let mut card = card();
    for key in KeyRef::ALL {
        assert_eq!(card.certificate(key).unwrap(), b"");
        card.put_certificate(key, format!("first of {key:?}").as_bytes()).unwrap();
        card.put_certificate(key, format!("of {key:?}").as_bytes()).unwrap();
    }
    let mut card = reopen(card);
    card.generate_key(KeyRef::Authentication, Curve::Secp384r1, false).unwrap();
    assert_eq!(card.certificate(KeyRef::Authentication).unwrap(), b"");
    assert_eq!(card.certificate(KeyRef::Cdoc2).unwrap(), b"of Cdoc2");
    assert_eq!(card.certificate(KeyRef::Signature).unwrap(), b"of Signature");
    // the first key of its kind is a new one, too
    card.generate_key(KeyRef::Signature, Curve::Secp384r1, false).unwrap();
    assert_eq!(card.certificate(KeyRef::Signature).unwrap(), b"");
}

#[test]
fn longest_certificate_fits_and_a_longer_one_does_not() {
    let mut card = card();
    let longest = vec![0x30; 2048];
    card.put_certificate(KeyRef::Authentication, &longest).unwrap();
    assert_eq!(card.put_certificate(KeyRef::Authentication, &[0x31; 2049]), Err(Fault::Invalid));
    let mut card = reopen(card);
    assert_eq!(card.certificate(KeyRef::Authentication).unwrap(), longest);
}

#[test]
fn generator_that_fails_makes_no_key() {
    let mut card = card();
    let before = point(&mut card, KeyRef::Cdoc2);
    card.platform().rng.broken = true;
    assert_eq!(card.generate_key(KeyRef::Cdoc2, Curve::Secp521r1, false), Err(KeyError::Fault(Fault::Random)));
    assert_eq!(card.sign(KeyRef::Authentication, &[1; 48], &mut [0; 96]), Err(KeyError::Fault(Fault::Random)));
    assert_eq!(card.random(&mut [0; 8]), Err(Fault::Random));
    assert_eq!(point(&mut card, KeyRef::Cdoc2), before);
}
