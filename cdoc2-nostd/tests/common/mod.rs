//! What the tests of the API share: a predictable generator and one container with a record of every kind.
#![allow(dead_code, reason = "each test file uses its part")]

use std::convert::Infallible;

use cdoc2_nostd::ecdh::SoftKey;
use cdoc2_nostd::key::{Fmk, Kek};
use cdoc2_nostd::wire::capsule::*;
use cdoc2_nostd::wire::header::RecipientRecord;
use cdoc2_nostd::wire::label::KeyLabel;
use cdoc2_nostd::{Curve, derive, encrypt};
use rand_core::{TryCryptoRng, TryRng};

/// SplitMix64: predictable, and good enough to make keys for tests.
pub(crate) struct Rng(pub(crate) u64);

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|word| word as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Ok(word ^ (word >> 31))
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        for chunk in octets.chunks_mut(8) {
            let word = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Rng {}

pub(crate) const SECRET: &[u8] = b"a symmetric key of 32 octets....";
pub(crate) const PASSWORD: &[u8] = "Paroolõ1234567".as_bytes();
pub(crate) const SALT: &[u8; 32] = b"salt of the key derivation......";
pub(crate) const PASSWORD_SALT: &[u8; 32] = b"salt of the password hashing....";
pub(crate) const TEXT: &[u8] = b"what the container is about";

/// The recipients' keys, and the octets that records borrow.
pub(crate) struct Parties {
    pub(crate) p384: SoftKey<p384::NistP384>,
    pub(crate) p256: SoftKey<p256::NistP256>,
    pub(crate) p521: SoftKey<p521::NistP521>,
    senders: [Vec<u8>; 3],
    recipients: [Vec<u8>; 3],
    encrypted_fmks: [[u8; 32]; 8],
    pub(crate) fmk: Fmk,
    pub(crate) kek: Kek,
}

impl Parties {
    pub(crate) fn new(seed: u64) -> Self {
        let rng = &mut Rng(seed);
        let fmk = Fmk::generate(rng).unwrap();
        let kek = Kek::generate(rng).unwrap();
        let (p384, p256, p521) =
            (SoftKey::generate(rng).unwrap(), SoftKey::generate(rng).unwrap(), SoftKey::generate(rng).unwrap());
        let recipients =
            [p384.public_key().octets().to_vec(), p256.public_key().octets().to_vec(), p521.public_key().octets().to_vec()];
        let s384 = SoftKey::<p384::NistP384>::generate(rng).unwrap();
        let s256 = SoftKey::<p256::NistP256>::generate(rng).unwrap();
        let s521 = SoftKey::<p521::NistP521>::generate(rng).unwrap();
        let senders =
            [s384.public_key().octets().to_vec(), s256.public_key().octets().to_vec(), s521.public_key().octets().to_vec()];
        let iterations = 600_000.try_into().unwrap();
        let password_kek = derive::kek_from_password(PASSWORD, PASSWORD_SALT, iterations, SALT, b"password").unwrap();
        let encrypted_fmks = [
            s384.encapsulate(&recipients[0]).unwrap().encrypt_fmk(&fmk),
            s256.encapsulate(&recipients[1]).unwrap().encrypt_fmk(&fmk),
            s521.encapsulate(&recipients[2]).unwrap().encrypt_fmk(&fmk),
            kek.encrypt_fmk(&fmk),
            kek.encrypt_fmk(&fmk),
            derive::kek_from_symmetric_key(SECRET, SALT, b"secret").unwrap().encrypt_fmk(&fmk),
            password_kek.encrypt_fmk(&fmk),
            kek.encrypt_fmk(&fmk),
        ];
        Self { p384, p256, p521, senders, recipients, encrypted_fmks, fmk, kek }
    }

    /// One record of each kind: three curves, RSA, capsule server, symmetric key, password, key shares.
    pub(crate) fn records(&self) -> Vec<RecipientRecord<'_>> {
        const SHARES: &[ShareLocation<'static>] = &[
            ShareLocation { server_base_url: Text(b"https://one.example/"), share_id: Text(b"SS0001") },
            ShareLocation { server_base_url: Text(b"https://two.example/"), share_id: Text(b"SS0002") },
        ];
        let ecc = |index: usize, curve| {
            let (recipient_public_key, sender_public_key) = (&self.recipients[index][..], &self.senders[index][..]);
            Capsule::EccPublicKey(EccPublicKeyCapsule {
                curve: EllipticCurve::Known(curve),
                recipient_public_key,
                sender_public_key,
            })
        };
        let capsules: [(&[u8], Capsule<'_>); 8] = [
            (b"P-384", ecc(0, Curve::Secp384r1)),
            (b"P-256", ecc(1, Curve::Secp256r1)),
            (b"P-521", ecc(2, Curve::Secp521r1)),
            (b"RSA", Capsule::RsaPublicKey(RsaPublicKeyCapsule { recipient_public_key: b"DER", encrypted_kek: b"under RSA" })),
            (
                b"server",
                Capsule::KeyServer(KeyServerCapsule {
                    recipient_key_details: KeyDetails::Ecc {
                        curve: EllipticCurve::Known(Curve::Secp384r1),
                        recipient_public_key: &self.recipients[0],
                    },
                    keyserver_id: "ria".into(),
                    transaction_id: "KC0123456789abcdef".into(),
                }),
            ),
            (b"secret", Capsule::SymmetricKey(SymmetricKeyCapsule { salt: SALT })),
            (
                b"password",
                Capsule::Pbkdf2(Pbkdf2Capsule {
                    salt: SALT,
                    password_salt: PASSWORD_SALT,
                    kdf_algorithm_identifier: KdfAlgorithmIdentifier::Pbkdf2WithHmacSha256,
                    kdf_iterations: 600_000,
                }),
            ),
            (
                b"shares",
                Capsule::KeyShares(KeySharesCapsule {
                    shares: Shares::new(SHARES),
                    salt: SALT,
                    recipient_type: KeyShareRecipientType::SidMid,
                    shares_scheme: SharesScheme::NOfN,
                    recipient_id: "etsi/PNOEE-48010010101".into(),
                }),
            ),
        ];
        capsules
            .into_iter()
            .zip(&self.encrypted_fmks)
            .map(|((label, capsule), encrypted_fmk)| RecipientRecord {
                capsule,
                key_label: KeyLabel::new(label),
                encrypted_fmk,
                fmk_encryption_method: FmkEncryptionMethod::Xor,
            })
            .collect()
    }

    /// A whole container around [`TEXT`].
    pub(crate) fn container(&self, records: &[RecipientRecord<'_>]) -> Vec<u8> {
        let mut envelope = vec![0; encrypt::encoded_len(records).unwrap()];
        let sealed = encrypt::seal(&self.fmk, records, &mut envelope).unwrap();
        let nonce = [7; 12];
        let mut encryptor = sealed.encryptor(&nonce).unwrap();
        let mut text = TEXT.to_vec();
        encryptor.encrypt(&mut text).unwrap();
        [sealed.octets(), &nonce, &text, &encryptor.finish()].concat()
    }
}
