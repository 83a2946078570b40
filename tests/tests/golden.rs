//! Golden containers: every kind of capsule written with fixed randomness, compared with octets that were written once.
//!
//! A change of one octet of a header, a key derivation or a payload fails here, and old containers may not open any more. If the octets
//! are meant to change, `CDOC2_WRITE_GOLDEN=1 cargo test -p cdoc2-tests --test golden` writes new ones; the diff then shows which.
//! Beside each container is what opens it, in the form that `python/decode.py` takes.

use std::convert::Infallible;
use std::fs;
use std::num::NonZeroU32;
use std::path::PathBuf;

use cdoc2_nostd::decrypt::Unverified;
use cdoc2_nostd::ecdh::{SoftCurve, SoftKey};
use cdoc2_nostd::key::{self, Fmk, KEY_LEN, Kek, KeyShare};
use cdoc2_nostd::symmetric::{Password, SymmetricKey};
use cdoc2_nostd::wire::envelope::Envelope;
use cdoc2_nostd::wire::header::RecipientRecord;
use cdoc2_nostd::{Error, derive, encrypt};
use cdoc2_tests::header::{Capsule, Header, KeyDetails, Record, Share};
use cdoc2_tests::program::folder;
use cdoc2_tests::vectors::{hex, unhex};
use rand_core::{TryCryptoRng, TryRng};
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPublicKey as _};
use rsa::sha2::Sha256;
use serde_json::json;

const SECRET: [u8; 32] = [0x5E; 32];
const PASSWORD: &str = "Kuldne õPassword1";
const SALT: [u8; 32] = [0x5A; 32];
const PASSWORD_SALT: [u8; 32] = [0xA5; 32];
const NONCE: [u8; 12] = *b"golden nonce";
const PAYLOAD: &[u8] = include_bytes!("../golden/payload.zlib");

/// Private scalars of `vectors/keys/ec384a`, `ec256` and `ec521`.
const P384: &str = "226630e16e61c0cca44ce043298420192b2133d3b8cda0ee334266fb63df0e2060f14ad2effcea6d4ba6a1af44765498";
const P256: &str = "fb25162ba6e70f07df3cb040ac472d90b83b896f41ff3ac8ca3a090ae58bff44";
const P521: &str = "0010dbe0517ec6d83ffdc0e17941320d844cafbc2559474f88ccae7d26145fb32bfb255ee0c995ac3f0ad4ffce732f955e33c9adbb1d8842278acdbc2f6e81a7e3ee";

/// Counts up. What draws until a number fits would draw for ever.
struct Counter(u8);

impl TryRng for Counter {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets).map(|()| u32::from_le_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets).map(|()| u64::from_le_bytes(octets))
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        for octet in octets {
            *octet = self.0;
            self.0 = self.0.wrapping_add(1);
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}

/// A record to be written, what opens it here, and what opens it elsewhere.
struct Golden {
    name: &'static str,
    capsule: Capsule,
    kek: Kek,
    /// The KEK as the recipient computes it.
    open: fn(&RecipientRecord<'_>) -> Result<Kek, Error>,
    unlock: serde_json::Value,
}

fn goldens() -> Vec<Golden> {
    let (ecc_server, ecc_server_kek) = key_server_ecc();
    let (rsa_server, rsa_server_kek) = key_server_rsa();
    vec![
        ecc::<p384::NistP384>("p384", 1, |record| recipient::<p384::NistP384>(P384).kek(record), P384, "ec384a"),
        ecc::<p256::NistP256>("p256", 2, |record| recipient::<p256::NistP256>(P256).kek(record), P256, "ec256"),
        ecc::<p521::NistP521>("p521", 3, |record| recipient::<p521::NistP521>(P521).kek(record), P521, "ec521"),
        Golden {
            name: "rsa",
            capsule: Capsule::RsaPublicKey { recipient_public_key: rsa_public_key(), encrypted_kek: rsa_encrypted_kek() },
            kek: rsa_kek(),
            open: |record| {
                let cdoc2_nostd::wire::capsule::Capsule::RsaPublicKey(capsule) = record.capsule else { panic!("{record:?}") };
                Ok(rsa_decrypt(capsule.encrypted_kek))
            },
            unlock: json!({"kind": "private-key", "key_file": "vectors/keys/rsa2048.pem"}),
        },
        Golden {
            name: "key-server-ec",
            capsule: ecc_server,
            kek: ecc_server_kek,
            open: |_| {
                let recipient = recipient::<p384::NistP384>(P384);
                let shared = recipient.agree(&sender_public_key(), cdoc2_nostd::Field::SenderPublicKey)?;
                derive::kek_from_shared_secret(&shared, recipient.public_key().octets(), &sender_public_key())
            },
            unlock: json!({
                "kind": "private-key",
                "key_file": "vectors/keys/ec384a.pem",
                "server": {"sender_public_key_hex": hex(&sender_public_key())},
            }),
        },
        Golden {
            name: "key-server-rsa",
            capsule: rsa_server,
            kek: rsa_server_kek,
            open: |_| Ok(rsa_decrypt(&rsa_encrypted_kek())),
            unlock: json!({
                "kind": "private-key",
                "key_file": "vectors/keys/rsa2048.pem",
                "server": {"encrypted_kek_hex": hex(&rsa_encrypted_kek())},
            }),
        },
        Golden {
            name: "symmetric",
            capsule: Capsule::SymmetricKey { salt: SALT.into() },
            kek: derive::kek_from_symmetric_key(&SECRET, &SALT, label("symmetric").as_bytes()).unwrap(),
            open: |record| SymmetricKey::new(&SECRET).kek(record),
            unlock: json!({"kind": "symmetric", "secret_hex": hex(&SECRET)}),
        },
        Golden {
            name: "password",
            capsule: Capsule::Pbkdf2 {
                salt: SALT.into(),
                password_salt: PASSWORD_SALT.into(),
                kdf_algorithm_identifier: 1,
                kdf_iterations: 600_000,
            },
            kek: derive::kek_from_password(
                PASSWORD.as_bytes(),
                &PASSWORD_SALT,
                NonZeroU32::new(600_000).unwrap(),
                &SALT,
                label("password").as_bytes(),
            )
            .unwrap(),
            open: |record| Password::new(PASSWORD.as_bytes()).kek(record),
            unlock: json!({"kind": "password", "password": PASSWORD}),
        },
        Golden {
            name: "key-shares",
            capsule: Capsule::KeyShares {
                shares: ["SS0123456789ABCDEF", "SS1123456789ABCDEF", "SS2123456789ABCDEF"]
                    .map(|share_id| Share { server_base_url: "https://shares.example/".into(), share_id: share_id.into() })
                    .into(),
                salt: SALT.into(),
                recipient_type: 1,
                shares_scheme: 1,
                recipient_id: RECIPIENT_ID.into(),
            },
            kek: shares_kek(),
            open: |_| key::combine(&shares()),
            unlock: json!({
                "kind": "key-shares",
                "shares_hex": shares().iter().map(|share| hex(share.expose())).collect::<Vec<_>>(),
            }),
        },
    ]
}

fn label(name: &str) -> String {
    format!("golden õ {name}")
}

// Elliptic curves

fn recipient<C>(scalar: &str) -> SoftKey<C>
where
    C: SoftCurve + elliptic_curve::point::PointCompression,
    elliptic_curve::FieldBytesSize<C>: elliptic_curve::sec1::ModulusSize,
    elliptic_curve::AffinePoint<C>: elliptic_curve::sec1::FromSec1Point<C> + elliptic_curve::sec1::ToSec1Point<C>,
{
    SoftKey::from_scalar(&unhex(scalar)).unwrap()
}

fn ecc<C>(
    name: &'static str,
    curve: i8,
    open: fn(&RecipientRecord<'_>) -> Result<Kek, Error>,
    scalar: &str,
    key_file: &str,
) -> Golden
where
    C: SoftCurve + elliptic_curve::point::PointCompression,
    elliptic_curve::FieldBytesSize<C>: elliptic_curve::sec1::ModulusSize,
    elliptic_curve::AffinePoint<C>: elliptic_curve::sec1::FromSec1Point<C> + elliptic_curve::sec1::ToSec1Point<C>,
{
    let recipient = recipient::<C>(scalar);
    let sender = SoftKey::<C>::from_scalar(&vec![1; C::CURVE.field_len()]).unwrap();
    Golden {
        name,
        capsule: Capsule::EccPublicKey {
            curve,
            recipient_public_key: recipient.public_key().octets().to_vec(),
            sender_public_key: sender.public_key().octets().to_vec(),
        },
        kek: sender.encapsulate(recipient.public_key().octets()).unwrap(),
        open,
        unlock: json!({"kind": "private-key", "key_file": format!("vectors/keys/{key_file}.pem")}),
    }
}

/// What the capsule server keeps: the sender's point.
fn sender() -> SoftKey<p384::NistP384> {
    SoftKey::from_scalar(&[2; 48]).unwrap()
}

fn sender_public_key() -> Vec<u8> {
    sender().public_key().octets().to_vec()
}

fn key_server_ecc() -> (Capsule, Kek) {
    let recipient_public_key = recipient::<p384::NistP384>(P384).public_key().octets().to_vec();
    let kek = sender().encapsulate(&recipient_public_key).unwrap();
    (key_server(KeyDetails::Ecc { curve: 1, recipient_public_key }), kek)
}

fn key_server(recipient_key_details: KeyDetails) -> Capsule {
    Capsule::KeyServer {
        recipient_key_details,
        keyserver_id: "golden".into(),
        transaction_id: "KC0123456789ABCDEF0123456789ABCDEF".into(),
    }
}

// RSA

fn rsa_key() -> rsa::PrivateKey {
    rsa::PrivateKey::from_pkcs1_der(include_bytes!("../vectors/keys/rsa2048.der")).unwrap()
}

fn rsa_public_key() -> Vec<u8> {
    rsa_key().to_public_key().to_pkcs1_der().unwrap().into_vec()
}

fn rsa_kek() -> Kek {
    Kek::generate(&mut Counter(0x40)).unwrap()
}

fn rsa_encrypted_kek() -> Vec<u8> {
    let public_key = rsa_key().to_public_key();
    public_key.oaep_encrypt_with_rng::<Sha256, _>(&mut Counter(0x80), rsa_kek().expose()).unwrap()
}

fn rsa_decrypt(encrypted_kek: &[u8]) -> Kek {
    let kek = rsa_key().oaep_decrypt::<Sha256>(encrypted_kek).unwrap();
    Kek::decrypted(|octets| kek.try_into().map(|kek: [u8; KEY_LEN]| *octets = kek)).unwrap()
}

fn key_server_rsa() -> (Capsule, Kek) {
    (key_server(KeyDetails::Rsa { recipient_public_key: rsa_public_key() }), rsa_kek())
}

// Key shares

const RECIPIENT_ID: &str = "etsi/PNOEE-48010010101";

fn shares_kek() -> Kek {
    derive::kek_for_key_shares(&[0x33; 32], &SALT, RECIPIENT_ID.as_bytes()).unwrap()
}

fn shares() -> [KeyShare; 3] {
    let mut shares = [None, None, None];
    key::split(&shares_kek(), &mut shares, &mut Counter(0xC0)).unwrap();
    shares.map(Option::unwrap)
}

// Containers

fn write(goldens: &[&Golden]) -> Vec<u8> {
    let fmk = Fmk::generate(&mut Counter(0)).unwrap();
    let record = |golden: &&Golden| Record {
        capsule: golden.capsule.clone(),
        key_label: label(golden.name),
        encrypted_fmk: golden.kek.encrypt_fmk(&fmk).into(),
        fmk_encryption_method: 1,
    };
    let header = Header { recipients: goldens.iter().map(record).collect(), payload_encryption_method: 1 };
    header.with_records(|records| {
        let mut out = vec![0; encrypt::encoded_len(records).unwrap()];
        let sealed = encrypt::seal(&fmk, records, &mut out).unwrap();
        let mut encryptor = sealed.encryptor(&NONCE).unwrap();
        let mut payload = PAYLOAD.to_vec();
        encryptor.encrypt(&mut payload).unwrap();
        [sealed.octets(), &NONCE, &payload, &encryptor.finish()].concat()
    })
}

fn open(container: &[u8], index: usize, golden: &Golden) -> Vec<u8> {
    let (envelope, payload) = Envelope::parse(container).unwrap();
    let record = envelope.header().records().nth(index).unwrap();
    assert_eq!(record.key_label.octets(), label(golden.name).as_bytes());
    let kek = (golden.open)(&record).unwrap();
    let verified = Unverified::new(envelope, &record, &kek).unwrap().verify().unwrap();
    let (nonce, rest) = payload.split_first_chunk().unwrap();
    let (ciphertext, tag) = rest.split_last_chunk().unwrap();
    let mut text = ciphertext.to_vec();
    let mut decryptor = verified.decryptor(nonce).unwrap();
    decryptor.decrypt(&mut text).unwrap();
    decryptor.finish(tag).unwrap();
    text
}

fn file(name: &str) -> PathBuf {
    folder().join("golden").join(name)
}

/// Each alone, and all of them in one.
fn containers(goldens: &[Golden]) -> Vec<(&str, Vec<&Golden>)> {
    let alone = goldens.iter().map(|golden| (golden.name, vec![golden]));
    alone.chain([("all", goldens.iter().collect())]).collect()
}

#[test]
fn containers_are_frozen() {
    let goldens = goldens();
    for (name, records) in containers(&goldens) {
        let (container, unlock) = (file(&format!("{name}.cdoc2")), file(&format!("{name}.json")));
        let keys: Vec<_> = records.iter().map(|golden| &golden.unlock).collect();
        let keys = serde_json::to_string_pretty(&keys).unwrap() + "\n";
        let octets = write(&records);
        if std::env::var_os("CDOC2_WRITE_GOLDEN").is_some() {
            fs::write(&container, &octets).unwrap();
            fs::write(&unlock, &keys).unwrap();
        }
        assert!(fs::read(&container).unwrap() == octets, "{name} is not what it was");
        assert_eq!(fs::read_to_string(&unlock).unwrap(), keys);
    }
}

#[test]
fn containers_open() {
    let goldens = goldens();
    for (name, records) in containers(&goldens) {
        let container = fs::read(file(&format!("{name}.cdoc2"))).unwrap();
        for (index, golden) in records.into_iter().enumerate() {
            assert_eq!(open(&container, index, golden), PAYLOAD, "{name}, {}", golden.name);
        }
    }
}
