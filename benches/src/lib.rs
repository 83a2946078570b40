//! What the measurements share: a predictable generator, and headers of any number of recipients.

use std::convert::Infallible;

use cdoc2_nostd::Curve;
use cdoc2_nostd::key::{Fmk, Kek};
use cdoc2_nostd::wire::capsule::{Capsule, EccPublicKeyCapsule, EllipticCurve, FmkEncryptionMethod, SymmetricKeyCapsule};
use cdoc2_nostd::wire::header::RecipientRecord;
use cdoc2_nostd::wire::label::KeyLabel;
use rand_core::{TryCryptoRng, TryRng};

/// A generator of the same octets on every run. For measurements only.
#[derive(Debug)]
pub struct Fixed(pub u64);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|word| (word >> 32) as u32)
    }

    /// Knuth's MMIX multiplier and increment.
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        for octet in octets {
            *octet = (self.try_next_u64()? >> 56) as u8;
        }
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

/// The symmetric key of the last recipient.
pub const SECRET: &[u8; 32] = &[7; 32];
const SALT: &[u8; 32] = &[3; 32];
const POINT: &[u8; 97] = &[4; 97];

/// The parts of a header that records borrow.
#[derive(Debug)]
pub struct Parts {
    /// The key of the file.
    pub fmk: Fmk,
    encrypted_fmk: [u8; 32],
}

impl Default for Parts {
    fn default() -> Self {
        let mut rng = Fixed(1);
        let (Ok(fmk), Ok(kek)) = (Fmk::generate(&mut rng), kek_of(SECRET)) else { unreachable!("this generator never fails") };
        let encrypted_fmk = kek.encrypt_fmk(&fmk);
        Self { fmk, encrypted_fmk }
    }
}

impl Parts {
    /// `count` records: P-384 recipients, whose points are only as long as points, and at the end one with [`SECRET`].
    #[must_use]
    pub fn records(&self, count: usize) -> Vec<RecipientRecord<'_>> {
        let ecc = EccPublicKeyCapsule {
            curve: EllipticCurve::Known(Curve::Secp384r1),
            recipient_public_key: POINT,
            sender_public_key: POINT,
        };
        let record = |capsule| RecipientRecord {
            capsule,
            key_label: KeyLabel::new(LABEL),
            encrypted_fmk: &self.encrypted_fmk,
            fmk_encryption_method: FmkEncryptionMethod::Xor,
        };
        let mut records = vec![record(Capsule::EccPublicKey(ecc)); count.saturating_sub(1)];
        records.push(record(Capsule::SymmetricKey(SymmetricKeyCapsule { salt: SALT })));
        records
    }
}

const LABEL: &[u8] = b"data:,v=1&type=ID-card&serial_number=PNOEE-38001085718&cn=J%C3%95EORG%2CJAAK-KRISTJAN%2C38001085718";

fn kek_of(secret: &[u8]) -> Result<Kek, cdoc2_nostd::Error> {
    cdoc2_nostd::derive::kek_from_symmetric_key(secret, SALT, LABEL)
}
