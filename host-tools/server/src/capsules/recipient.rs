//! Who fetches: the public key of a client certificate, in the form that capsules name recipients by.

use cdoc2_api::{Capsule, CapsuleType};
use der::Decode as _;
use der::asn1::ObjectIdentifier;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use subtle::ConstantTimeEq as _;
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// RFC 5480, 2.1.1; RFC 8017, appendix C.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 5480, 2.1.1.1.
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// A recipient as a capsule names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipient {
    id: Vec<u8>,
    kind: CapsuleType,
}

impl Recipient {
    /// The key of a certificate that was verified; `None` if it is of a kind that no capsule is for.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let info = ParsedCertificate::try_from(certificate).ok()?.subject_public_key_info();
        let info = SubjectPublicKeyInfoRef::from_der(info.as_ref()).ok()?;
        let id = info.subject_public_key.as_bytes()?;
        let kind = match info.algorithm.oid {
            EC => match info.algorithm.parameters?.decode_as::<ObjectIdentifier>().ok()? {
                P256 => CapsuleType::EccSecp256r1,
                P384 => CapsuleType::EccSecp384r1,
                P521 => CapsuleType::EccSecp521r1,
                _ => return None,
            },
            RSA => CapsuleType::Rsa,
            _ => return None,
        };
        Some(Self { id: id.into(), kind })
    }

    /// `found` if it is for this recipient. Nothing and somebody else's take the same steps: nothing is compared, too, with a key of the same length.
    pub(super) fn claim<T>(&self, found: Option<T>, capsule: impl Fn(&T) -> &Capsule) -> Option<T> {
        let nobody;
        let (id, kind) = match &found {
            Some(found) => (&capsule(found).recipient_id, &capsule(found).capsule_type),
            None => {
                nobody = vec![0; self.id.len()];
                (&nobody, &self.kind)
            }
        };
        let same = self.id.ct_eq(id) & (self.kind.name().as_bytes()).ct_eq(kind.name().as_bytes());
        found.filter(|_| same.into())
    }
}
