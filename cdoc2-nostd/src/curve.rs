//! The elliptic curves of CDOC2.

/// A curve on which this crate can do key agreement.
///
/// The specification lists secp384r1 only (appendix B, `EllipticCurve`); libcdoc writes the other two as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Curve {
    /// NIST P-384.
    Secp384r1,
    /// NIST P-256.
    Secp256r1,
    /// NIST P-521.
    Secp521r1,
}

impl Curve {
    /// Every curve, in the order of their values on the wire.
    pub const ALL: [Self; 3] = [Self::Secp384r1, Self::Secp256r1, Self::Secp521r1];

    /// Octets of one coordinate, and so of an ECDH shared secret: 48, 32 or 66.
    #[must_use]
    pub const fn field_len(self) -> usize {
        match self {
            Self::Secp384r1 => 48,
            Self::Secp256r1 => 32,
            Self::Secp521r1 => 66,
        }
    }

    /// Octets of an uncompressed point, `04 || X || Y`: 97, 65 or 133 (RFC 8446, 4.2.8.2).
    #[must_use]
    pub const fn point_len(self) -> usize {
        match self {
            Self::Secp384r1 => 97,
            Self::Secp256r1 => 65,
            Self::Secp521r1 => 133,
        }
    }

    /// The name in the schema: "secp384r1", "secp256r1" or "secp521r1".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secp384r1 => "secp384r1",
            Self::Secp256r1 => "secp256r1",
            Self::Secp521r1 => "secp521r1",
        }
    }
}
