//! What a client asks.

use der::{Decode as _, Encode as _};

use super::wire::{OcspRequest, SingleRequest, TbsRequest, Version};
use super::{CertId, Nonce, ParseError, check_len, nonce};

/// A question about one certificate or more. RFC 6960, 4.1 "Request Syntax".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The certificates, in the order of the question.
    pub certificates: Vec<CertId>,
    /// What the answer must repeat.
    pub nonce: Option<Nonce>,
}

impl Request {
    /// Reads a request. A signature and the name of who asks are not looked at, as a responder may choose.
    ///
    /// # Errors
    /// It is malformed or too long, asks about nothing, or has a critical extension that is not known.
    pub fn parse(octets: &[u8]) -> Result<Self, ParseError> {
        check_len(octets)?;
        let request = OcspRequest::from_der(octets)?.tbs_request;
        let nonce = nonce(&request.request_extensions.unwrap_or_default())?;
        let mut certificates = Vec::with_capacity(request.request_list.len());
        for single in request.request_list {
            super::nonce(&single.single_request_extensions.unwrap_or_default())?;
            certificates.push(single.req_cert.try_into()?);
        }
        if certificates.is_empty() {
            return Err(der::Tag::Sequence.length_error().into());
        }
        Ok(Self { certificates, nonce })
    }

    /// The request in DER.
    ///
    /// # Errors
    /// None that is known: the encoder's type has some.
    pub fn to_der(&self) -> Result<Vec<u8>, der::Error> {
        let single = |certificate: &CertId| Ok(SingleRequest { req_cert: certificate.to_wire()?, single_request_extensions: None });
        OcspRequest {
            tbs_request: TbsRequest {
                version: Version::V1,
                requestor_name: None,
                request_list: self.certificates.iter().map(single).collect::<Result<_, der::Error>>()?,
                request_extensions: self
                    .nonce
                    .as_ref()
                    .map(|nonce| Ok::<_, der::Error>(vec![nonce.to_extension()?]))
                    .transpose()?,
            },
            optional_signature: None,
        }
        .to_der()
    }
}
