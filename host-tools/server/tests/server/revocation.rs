//! Certificates of recipients that were revoked: what responders and revocation lists say, and what becomes of it.

use std::fs;
use std::sync::Arc;

use cdoc2_api::CapsuleType;
use rcgen::PKCS_ECDSA_P384_SHA384;
use rustls::AlertDescription::{AccessDenied, CertificateRevoked, CertificateUnknown};

use super::responder::{Responder, Says};
use super::support::{Authority, Bed, Files, pem};

/// A server whose recipients are another authority's than its own certificate; that authority, and its responder.
fn with_responder(settings: &str, says: Says) -> (Bed, Arc<Authority>, Responder) {
    let files = Files::new();
    let people = Arc::new(Authority::new());
    fs::write(files.path("people.pem"), people.certificate.pem()).unwrap();
    let responder = Responder::start(&people, says);
    let ocsp = format!("url = \"{}\"\n{settings}", responder.url);
    let text = files.text("").replace("enabled = false", &ocsp).replace("authority.pem", "people.pem");
    (Bed::start(files, &text), people, responder)
}

#[test]
fn certificates_are_checked_for_revocation() {
    for policy in ["hard", "grace", "soft"] {
        for (says, refused) in [
            (Says::Good, None),
            (Says::Revoked, Some(CertificateRevoked)),
            (Says::Unknown, Some(CertificateUnknown)),
            (Says::Nothing, Some(AccessDenied).filter(|_| policy != "soft")),
        ] {
            let (bed, people, responder) = with_responder(&format!("policy = \"{policy}\""), says);
            let mari = people.person(&PKCS_ECDSA_P384_SHA384);
            let path = bed.put(&mari.capsule(CapsuleType::EccSecp384r1));
            // Who shows no certificate is not asked about.
            assert_eq!(bed.recipient(None).get(&path).status, 401);
            assert_eq!(responder.asked(), 0);
            match refused {
                None => assert_eq!(bed.recipient(Some(&mari)).get(&path).status, 200, "{policy}, {says:?}"),
                Some(told) => assert_eq!(bed.alert(&mari), told, "{policy}, {says:?}"),
            }
        }
    }
}

#[test]
fn answers_without_an_end_hold_as_long_as_configured() {
    for (max_age, old, believed) in [("15m", 10, true), ("5m", 10, false), ("15m", 20, false), ("1h", 20, true)] {
        let (bed, people, _responder) = with_responder(&format!("max_age = \"{max_age}\""), Says::GoodBefore(old));
        let mari = people.person(&PKCS_ECDSA_P384_SHA384);
        let path = bed.put(&mari.capsule(CapsuleType::EccSecp384r1));
        if believed {
            assert_eq!(bed.recipient(Some(&mari)).get(&path).status, 200, "{max_age}, {old}");
        } else {
            assert_eq!(bed.alert(&mari), AccessDenied, "{max_age}, {old}");
        }
    }
}

#[test]
fn lists_are_looked_at_while_no_responder_answers() {
    let files = Files::new();
    let people = Arc::new(Authority::new());
    let responder = Responder::start(&people, Says::Nothing);
    let (mari, jaan) = (people.person(&PKCS_ECDSA_P384_SHA384), people.person(&PKCS_ECDSA_P384_SHA384));
    fs::write(files.path("people.pem"), people.certificate.pem()).unwrap();
    fs::write(files.path("people.crl"), people.list(&[&jaan], 2100)).unwrap();
    let text = files.text("[crl]\nfiles = [\"people.crl\"]").replace("authority.pem", "people.pem");
    let bed = Bed::start(files, &text.replace("enabled = false", &format!("url = \"{}\"", responder.url)));
    let path = bed.put(&mari.capsule(CapsuleType::EccSecp384r1));
    assert_eq!(bed.recipient(Some(&mari)).get(&path).status, 200);
    assert_eq!(bed.alert(&jaan), CertificateRevoked);

    // A list is read when it is told to, and one that is broken changes nothing.
    fs::write(bed.files.path("people.crl"), pem("X509 CRL", &people.list(&[&mari], 2100))).unwrap();
    assert_eq!(bed.recipient(Some(&mari)).get(&path).status, 200);
    bed.reload().unwrap();
    assert_eq!(bed.alert(&mari), CertificateRevoked);
    fs::write(bed.files.path("people.crl"), people.list(&[&jaan], 2100).split_last().unwrap().1).unwrap();
    let error = bed.reload().unwrap_err().to_string();
    assert!(error.starts_with("crl.files: ") && error.contains("people.crl"), "{error}");
    assert_eq!(bed.alert(&mari), CertificateRevoked);

    // A list whose time is over speaks for nobody.
    fs::write(bed.files.path("people.crl"), people.list(&[&jaan], 2021)).unwrap();
    bed.reload().unwrap();
    assert_eq!(bed.alert(&mari), AccessDenied);
    assert_eq!(bed.alert(&jaan), CertificateRevoked);
    let metrics = bed.metrics();
    assert!(metrics.contains("cdoc2_crl_next_update_seconds 1640908800\n"), "{metrics}");
    assert!(metrics.contains(r#"ocsp_decisions_total{decision="accepted_by_list"}"#), "{metrics}");
}

#[test]
fn lists_alone_decide_without_ocsp() {
    let files = Files::new();
    let authority = &files.authority;
    let (mari, jaan) = (authority.person(&PKCS_ECDSA_P384_SHA384), authority.person(&PKCS_ECDSA_P384_SHA384));
    let other = Authority::new();
    let lists = [pem("X509 CRL", &other.list(&[&mari], 2100)), pem("X509 CRL", &authority.list(&[&jaan], 2100))];
    fs::write(files.path("lists.pem"), lists.concat()).unwrap();
    let text = files.text("[crl]\nfiles = [\"lists.pem\"]");
    let bed = Bed::start(files, &text);
    let path = bed.put(&mari.capsule(CapsuleType::EccSecp384r1));
    assert_eq!(bed.recipient(Some(&mari)).get(&path).status, 200);
    assert_eq!(bed.alert(&jaan), CertificateRevoked);
    fs::write(bed.files.path("lists.pem"), &lists[0]).unwrap();
    bed.reload().unwrap();
    assert_eq!(bed.alert(&mari), AccessDenied, "there is no list of its issuer");
}
