//! Private keys: they are used here and never leave.
//!
//! A record has the curve, whether a touch is wanted, the private scalar and the public point.

use cdoc2_nostd::ecdh::{self, Point, SoftCurve, SoftKey};
use cdoc2_nostd::key::SharedSecret;
use cdoc2_nostd::{Curve, Error, Field};
use p256::NistP256;
use p384::NistP384;
use p384::ecdsa::SigningKey;
use p384::ecdsa::signature::hazmat::RandomizedPrehashSigner as _;
use p521::NistP521;
use rand_core::TryCryptoRng;
use token_proto::KeyRef;
use zeroize::Zeroizing;

use super::slot::Slot;
use super::{Card, Fault, KeyError};
use crate::Platform;

/// Octets of the longest public point.
pub const MAX_POINT_LEN: usize = Curve::Secp521r1.point_len();
/// Octets of the longest private scalar.
const MAX_SCALAR_LEN: usize = Curve::Secp521r1.field_len();
/// Octets of the longest record of a key.
pub(super) const MAX_RECORD_LEN: usize = 2 + MAX_SCALAR_LEN + MAX_POINT_LEN;

/// How often random octets may miss the range of scalars; half of them miss only if the generator is broken.
const ATTEMPTS: usize = 16;

/// What is public of a key beside its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its curve.
    pub curve: Curve,
    /// Whether each use wants a touch. The card only remembers that; whoever uses the key asks the person.
    pub touch: bool,
}

/// Where the key of a card comes from at personalisation.
#[derive(Clone, Copy)]
pub enum KeySource<'k> {
    /// Generated on the card.
    Generate {
        /// Its curve.
        curve: Curve,
        /// Whether each use wants a touch.
        touch: bool,
    },
    /// Made elsewhere.
    Import {
        /// Its curve.
        curve: Curve,
        /// The private scalar, big-endian, [`Curve::field_len`] octets. The caller owns and wipes it.
        scalar: &'k [u8],
        /// Whether each use wants a touch.
        touch: bool,
    },
}

impl core::fmt::Debug for KeySource<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Generate { curve, touch } => f.debug_struct("Generate").field("curve", curve).field("touch", touch).finish(),
            Self::Import { curve, touch, .. } => {
                f.debug_struct("Import").field("curve", curve).field("touch", touch).finish_non_exhaustive()
            }
        }
    }
}

/// A key in the store.
#[derive(Clone, Copy)]
pub(super) struct Stored {
    pub(super) info: KeyInfo,
    /// Sequence number of its record: a certificate names the key that it is for by it.
    pub(super) sequence: u32,
}

/// A key on its way into the store.
pub(super) struct NewKey {
    info: KeyInfo,
    scalar: Zeroizing<[u8; MAX_SCALAR_LEN]>,
    point: Point,
}

impl NewKey {
    /// Makes what `source` says, if `key` may be that.
    pub(super) fn make<R: TryCryptoRng>(key: KeyRef, source: KeySource<'_>, rng: &mut R) -> Result<Self, KeyError> {
        let (KeySource::Generate { curve, touch } | KeySource::Import { curve, touch, .. }) = source;
        if key != KeyRef::Cdoc2 && curve != Curve::Secp384r1 {
            return Err(KeyError::NotAllowed);
        }
        let info = KeyInfo { curve, touch };
        let mut scalar = Zeroizing::new([0; MAX_SCALAR_LEN]);
        if let KeySource::Import { scalar: octets, .. } = source {
            if octets.len() != curve.field_len() {
                return Err(Fault::Invalid.into());
            }
            scalar.get_mut(..octets.len()).ok_or(Fault::Invalid)?.copy_from_slice(octets);
            let point = public_point(curve, octets).map_err(|_| Fault::Invalid)?;
            return Ok(Self { info, scalar, point });
        }
        for _ in 0..ATTEMPTS {
            let octets = scalar.get_mut(..curve.field_len()).ok_or(Fault::Random)?;
            rng.try_fill_bytes(octets).map_err(|_| Fault::Random)?;
            if curve == Curve::Secp521r1
                && let Some(first) = octets.first_mut()
            {
                // 521 bits in 66 octets
                *first &= 1;
            }
            if let Ok(point) = public_point(curve, octets) {
                return Ok(Self { info, scalar, point });
            }
        }
        Err(Fault::Random.into())
    }

    /// Hands the parts of the record to `put`.
    pub(super) fn store<T>(&self, put: impl FnOnce(&[&[u8]]) -> T) -> T {
        let scalar = self.scalar.get(..self.info.curve.field_len()).unwrap_or(&[]);
        put(&[&[number(self.info.curve), u8::from(self.info.touch)], scalar, self.point.octets()])
    }

    pub(super) fn stored(&self, sequence: u32) -> Stored {
        Stored { info: self.info, sequence }
    }
}

/// A record of a key, read.
struct Record<'r> {
    info: KeyInfo,
    scalar: &'r [u8],
    point: &'r [u8],
}

impl<'r> Record<'r> {
    fn parse(octets: &'r [u8]) -> Result<Self, Fault> {
        let read = || {
            let (&[curve, touch], rest) = octets.split_first_chunk()?;
            let curve = from_number(curve)?;
            let (scalar, point) = rest.split_at_checked(curve.field_len())?;
            (touch <= 1 && point.len() == curve.point_len()).then_some(Self {
                info: KeyInfo { curve, touch: touch == 1 },
                scalar,
                point,
            })
        };
        read().ok_or(Fault::Corrupt)
    }
}

/// The numbers of curves in the flash.
const fn number(curve: Curve) -> u8 {
    match curve {
        Curve::Secp384r1 => 1,
        Curve::Secp256r1 => 2,
        Curve::Secp521r1 => 3,
    }
}

fn from_number(octet: u8) -> Option<Curve> {
    Curve::ALL.into_iter().find(|curve| number(*curve) == octet)
}

fn public_point(curve: Curve, scalar: &[u8]) -> Result<Point, Error> {
    match curve {
        Curve::Secp384r1 => SoftKey::<NistP384>::from_scalar(scalar).map(|key| key.public_key().clone()),
        Curve::Secp256r1 => SoftKey::<NistP256>::from_scalar(scalar).map(|key| key.public_key().clone()),
        Curve::Secp521r1 => SoftKey::<NistP521>::from_scalar(scalar).map(|key| key.public_key().clone()),
    }
}

fn agree(octets: &[u8], peer: &[u8]) -> Result<SharedSecret, KeyError> {
    const FIELD: Field = Field::SenderPublicKey;
    let record = Record::parse(octets)?;
    let agreed = match record.info.curve {
        Curve::Secp384r1 => ecdh::agree::<NistP384>(record.scalar, peer, FIELD),
        Curve::Secp256r1 => ecdh::agree::<NistP256>(record.scalar, peer, FIELD),
        Curve::Secp521r1 => ecdh::agree::<NistP521>(record.scalar, peer, FIELD),
    };
    agreed.map_err(|error| match error {
        Error::Malformed(FIELD) => KeyError::Point,
        _ => Fault::Corrupt.into(),
    })
}

fn sign<R: TryCryptoRng>(octets: &[u8], digest: &[u8; 48], rng: &mut R) -> Result<[u8; 96], KeyError> {
    let record = Record::parse(octets)?;
    if record.info.curve != <NistP384 as SoftCurve>::CURVE {
        return Err(KeyError::NotAllowed);
    }
    let key = SigningKey::from_slice(record.scalar).map_err(|_| Fault::Corrupt)?;
    let signature: p384::ecdsa::Signature = key.sign_prehash_with_rng(rng, digest).map_err(|_| Fault::Random)?;
    Ok(signature.to_bytes().into())
}

impl<P: Platform> Card<P> {
    /// What kind of key `key` is, if the card has it.
    #[must_use]
    pub fn key(&self, key: KeyRef) -> Option<KeyInfo> {
        self.stored_key(key).map(|stored| stored.info)
    }

    /// Writes the public point of `key` into `out`, uncompressed, and answers its length.
    ///
    /// # Errors
    /// [`KeyError::NoKey`], or the card failed.
    pub fn public_key(&mut self, key: KeyRef, out: &mut [u8; MAX_POINT_LEN]) -> Result<usize, KeyError> {
        let len = self.load_key(key)?;
        let copied = Record::parse(self.scratch.plaintext(len)).and_then(|record| {
            out.get_mut(..record.point.len()).ok_or(Fault::Corrupt)?.copy_from_slice(record.point);
            Ok(record.point.len())
        });
        self.scratch.wipe();
        Ok(copied?)
    }

    /// Makes a new `key` in place of the old one, whose certificate is gone with it.
    ///
    /// # Errors
    /// [`KeyError::NotAllowed`]: the key may not be on this curve. The card failed.
    pub fn generate_key(&mut self, key: KeyRef, curve: Curve, touch: bool) -> Result<(), KeyError> {
        self.personalised()?;
        let new = NewKey::make(key, KeySource::Generate { curve, touch }, self.platform.rng())?;
        let sequence = new.store(|parts| self.put(Slot::key(key), parts))?;
        self.remember_key(key, new.stored(sequence));
        Ok(())
    }

    /// ECDH of `key` with the point `peer` in uncompressed form.
    ///
    /// # Errors
    /// [`KeyError::NoKey`]; [`KeyError::NotAllowed`]: the signature key does not do this; [`KeyError::Point`]; the card failed.
    pub fn agree(&mut self, key: KeyRef, peer: &[u8]) -> Result<SharedSecret, KeyError> {
        if key == KeyRef::Signature {
            return Err(KeyError::NotAllowed);
        }
        let len = self.load_key(key)?;
        let agreed = agree(self.scratch.plaintext(len), peer);
        self.scratch.wipe();
        agreed
    }

    /// ECDSA over secp384r1 of `digest` as it is, a number of 384 bits; `r || s` in `signature`. Hedged (RFC 6979, 3.6).
    ///
    /// # Errors
    /// [`KeyError::NoKey`]; [`KeyError::NotAllowed`]: the CDOC2 key does not do this; the card failed.
    pub fn sign(&mut self, key: KeyRef, digest: &[u8; 48], signature: &mut [u8; 96]) -> Result<(), KeyError> {
        if key == KeyRef::Cdoc2 {
            return Err(KeyError::NotAllowed);
        }
        let len = self.load_key(key)?;
        let signed = sign(self.scratch.plaintext(len), digest, self.platform.rng());
        self.scratch.wipe();
        *signature = signed?;
        Ok(())
    }

    /// Reads the record of `key` into the scratch buffer and answers its length.
    fn load_key(&mut self, key: KeyRef) -> Result<usize, KeyError> {
        self.personalised()?;
        if self.stored_key(key).is_none() {
            return Err(KeyError::NoKey);
        }
        Ok(self.load(Slot::key(key))?.ok_or(Fault::Corrupt)?.len)
    }

    /// What the store says of `key`.
    pub(super) fn read_key(&mut self, key: KeyRef) -> Result<Option<Stored>, Fault> {
        let Some(found) = self.load(Slot::key(key))? else { return Ok(None) };
        let info = Record::parse(self.scratch.plaintext(found.len)).map(|record| record.info);
        self.scratch.wipe();
        Ok(Some(Stored { info: info?, sequence: found.sequence }))
    }
}
