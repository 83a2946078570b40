//! What a responder answers.

use std::fmt;

use der::asn1::{AnyRef, BitStringRef};
use der::oid::db::rfc6960::ID_PKIX_OCSP_BASIC;
use der::{Decode as _, Reader as _, SliceReader, Tag, TagMode, TagNumber, Tagged as _};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_cert::ext::pkix::CrlReason;

use super::wire::{self, CertStatus, OcspResponse, ResponseData, ResponseStatus};
use super::{CertId, HashAlgorithm, Nonce, ParseError, check_len, from_wire_time, nonce};
use crate::issuer::Issuer;

/// A response. RFC 6960, 4.2.1 "ASN.1 Specification of the OCSP Response".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// There are answers. Nothing of them is checked yet.
    Basic(BasicResponse),
    /// There are none. Nobody signs this.
    Refused(Refusal),
}

/// Why a responder does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not understand the question.
    #[error("malformedRequest")]
    MalformedRequest,
    /// It is in trouble.
    #[error("internalError")]
    InternalError,
    /// It is busy.
    #[error("tryLater")]
    TryLater,
    /// It answers signed questions only.
    #[error("sigRequired")]
    SigRequired,
    /// It does not answer this client, or does not know the issuer.
    #[error("unauthorized")]
    Unauthorized,
}

/// Answers with a signature that is not checked yet.
#[derive(Clone, PartialEq, Eq)]
pub struct BasicResponse {
    /// `tbsResponseData` as it came.
    pub(crate) signed: Vec<u8>,
    /// What stands in the `AlgorithmIdentifier` of the signature.
    pub(crate) signature_algorithm: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) responder: ResponderId,
    pub(crate) produced_at: UnixTime,
    pub(crate) answers: Vec<Answer>,
    pub(crate) nonce: Option<Nonce>,
}

/// Whom the signer says to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponderId(pub(super) wire::ResponderId);

/// What is said of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The certificate.
    pub certificate: CertId,
    /// Its status.
    pub status: Status,
    /// When this was known to be so.
    pub this_update: UnixTime,
    /// When there will be news; `None` says that there are always.
    pub next_update: Option<UnixTime>,
}

/// A certificate's status. RFC 6960, 2.2 "Response".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not revoked. It may be expired nevertheless, or never have been issued.
    Good,
    /// Revoked, or on hold.
    Revoked {
        /// Since when.
        at: UnixTime,
        /// Why.
        reason: Option<CrlReason>,
    },
    /// The responder does not know it.
    Unknown,
}

impl Response {
    /// Reads a response: DER only, of a bounded length, without anything after it.
    ///
    /// # Errors
    /// It is malformed or too long, of another type than id-pkix-ocsp-basic, or has a critical extension that is not known.
    pub fn parse(octets: &[u8]) -> Result<Self, ParseError> {
        check_len(octets)?;
        let response = OcspResponse::from_der(octets)?;
        let refusal = match response.response_status {
            ResponseStatus::Successful => {
                let bytes = response.response_bytes.ok_or_else(|| Tag::OctetString.value_error())?;
                if bytes.response_type != ID_PKIX_OCSP_BASIC {
                    return Err(ParseError::Type(bytes.response_type));
                }
                return BasicResponse::parse(bytes.response.as_bytes()).map(Self::Basic);
            }
            ResponseStatus::MalformedRequest => Refusal::MalformedRequest,
            ResponseStatus::InternalError => Refusal::InternalError,
            ResponseStatus::TryLater => Refusal::TryLater,
            ResponseStatus::SigRequired => Refusal::SigRequired,
            ResponseStatus::Unauthorized => Refusal::Unauthorized,
        };
        Ok(Self::Refused(refusal))
    }
}

impl BasicResponse {
    fn parse(octets: &[u8]) -> Result<Self, ParseError> {
        let mut reader = SliceReader::new(octets)?;
        let (signed, algorithm, signature, certificates) = reader.sequence(|parts| {
            let signed = parts.tlv_bytes()?;
            let algorithm = AnyRef::decode(parts)?;
            let signature = BitStringRef::decode(parts)?;
            let certificates = parts.context_specific::<Vec<AnyRef<'_>>>(TagNumber(0), TagMode::Explicit)?;
            Ok::<_, der::Error>((signed, algorithm, signature, certificates))
        })?;
        reader.finish()?;

        algorithm.tag().assert_eq(Tag::Sequence)?;
        let certificate = |any: &AnyRef<'_>| Ok(CertificateDer::from(der::Encode::to_der(any)?));
        let data = ResponseData::from_der(signed)?;
        Ok(Self {
            signed: signed.to_vec(),
            signature_algorithm: algorithm.value().to_vec(),
            signature: signature.as_bytes().ok_or_else(|| Tag::BitString.value_error())?.to_vec(),
            certificates: certificates.unwrap_or_default().iter().map(certificate).collect::<Result<_, der::Error>>()?,
            responder: ResponderId(data.responder_id),
            produced_at: from_wire_time(&data.produced_at),
            answers: data.responses.into_iter().map(Answer::try_from).collect::<Result<_, _>>()?,
            nonce: nonce(&data.response_extensions.unwrap_or_default())?,
        })
    }

    /// Whom the signer says to be.
    #[must_use]
    pub fn responder(&self) -> &ResponderId {
        &self.responder
    }

    /// When it was signed.
    #[must_use]
    pub fn produced_at(&self) -> UnixTime {
        self.produced_at
    }

    /// The answers.
    #[must_use]
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// What was repeated from the request.
    #[must_use]
    pub fn nonce(&self) -> Option<&Nonce> {
        self.nonce.as_ref()
    }

    /// The certificates that came with it, for whoever wants to find the signer's.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
}

/// Without what leads to a person.
impl fmt::Debug for BasicResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { responder, produced_at, answers, .. } = self;
        f.debug_struct("BasicResponse")
            .field("responder", responder)
            .field("produced_at", produced_at)
            .field("answers", answers)
            .finish_non_exhaustive()
    }
}

impl ResponderId {
    /// By its name.
    ///
    /// # Errors
    /// The name is malformed.
    pub fn by_name(responder: &Issuer) -> Result<Self, der::Error> {
        x509_cert::name::Name::from_der(responder.name()).map(|name| Self(wire::ResponderId::ByName(name)))
    }

    /// By the SHA-1 hash of its public key.
    ///
    /// # Errors
    /// None for a key hash; the type is that of [`Self::by_name`].
    pub fn by_key(responder: &Issuer) -> Result<Self, der::Error> {
        let hash = HashAlgorithm::Sha1.digest(responder.public_key());
        der::asn1::OctetString::new(hash).map(|hash| Self(wire::ResponderId::ByKey(hash)))
    }

    /// Whether it is `signer`.
    #[must_use]
    pub fn is(&self, signer: &Issuer) -> bool {
        match &self.0 {
            wire::ResponderId::ByName(name) => der::Encode::to_der(name).is_ok_and(|name| name == signer.name()),
            wire::ResponderId::ByKey(hash) => hash.as_bytes() == HashAlgorithm::Sha1.digest(signer.public_key()),
        }
    }
}

impl TryFrom<wire::SingleResponse> for Answer {
    type Error = ParseError;

    fn try_from(single: wire::SingleResponse) -> Result<Self, ParseError> {
        nonce(&single.single_extensions.unwrap_or_default())?;
        Ok(Self {
            certificate: single.cert_id.try_into()?,
            status: match single.cert_status {
                CertStatus::Good(_) => Status::Good,
                CertStatus::Revoked(revoked) => {
                    Status::Revoked { at: from_wire_time(&revoked.revocation_time), reason: revoked.revocation_reason }
                }
                CertStatus::Unknown(_) => Status::Unknown,
            },
            this_update: from_wire_time(&single.this_update),
            next_update: single.next_update.as_ref().map(from_wire_time),
        })
    }
}
