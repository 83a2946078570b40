//! Keys on P-384, P-256 and P-521, and ECDH with them.
//!
//! Agreement runs in AWS-LC, which is several times as fast here as the curve arithmetic of the core: a container for a
//! thousand recipients is a thousand agreements. What comes from a file and may be compressed is decoded by the arithmetic
//! of the core.

use std::fmt;

use aws_lc_rs::agreement::{self, Algorithm, ECDH_P256, ECDH_P384, ECDH_P521, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use cdoc2_nostd::Curve;
use elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize};
use zeroize::Zeroizing;

use super::Error;

const UNCOMPRESSED: u8 = 4;

/// A point on a curve, as capsules hold it: `04 || X || Y` (RFC 8446, 4.2.8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcPublicKey {
    curve: Curve,
    point: Box<[u8]>,
}

impl EcPublicKey {
    /// The point that `octets` encode, uncompressed or compressed (SEC 1, 2.3.4).
    ///
    /// # Errors
    /// [`Error::InvalidPoint`]: another form or length, a coordinate not below p, not on the curve, or the identity.
    pub fn new(curve: Curve, octets: &[u8]) -> Result<Self, Error> {
        let point = match curve {
            Curve::Secp384r1 => uncompressed::<p384::NistP384>(octets),
            Curve::Secp256r1 => uncompressed::<p256::NistP256>(octets),
            Curve::Secp521r1 => uncompressed::<p521::NistP521>(octets),
        };
        Ok(Self { curve, point: point.ok_or(Error::InvalidPoint)? })
    }

    /// The curve.
    #[must_use]
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The point, [`Curve::point_len`] octets.
    #[must_use]
    pub fn point(&self) -> &[u8] {
        &self.point
    }
}

fn uncompressed<C>(octets: &[u8]) -> Option<Box<[u8]>>
where
    C: CurveArithmetic,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    // 5, the compact form, is left out: nothing but an experiment ever wrote it.
    let (2 | 3 | UNCOMPRESSED) = *octets.first()? else { return None };
    let key = elliptic_curve::PublicKey::<C>::from_sec1_bytes(octets).ok()?;
    Some(key.as_affine().to_sec1_point(false).to_bytes())
}

/// A private key on a curve, with its public point. AWS-LC wipes the memory it holds it in.
pub struct EcPrivateKey {
    key: agreement::PrivateKey,
    public: EcPublicKey,
}

impl EcPrivateKey {
    /// A new key: a recipient's, or the ephemeral one of a sender.
    ///
    /// # Errors
    /// [`Error::Random`]: the generator failed.
    pub fn generate(curve: Curve) -> Result<Self, Error> {
        let key = agreement::PrivateKey::generate(algorithm(curve)).map_err(|_| Error::Random)?;
        Self::with_public(curve, key)
    }

    /// The key with this scalar, big-endian. Fewer octets than [`Curve::field_len`] are taken as well: some writers drop zeros in front.
    ///
    /// # Errors
    /// [`Error::Malformed`]: too long, zero, or not below the order of the curve.
    pub fn from_scalar(curve: Curve, octets: &[u8]) -> Result<Self, Error> {
        const RANGE: Error = Error::Malformed("the private number is out of the range of its curve");
        let mut padded = Zeroizing::new([0; Curve::Secp521r1.field_len()]);
        let padded = &mut padded[..curve.field_len()];
        let zeros = padded.len().checked_sub(octets.len()).ok_or(RANGE)?;
        padded[zeros..].copy_from_slice(octets);
        let key = agreement::PrivateKey::from_private_key(algorithm(curve), padded).map_err(|_| RANGE)?;
        Self::with_public(curve, key)
    }

    fn with_public(curve: Curve, key: agreement::PrivateKey) -> Result<Self, Error> {
        let point = key.compute_public_key().map_err(|_| Error::InvalidPoint)?;
        Ok(Self { public: EcPublicKey { curve, point: point.as_ref().into() }, key })
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> &EcPublicKey {
        &self.public
    }

    /// ECDH with `peer_point`, which must be in uncompressed form on the same curve: the x-coordinate of the product,
    /// [`Curve::field_len`] octets, big-endian.
    ///
    /// # Errors
    /// [`Error::InvalidPoint`]: wrong length or form, a coordinate not below p, or not on the curve. The identity has no
    /// uncompressed form, and these curves have no points of small order.
    pub fn agree(&self, peer_point: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let curve = self.public.curve;
        if peer_point.len() != curve.point_len() || peer_point.first() != Some(&UNCOMPRESSED) {
            return Err(Error::InvalidPoint);
        }
        let peer = UnparsedPublicKey::new(algorithm(curve), peer_point);
        agreement::agree(&self.key, peer, Error::InvalidPoint, |x| Ok(Zeroizing::new(x.to_vec())))
    }

    /// `PrivateKeyInfo` (RFC 5208) with the public key in it.
    pub(super) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let der: Pkcs8V1Der<'_> = self.key.as_der().map_err(|_| Error::Malformed("the key cannot be encoded"))?;
        Ok(Zeroizing::new(der.as_ref().to_vec()))
    }
}

impl fmt::Debug for EcPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcPrivateKey").field("curve", &self.public.curve).finish_non_exhaustive()
    }
}

fn algorithm(curve: Curve) -> &'static Algorithm {
    match curve {
        Curve::Secp384r1 => &ECDH_P384,
        Curve::Secp256r1 => &ECDH_P256,
        Curve::Secp521r1 => &ECDH_P521,
    }
}
