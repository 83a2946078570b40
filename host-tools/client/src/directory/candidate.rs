//! A certificate from a directory, and whether a file can be encrypted to its holder by it.

use std::fmt;
use std::time::SystemTime;

use cdoc2::keys::{Certificate, EidType, Error as KeyError, UsageWarning, directory_string};
use x509_cert::TbsCertificate;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage};

use super::{Directory, Issuers, Query};
use crate::person_code::Code;

/// A certificate that a directory has. `Debug` leaves out whose it is.
#[derive(Clone)]
pub struct Candidate {
    /// The certificate in DER, or whatever stands in its place.
    pub der: Vec<u8>,
    /// What was read from it, if it is sound and its key can be encrypted to.
    pub certificate: Option<Certificate>,
    /// What it says of its holder; empty where it is not sound.
    pub holder: Holder,
    /// What it was issued for.
    pub kind: Kind,
    /// The first and the last moment of its validity; none where it is not sound.
    pub validity: Option<(SystemTime, SystemTime)>,
    /// The names of the directories that have it.
    pub directories: Vec<String>,
    /// Whether it was taken.
    pub verdict: Verdict,
}

/// Whose a certificate is, as its subject says.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// `commonName`.
    pub common_name: Option<String>,
    /// `serialNumber`, or `organizationIdentifier` where there is no other: as the certificate has it.
    pub code: Option<String>,
    /// `organizationName`.
    pub organisation: Option<String>,
}

/// What a certificate was issued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A document of the Estonian eID.
    Eid(EidType),
    /// Mobile-ID, whose keys are on a SIM and only sign.
    MobileId,
    /// Smart-ID, whose keys are on a phone and at its service, and only sign.
    SmartId,
    /// An organisation: a seal, or a key to encrypt to.
    Organisation,
    /// Something else.
    Other,
}

/// Whether a certificate was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A file can be encrypted to it.
    Taken,
    /// It cannot, or should not.
    Left(Reason),
}

/// Why a certificate was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is not a sound certificate.
    Unreadable,
    /// It is not of whom was asked for: a directory may say anything.
    OtherHolder,
    /// It is the certificate of an authority.
    Authority,
    /// None of the issuers whose certificates the directory is trusted for has issued it: anybody may have written what it says.
    Issuer,
    /// It is for a server, or for a client of an organisation, to show in TLS: `extKeyUsage`.
    Tls,
    /// Mobile-ID cannot decrypt.
    MobileId,
    /// Smart-ID cannot decrypt.
    SmartId,
    /// Its key may not be used to decrypt: `keyUsage`.
    KeyUsage(UsageWarning),
    /// It is not valid yet.
    NotYetValid,
    /// It is not valid any more.
    Expired,
    /// Its key is of a kind, on a curve or of a length that CDOC2 does not know.
    Key,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, directories, verdict, .. } = self;
        f.debug_struct("Candidate")
            .field("kind", kind)
            .field("directories", directories)
            .field("verdict", verdict)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Holder(..)")
    }
}

impl Candidate {
    /// Judges what `directory` has in the entry `dn`, asked for `query`, at the moment `now`.
    pub(super) fn new(der: Vec<u8>, dn: &str, directory: &Directory, query: &Query, now: SystemTime) -> Self {
        let mut candidate = Self {
            der,
            certificate: None,
            holder: Holder::default(),
            kind: Kind::Other,
            validity: None,
            directories: vec![directory.name.clone()],
            verdict: Verdict::Left(Reason::Unreadable),
        };
        if let Some(reason) = candidate.read(dn, directory.issuers.as_ref(), query, now) {
            candidate.verdict = reason.map_or(Verdict::Taken, Verdict::Left);
        }
        candidate
    }

    /// `None` if it is not sound; otherwise why it is to be left, if it is.
    fn read(&mut self, dn: &str, issuers: Option<&Issuers>, query: &Query, now: SystemTime) -> Option<Option<Reason>> {
        let decoded = x509_cert::Certificate::from_der(&self.der).ok()?;
        let signed = decoded.tbs_certificate();
        let is_authority = signed.get_extension::<BasicConstraints>().ok()?.is_some_and(|(_, constraints)| constraints.ca);
        let purposes = signed.get_extension::<ExtendedKeyUsage>().ok()?.map(|(_, usage)| usage.0).unwrap_or_default();
        let key = match Certificate::parse(&self.der) {
            Ok(certificate) => Ok(certificate),
            Err(KeyError::Malformed(_)) => return None,
            Err(_) => Err(Reason::Key),
        };

        let subject = Subject::new(signed);
        self.holder = subject.holder();
        let (from, until) = (signed.validity().not_before.to_system_time(), signed.validity().not_after.to_system_time());
        self.validity = Some((from, until));
        self.certificate = key.as_ref().ok().cloned();
        self.kind = kind(signed, &subject, dn, self.certificate.as_ref());

        let is_for_tls = purposes.contains(&SERVER_AUTH) || self.kind == Kind::Organisation && purposes.contains(&CLIENT_AUTH);
        let usage = self.certificate.as_ref().and_then(Certificate::usage_warning);
        Some(if !subject.fits(query) {
            Some(Reason::OtherHolder)
        } else if is_authority {
            Some(Reason::Authority)
        } else if issuers.is_some_and(|issuers| !issuers.have_issued(&self.der, (from, until), now)) {
            Some(Reason::Issuer)
        } else if self.kind == Kind::MobileId {
            Some(Reason::MobileId)
        } else if self.kind == Kind::SmartId {
            Some(Reason::SmartId)
        } else if is_for_tls {
            Some(Reason::Tls)
        } else if let Some(usage) = usage {
            Some(Reason::KeyUsage(usage))
        } else if now > until {
            Some(Reason::Expired)
        } else if now < from {
            Some(Reason::NotYetValid)
        } else {
            key.err()
        })
    }

    /// Whether it was taken.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.verdict == Verdict::Taken
    }

    /// Whether its holder can sign in by it at the moment `now`, though its key may not be one that decrypts.
    #[must_use]
    pub fn may_sign_in(&self, now: SystemTime) -> bool {
        let is_theirs = match self.verdict {
            Verdict::Taken | Verdict::Left(Reason::MobileId | Reason::SmartId | Reason::KeyUsage(_)) => true,
            Verdict::Left(_) => false,
        };
        let is_valid = self.validity.is_some_and(|(from, until)| from <= now && now <= until);
        is_theirs && is_valid && self.certificate.as_ref().is_some_and(Certificate::may_authenticate)
    }
}

/// What the subject of a certificate says (RFC 5280, appendix A.1; X.520).
struct Subject {
    common_name: Option<String>,
    serial_number: Option<String>,
    organisation: Option<String>,
    organisation_identifier: Option<String>,
}

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
const ORGANIZATION_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const ORGANIZATION_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.97");

impl Subject {
    fn new(signed: &TbsCertificate) -> Self {
        let text = |oid| {
            let attribute = signed.subject().iter().find(|attribute| attribute.oid == oid)?;
            directory_string((&attribute.value).into())
        };
        Self {
            common_name: text(COMMON_NAME),
            serial_number: text(SERIAL_NUMBER),
            organisation: text(ORGANIZATION_NAME),
            organisation_identifier: text(ORGANIZATION_IDENTIFIER),
        }
    }

    fn holder(&self) -> Holder {
        Holder {
            common_name: self.common_name.clone(),
            code: self.serial_number.clone().or_else(|| self.organisation_identifier.clone()),
            organisation: self.organisation.clone(),
        }
    }

    fn codes(&self) -> impl Iterator<Item = Code> {
        [&self.serial_number, &self.organisation_identifier].into_iter().flatten().filter_map(|text| Code::parse(text).ok())
    }

    /// Whether it is whom `query` asks for.
    fn fits(&self, query: &Query) -> bool {
        match query {
            // People have one code. That of an organisation may stand beside that of who acts for it: theirs is not the organisation's key.
            Query::Code(code @ Code::Person(_)) => self.codes().next() == Some(*code),
            Query::Code(code @ Code::Organisation(_)) => self.codes().all(|own| own == *code) && self.codes().next().is_some(),
            Query::Name(name) => [&self.common_name, &self.organisation].into_iter().flatten().any(|text| name.fits(text)),
        }
    }
}

/// `id-kp-serverAuth`, `id-kp-clientAuth` (RFC 5280, 4.2.1.12).
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
/// `id-ce-certificatePolicies` (RFC 5280, 4.2.1.4).
const CERTIFICATE_POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32");

/// Policies that SK issues certificates under whose keys are not on a card, each with all below it, and the same below 10015.3, its tests.
/// From its certificate profiles for Mobile-ID (ESTEID-SK 8.3; Mobile-ID 2.3) and Smart-ID.
const PHONE_POLICIES: [(&str, Kind); 8] = [
    ("1.3.6.1.4.1.10015.1.3", Kind::MobileId),
    ("1.3.6.1.4.1.10015.11.1", Kind::MobileId),
    ("1.3.6.1.4.1.10015.18.1", Kind::MobileId),
    ("1.3.6.1.4.1.10015.3.3", Kind::MobileId),
    ("1.3.6.1.4.1.10015.3.11", Kind::MobileId),
    ("1.3.6.1.4.1.10015.3.18", Kind::MobileId),
    ("1.3.6.1.4.1.10015.17", Kind::SmartId),
    ("1.3.6.1.4.1.10015.3.17", Kind::SmartId),
];

fn kind(signed: &TbsCertificate, subject: &Subject, dn: &str, certificate: Option<&Certificate>) -> Kind {
    if let Some(kind) = phone_of_policies(signed).or_else(|| phone_of_entry(dn)) {
        return kind;
    }
    if let Some(eid_type) = certificate.and_then(Certificate::eid_type) {
        return Kind::Eid(eid_type);
    }
    let is_organisation = |code| matches!(code, Code::Organisation(_));
    if subject.codes().all(is_organisation) && subject.codes().next().is_some() { Kind::Organisation } else { Kind::Other }
}

/// Compares octets: the library refuses some identifiers that are in use.
fn phone_of_policies(signed: &TbsCertificate) -> Option<Kind> {
    let extension = signed.extensions()?.iter().find(|extension| extension.extn_id == CERTIFICATE_POLICIES)?;
    let policies = Vec::<Vec<AnyRef<'_>>>::from_der(extension.extn_value.as_bytes()).ok()?;
    let fits = |policy: &AnyRef<'_>| {
        let of = |(prefix, _): &&(&str, Kind)| policy.value().starts_with(ObjectIdentifier::new_unwrap(prefix).as_bytes());
        PHONE_POLICIES.iter().find(of).map(|(_, kind)| *kind)
    };
    policies.iter().filter_map(|policy| policy.first()).find_map(fits)
}

/// In the tree of SK, certificates of phones stand under `o=Mobile-ID` and `o=Smart-ID`.
fn phone_of_entry(dn: &str) -> Option<Kind> {
    let dn = dn.to_ascii_lowercase();
    dn.split(',').find_map(|name| match name.trim() {
        name if name.starts_with("o=mobile-id") => Some(Kind::MobileId),
        name if name.starts_with("o=smart-id") => Some(Kind::SmartId),
        _ => None,
    })
}
