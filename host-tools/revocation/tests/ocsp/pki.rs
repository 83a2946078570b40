//! Authorities and certificates.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256, PKCS_RSA_SHA384,
    PKCS_RSA_SHA512, SerialNumber, SigningKey as _,
};
use revocation::Issuer;
use revocation::ocsp::build::{ResponseBuilder, SignatureAlgorithm};
use revocation::ocsp::{Answer, CertId, HashAlgorithm, Nonce, ResponderId, Status};
use revocation::service::Question;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_cert::serial_number::SerialNumber as Serial;

/// A key and its certificate.
pub(crate) struct Owner {
    pub(crate) key: KeyPair,
    pub(crate) params: CertificateParams,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
}

pub(crate) fn ecdsa() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A client's certificate as it should be.
pub(crate) fn client(serial: u8) -> CertificateParams {
    let mut params = named("client");
    params.serial_number = Some(SerialNumber::from_slice(&[serial]));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// A delegated signer's certificate as it should be.
pub(crate) fn delegate() -> CertificateParams {
    let mut params = named("responder");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 5], vec![5, 0])];
    params
}

/// The extension that names a responder. The address is short.
pub(crate) fn responder_at(url: &str) -> CustomExtension {
    let len = |octets: usize| u8::try_from(octets).ok().filter(|len| *len < 128).unwrap();
    let element = |tag: u8, contents: &[u8]| [&[tag, len(contents.len())], contents].concat();
    let method = [0x06, 8, 0x2B, 6, 1, 5, 5, 7, 0x30, 1];
    let description = element(0x30, &[&method, element(0x86, url.as_bytes()).as_slice()].concat());
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], element(0x30, &description))
}

impl Owner {
    pub(crate) fn root(name: &str) -> Self {
        Self::root_with(name, ecdsa())
    }

    pub(crate) fn root_with(name: &str, key: KeyPair) -> Self {
        let params = authority(name);
        let signed = params.self_signed(&key).unwrap();
        Self { key, params, certificate: signed.der().clone(), pem: signed.pem() }
    }

    pub(crate) fn issue(&self, params: CertificateParams) -> Self {
        self.issue_for(params, ecdsa())
    }

    pub(crate) fn issue_for(&self, params: CertificateParams, key: KeyPair) -> Self {
        let issuer = rcgen::Issuer::from_params(&self.params, &self.key);
        let signed = params.signed_by(&key, &issuer).unwrap();
        Self { key, params, certificate: signed.der().clone(), pem: signed.pem() }
    }

    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let mut params = authority(name);
        params.serial_number = Some(SerialNumber::from_slice(&[77]));
        self.issue(params)
    }

    pub(crate) fn issuer(&self) -> Issuer {
        Issuer::from_certificate(&self.certificate).unwrap()
    }

    pub(crate) fn algorithm(&self) -> SignatureAlgorithm {
        let all = [
            (&PKCS_ECDSA_P256_SHA256, SignatureAlgorithm::EcdsaSha256),
            (&PKCS_ECDSA_P384_SHA384, SignatureAlgorithm::EcdsaSha384),
            (&PKCS_ECDSA_P521_SHA512, SignatureAlgorithm::EcdsaSha512),
            (&PKCS_RSA_SHA256, SignatureAlgorithm::RsaSha256),
            (&PKCS_RSA_SHA384, SignatureAlgorithm::RsaSha384),
            (&PKCS_RSA_SHA512, SignatureAlgorithm::RsaSha512),
        ];
        all.into_iter().find(|(theirs, _)| *theirs == self.key.algorithm()).unwrap().1
    }

    pub(crate) fn sign(&self, response: ResponseBuilder) -> Vec<u8> {
        response.sign(self.algorithm(), |octets| self.key.sign(octets)).unwrap()
    }
}

pub(crate) fn serial(number: u8) -> Serial {
    Serial::new(&[number]).unwrap()
}

/// Some moment; not the present.
pub(crate) const NOON: u64 = 1_900_000_000;

pub(crate) fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// Certificate 7 of `issuer`.
pub(crate) fn asked(issuer: &Issuer) -> CertId {
    CertId::new(HashAlgorithm::Sha1, issuer, &serial(7))
}

/// The question about certificate `number` of `issuer`.
pub(crate) fn question(issuer: &Issuer, number: u8) -> Question {
    Question { issuer: issuer.clone(), serial: serial(number), responder: None }
}

/// Says that `certificate` is so at `now`, for an hour.
pub(crate) fn says(certificate: CertId, status: Status, now: UnixTime) -> Answer {
    Answer { certificate, status, this_update: now, next_update: Some(at(now.as_secs() + 3600)) }
}

pub(crate) fn revoked() -> Status {
    Status::Revoked { at: at(NOON - 1000), reason: Some(revocation::ocsp::CrlReason::KeyCompromise) }
}

/// A response of `owner` under its own name.
pub(crate) fn response_of(owner: &Owner, now: UnixTime, nonce: Option<Nonce>) -> ResponseBuilder {
    ResponseBuilder::new(ResponderId::by_name(&owner.issuer()).unwrap(), now).nonce(nonce)
}
