//! Who issues the certificates that a directory is believed about.

use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};

use crate::tls;

/// Authorities, each of them trusted by itself: that one above it is listed too is not needed.
#[derive(Clone, Debug)]
pub(super) struct Issuers(Vec<TrustAnchor<'static>>);

impl Issuers {
    /// Those whose certificates these are.
    pub(super) fn new(certificates: &[CertificateDer<'_>]) -> Result<Self, Error> {
        certificates
            .iter()
            .map(|certificate| Ok(anchor_from_trusted_cert(certificate)?.to_owned()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether one of them has issued the certificate `der`, which is valid from `from` to `until` and looked at `now`. That it has expired is another
    /// matter, and is not in question here: its signature is.
    pub(super) fn have_issued(&self, der: &[u8], (from, until): (SystemTime, SystemTime), now: SystemTime) -> bool {
        let certificate = CertificateDer::from(der);
        let Ok(certificate) = EndEntityCert::try_from(&certificate) else { return false };
        let Ok(time) = now.min(until).max(from).duration_since(SystemTime::UNIX_EPOCH) else { return false };
        let algorithms = tls::provider().signature_verification_algorithms.all;
        let time = UnixTime::since_unix_epoch(time);
        certificate.verify_for_usage(algorithms, &self.0, &[], time, AnyPurpose, None, None).is_ok()
    }
}

/// What a key may be used for is judged apart.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}
