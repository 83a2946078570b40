//! Making responses: for responders, in test beds and tests above all.
//!
//! The key is the caller's: a response is signed by a closure, so that any library and any card can do it.

use der::asn1::{Any, BitString, Null, OctetString};
use der::oid::db::rfc6960::ID_PKIX_OCSP_BASIC;
use der::{Decode as _, Encode as _, Tag};
use rustls_pki_types::{AlgorithmIdentifier, CertificateDer, UnixTime, alg_id};

use super::wire::{
    BasicOcspResponse, CertStatus, OcspResponse, ResponseBytes, ResponseData, ResponseStatus, RevokedInfo, SingleResponse, Version,
};
use super::{Answer, Nonce, Refusal, ResponderId, Status, to_wire_time};

/// How a response is signed. The signature of an ECDSA algorithm is a DER `ECDSA-Sig-Value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// ecdsa-with-SHA256.
    EcdsaSha256,
    /// ecdsa-with-SHA384.
    EcdsaSha384,
    /// ecdsa-with-SHA512.
    EcdsaSha512,
    /// sha256WithRSAEncryption (RSASSA-PKCS1-v1_5).
    RsaSha256,
    /// sha384WithRSAEncryption.
    RsaSha384,
    /// sha512WithRSAEncryption.
    RsaSha512,
}

impl SignatureAlgorithm {
    const fn identifier(self) -> AlgorithmIdentifier {
        match self {
            Self::EcdsaSha256 => alg_id::ECDSA_SHA256,
            Self::EcdsaSha384 => alg_id::ECDSA_SHA384,
            Self::EcdsaSha512 => alg_id::ECDSA_SHA512,
            Self::RsaSha256 => alg_id::RSA_PKCS1_SHA256,
            Self::RsaSha384 => alg_id::RSA_PKCS1_SHA384,
            Self::RsaSha512 => alg_id::RSA_PKCS1_SHA512,
        }
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum BuildError<E> {
    /// It cannot be encoded: a time after the year 9999, or a certificate that is none.
    #[error("cannot be encoded: {0}")]
    Encode(#[from] der::Error),
    /// It was not signed.
    #[error("cannot be signed: {0}")]
    Sign(E),
}

/// A response that is being made.
#[derive(Clone, Debug)]
pub struct ResponseBuilder {
    responder: ResponderId,
    produced_at: UnixTime,
    answers: Vec<Answer>,
    nonce: Option<Nonce>,
    certificates: Vec<CertificateDer<'static>>,
}

impl ResponseBuilder {
    /// An empty response of `responder`, made at `produced_at`.
    #[must_use]
    pub fn new(responder: ResponderId, produced_at: UnixTime) -> Self {
        Self { responder, produced_at, answers: Vec::new(), nonce: None, certificates: Vec::new() }
    }

    /// Adds an answer.
    #[must_use]
    pub fn answer(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// Repeats the request's nonce.
    #[must_use]
    pub fn nonce(mut self, nonce: Option<Nonce>) -> Self {
        self.nonce = nonce;
        self
    }

    /// Adds a certificate: that of a delegated signer.
    #[must_use]
    pub fn certificate(mut self, certificate: CertificateDer<'static>) -> Self {
        self.certificates.push(certificate);
        self
    }

    /// Has it signed: `sign` gets the octets, which it has yet to hash, and gives the signature. The response in DER.
    ///
    /// # Errors
    /// It cannot be encoded, or `sign` fails.
    pub fn sign<E>(
        self,
        algorithm: SignatureAlgorithm,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, BuildError<E>> {
        let signed = self.data()?.to_der()?;
        let signature = sign(&signed).map_err(BuildError::Sign)?;
        let certificates = self.certificates.iter().map(|certificate| Any::from_der(certificate)).collect::<Result<Vec<_>, _>>()?;
        let basic = BasicOcspResponse {
            tbs_response_data: Any::from_der(&signed)?,
            signature_algorithm: Any::new(Tag::Sequence, algorithm.identifier().as_ref())?,
            signature: BitString::from_bytes(&signature)?,
            certs: (!certificates.is_empty()).then_some(certificates),
        };
        let bytes = ResponseBytes { response_type: ID_PKIX_OCSP_BASIC, response: OctetString::new(basic.to_der()?)? };
        Ok(OcspResponse { response_status: ResponseStatus::Successful, response_bytes: Some(bytes) }.to_der()?)
    }

    fn data(&self) -> Result<ResponseData, der::Error> {
        Ok(ResponseData {
            version: Version::V1,
            responder_id: self.responder.0.clone(),
            produced_at: to_wire_time(self.produced_at)?,
            responses: self.answers.iter().map(single).collect::<Result<_, _>>()?,
            response_extensions: match &self.nonce {
                Some(nonce) => Some(vec![nonce.to_extension()?]),
                None => None,
            },
        })
    }
}

fn single(answer: &Answer) -> Result<SingleResponse, der::Error> {
    Ok(SingleResponse {
        cert_id: answer.certificate.to_wire()?,
        cert_status: match answer.status {
            Status::Good => CertStatus::Good(Null),
            Status::Revoked { at, reason } => {
                CertStatus::Revoked(RevokedInfo { revocation_time: to_wire_time(at)?, revocation_reason: reason })
            }
            Status::Unknown => CertStatus::Unknown(Null),
        },
        this_update: to_wire_time(answer.this_update)?,
        next_update: answer.next_update.map(to_wire_time).transpose()?,
        single_extensions: None,
    })
}

/// The response that says nothing but `refusal`, in DER.
///
/// # Errors
/// None that is known: the encoder's type has some.
pub fn refuse(refusal: Refusal) -> Result<Vec<u8>, der::Error> {
    let response_status = match refusal {
        Refusal::MalformedRequest => ResponseStatus::MalformedRequest,
        Refusal::InternalError => ResponseStatus::InternalError,
        Refusal::TryLater => ResponseStatus::TryLater,
        Refusal::SigRequired => ResponseStatus::SigRequired,
        Refusal::Unauthorized => ResponseStatus::Unauthorized,
    };
    OcspResponse { response_status, response_bytes: None }.to_der()
}
