//! The certificates of a card: what is in them.

use std::time::{Duration, SystemTime};

use p384::ecdsa::{DerSignature, SigningKey};
use rand_core::TryRng as _;
use token_fw::card::Curve;
use token_proto::KeyRef;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder as _, CertificateBuilder, Result as BuilderResult};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::asn1::{Any, BitString, ObjectIdentifier, PrintableStringRef, Utf8StringRef};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::certpolicy::{CertificatePolicies, PolicyInformation};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier};
use x509_cert::ext::{Extension, ToExtension as _};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifier, EncodePublicKey as _, SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use crate::holder::Holder;
use crate::hw::Rng;

/// Object identifiers (RFC 5280, RFC 5480, X.520).
mod oid {
    use super::ObjectIdentifier;

    pub(super) const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
    pub(super) const SURNAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.4");
    pub(super) const SERIAL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.5");
    pub(super) const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");
    pub(super) const GIVEN_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.42");
    pub(super) const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
    pub(super) const EMAIL_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4");
    /// The Estonian ID-card of 2018: host software takes the certificate's kind from it.
    pub(super) const ID_CARD_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.51361.1.2.1");
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

    /// An authority for tests.
    pub(crate) fn authority() -> Result<Self, Error> {
        Self::new(&[(oid::COUNTRY, printable("EE")?), (oid::COMMON_NAME, utf8("Test of simulated tokens")?)])
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
    fn info(&self) -> Result<SubjectPublicKeyInfo<Any, BitString>, Error> {
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

/// What a key may be used for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Key(KeyRef),
    Authority,
}

/// What a certificate is to say, beside its key.
struct Profile<'n> {
    issuer: &'n Name,
    subject: &'n Name,
    purpose: Purpose,
}

impl BuilderProfile for Profile<'_> {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        issuer_key: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> BuilderResult<Vec<Extension>> {
        let usages = match self.purpose {
            Purpose::Key(KeyRef::Authentication) => KeyUsages::DigitalSignature | KeyUsages::KeyAgreement,
            Purpose::Key(KeyRef::Signature) => KeyUsages::NonRepudiation.into(),
            Purpose::Key(KeyRef::Cdoc2) => KeyUsages::KeyAgreement.into(),
            Purpose::Authority => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
        };
        let is_authority = matches!(self.purpose, Purpose::Authority);
        let mut extensions = Vec::new();
        let subject = tbs.subject();
        extensions.push(AuthorityKeyIdentifier::try_from(issuer_key)?.to_extension(subject, &extensions)?);
        extensions.push(SubjectKeyIdentifier::try_from(key)?.to_extension(subject, &extensions)?);
        extensions.push(BasicConstraints { ca: is_authority, path_len_constraint: None }.to_extension(subject, &extensions)?);
        extensions.push(KeyUsage(usages).to_extension(subject, &extensions)?);
        if let Purpose::Key(KeyRef::Authentication) = self.purpose {
            let purposes = ExtendedKeyUsage(vec![oid::CLIENT_AUTH, oid::EMAIL_PROTECTION]);
            extensions.push(purposes.to_extension(subject, &extensions)?);
            let policy = PolicyInformation { policy_identifier: oid::ID_CARD_POLICY, policy_qualifiers: None };
            extensions.push(CertificatePolicies(vec![policy]).to_extension(subject, &extensions)?);
        }
        Ok(extensions)
    }
}

/// When a certificate for a token's key that is made at `now` ends.
pub(crate) fn expiry(now: SystemTime) -> SystemTime {
    now + VALID_FOR
}

/// The self-signed certificate of an authority, in DER.
pub(crate) fn authority(key: &SigningKey, now: SystemTime, rng: &mut Rng) -> Result<Vec<u8>, Error> {
    let Subject(name) = Subject::authority()?;
    let info = SubjectPublicKeyInfo::from_der(key.verifying_key().to_public_key_der()?.as_bytes())?;
    let profile = Profile { issuer: &name, subject: &name, purpose: Purpose::Authority };
    build(profile, info, now, now + AUTHORITY_VALID_FOR, key, rng)
}

/// The certificate of `key`, which is `subject`'s for `purpose`, in DER; `issuer` signs it with `issuer_key`.
pub(crate) fn issue(
    (issuer, issuer_key): (&Name, &SigningKey),
    subject: &Subject,
    purpose: KeyRef,
    key: PublicKey<'_>,
    now: SystemTime,
    rng: &mut Rng,
) -> Result<Vec<u8>, Error> {
    let profile = Profile { issuer, subject: &subject.0, purpose: Purpose::Key(purpose) };
    build(profile, key.info()?, now, expiry(now), issuer_key, rng)
}

fn build(
    profile: Profile<'_>,
    key: SubjectPublicKeyInfo<Any, BitString>,
    begin: SystemTime,
    end: SystemTime,
    issuer_key: &SigningKey,
    rng: &mut Rng,
) -> Result<Vec<u8>, Error> {
    let mut serial = [0; 16];
    rng.try_fill_bytes(&mut serial)?;
    // Positive, and never short of its first octet.
    serial[0] = serial[0] & 0x7F | 0x40;
    let validity = Validity::new(Time::try_from(begin)?, Time::try_from(end)?);
    let builder = CertificateBuilder::new(profile, SerialNumber::new(&serial)?, validity, key)?;
    Ok(builder.build::<_, DerSignature>(issuer_key)?.to_der()?)
}
