//! Whether a response may be believed.

use std::time::Duration;

use der::Decode as _;
use der::asn1::ObjectIdentifier;
use der::oid::db::{rfc5280, rfc6960};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, RawPublicKeyEntity, aws_lc_rs as algorithms};
use x509_cert::Certificate;

use super::{BasicResponse, CertId, Nonce, Status};
use crate::issuer::Issuer;

/// What a response, and the certificate of a delegated signer, may be signed with.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P521_SHA512,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P256_SHA512,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA512,
    algorithms::ECDSA_P521_SHA256,
    algorithms::ECDSA_P521_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
];

/// id-kp-OCSPSigning.
static OCSP_SIGNING: ObjectIdentifier = rfc5280::ID_KP_OCSP_SIGNING;

/// A response has one delegated signer; a few more certificates are put up with.
const MAX_CERTIFICATES: usize = 8;

/// What is asked of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// By how much the responder's clock and ours may differ.
    pub clock_skew: Duration,
    /// For how long after its thisUpdate an answer holds that names no nextUpdate. An [`Ocsp`](crate::Ocsp) remembers no answer for longer, either.
    pub max_age: Duration,
    /// What is done about replays.
    pub nonce: NonceRule,
    /// Whether a delegated signer's certificate must have the extension id-pkix-ocsp-nocheck. RFC 6960, 4.2.2.2.1 leaves it
    /// to the client what to do about a signer without it: asking the signer about itself proves nothing, and with the
    /// extension it is not asked either. So `false` is no weaker, and what other clients do.
    pub require_nocheck: bool,
}

/// What is done about replays. RFC 8954.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NonceRule {
    /// No nonce is sent: responders may answer with what they signed before.
    Omitted,
    /// A nonce is sent; a response that leaves it out is taken, one with another is not.
    #[default]
    Optional,
    /// A nonce is sent, and the response must repeat it.
    Required,
}

/// What a response says, once it may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The certificate's status.
    pub status: Status,
    /// When this was known to be so.
    pub this_update: UnixTime,
    /// Until when it holds: nextUpdate, or [`Rules::max_age`] after thisUpdate.
    pub valid_until: UnixTime,
}

/// Why a response is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is about other certificates.
    #[error("it does not answer the question")]
    OtherCertificate,
    /// It says two things about the certificate.
    #[error("it answers the question twice")]
    Ambiguous,
    /// The signer is neither the issuer nor among the certificates of the response.
    #[error("the signer is neither the issuer nor one whose certificate comes with it")]
    UnknownSigner,
    /// The signer's certificate does not make it one: another authority's, expired, not for OCSP signing.
    #[error("the signer is not one that the issuer delegated: its certificate is another authority's, expired or not for this")]
    NotDelegated,
    /// The signer's certificate lacks id-pkix-ocsp-nocheck, and [`Rules::require_nocheck`] asks for it.
    #[error("the signer's certificate lacks id-pkix-ocsp-nocheck")]
    NoNocheck,
    /// It is signed with what is not supported, or does not fit the signer's key.
    #[error("the signature algorithm is not supported")]
    Algorithm,
    /// The signature is not the signer's.
    #[error("the signature is wrong")]
    Signature,
    /// The nonce is another: a replay, or a mix-up.
    #[error("the nonce is another")]
    OtherNonce,
    /// There is no nonce, and [`NonceRule::Required`] asks for one.
    #[error("the nonce is missing")]
    NoNonce,
    /// It is from the future: one of two clocks is wrong.
    #[error("it is from the future")]
    Future,
    /// It does not hold any more.
    #[error("it has expired")]
    Expired,
    /// The certificate was revoked after it.
    #[error("it is older than the answer by which the certificate is revoked")]
    Outdated,
}

impl BasicResponse {
    /// What the response says of the certificate `asked`, if it may be believed.
    ///
    /// # Errors
    /// The first fault found.
    pub fn verify(
        &self,
        asked: &CertId,
        nonce: Option<&Nonce>,
        issuer: &Issuer,
        rules: &Rules,
        now: UnixTime,
    ) -> Result<Verified, Fault> {
        let mut answers = self.answers.iter().filter(|answer| answer.certificate == *asked);
        let answer = answers.next().ok_or(Fault::OtherCertificate)?;
        if answers.next().is_some() {
            return Err(Fault::Ambiguous);
        }
        self.verify_signature(issuer, rules, now)?;
        self.verify_nonce(nonce, rules)?;

        let latest = plus(now, rules.clock_skew);
        if answer.this_update > latest || self.produced_at > latest {
            return Err(Fault::Future);
        }
        let valid_until = answer.next_update.unwrap_or_else(|| plus(answer.this_update, rules.max_age));
        if plus(valid_until, rules.clock_skew) < now || valid_until < answer.this_update {
            return Err(Fault::Expired);
        }
        Ok(Verified { status: answer.status, this_update: answer.this_update, valid_until })
    }

    fn verify_nonce(&self, sent: Option<&Nonce>, rules: &Rules) -> Result<(), Fault> {
        match (sent, &self.nonce) {
            (Some(sent), Some(received)) if sent == received => Ok(()),
            (Some(_), Some(_)) => Err(Fault::OtherNonce),
            (_, None) if rules.nonce == NonceRule::Required => Err(Fault::NoNonce),
            (None, _) | (_, None) => Ok(()),
        }
    }

    /// The issuer's signature, or that of whom it delegated. RFC 6960, 4.2.2.2 "Authorized Responders".
    fn verify_signature(&self, issuer: &Issuer, rules: &Rules, now: UnixTime) -> Result<(), Fault> {
        if self.responder.is(issuer) {
            return self.verify_signature_of(issuer);
        }
        let mut fault = Fault::UnknownSigner;
        for certificate in self.certificates.iter().take(MAX_CERTIFICATES) {
            let Ok(signer) = Issuer::from_certificate(certificate) else { continue };
            if !self.responder.is(&signer) {
                continue;
            }
            match verify_delegate(certificate, issuer, rules, now).and_then(|()| self.verify_signature_of(&signer)) {
                Ok(()) => return Ok(()),
                Err(this) => fault = this,
            }
        }
        Err(fault)
    }

    fn verify_signature_of(&self, signer: &Issuer) -> Result<(), Fault> {
        let info = SubjectPublicKeyInfoDer::from(signer.public_key_info());
        let key = RawPublicKeyEntity::try_from(&info).map_err(|_| Fault::Algorithm)?;
        for algorithm in ALGORITHMS {
            if algorithm.signature_alg_id().as_ref() != self.signature_algorithm {
                continue;
            }
            match key.verify_signature(*algorithm, &self.signed, &self.signature) {
                Ok(()) => return Ok(()),
                // For another curve than the key's.
                Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => {}
                Err(_) => return Err(Fault::Signature),
            }
        }
        Err(Fault::Algorithm)
    }
}

/// Whether `issuer` made the owner of `certificate` a signer of OCSP responses.
fn verify_delegate(certificate: &CertificateDer<'_>, issuer: &Issuer, rules: &Rules, now: UnixTime) -> Result<(), Fault> {
    let end_entity = EndEntityCert::try_from(certificate).map_err(|_| Fault::NotDelegated)?;
    let usage = KeyUsage::required(OCSP_SIGNING.as_bytes());
    end_entity.verify_for_usage(ALGORITHMS, &[issuer.to_anchor()], &[], now, usage, None, None).map_err(|_| Fault::NotDelegated)?;
    if rules.require_nocheck && !has_nocheck(certificate) {
        return Err(Fault::NoNocheck);
    }
    Ok(())
}

fn has_nocheck(certificate: &CertificateDer<'_>) -> bool {
    Certificate::from_der(certificate).is_ok_and(|certificate| {
        let extensions = certificate.tbs_certificate().extensions();
        extensions.is_some_and(|all| all.iter().any(|one| one.extn_id == rfc6960::ID_PKIX_OCSP_NOCHECK))
    })
}

/// `time` and `span` after it.
pub(crate) fn plus(time: UnixTime, span: Duration) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(time.as_secs().saturating_add(span.as_secs())))
}
