//! Certificates: what is in them. Those of cards, and of whatever else tests need beside a card.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use p384::ecdsa::{DerSignature, SigningKey};
use rand_core::TryRng as _;
use token_fw::card::Curve;
use token_proto::KeyRef;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder as _, CertificateBuilder, Result as BuilderResult};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::asn1::{Any, BitString, Ia5String, Null, ObjectIdentifier, OctetString, PrintableStringRef, Utf8StringRef};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::certpolicy::{CertificatePolicies, PolicyInformation};
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages,
    SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension as _};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifier, EncodePublicKey as _, SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use crate::holder::Holder;
use crate::hw::Rng;

/// Object identifiers (RFC 5280, RFC 5480, RFC 6960, X.520; ETSI EN 319 412-1 for organisations).
pub mod oid {
    use super::ObjectIdentifier;

    pub(super) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
    pub(super) const SURNAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.4");
    pub(super) const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
    pub(super) const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
    pub(super) const ORGANISATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
    pub(super) const GIVEN_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.42");
    pub(super) const ORGANISATION_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.97");
    pub(super) const OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
    pub(super) const OCSP_NO_CHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
    /// Extended key usage: a server's end of TLS.
    pub const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
    /// Extended key usage: a client's end of TLS.
    pub const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
    /// Extended key usage: mail.
    pub const EMAIL_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4");
    /// Extended key usage: answers about revocation.
    pub const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
    /// Policy: the Estonian ID-card of 2018. Host software takes the certificate's kind from it.
    pub const ID_CARD_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.51361.1.2.1");
    pub(super) const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    pub(super) const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
    pub(super) const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
    pub(super) const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
}

/// How long a certificate is valid.
const VALID_FOR: Duration = Duration::from_secs(5 * 365 * 24 * 60 * 60);
/// How long a certificate of an authority is.
const AUTHORITY_VALID_FOR: Duration = Duration::from_secs(15 * 365 * 24 * 60 * 60);

/// Why no certificate came about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// What was to be in it cannot be encoded.
    #[error("the certificate cannot be made: {0}")]
    Encoding(#[from] x509_cert::builder::Error),
}

impl From<x509_cert::der::Error> for Error {
    fn from(error: x509_cert::der::Error) -> Self {
        Self::Encoding(error.into())
    }
}

impl From<x509_cert::spki::Error> for Error {
    fn from(error: x509_cert::spki::Error) -> Self {
        Self::Encoding(error.into())
    }
}

/// What a certificate says of its key's holder.
#[derive(Clone, Debug)]
pub struct Subject(Name);

impl Subject {
    /// A person, as on the Estonian ID-card.
    ///
    /// # Errors
    /// None for a holder that was checked.
    pub fn person(holder: &Holder) -> Result<Self, Error> {
        Self::new(&[
            (oid::COUNTRY, printable("EE")?),
            (oid::COMMON_NAME, utf8(&holder.common_name())?),
            (oid::SURNAME, utf8(holder.surname())?),
            (oid::GIVEN_NAME, utf8(holder.given_names())?),
            (oid::SERIAL_NUMBER, printable(&format!("PNOEE-{}", holder.code()))?),
        ])
    }

    /// An organisation, by its name and the number that the business register knows it by.
    ///
    /// # Errors
    /// The number has characters that no number has.
    pub fn organisation(name: &str, registry_code: &str) -> Result<Self, Error> {
        Self::new(&[
            (oid::COUNTRY, printable("EE")?),
            (oid::ORGANISATION, utf8(name)?),
            (oid::ORGANISATION_IDENTIFIER, utf8(&format!("NTREE-{registry_code}"))?),
            (oid::COMMON_NAME, utf8(name)?),
            (oid::SERIAL_NUMBER, printable(registry_code)?),
        ])
    }

    /// Anything else, an authority or a server, by its name alone.
    ///
    /// # Errors
    /// The name is longer than any memory.
    pub fn named(common_name: &str) -> Result<Self, Error> {
        Self::new(&[(oid::COUNTRY, printable("EE")?), (oid::COMMON_NAME, utf8(common_name)?)])
    }

    /// By way of DER: the crate otherwise reads names from text, in which commas and the like mean something.
    fn new(attributes: &[(ObjectIdentifier, Any)]) -> Result<Self, Error> {
        let mut sequence = RdnSequence::default();
        for (oid, value) in attributes {
            let mut name = RelativeDistinguishedName::default();
            name.insert(AttributeTypeAndValue { oid: *oid, value: value.clone() })?;
            sequence.push(name);
        }
        Ok(Self(Name::from_der(&sequence.to_der()?)?))
    }
}

fn printable(text: &str) -> Result<Any, Error> {
    Ok(PrintableStringRef::new(text)?.into())
}

fn utf8(text: &str) -> Result<Any, Error> {
    Ok(Utf8StringRef::new(text)?.into())
}

/// A key that is to be certified.
#[derive(Clone, Copy, Debug)]
pub struct PublicKey<'k> {
    /// Its curve.
    pub curve: Curve,
    /// Its point, uncompressed.
    pub point: &'k [u8],
}

impl PublicKey<'_> {
    pub(crate) fn info(&self) -> Result<SubjectPublicKeyInfo<Any, BitString>, Error> {
        let curve = match self.curve {
            Curve::Secp384r1 => oid::SECP384R1,
            Curve::Secp256r1 => oid::SECP256R1,
            Curve::Secp521r1 => oid::SECP521R1,
        };
        Ok(SubjectPublicKeyInfo {
            algorithm: AlgorithmIdentifier { oid: oid::EC_PUBLIC_KEY, parameters: Some(Any::from(curve)) },
            subject_public_key: BitString::from_bytes(self.point)?,
        })
    }
}

/// What a certificate is to say, beside its key.
#[derive(Clone, Debug)]
pub struct Content {
    /// Whose the key is.
    pub subject: Subject,
    /// The first moment of its validity.
    pub not_before: SystemTime,
    /// The last one.
    pub not_after: SystemTime,
    /// What the key may do.
    pub usage: KeyUsage,
    /// What the key is for: the extended key usages. None means that nothing is said about it.
    pub purposes: Vec<ObjectIdentifier>,
    /// The policies that it is issued under.
    pub policies: Vec<ObjectIdentifier>,
    /// Names and addresses of a server.
    pub alternative_names: GeneralNames,
    /// Whether the key may sign certificates.
    pub is_authority: bool,
    /// Whether nobody is to ask if it was revoked, as with a responder's own (RFC 6960, 4.2.2.2.1).
    pub is_never_revoked: bool,
}

impl Content {
    /// A certificate for a key that may do what `usage` says, for as long as those of cards; nothing else is said.
    #[must_use]
    pub fn new(subject: Subject, usage: KeyUsage, now: SystemTime) -> Self {
        Self {
            subject,
            not_before: now,
            not_after: expiry(now),
            usage,
            purposes: Vec::new(),
            policies: Vec::new(),
            alternative_names: GeneralNames::new(),
            is_authority: false,
            is_never_revoked: false,
        }
    }

    /// The certificate of the key `key` on an ID-card.
    #[must_use]
    pub fn card(subject: Subject, key: KeyRef, now: SystemTime) -> Self {
        let usage = match key {
            KeyRef::Authentication => KeyUsages::DigitalSignature | KeyUsages::KeyAgreement,
            KeyRef::Signature => KeyUsages::NonRepudiation.into(),
            KeyRef::Cdoc2 => KeyUsages::KeyAgreement.into(),
        };
        let content = Self::new(subject, KeyUsage(usage), now);
        match key {
            KeyRef::Authentication => {
                Self { purposes: vec![oid::CLIENT_AUTH, oid::EMAIL_PROTECTION], policies: vec![oid::ID_CARD_POLICY], ..content }
            }
            KeyRef::Signature | KeyRef::Cdoc2 => content,
        }
    }

    /// An authority's certificate.
    #[must_use]
    pub fn authority(subject: Subject, now: SystemTime) -> Self {
        Self {
            not_after: now + AUTHORITY_VALID_FOR,
            is_authority: true,
            ..Self::new(subject, KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign), now)
        }
    }

    /// The certificate of a server on this machine: for `localhost`, 127.0.0.1 and ::1.
    ///
    /// # Errors
    /// None that happens.
    pub fn server(subject: Subject, now: SystemTime) -> Result<Self, Error> {
        Ok(Self {
            purposes: vec![oid::SERVER_AUTH],
            alternative_names: vec![
                GeneralName::DnsName(Ia5String::new("localhost")?),
                GeneralName::from(IpAddr::from(Ipv4Addr::LOCALHOST)),
                GeneralName::from(IpAddr::from(Ipv6Addr::LOCALHOST)),
            ],
            ..Self::new(subject, KeyUsage(KeyUsages::DigitalSignature.into()), now)
        })
    }

    /// The certificate of an OCSP responder that its authority lets answer (RFC 6960, 4.2.2.2).
    #[must_use]
    pub fn ocsp_responder(subject: Subject, now: SystemTime) -> Self {
        Self {
            purposes: vec![oid::OCSP_SIGNING],
            is_never_revoked: true,
            ..Self::new(subject, KeyUsage(KeyUsages::DigitalSignature.into()), now)
        }
    }
}

/// Who certifies.
#[derive(Clone, Copy)]
pub(crate) struct Issuer<'i> {
    /// Its name.
    pub(crate) name: &'i Name,
    /// Its key.
    pub(crate) key: &'i SigningKey,
    /// Where its OCSP responder answers, if it has one.
    pub(crate) ocsp: Option<&'i str>,
}

/// Certifies that `key` is that of whom `content` names; the certificate in DER.
pub(crate) fn issue(
    issuer: Issuer<'_>,
    content: &Content,
    key: SubjectPublicKeyInfo<Any, BitString>,
    rng: &mut Rng,
) -> Result<Vec<u8>, Error> {
    let mut serial = [0; 16];
    rng.try_fill_bytes(&mut serial)?;
    // Positive, and never short of its first octet.
    serial[0] = serial[0] & 0x7F | 0x40;
    let validity = Validity::new(Time::try_from(content.not_before)?, Time::try_from(content.not_after)?);
    let profile = Profile { issuer, content };
    let builder = CertificateBuilder::new(profile, SerialNumber::new(&serial)?, validity, key)?;
    Ok(builder.build::<_, DerSignature>(issuer.key)?.to_der()?)
}

/// The self-signed certificate of an authority, in DER.
pub(crate) fn root(content: &Content, key: &SigningKey, rng: &mut Rng) -> Result<Vec<u8>, Error> {
    let info = SubjectPublicKeyInfo::from_der(key.verifying_key().to_public_key_der()?.as_bytes())?;
    issue(Issuer { name: &content.subject.0, key, ocsp: None }, content, info, rng)
}

/// When a certificate for a token's key that is made at `now` ends.
pub(crate) fn expiry(now: SystemTime) -> SystemTime {
    now + VALID_FOR
}

struct Profile<'c> {
    issuer: Issuer<'c>,
    content: &'c Content,
}

impl BuilderProfile for Profile<'_> {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.name.clone()
    }

    fn get_subject(&self) -> Name {
        self.content.subject.0.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        issuer_key: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> BuilderResult<Vec<Extension>> {
        let Content { usage, purposes, policies, alternative_names, is_authority, is_never_revoked, .. } = self.content;
        let mut extensions = Vec::new();
        let subject = tbs.subject();
        extensions.push(AuthorityKeyIdentifier::try_from(issuer_key)?.to_extension(subject, &extensions)?);
        extensions.push(SubjectKeyIdentifier::try_from(key)?.to_extension(subject, &extensions)?);
        extensions.push(BasicConstraints { ca: *is_authority, path_len_constraint: None }.to_extension(subject, &extensions)?);
        extensions.push(usage.to_extension(subject, &extensions)?);
        if !purposes.is_empty() {
            extensions.push(ExtendedKeyUsage(purposes.clone()).to_extension(subject, &extensions)?);
        }
        if !policies.is_empty() {
            let policy = |oid: &ObjectIdentifier| PolicyInformation { policy_identifier: *oid, policy_qualifiers: None };
            extensions.push(CertificatePolicies(policies.iter().map(policy).collect()).to_extension(subject, &extensions)?);
        }
        if !alternative_names.is_empty() {
            extensions.push(SubjectAltName(alternative_names.clone()).to_extension(subject, &extensions)?);
        }
        if *is_never_revoked {
            let null = OctetString::new(Null.to_der()?)?;
            extensions.push(Extension { extn_id: oid::OCSP_NO_CHECK, critical: false, extn_value: null });
        } else if let Some(url) = self.issuer.ocsp {
            let access_location = GeneralName::UniformResourceIdentifier(Ia5String::new(url)?);
            let responder = AccessDescription { access_method: oid::OCSP, access_location };
            extensions.push(AuthorityInfoAccessSyntax(vec![responder]).to_extension(subject, &extensions)?);
        }
        Ok(extensions)
    }
}
