//! X.509 certificates (RFC 5280), as far as encrypting to their holder needs them.
//!
//! Signatures and revocation are not checked here: the person who names a file vouches for it.

use std::fmt::Write as _;
use std::time::SystemTime;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Tag, Tagged as _};
use sha1::{Digest as _, Sha1};
use x509_cert::TbsCertificate;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::format::{self, Wanted};
use super::{Error, PublicKey};

/// A certificate, and what was read from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    public_key: PublicKey,
    common_name: Option<String>,
    serial_number: Option<String>,
    given_name: Option<String>,
    surname: Option<String>,
    not_before: SystemTime,
    not_after: SystemTime,
    usage_warning: Option<UsageWarning>,
    may_authenticate: bool,
    eid_type: Option<EidType>,
}

/// The kind of Estonian eID that a certificate was issued for: `type` of a key label (specification, appendix D, "eID v1").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EidType {
    /// Identity card, or another document with the same function.
    IdCard,
    /// Digital identity card.
    DigiId,
    /// Digital identity card of an e-resident.
    DigiIdEResident,
}

impl EidType {
    /// `type` of a key label.
    #[must_use]
    pub const fn label_type(self) -> &'static str {
        match self {
            Self::IdCard => "ID-card",
            Self::DigiId => "Digi-ID",
            Self::DigiIdEResident => "Digi-ID E-RESIDENT",
        }
    }
}

/// A moment, seen from the dates of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Between the dates, both included.
    Valid,
    /// Before the first.
    NotYetValid,
    /// After the last.
    Expired,
}

/// The certificate restricts its key (`keyUsage`) to other uses than the one that CDOC2 makes of it. What is encrypted can
/// be decrypted all the same, so that this is no error; but a card may hold the key only to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageWarning {
    /// A key on an elliptic curve without `keyAgreement`.
    NoKeyAgreement,
    /// An RSA key without `keyEncipherment`.
    NoKeyEncipherment,
}

impl Certificate {
    /// Reads a certificate from PEM or DER. Of several in a PEM file, a chain, it takes the one that is not an authority's.
    ///
    /// # Errors
    /// [`Error::WrongFormat`], [`Error::Several`]: the file holds something else, or the certificates of several holders. The
    /// others say why the certificate or its key cannot be used.
    pub fn parse(octets: &[u8]) -> Result<Self, Error> {
        let mut blocks = format::blocks(octets, Wanted::Certificate)?;
        let count = blocks.len();
        if count > 1 {
            blocks.retain(|block| !is_authority(&block.der));
        }
        match &blocks[..] {
            [block] => Self::from_der(&block.der),
            _ => Err(Error::Several { wanted: Wanted::Certificate, count }),
        }
    }

    /// Reads a certificate from DER.
    pub(super) fn from_der(der: &[u8]) -> Result<Self, Error> {
        const MALFORMED: Error = Error::Malformed("not a sound certificate");
        let decoded = x509_cert::Certificate::from_der(der).map_err(|_| MALFORMED)?;
        let signed = decoded.tbs_certificate();
        let public_key = PublicKey::from_spki(spki(signed))?;
        let usage = signed.get_extension::<KeyUsage>().map_err(|_| MALFORMED)?;
        let subject = |oid| {
            signed
                .subject()
                .iter()
                .find(|attribute| attribute.oid == oid)
                .and_then(|attribute| directory_string((&attribute.value).into()))
        };
        Ok(Self {
            common_name: subject(COMMON_NAME),
            serial_number: subject(SERIAL_NUMBER),
            given_name: subject(GIVEN_NAME),
            surname: subject(SURNAME),
            not_before: signed.validity().not_before.to_system_time(),
            not_after: signed.validity().not_after.to_system_time(),
            may_authenticate: usage.as_ref().is_none_or(|(_, usage)| usage.digital_signature()),
            usage_warning: usage.and_then(|(_, usage)| usage_warning(&public_key, usage)),
            eid_type: eid_type(signed),
            public_key,
            der: der.to_vec(),
        })
    }

    /// The certificate in DER.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The key that it certifies.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// `commonName` of the subject.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// `serialNumber` of the subject, such as "PNOEE-38001085718". Not the serial number of the certificate.
    #[must_use]
    pub fn serial_number(&self) -> Option<&str> {
        self.serial_number.as_deref()
    }

    /// `givenName` of the subject.
    #[must_use]
    pub fn given_name(&self) -> Option<&str> {
        self.given_name.as_deref()
    }

    /// `surname` of the subject.
    #[must_use]
    pub fn surname(&self) -> Option<&str> {
        self.surname.as_deref()
    }

    /// SHA-1 of the certificate, in 40 upper-case hexadecimal digits: `cert_sha1` of a key label (specification, appendix D).
    #[must_use]
    pub fn sha1_hex(&self) -> String {
        Sha1::digest(&self.der).iter().fold(String::with_capacity(40), |mut digits, octet| {
            let _ = write!(digits, "{octet:02X}");
            digits
        })
    }

    /// The first moment at which it is valid.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// The last moment at which it is valid.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Whether it is valid at `moment`, as far as its dates say.
    #[must_use]
    pub fn validity_at(&self, moment: SystemTime) -> Validity {
        if moment < self.not_before {
            Validity::NotYetValid
        } else if moment > self.not_after {
            Validity::Expired
        } else {
            Validity::Valid
        }
    }

    /// Whether it restricts its key to other uses than encrypting to the holder.
    #[must_use]
    pub fn usage_warning(&self) -> Option<UsageWarning> {
        self.usage_warning
    }

    /// Whether its key may be used to authenticate to a server (`digitalSignature` in `keyUsage`, RFC 5280, 4.2.1.3, or no `keyUsage`).
    #[must_use]
    pub fn may_authenticate(&self) -> bool {
        self.may_authenticate
    }

    /// The kind of Estonian eID that it was issued for, if it was.
    #[must_use]
    pub fn eid_type(&self) -> Option<EidType> {
        self.eid_type
    }
}

/// Attributes of a name (RFC 5280, appendix A.1).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SURNAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.4");
const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
const GIVEN_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.42");

/// `id-ce-certificatePolicies` (RFC 5280, 4.2.1.4).
const CERTIFICATE_POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32");

fn spki(signed: &TbsCertificate) -> SubjectPublicKeyInfoRef<'_> {
    use der::referenced::OwnedToRef as _;
    signed.subject_public_key_info().owned_to_ref()
}

/// Whether this is the certificate of an authority (RFC 5280, 4.2.1.9). Of its key nothing is wanted, so that it may be of any kind.
fn is_authority(der: &[u8]) -> bool {
    let Ok(decoded) = x509_cert::Certificate::from_der(der) else { return false };
    matches!(decoded.tbs_certificate().get_extension::<BasicConstraints>(), Ok(Some((_, constraints))) if constraints.ca)
}

/// Without `keyUsage` a key may be used for anything (RFC 5280, 4.2.1.3).
fn usage_warning(key: &PublicKey, usage: KeyUsage) -> Option<UsageWarning> {
    match key {
        PublicKey::Ec(_) if !usage.key_agreement() => Some(UsageWarning::NoKeyAgreement),
        PublicKey::Rsa(_) if !usage.key_encipherment() => Some(UsageWarning::NoKeyEncipherment),
        _ => None,
    }
}

/// The text of an attribute of a name: a string of any kind that names have (RFC 5280, 4.1.2.4), but for UniversalString, which the library
/// refuses. `None` for what is no text.
#[must_use]
pub fn directory_string(value: AnyRef<'_>) -> Option<String> {
    let octets = value.value();
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            String::from_utf8(octets.to_vec()).ok()
        }
        // T.61 on paper, Latin-1 in the field.
        Tag::TeletexString => Some(octets.iter().map(|octet| char::from(*octet)).collect()),
        Tag::BmpString => {
            let (units, []) = octets.as_chunks() else { return None };
            char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit))).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}

/// Policies that certificates of Estonian documents are issued under, each with all below it; the first that fits counts.
/// The list is that of libcdoc (`Certificate::getEIDType`), which compares the identifiers as text, digit by digit.
const EID_POLICIES: [(&str, EidType); 11] = [
    ("1.3.6.1.4.1.51361.1.1.3", EidType::DigiId),
    ("1.3.6.1.4.1.51361.1.2.3", EidType::DigiId),
    ("1.3.6.1.4.1.51361.1.1.4", EidType::DigiIdEResident),
    ("1.3.6.1.4.1.51361.1.2.4", EidType::DigiIdEResident),
    ("1.3.6.1.4.1.51361.2.1.6", EidType::DigiIdEResident),
    ("1.3.6.1.4.1.51361.1.1", EidType::IdCard),
    ("1.3.6.1.4.1.51361.1.2", EidType::IdCard),
    ("1.3.6.1.4.1.51361.2.1", EidType::IdCard),
    ("1.3.6.1.4.1.51455.1.1", EidType::IdCard),
    ("1.3.6.1.4.1.51455.1.2", EidType::IdCard),
    ("1.3.6.1.4.1.51455.2.1", EidType::IdCard),
];

fn eid_type(signed: &TbsCertificate) -> Option<EidType> {
    let extension = signed.extensions()?.iter().find(|extension| extension.extn_id == CERTIFICATE_POLICIES)?;
    let policies = Vec::<Vec<AnyRef<'_>>>::from_der(extension.extn_value.as_bytes()).ok()?;
    policies.iter().filter_map(|policy| policy.first()).find_map(|policy| eid_type_of_policy(policy.value()))
}

/// Compares octets: the library refuses identifiers that begin with 2.999, under which an issuer puts those of its test cards.
/// Each arc ends where its encoding says, so that a prefix in octets is a prefix in arcs.
fn eid_type_of_policy(policy: &[u8]) -> Option<EidType> {
    // 2.999.1.3 and 1.3
    let issued = policy.strip_prefix(&[0x88, 0x37, 0x01, 0x03]).map(|rest| [&[0x2B], rest].concat());
    let policy = issued.as_deref().unwrap_or(policy);
    let fits = |(prefix, _): &&(&str, EidType)| policy.starts_with(ObjectIdentifier::new_unwrap(prefix).as_bytes());
    EID_POLICIES.iter().find(fits).map(|(_, eid_type)| *eid_type)
}
