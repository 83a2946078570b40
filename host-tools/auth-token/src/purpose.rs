//! What the certificate of a person must be for, so that its key signs tokens: `extKeyUsage`.

use webpki::{Error, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, KeyUsage, RequiredEkuNotFoundContext};

/// `extKeyUsage` of a certificate that authenticates people: none, as with Mobile-ID; `id-kp-clientAuth` (RFC 5280, 4.2.1.12); or Smart-ID's own, in
/// what it has issued since April 2025 (SK ID Solutions, "Certificate and OCSP Profile for Smart-ID").
#[derive(Clone, Copy, Debug, Default)]
pub struct Authentication;

/// 1.3.6.1.5.5.7.3.2 and 1.3.6.1.4.1.62306.5.7.0.
const PURPOSES: [KeyPurposeId<'static>; 2] = [
    KeyPurposeId::new(&[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02]),
    KeyPurposeId::new(&[0x2B, 0x06, 0x01, 0x04, 0x01, 0x83, 0xE6, 0x62, 0x05, 0x07, 0x00]),
];

impl ExtendedKeyUsageValidator for Authentication {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut is_restricted = false;
        for purpose in purposes {
            if PURPOSES.contains(&purpose?) {
                return Ok(());
            }
            is_restricted = true;
        }
        let wrong = RequiredEkuNotFoundContext { required: KeyUsage::client_auth(), present: Vec::new() };
        if is_restricted { Err(Error::RequiredEkuNotFoundContext(wrong)) } else { Ok(()) }
    }
}
