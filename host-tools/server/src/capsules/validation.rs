//! Whether a capsule is what it says: UC.KTS.01, step 2.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, EcdsaVerificationAlgorithm, ParsedPublicKey,
};
use cdoc2_api::{Capsule, CapsuleType, capsule::MAX_FIELD_LEN};
use der::Decode as _;
use pkcs1::RsaPublicKeyRef;

use crate::refusal::Refusal;

/// Bits of an RSA modulus. The upper end is what the interface makes room for.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=16_384;
/// Octets of the longest RSA exponent. No key in use has more than 4.
const MAX_EXPONENT_LEN: usize = 8;

/// Checks both fields against the type.
pub(super) fn check(capsule: &Capsule) -> Result<(), Refusal> {
    let Capsule { recipient_id, ephemeral_key_material, capsule_type } = capsule;
    for (field, octets) in [("recipient_id", recipient_id), ("ephemeral_key_material", ephemeral_key_material)] {
        if octets.len() > MAX_FIELD_LEN {
            return bad(field, format_args!("is longer than {MAX_FIELD_LEN} octets"));
        }
    }
    let curve = match capsule_type {
        CapsuleType::EccSecp256r1 => Curve { algorithm: &ECDSA_P256_SHA256_ASN1, name: "P-256", field_len: 32 },
        CapsuleType::EccSecp384r1 => Curve { algorithm: &ECDSA_P384_SHA384_ASN1, name: "P-384", field_len: 48 },
        CapsuleType::EccSecp521r1 => Curve { algorithm: &ECDSA_P521_SHA512_ASN1, name: "P-521", field_len: 66 },
        CapsuleType::Rsa => {
            rsa_public_key(recipient_id)?;
            // The length of a modulus would be all that can be decrypted; but the test plan, RSA-PUT-CAPSULE-POS-03-RANDOM_CONTENT,
            // and the existing server take whatever is not too long.
            return if ephemeral_key_material.is_empty() {
                bad("ephemeral_key_material", format_args!("is empty"))
            } else {
                Ok(())
            };
        }
        CapsuleType::Unknown(_) => {
            return bad("capsule_type", format_args!("is none of ecc_secp256r1, ecc_secp384r1, ecc_secp521r1 and rsa"));
        }
    };
    curve.point("recipient_id", recipient_id)?;
    curve.point("ephemeral_key_material", ephemeral_key_material)
}

struct Curve {
    algorithm: &'static EcdsaVerificationAlgorithm,
    name: &'static str,
    field_len: usize,
}

impl Curve {
    /// `04 || X || Y` of a point that is on the curve (RFC 8446, 4.2.8.2).
    fn point(&self, field: &str, octets: &[u8]) -> Result<(), Refusal> {
        let len = 1 + 2 * self.field_len;
        let uncompressed = octets.len() == len && octets.first() == Some(&4);
        if !uncompressed || ParsedPublicKey::new(self.algorithm, octets).is_err() {
            return bad(field, format_args!("is no point of {}: {len} octets, 04 || X || Y", self.name));
        }
        Ok(())
    }
}

/// DER of an `RSAPublicKey` (RFC 8017, A.1.1) that a recipient may have.
fn rsa_public_key(octets: &[u8]) -> Result<(), Refusal> {
    let Ok(key) = RsaPublicKeyRef::from_der(octets) else {
        return bad("recipient_id", format_args!("is no DER of an RSAPublicKey (RFC 8017, A.1.1)"));
    };
    let (modulus, exponent) = (key.modulus.as_bytes(), key.public_exponent.as_bytes());
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |octet| octet.leading_zeros() as usize);
    if !MODULUS_BITS.contains(&bits) {
        return bad(
            "recipient_id",
            format_args!("is an RSA key of {bits} bits, not of {} to {}", MODULUS_BITS.start(), MODULUS_BITS.end()),
        );
    }
    let odd = |octets: &[u8]| octets.last().is_some_and(|octet| octet & 1 == 1);
    if !odd(modulus) || !odd(exponent) || exponent == [1] || exponent.len() > MAX_EXPONENT_LEN {
        return bad("recipient_id", format_args!("is no RSA key: both its numbers are odd, and the exponent is small"));
    }
    Ok(())
}

fn bad(field: &str, what: std::fmt::Arguments<'_>) -> Result<(), Refusal> {
    Err(Refusal::BadRequest(format!("{field} {what}").into()))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, KeyPair as _,
    };
    use der::Encode as _;
    use der::asn1::UintRef;

    use super::*;

    fn point(algorithm: &'static EcdsaSigningAlgorithm) -> Vec<u8> {
        EcdsaKeyPair::generate(algorithm).unwrap().public_key().as_ref().to_vec()
    }

    fn curves() -> [(CapsuleType, Vec<u8>); 3] {
        [
            (CapsuleType::EccSecp256r1, point(&ECDSA_P256_SHA256_ASN1_SIGNING)),
            (CapsuleType::EccSecp384r1, point(&ECDSA_P384_SHA384_ASN1_SIGNING)),
            (CapsuleType::EccSecp521r1, point(&ECDSA_P521_SHA512_ASN1_SIGNING)),
        ]
    }

    fn checked(recipient_id: &[u8], ephemeral_key_material: &[u8], capsule_type: &CapsuleType) -> Result<(), String> {
        let capsule = Capsule {
            recipient_id: recipient_id.into(),
            ephemeral_key_material: ephemeral_key_material.into(),
            capsule_type: capsule_type.clone(),
        };
        check(&capsule).map_err(|refusal| match refusal {
            Refusal::BadRequest(what) => what.into(),
            other => panic!("{other:?}"),
        })
    }

    /// DER of a public key with these numbers, big-endian.
    fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
        RsaPublicKeyRef { modulus: UintRef::new(modulus).unwrap(), public_exponent: UintRef::new(exponent).unwrap() }
            .to_der()
            .unwrap()
    }

    /// An odd number of so many bits.
    fn modulus(bits: usize) -> Vec<u8> {
        let mut octets = vec![0xA5; bits.div_ceil(8)];
        octets[0] = 0x80 >> ((8 - bits % 8) % 8);
        octets
    }

    #[test]
    fn points_of_the_three_curves_pass() {
        for (kind, key) in curves() {
            assert_eq!(checked(&key, &key, &kind), Ok(()), "{kind:?}");
        }
    }

    #[test]
    fn keys_of_another_curve_fail() {
        let curves = curves();
        for (kind, own) in &curves {
            for (_, other) in curves.iter().filter(|(other, _)| other != kind) {
                assert!(checked(other, own, kind).unwrap_err().starts_with("recipient_id is no point of "));
                assert!(checked(own, other, kind).unwrap_err().starts_with("ephemeral_key_material is no point of "));
            }
        }
    }

    #[test]
    fn points_off_the_curve_fail() {
        for (kind, key) in curves() {
            for at in [1, key.len() / 2, key.len() - 1] {
                let mut off = key.clone();
                off[at] ^= 1;
                assert!(checked(&off, &key, &kind).is_err(), "{kind:?} {at}");
                assert!(checked(&key, &off, &kind).is_err(), "{kind:?} {at}");
            }
            for wrong in [vec![], vec![4], vec![0; key.len()], [[4].as_slice(), &vec![0xFF; key.len() - 1]].concat()] {
                assert!(checked(&wrong, &key, &kind).is_err(), "{kind:?} {wrong:?}");
            }
            assert!(checked(&key[..key.len() - 1], &key, &kind).is_err(), "{kind:?}, cut short");
            assert!(checked(&[key.as_slice(), &[0]].concat(), &key, &kind).is_err(), "{kind:?}, an octet more");
        }
    }

    #[test]
    fn compressed_and_hybrid_points_fail() {
        for (kind, key) in curves() {
            let parity = key[key.len() - 1] & 1;
            let compressed = [&[2 + parity], &key[1..=key.len() / 2]].concat();
            assert!(checked(&compressed, &key, &kind).is_err(), "{kind:?}");
            let mut hybrid = key.clone();
            hybrid[0] = 6 + parity;
            assert!(checked(&hybrid, &key, &kind).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn rsa_key_passes_with_any_material_that_fits() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let info = pair.public_key().as_der().unwrap();
        let info = x509_cert::spki::SubjectPublicKeyInfoRef::from_der(info.as_ref()).unwrap();
        let key = info.subject_public_key.as_bytes().unwrap();
        for len in [1, 256, MAX_FIELD_LEN] {
            let mut material = vec![0; len];
            aws_lc_rs::rand::SecureRandom::fill(&SystemRandom::new(), &mut material).unwrap();
            assert_eq!(checked(key, &material, &CapsuleType::Rsa), Ok(()), "{len}");
        }
        assert_eq!(checked(key, &[], &CapsuleType::Rsa), Err("ephemeral_key_material is empty".into()));
        let too_long = vec![1; MAX_FIELD_LEN + 1];
        assert_eq!(checked(key, &too_long, &CapsuleType::Rsa), Err("ephemeral_key_material is longer than 2100 octets".into()));
        assert_eq!(checked(&too_long, &[1], &CapsuleType::Rsa), Err("recipient_id is longer than 2100 octets".into()));
    }

    #[test]
    fn rsa_keys_have_2048_to_16384_bits() {
        for (bits, fits) in [(1024, false), (2047, false), (2048, true), (4096, true), (16_384, true), (16_385, false)] {
            let key = rsa(&modulus(bits), &[1, 0, 1]);
            assert!(key.len() <= MAX_FIELD_LEN, "{bits}");
            assert_eq!(checked(&key, &[1], &CapsuleType::Rsa).is_ok(), fits, "{bits}");
        }
    }

    #[test]
    fn what_is_no_rsa_key_fails() {
        let sound = rsa(&modulus(2048), &[1, 0, 1]);
        let mut even = modulus(2048);
        *even.last_mut().unwrap() ^= 1;
        for (what, wrong) in [
            ("nothing", vec![]),
            ("an octet after it", [sound.as_slice(), &[0]].concat()),
            ("cut short", sound[..sound.len() - 1].to_vec()),
            ("an even modulus", rsa(&even, &[1, 0, 1])),
            ("an even exponent", rsa(&modulus(2048), &[1, 0, 0])),
            ("exponent 1", rsa(&modulus(2048), &[1])),
            ("an exponent of 9 octets", rsa(&modulus(2048), &[1; 9])),
            ("a point", curves()[0].1.clone()),
        ] {
            assert!(checked(&wrong, &[1], &CapsuleType::Rsa).is_err(), "{what}");
        }
    }

    #[test]
    fn kinds_of_tomorrow_are_refused_today() {
        let (_, key) = &curves()[0];
        assert!(checked(key, key, &CapsuleType::Unknown("ml_kem_1024".into())).unwrap_err().starts_with("capsule_type is none of"));
    }
}
