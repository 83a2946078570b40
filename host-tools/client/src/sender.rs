//! The sender's half of a capsule, looked at before anybody is asked for a PIN.

use cdoc2::core::wire::capsule::{EccPublicKeyCapsule, EllipticCurve};
use cdoc2::core::{Curve, Feature, Field};
use cdoc2::keys::EcPublicKey;

/// The curve, if the sender's key is an uncompressed point of it.
pub(crate) fn check(capsule: &EccPublicKeyCapsule<'_>) -> Result<Curve, cdoc2::Error> {
    let EllipticCurve::Known(curve) = capsule.curve else { return Err(cdoc2::Error::Unsupported(Feature::Curve)) };
    let point = capsule.sender_public_key;
    let is_point = point.len() == curve.point_len() && EcPublicKey::new(curve, point).is_ok();
    is_point.then_some(curve).ok_or(cdoc2::Error::Malformed(Field::SenderPublicKey))
}
