//! What the certificates of people and organisations say, and variants of them that something is wrong with.

use std::time::{Duration, SystemTime};

use simulator::certificate::{Content, Subject, oid};
use simulator::holder::Holder;
use token_proto::KeyRef;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::{KeyUsage, KeyUsages};

use crate::Error;
use crate::identity::Algorithm;

/// Extended key usage: authentication by Smart-ID.
pub const SMART_ID_AUTHENTICATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.62306.5.7.0");
/// Policy: qualified certificates of Smart-ID.
const SMART_ID_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.10015.17.2");

/// What a person's certificate was issued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// An ID-card.
    IdCard,
    /// A digital identity card.
    DigiId,
    /// The digital identity card of an e-resident.
    EResidentDigiId,
    /// A mobile phone's SIM: its key takes part in no decryption, whatever the certificate says.
    MobileId,
}

impl Document {
    /// The policy that its certificates are issued under. The last one is SK's since 2022.
    #[must_use]
    pub const fn policy(self) -> ObjectIdentifier {
        match self {
            Self::IdCard => oid::ID_CARD_POLICY,
            Self::DigiId => ObjectIdentifier::new_unwrap("1.3.6.1.4.1.51361.1.2.3"),
            Self::EResidentDigiId => ObjectIdentifier::new_unwrap("1.3.6.1.4.1.51361.1.2.4"),
            Self::MobileId => ObjectIdentifier::new_unwrap("1.3.6.1.4.1.10015.18.1"),
        }
    }
}

/// The authentication certificate of a person.
///
/// # Errors
/// None for a holder that was checked.
pub fn person(holder: &Holder, document: Document) -> Result<Content, Error> {
    let content = Content::card(Subject::person(holder)?, KeyRef::Authentication, SystemTime::now());
    Ok(Content { policies: vec![document.policy()], ..content })
}

/// The certificate of a person's key for authentication in Smart-ID, which stands in no directory (SK ID Solutions, "Certificate and OCSP Profile
/// for Smart-ID": qualified ones, as issued since April 2025).
///
/// # Errors
/// None for a holder that was checked.
pub fn smart_id(holder: &Holder) -> Result<Content, Error> {
    let content = Content::new(Subject::person(holder)?, KeyUsage(KeyUsages::DigitalSignature.into()), SystemTime::now());
    Ok(Content { purposes: vec![SMART_ID_AUTHENTICATION], policies: vec![SMART_ID_POLICY], ..content })
}

/// The certificate of a person's key for authentication on a SIM with Mobile-ID. It does not say what it is for.
///
/// # Errors
/// None for a holder that was checked.
pub fn mobile_id(holder: &Holder) -> Result<Content, Error> {
    Ok(Content { purposes: Vec::new(), ..person(holder, Document::MobileId)? })
}

/// The signature certificate of a person, which stands in directories beside the other.
///
/// # Errors
/// None for a holder that was checked.
pub fn signature(holder: &Holder) -> Result<Content, Error> {
    Ok(Content::card(Subject::person(holder)?, KeyRef::Signature, SystemTime::now()))
}

/// The encryption certificate of an organisation with a key of this kind.
///
/// # Errors
/// The registry code has characters that no code has.
pub fn organisation(name: &str, registry_code: &str, algorithm: Algorithm) -> Result<Content, Error> {
    let usage = match algorithm {
        Algorithm::Rsa => KeyUsages::KeyEncipherment | KeyUsages::DataEncipherment,
        Algorithm::P256 | Algorithm::P384 | Algorithm::P521 => KeyUsages::KeyAgreement.into(),
    };
    Ok(Content::new(Subject::organisation(name, registry_code)?, KeyUsage(usage), SystemTime::now()))
}

/// With a key of RSA: it encrypts keys, and agrees on none.
#[must_use]
pub fn for_rsa(content: Content) -> Content {
    Content { usage: KeyUsage((content.usage.0 - KeyUsages::KeyAgreement) | KeyUsages::KeyEncipherment), ..content }
}

/// Issued a year ago, and no longer valid since yesterday.
#[must_use]
pub fn expired(content: Content) -> Content {
    Content { not_before: content.not_before - 365 * DAY, not_after: content.not_before - DAY, ..content }
}

/// Valid from tomorrow on.
#[must_use]
pub fn not_yet_valid(content: Content) -> Content {
    Content { not_before: content.not_before + DAY, ..content }
}

/// Of a key that may not do `usage`.
#[must_use]
pub fn without_usage(content: Content, usage: KeyUsages) -> Content {
    Content { usage: KeyUsage(content.usage.0 - usage), ..content }
}

/// Of a key that is not for `purpose`, an extended key usage.
#[must_use]
pub fn without_purpose(mut content: Content, purpose: ObjectIdentifier) -> Content {
    content.purposes.retain(|other| *other != purpose);
    content
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
