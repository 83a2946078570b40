//! ECDH against openssl(1), and every wrong form of a peer's point.

use cdoc2::keys::{EcPrivateKey, EcPublicKey, Error, PrivateKey};
use cdoc2_nostd::Curve;

use crate::openssl::Openssl;
use crate::{CURVES, private};

fn ec(octets: &[u8]) -> EcPrivateKey {
    match private(octets).unwrap() {
        PrivateKey::Ec(key) => key,
        other => panic!("{other:?}"),
    }
}

#[test]
fn openssl_agrees_on_the_same_secret() {
    let openssl = Openssl::new();
    for (curve, name) in CURVES {
        let (mine, theirs) = (openssl.ec_key(name), openssl.ec_key(name));
        openssl.write("mine.pem", &mine);
        openssl.write("theirs.pem", &openssl.public(&theirs));
        let secret = openssl.run("pkeyutl -derive -inkey mine.pem -peerkey theirs.pem");
        let (mine, theirs) = (ec(&mine), ec(&theirs));
        assert_eq!(secret.len(), curve.field_len());
        assert_eq!(*mine.agree(theirs.public_key().point()).unwrap(), secret, "{name}");
        assert_eq!(*theirs.agree(mine.public_key().point()).unwrap(), secret, "{name}");
    }
}

/// One secret in 256 begins with a zero, which must stay.
#[test]
fn zeros_in_front_of_the_secret_stay() {
    let openssl = Openssl::new();
    let pem = openssl.ec_key("P-256");
    let key = ec(&pem);
    let (peer, secret) = std::iter::repeat_with(|| EcPrivateKey::generate(Curve::Secp256r1).unwrap())
        .map(|peer| (key.agree(peer.public_key().point()).unwrap(), peer))
        .find_map(|(secret, peer)| (secret[0] == 0).then_some((peer, secret)))
        .unwrap();
    openssl.write("mine.pem", &pem);
    openssl.write("peer.pem", PrivateKey::Ec(peer).public_key().to_pem().unwrap().as_bytes());
    assert_eq!(*secret, openssl.run("pkeyutl -derive -inkey mine.pem -peerkey peer.pem"));
    assert_eq!(secret.len(), 32);
}

#[test]
fn short_private_numbers_are_padded() {
    for (curve, _) in CURVES {
        let key = EcPrivateKey::from_scalar(curve, &[7]).unwrap();
        let padded = [vec![0; curve.field_len() - 1], vec![7]].concat();
        assert_eq!(key.public_key(), EcPrivateKey::from_scalar(curve, &padded).unwrap().public_key());
        for wrong in [&[][..], &[0], &vec![0; curve.field_len()], &vec![0xFF; curve.field_len()], &vec![1; curve.field_len() + 1]] {
            assert!(matches!(EcPrivateKey::from_scalar(curve, wrong), Err(Error::Malformed(_))), "{wrong:?}");
        }
    }
}

/// The prime of the field, big-endian.
fn prime(curve: Curve) -> Vec<u8> {
    let hex = match curve {
        Curve::Secp256r1 => "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff".to_owned(),
        Curve::Secp384r1 => "f".repeat(63) + "effffffff0000000000000000ffffffff",
        Curve::Secp521r1 => "01".to_owned() + &"f".repeat(130),
    };
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn wrong_points(curve: Curve, good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let field_len = curve.field_len();
    let (x, y) = good[1..].split_at(field_len);
    let point = |form: u8, x: &[u8], y: &[u8]| [&[form], x, y].concat();
    let mut off_curve = good.to_vec();
    *off_curve.last_mut().unwrap() ^= 1;
    let mut x_altered = good.to_vec();
    x_altered[field_len] ^= 1;
    let p = prime(curve);
    let mut over_p = p.clone();
    *over_p.last_mut().unwrap() = 0xFF;
    if over_p == p {
        // p ends in FF for each of these curves: one more than it carries.
        over_p = increment(&p);
    }
    let parity = 2 + (y[field_len - 1] & 1);
    vec![
        ("nothing", Vec::new()),
        ("identity", vec![0]),
        ("identity, padded", vec![0; good.len()]),
        ("uncompressed zeros", point(4, &vec![0; field_len], &vec![0; field_len])),
        ("form alone", vec![4]),
        ("no form", good[1..].to_vec()),
        ("one octet short", good[..good.len() - 1].to_vec()),
        ("one octet long", [good, &[0]].concat()),
        ("compressed", point(parity, x, &[])),
        ("compressed, padded", point(parity, x, &vec![0; field_len])),
        ("hybrid", point(4 + parity, x, y)),
        ("form 5", point(5, x, y)),
        ("form 3 in full length", point(3, x, y)),
        ("y altered", off_curve),
        ("x altered", x_altered),
        ("x and y exchanged", point(4, y, x)),
        ("x = p", point(4, &p, y)),
        ("y = p", point(4, x, &p)),
        ("x above p", point(4, &over_p, y)),
        ("x of all ones", point(4, &vec![0xFF; field_len], y)),
        ("SubjectPublicKeyInfo", [&[0x30, 0x59][..], good].concat()),
    ]
}

fn increment(number: &[u8]) -> Vec<u8> {
    let mut number = number.to_vec();
    for octet in number.iter_mut().rev() {
        *octet = octet.wrapping_add(1);
        if *octet != 0 {
            break;
        }
    }
    number
}

#[test]
fn no_wrong_point_is_agreed_with() {
    for (curve, _) in CURVES {
        let key = EcPrivateKey::generate(curve).unwrap();
        let peer = EcPrivateKey::generate(curve).unwrap();
        let good = peer.public_key().point();
        assert_eq!(good.len(), curve.point_len());
        key.agree(good).unwrap();
        for (what, point) in wrong_points(curve, good) {
            assert!(matches!(key.agree(&point), Err(Error::InvalidPoint)), "{what} on {}", curve.name());
        }
        for (other, _) in CURVES.into_iter().filter(|(other, _)| *other != curve) {
            let point = EcPrivateKey::generate(other).unwrap();
            assert!(matches!(key.agree(point.public_key().point()), Err(Error::InvalidPoint)), "a point of {}", other.name());
        }
    }
}

/// x = p + small is a second name of a point on the curve: it must not be taken for it.
#[test]
fn coordinates_are_not_reduced() {
    for (curve, _) in CURVES {
        let key = EcPrivateKey::generate(curve).unwrap();
        let p = prime(curve);
        // A small x with a point on the curve exists among these; its form 04 || x + p || y has the length of a sound one.
        let (x, good) = (1..=u8::MAX)
            .find_map(|x| {
                let mut compressed = vec![0; 1 + curve.field_len()];
                compressed[0] = 2;
                *compressed.last_mut().unwrap() = x;
                EcPublicKey::new(curve, &compressed).ok().map(|good| (x, good))
            })
            .unwrap();
        key.agree(good.point()).unwrap();
        let shifted = (0..x).fold(p, |number, _| increment(&number));
        let alias = [&[4], shifted.as_slice(), &good.point()[1 + curve.field_len()..]].concat();
        assert!(matches!(key.agree(&alias), Err(Error::InvalidPoint)), "{}", curve.name());
        assert!(matches!(EcPublicKey::new(curve, &alias), Err(Error::InvalidPoint)), "{}", curve.name());
    }
}

#[test]
fn public_keys_are_checked_like_the_points_of_peers() {
    for (curve, _) in CURVES {
        let key = EcPrivateKey::generate(curve).unwrap();
        for (what, point) in wrong_points(curve, key.public_key().point()) {
            let taken = EcPublicKey::new(curve, &point);
            if what == "compressed" {
                assert_eq!(taken.unwrap(), *key.public_key());
            } else {
                assert!(matches!(taken, Err(Error::InvalidPoint)), "{what} on {}", curve.name());
            }
        }
    }
}
