//! Whom an authority certified, seen once and again.

use rcgen::{SerialNumber, date_time_ymd};
use revocation::Authorities;
use revocation::service::Question;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::KeyUsage;

use crate::pki::{Owner, at, client};

/// The first second of a year, but for leap years.
fn year(year: u64) -> UnixTime {
    at((year - 1970) * 31_557_600)
}

/// An authority below `root`, until a year begins.
fn intermediate(root: &Owner, name: &str, until: i32) -> Owner {
    let mut params = root.intermediate(name).params;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    root.issue(params)
}

#[test]
fn what_is_remembered_is_what_would_be_found_out() {
    let root = Owner::root("root");
    let [near, far] = [intermediate(&root, "near", 2030), intermediate(&root, "far", 2040)];
    let person = |issuer: &Owner, serial, until| {
        let mut params = client(serial);
        params.serial_number = Some(SerialNumber::from_slice(&[serial]));
        params.not_before = date_time_ymd(2021, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        issuer.issue(params).certificate
    };
    let good = person(&near, 1, 2050);
    let mut forged = good.to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let certificates: [CertificateDer<'_>; 5] =
        [good, forged.into(), person(&far, 2, 2026), person(&root, 3, 2050), person(&Owner::root("root"), 4, 2050)];

    let authorities = || {
        let mut roots = RootCertStore::empty();
        roots.add(root.certificate.clone()).unwrap();
        let intermediates = vec![near.certificate.clone(), far.certificate.clone()];
        Authorities::new(roots, intermediates, KeyUsage::client_auth(), &aws_lc_rs::default_provider()).unwrap()
    };
    let (plain, remembering) = (authorities(), authorities().with_memory(2));
    let mut trusted = 0;
    // Time goes back, too.
    for now in [2025, 2025, 2029, 2032, 2020, 2025, 2041, 2029].map(year) {
        for certificate in &certificates {
            let verify = |authorities: &Authorities| -> Result<Question, &'static str> {
                authorities.verify(certificate, &[], now).map_err(|untrusted| untrusted.name())
            };
            let expected = verify(&plain);
            trusted += usize::from(expected.is_ok());
            assert_eq!(verify(&remembering), expected, "{now:?}");
            assert_eq!(verify(&remembering), expected, "{now:?}");
        }
    }
    assert_eq!(trusted, 15);
}
