//! Servers that do not let a certificate in, each for a reason of its own.

use std::sync::Arc;

use cdoc2_client::capsule_server::Error;
use cdoc2_client::https::{self, CertificateRefusal};
use cdoc2_testbed::Algorithm;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme};

use crate::misbehaving::{Misbehaving, answer, identity};
use crate::world::{World, reason, seal};

/// Refuses every certificate as a real verifier refuses one that is wrong so.
#[derive(Debug)]
struct Picky {
    error: CertificateError,
    provider: CryptoProvider,
}

impl ClientCertVerifier for Picky {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Err(self.error.clone().into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 alone".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What the server's verifier finds is told by an alert (RFC 8446, 6.2), and the alert in words.
#[test]
fn every_refusal_has_its_own_words() {
    #[derive(Debug, thiserror::Error)]
    #[error("whatever")]
    struct Whatever;

    let world = World::new();
    let person = world.person(Algorithm::P384);
    let (container, _) = seal(&world.config(), &[person.recipient()], None).unwrap();
    let unsaid = CertificateError::Other(OtherError(Arc::new(Whatever)));
    for (error, expected, words) in [
        (CertificateError::Revoked, CertificateRefusal::Revoked, "revoked or suspended"),
        (CertificateError::Expired, CertificateRefusal::Expired, "expired"),
        (CertificateError::UnknownIssuer, CertificateRefusal::UnknownIssuer, "does not know its issuer"),
        (CertificateError::BadSignature, CertificateRefusal::Signature, "a signature does not fit"),
        (CertificateError::BadEncoding, CertificateRefusal::Unsound, "it is not sound"),
        (CertificateError::InvalidPurpose, CertificateRefusal::Unsupported, "that the server does not take"),
        // Nobody could say whether it is revoked.
        (CertificateError::ApplicationVerificationFailure, CertificateRefusal::NotNow, "could not find out now"),
        (unsaid, CertificateRefusal::Unsaid, "does not say why"),
    ] {
        let verifier = Picky { error, provider: aws_lc_rs::default_provider() };
        let server = Misbehaving::asking(&identity(&world), Arc::new(verifier), |_| answer("500 It let somebody in", "", ""));
        let error = person.open(&container, &server.config(&world, "root.pem")).unwrap_err();
        let Error::Https(https::Error::Certificate(refusal)) = reason(&error) else { panic!("{error}") };
        assert_eq!(*refusal, expected);
        assert!(error.to_string().contains(words), "{error}");
    }
}
