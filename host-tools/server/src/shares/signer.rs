//! The certificate that signed a ticket, as it says itself.

use cdoc2_api::RecipientId;
use der::asn1::ObjectIdentifier;
use der::{Decode as _, Encode as _, Tag, Tagged as _};
use rustls::pki_types::{CertificateDer, UnixTime};
use x509_cert::Certificate;
use x509_cert::name::Name;
use x509_cert::time::Time;

use super::rejection::Rejection;

/// `id-at-serialNumber` (RFC 5280, appendix A.1).
const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");

/// A certificate that was read. Whether any of it is true, its issuer has to say.
pub(super) struct Signer {
    pub(super) certificate: CertificateDer<'static>,
    /// Whose it is.
    pub(super) person: RecipientId,
    /// DER of `SubjectPublicKeyInfo`.
    pub(super) public_key_info: Vec<u8>,
    /// The first and the last second in which it is valid.
    pub(super) validity: [UnixTime; 2],
}

impl Signer {
    pub(super) fn parse(certificate: CertificateDer<'static>) -> Result<Self, Rejection> {
        let parsed = Certificate::from_der(&certificate).map_err(|_| Rejection::Certificate)?;
        let certified = parsed.tbs_certificate();
        let validity = certified.validity();
        let signer = Self {
            person: person(certified.subject()).ok_or(Rejection::NoPerson)?,
            public_key_info: certified.subject_public_key_info().to_der().map_err(|_| Rejection::Certificate)?,
            validity: [seconds(validity.not_before), seconds(validity.not_after)],
            certificate,
        };
        Ok(signer)
    }
}

/// Who has the one `serialNumber` of a name, such as "PNOEE-48010010101" (ETSI EN 319 412-1, 5.1.3).
fn person(subject: &Name) -> Option<RecipientId> {
    let mut numbers = subject.iter().filter(|attribute| attribute.oid == SERIAL_NUMBER);
    let (Some(number), None) = (numbers.next(), numbers.next()) else { return None };
    if !matches!(number.value.tag(), Tag::PrintableString | Tag::Utf8String) {
        return None;
    }
    RecipientId::of_serial_number(str::from_utf8(number.value.value()).ok()?).ok()
}

fn seconds(time: Time) -> UnixTime {
    UnixTime::since_unix_epoch(time.to_unix_duration())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_serial_number_is_one_person() {
        let of = |name: &str| person(&name.parse().unwrap()).map(|person| person.to_string());
        for name in [
            "2.5.4.5=PNOEE-48010010101",
            "2.5.4.5=PNOEE-48010010101,CN=PNOEE-38001085718,C=EE",
            // As part of an RDN with several attributes.
            "CN=JÕEORG\\,JAAK+2.5.4.5=PNOEE-48010010101,C=EE",
        ] {
            assert_eq!(of(name).as_deref(), Some("etsi/PNOEE-48010010101"), "{name}");
        }
        for name in [
            "CN=PNOEE-48010010101",
            "2.5.4.5=48010010101",
            "2.5.4.5=etsi/PNOEE-48010010101",
            "2.5.4.5=PNOEE-48010010101,2.5.4.5=PNOEE-48010010101",
            "2.5.4.5=PNOEE-48010010101,CN=a,2.5.4.5=PNOEE-38001085718",
            "2.5.4.5=PNOEE-48010010101+2.5.4.5=PNOEE-38001085718",
            // A BMPString, which nobody writes.
            "2.5.4.5=#1E0400500050",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for octets in [&[][..], &[0x30, 0], &[0x30, 0x82, 0xFF, 0xFF], b"-----BEGIN CERTIFICATE-----"] {
            assert_eq!(Signer::parse(octets.to_vec().into()).err(), Some(Rejection::Certificate));
        }
    }
}
