//! A client of the capsule server that shares nothing with `cdoc2`.

use std::sync::Arc;

use cdoc2_api::{Capsule, CapsuleType, ExpiryTime, capsule, expiry};
use cdoc2_testbed::{Algorithm, Identity, Testbed};
use reqwest::blocking::{Client, Response};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};

/// A client that shows the certificate of `identity`.
pub(crate) fn client(bed: &Testbed, identity: Option<&Identity>) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(bed.authority().root())).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.for_rustls();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    Client::builder().use_preconfigured_tls(config).no_proxy().build().unwrap()
}

/// A recipient whose key is in software: [`super::scene::MARI`] on P-384.
pub(crate) fn recipient(bed: &Testbed) -> Identity {
    bed.software_key(&super::scene::holder(super::scene::MARI), Algorithm::P384).unwrap().identity
}

/// A capsule for `identity`, whose key is on P-384. What the sender's key is does not matter to the server, if it is a point.
pub(crate) fn capsule(identity: &Identity) -> Capsule {
    // the end of SubjectPublicKeyInfo is the point
    let point = identity.public_key().last_chunk::<97>().unwrap().to_vec();
    Capsule { recipient_id: point.clone(), ephemeral_key_material: point, capsule_type: CapsuleType::EccSecp384r1 }
}

/// Sends `capsule`, to be kept until `until`.
pub(crate) fn put(bed: &Testbed, capsule: &Capsule, until: Option<ExpiryTime>) -> Response {
    let request = client(bed, None)
        .post(format!("{}{}", bed.server().sender_url(), capsule::PATH))
        .header("content-type", "application/json")
        .body(serde_json::to_vec(capsule).unwrap());
    let request = match until {
        Some(until) => request.header(expiry::HEADER, until.to_string()),
        None => request,
    };
    request.send().unwrap()
}

/// The path that a server answered a capsule with.
pub(crate) fn location(response: &Response) -> String {
    assert_eq!(response.status(), 201);
    response.headers()["location"].to_str().unwrap().to_owned()
}

/// Asks for what is at `path`, as `identity`.
pub(crate) fn get(bed: &Testbed, identity: Option<&Identity>, path: &str) -> reqwest::Result<Response> {
    client(bed, identity).get(format!("{}{path}", bed.server().recipient_url())).send()
}

/// So many seconds from now.
pub(crate) fn seconds_from_now(seconds: i64) -> ExpiryTime {
    let now = ExpiryTime::try_from(std::time::SystemTime::now()).unwrap();
    ExpiryTime::from_unix(now.as_unix() + seconds).unwrap()
}

/// The day that is so many days from now.
pub(crate) fn day(days: i64) -> String {
    seconds_from_now(days * 24 * 60 * 60).to_string().chars().take(10).collect()
}
