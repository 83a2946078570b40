//! Elliptic-curve keys in software, and ECDH with them.

use core::fmt;

use elliptic_curve::common::Generate as _;
use elliptic_curve::point::PointCompression;
use elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, PublicKey, SecretKey};
use rand_core::TryCryptoRng;

use crate::holder::{Fit, KeyHolder, Released};
use crate::key::{Kek, SharedSecret};
use crate::wire::capsule::{Capsule, EccPublicKeyCapsule, EllipticCurve};
use crate::wire::envelope::Envelope;
use crate::wire::header::RecipientRecord;
use crate::{Curve, Error, Feature, Field, derive};

/// Octets of the longest uncompressed point, that of secp521r1.
pub const MAX_POINT_LEN: usize = Curve::Secp521r1.point_len();

/// A curve's arithmetic, and its name in CDOC2.
pub trait SoftCurve: CurveArithmetic {
    /// The name.
    const CURVE: Curve;
}

#[cfg(feature = "p384")]
impl SoftCurve for p384::NistP384 {
    const CURVE: Curve = Curve::Secp384r1;
}

#[cfg(feature = "p256")]
impl SoftCurve for p256::NistP256 {
    const CURVE: Curve = Curve::Secp256r1;
}

#[cfg(feature = "p521")]
impl SoftCurve for p521::NistP521 {
    const CURVE: Curve = Curve::Secp521r1;
}

/// A point in the form that capsules hold, `04 || X || Y` (RFC 8446, 4.2.8.2).
#[derive(Clone)]
pub struct Point {
    octets: [u8; MAX_POINT_LEN],
    curve: Curve,
}

impl Point {
    /// The octets, [`Curve::point_len`] of them.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.octets.get(..self.curve.point_len()).unwrap_or(&[])
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Point").field(&self.curve).finish_non_exhaustive()
    }
}

/// A private key in memory, wiped when dropped, with its public point.
pub struct SoftKey<C: SoftCurve> {
    secret: SecretKey<C>,
    public: Point,
}

impl<C> SoftKey<C>
where
    C: SoftCurve,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    C: PointCompression,
{
    /// A new key: a recipient's, or the ephemeral one of a sender.
    ///
    /// # Errors
    /// [`Error::Random`]: the generator failed.
    pub fn generate<R: TryCryptoRng + ?Sized>(rng: &mut R) -> Result<Self, Error> {
        Ok(Self::with_public(SecretKey::try_generate_from_rng(rng).map_err(|_| Error::Random)?))
    }

    /// The key whose private scalar is `octets`, big-endian, [`Curve::field_len`] of them.
    ///
    /// # Errors
    /// [`Error::InvalidInput`]: another length, zero, or not below the order of the curve.
    pub fn from_scalar(octets: &[u8]) -> Result<Self, Error> {
        secret_key(octets).map(Self::with_public)
    }

    fn with_public(secret: SecretKey<C>) -> Self {
        let point = secret.public_key().as_affine().to_sec1_point(false);
        let mut octets = [0; MAX_POINT_LEN];
        for (octet, value) in octets.iter_mut().zip(point.as_bytes()) {
            *octet = *value;
        }
        Self { secret, public: Point { octets, curve: C::CURVE } }
    }

    /// The public point.
    #[must_use]
    pub fn public_key(&self) -> &Point {
        &self.public
    }

    /// ECDH with `peer`, a point in uncompressed form.
    ///
    /// # Errors
    /// [`Error::Malformed`] with `field`: wrong length or form, a coordinate not below p, not on the curve. The identity has no
    /// uncompressed form, and these curves have no points of small order.
    pub fn agree(&self, peer: &[u8], field: Field) -> Result<SharedSecret, Error> {
        diffie_hellman(&self.secret, peer, field)
    }

    /// The sender's half of `ECCPublicKeyCapsule`: the KEK for the recipient with this public key, with `self` as the ephemeral key.
    ///
    /// # Errors
    /// [`Error::Malformed`]: the recipient's key is not a point in uncompressed form on this curve.
    pub fn encapsulate(&self, recipient_public_key: &[u8]) -> Result<Kek, Error> {
        let shared = self.agree(recipient_public_key, Field::RecipientPublicKey)?;
        derive::kek_from_shared_secret(&shared, recipient_public_key, self.public.octets())
    }

    /// The recipient's half of `ECCPublicKeyCapsule`: the KEK of `record`.
    ///
    /// # Errors
    /// [`Error::Unsupported`]: the record is not for this key; [`Error::Malformed`]: its sender's key is not a point of the curve.
    pub fn kek(&self, record: &RecipientRecord<'_>) -> Result<Kek, Error> {
        let Capsule::EccPublicKey(capsule) = record.capsule else {
            return Err(Error::Unsupported(Feature::Capsule));
        };
        if !fits(&capsule, C::CURVE, self.public.octets()) {
            return Err(Error::Unsupported(Feature::Capsule));
        }
        let shared = self.agree(capsule.sender_public_key, Field::SenderPublicKey)?;
        derive::kek_from_shared_secret(&shared, capsule.recipient_public_key, capsule.sender_public_key)
    }
}

/// ECDH of the private scalar `scalar`, as [`SoftKey::from_scalar`] takes it, with `peer`, as [`SoftKey::agree`] does.
///
/// For whoever has both the scalar and the public key at hand, such as a card: making a [`SoftKey`] takes as long as ECDH, since it computes the
/// public key.
///
/// # Errors
/// Those of these two.
pub fn agree<C>(scalar: &[u8], peer: &[u8], field: Field) -> Result<SharedSecret, Error>
where
    C: SoftCurve,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    diffie_hellman(&secret_key::<C>(scalar)?, peer, field)
}

fn secret_key<C: SoftCurve>(octets: &[u8]) -> Result<SecretKey<C>, Error> {
    if octets.len() != C::CURVE.field_len() {
        return Err(Error::InvalidInput(Field::PrivateKey));
    }
    SecretKey::from_slice(octets).map_err(|_| Error::InvalidInput(Field::PrivateKey))
}

fn diffie_hellman<C>(secret: &SecretKey<C>, peer: &[u8], field: Field) -> Result<SharedSecret, Error>
where
    C: SoftCurve,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    if peer.len() != C::CURVE.point_len() || peer.first() != Some(&4) {
        return Err(Error::Malformed(field));
    }
    let peer = PublicKey::<C>::from_sec1_bytes(peer).map_err(|_| Error::Malformed(field))?;
    let shared = elliptic_curve::ecdh::diffie_hellman(secret.to_nonzero_scalar(), peer.as_affine());
    SharedSecret::try_fill(C::CURVE, |octets| {
        for (octet, value) in octets.iter_mut().zip(shared.raw_secret_bytes()) {
            *octet = *value;
        }
        Ok(())
    })
}

impl<C: SoftCurve> fmt::Debug for SoftKey<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SoftKey").field(&C::CURVE).finish_non_exhaustive()
    }
}

/// Whether `capsule` is for the key with this public point.
#[must_use]
pub fn fits(capsule: &EccPublicKeyCapsule<'_>, curve: Curve, public_key: &[u8]) -> bool {
    capsule.curve == EllipticCurve::Known(curve) && capsule.recipient_public_key == public_key
}

impl<C> KeyHolder for SoftKey<C>
where
    C: SoftCurve + PointCompression,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    type Error = Error;

    fn fit(&self, record: &RecipientRecord<'_>) -> Fit {
        match record.capsule {
            Capsule::EccPublicKey(capsule) if fits(&capsule, C::CURVE, self.public.octets()) => Fit::Yes,
            _ => Fit::No,
        }
    }

    fn release(&mut self, _: &Envelope<'_>, record: &RecipientRecord<'_>) -> Result<Released, Error> {
        self.kek(record).map(Released::Kek)
    }
}
