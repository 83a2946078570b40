//! Any octets as the messages of OCSP, and good responses with any octet altered. What is read can be written again; nothing but the unaltered
//! responses is believed.
#![no_main]

mod key;

use std::sync::LazyLock;
use std::time::Duration;

use key::Key;
use libfuzzer_sys::fuzz_target;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, SigningKey as _};
use revocation::Issuer;
use revocation::ocsp::build::{self, ResponseBuilder};
use revocation::ocsp::{
    Answer, BasicResponse, CertId, HashAlgorithm, Nonce, NonceRule, Request, ResponderId, Response, Rules, Status,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_cert::serial_number::SerialNumber;

/// When everything is valid: in 2030.
const NOW: u64 = 1_900_000_000;

const RULES: Rules = Rules {
    clock_skew: Duration::from_secs(60),
    max_age: Duration::from_secs(900),
    nonce: NonceRule::Optional,
    require_nocheck: false,
};

/// An authority that has said two things for ever: its signatures are deterministic (RFC 6979), so that the seeds hold them.
struct World {
    issuer: Issuer,
    asked: CertId,
    /// Signed by the authority itself, and by whom it delegated.
    good: [Vec<u8>; 2],
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

impl World {
    fn new() -> Self {
        let named = |name: &str, serial: u8| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.serial_number = Some(rcgen::SerialNumber::from_slice(&[serial]));
            params
        };
        let (root, delegate) = (Key::new(7), Key::new(8));
        let authority = rcgen::Issuer::new(named("authority", 1), &root);
        let mut params = named("responder", 2);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        let delegated = params.signed_by(&delegate, &authority).unwrap().der().clone();
        let certificate = named("authority", 1).self_signed(&root).unwrap();
        let issuer = Issuer::from_certificate(certificate.der()).unwrap();
        let serial = SerialNumber::new(&[0x12, 0x34]).unwrap();
        let asked = CertId::new(HashAlgorithm::Sha1, &issuer, &serial);
        let good = [(&root, &issuer, None), (&delegate, &Issuer::from_certificate(&delegated).unwrap(), Some(delegated))];
        let good = good.map(|(key, signer, certificate): (&Key, &Issuer, Option<CertificateDer<'static>>)| {
            let mut response = ResponseBuilder::new(ResponderId::by_key(signer).unwrap(), at(NOW))
                .nonce(Some(Nonce::new(&[9; 32]).unwrap()))
                .answer(Answer { certificate: asked.clone(), status: Status::Good, this_update: at(NOW), next_update: None });
            if let Some(certificate) = certificate {
                response = response.certificate(certificate);
            }
            response.sign(build::SignatureAlgorithm::EcdsaSha256, |octets| key.sign(octets)).unwrap()
        });
        Self { issuer, asked, good }
    }

    /// Whether the response is believed.
    fn believes(&self, response: &BasicResponse) -> bool {
        response.verify(&self.asked, None, &self.issuer, &RULES, at(NOW)).is_ok_and(|verified| verified.status == Status::Good)
    }
}

fn basic(octets: &[u8]) -> Option<BasicResponse> {
    match Response::parse(octets) {
        Ok(Response::Basic(response)) => Some(response),
        Ok(Response::Refused(_)) | Err(_) => None,
    }
}

/// What a signature covers.
fn signed(response: &BasicResponse) -> (&ResponderId, UnixTime, &[Answer], Option<&Nonce>) {
    (response.responder(), response.produced_at(), response.answers(), response.nonce())
}

fn check_request(octets: &[u8]) {
    let Ok(request) = Request::parse(octets) else { return };
    assert!(!request.certificates.is_empty());
    assert_eq!(Request::parse(&request.to_der().unwrap()).unwrap(), request);
}

fn check_response(octets: &[u8], world: &World) {
    if let Ok(Response::Refused(refusal)) = Response::parse(octets) {
        assert_eq!(Response::parse(&build::refuse(refusal).unwrap()), Ok(Response::Refused(refusal)));
    }
    let Some(response) = basic(octets) else { return };
    let mut again = ResponseBuilder::new(response.responder().clone(), response.produced_at()).nonce(response.nonce().cloned());
    for answer in response.answers() {
        again = again.answer(answer.clone());
    }
    for certificate in response.certificates() {
        assert!(octets.windows(certificate.len()).any(|came| came == certificate.as_ref()), "a certificate stays as it came");
        again = again.certificate(certificate.clone());
    }
    let again = again.sign(build::SignatureAlgorithm::EcdsaSha256, |_| Ok::<_, ()>(vec![0])).unwrap();
    let again = basic(&again).unwrap();
    assert_eq!(signed(&again), signed(&response));
    assert_eq!(again.certificates(), response.certificates());
    assert!(!world.believes(&again));
    // Certificates of no use may be put beside the signer's; what is signed stays.
    if world.believes(&response) {
        assert!(world.good.iter().any(|good| signed(&basic(good).unwrap()) == signed(&response)));
    }
}

fuzz_target!(|octets: &[u8]| {
    let world = &*WORLD;
    check_request(octets);
    check_response(octets, world);
    // The first octet chooses a good response, the next two where the rest goes over it.
    let Some(([which, at @ ..], patch)) = octets.split_first_chunk::<3>() else { return };
    let good = &world.good[usize::from(which & 1)];
    let mut altered = good.clone();
    let at = usize::from(u16::from_le_bytes(*at)) % altered.len();
    for (octet, value) in altered[at..].iter_mut().zip(patch) {
        *octet ^= value;
    }
    assert_eq!(basic(&altered).is_some_and(|response| world.believes(&response)), altered == *good);
});
