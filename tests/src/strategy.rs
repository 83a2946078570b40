//! Headers for proptest.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::header::{Capsule, Header, KeyDetails, Record, Share};
use crate::oracle::Style;

/// Any header that the schema allows, of `count` records. Few of them are sound.
pub fn any_header(count: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Header> {
    (vec(any_record(), count), any::<i8>())
        .prop_map(|(recipients, payload_encryption_method)| Header { recipients, payload_encryption_method })
}

/// A header that the core writes, of `count` records.
pub fn sound_header(count: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Header> {
    vec(sound_record(), count).prop_map(|recipients| Header { recipients, payload_encryption_method: 1 })
}

/// What a FlatBuffers writer may choose.
pub fn style() -> impl Strategy<Value = Style> {
    any::<(bool, bool)>().prop_map(|(force_defaults, share_strings)| Style { force_defaults, share_strings })
}

fn any_record() -> impl Strategy<Value = Record> {
    (any_capsule(), label(), octets(), any::<i8>()).prop_map(record)
}

fn sound_record() -> impl Strategy<Value = Record> {
    (sound_capsule(), label(), vec(any::<u8>(), 32), Just(1)).prop_map(record)
}

fn record((capsule, key_label, encrypted_fmk, fmk_encryption_method): (Capsule, String, Vec<u8>, i8)) -> Record {
    Record { capsule, key_label, encrypted_fmk, fmk_encryption_method }
}

/// Empty, short, and as long as 5000 characters.
fn label() -> impl Strategy<Value = String> {
    prop_oneof![1 => Just(String::new()), 8 => "\\PC{0,40}", 1 => ".{0,5000}"]
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![1 => Just(Vec::new()), 8 => vec(any::<u8>(), 0..140), 1 => vec(any::<u8>(), 0..3000)]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![1 => Just(String::new()), 8 => "\\PC{0,30}"]
}

fn any_capsule() -> impl Strategy<Value = Capsule> {
    prop_oneof![
        (any::<i8>(), octets(), octets()).prop_map(ecc),
        (octets(), octets()).prop_map(rsa),
        (any_details(), text(), text()).prop_map(key_server),
        octets().prop_map(|salt| Capsule::SymmetricKey { salt }),
        (octets(), octets(), any::<i8>(), any::<i32>()).prop_map(pbkdf2),
        (vec((text(), text()).prop_map(share), 0..6), octets(), any::<i8>(), any::<i8>(), text()).prop_map(key_shares),
        prop_oneof![Just(0), 7..=255_u8].prop_map(Capsule::Unknown),
    ]
}

fn any_details() -> impl Strategy<Value = KeyDetails> {
    prop_oneof![
        (any::<i8>(), octets()).prop_map(ecc_details),
        octets().prop_map(|recipient_public_key| KeyDetails::Rsa { recipient_public_key }),
        prop_oneof![Just(0), 3..=255_u8].prop_map(KeyDetails::Unknown),
    ]
}

fn sound_capsule() -> impl Strategy<Value = Capsule> {
    let point = || (1..=3_i8).prop_flat_map(|curve| (Just(curve), point(curve)));
    let points = (1..=3_i8).prop_flat_map(|curve| (Just(curve), self::point(curve), self::point(curve)));
    let salt = || vec(any::<u8>(), 32..70);
    let some = || vec(any::<u8>(), 1..600);
    let name = || "\\PC{1,40}";
    let details = prop_oneof![
        point().prop_map(ecc_details),
        some().prop_map(|recipient_public_key| KeyDetails::Rsa { recipient_public_key }),
    ];
    prop_oneof![
        points.prop_map(ecc),
        (some(), some()).prop_map(rsa),
        (details, name(), name()).prop_map(key_server),
        salt().prop_map(|salt| Capsule::SymmetricKey { salt }),
        (salt(), salt(), Just(1), 600_000..=i32::MAX).prop_map(pbkdf2),
        (vec((text(), text()).prop_map(share), 2..6), salt(), Just(1), Just(1), name()).prop_map(key_shares),
    ]
}

/// As long as a point of `curve`; whether it lies on it is of no matter to a header.
fn point(curve: i8) -> impl Strategy<Value = Vec<u8>> {
    let len = match curve {
        1 => 97,
        2 => 65,
        _ => 133,
    };
    vec(any::<u8>(), len).prop_map(|mut point| {
        point[0] = 4;
        point
    })
}

fn ecc((curve, recipient_public_key, sender_public_key): (i8, Vec<u8>, Vec<u8>)) -> Capsule {
    Capsule::EccPublicKey { curve, recipient_public_key, sender_public_key }
}

fn rsa((recipient_public_key, encrypted_kek): (Vec<u8>, Vec<u8>)) -> Capsule {
    Capsule::RsaPublicKey { recipient_public_key, encrypted_kek }
}

fn key_server((recipient_key_details, keyserver_id, transaction_id): (KeyDetails, String, String)) -> Capsule {
    Capsule::KeyServer { recipient_key_details, keyserver_id, transaction_id }
}

fn pbkdf2((salt, password_salt, kdf_algorithm_identifier, kdf_iterations): (Vec<u8>, Vec<u8>, i8, i32)) -> Capsule {
    Capsule::Pbkdf2 { salt, password_salt, kdf_algorithm_identifier, kdf_iterations }
}

fn key_shares((shares, salt, recipient_type, shares_scheme, recipient_id): (Vec<Share>, Vec<u8>, i8, i8, String)) -> Capsule {
    Capsule::KeyShares { shares, salt, recipient_type, shares_scheme, recipient_id }
}

fn share((server_base_url, share_id): (String, String)) -> Share {
    Share { server_base_url, share_id }
}

fn ecc_details((curve, recipient_public_key): (i8, Vec<u8>)) -> KeyDetails {
    KeyDetails::Ecc { curve, recipient_public_key }
}
