//! TLS 1.3 handshakes with certificates good and bad: what the client is told.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};
use revocation::ocsp::Status;
use revocation::service::BreakerSettings;
use revocation::verifier::{BuildError, Builder};
use revocation::{ClientVerifier, Ocsp, Policy, Settings};
use rustls::crypto::aws_lc_rs;
use rustls::{AlertDescription, ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::peers::{Peer, Reply, answer_to};
use crate::pki::{Owner, client, ecdsa, responder_at, revoked};

fn store(roots: &[&Owner]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.certificate.clone()).unwrap();
    }
    store
}

pub(crate) fn builder(root: &Owner) -> Builder {
    ClientVerifier::builder(store(&[root]), &aws_lc_rs::default_provider())
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

/// What becomes of a handshake: nothing, or the alert that the client gets.
async fn handshake(
    verifier: ClientVerifier,
    identity: Option<(Vec<CertificateDer<'static>>, &KeyPair)>,
) -> Result<(), AlertDescription> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let authority = Owner::root("server's root");
    let server = authority.issue(CertificateParams::new(vec!["localhost".into()]).unwrap());
    let accepting = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(vec![server.certificate.clone()], private(&server.key))
        .unwrap();
    let connecting = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(store(&[&authority]));
    let connecting = match identity {
        Some((chain, key)) => connecting.with_client_auth_cert(chain, private(key)).unwrap(),
        None => connecting.with_no_client_auth(),
    };

    let (near, far) = tokio::io::duplex(64 * 1024);
    let accepted = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(Arc::new(accepting)).accept(far).await?;
        stream.write_all(b"!").await?;
        stream.flush().await
    });
    let client = async {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(connecting)).connect(name, near).await?;
        stream.read_u8().await
    };
    let told = client.await;
    let accepted = accepted.await.unwrap();
    match told {
        Ok(_) => {
            accepted.unwrap();
            Ok(())
        }
        Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(alert)) => {
                assert!(accepted.is_err());
                Err(*alert)
            }
            _ => panic!("{error}; {accepted:?}"),
        },
    }
}

/// The handshake of `owner`, who sends `chain` after the own certificate.
pub(crate) async fn handshake_of(verifier: Builder, owner: &Owner, chain: &[&Owner]) -> Result<(), AlertDescription> {
    let certificates = std::iter::once(owner).chain(chain.iter().copied()).map(|one| one.certificate.clone()).collect();
    handshake(verifier.build().unwrap(), Some((certificates, &owner.key))).await
}

/// A responder that says this of every certificate of `root`, and a service that asks it.
pub(crate) async fn ocsp(root: &Arc<Owner>, status: Status, policy: Policy) -> (Peer, Ocsp) {
    ocsp_within(Duration::from_secs(60), root, status, policy).await
}

/// The same, with a service that waits so long.
async fn ocsp_within(timeout: Duration, root: &Arc<Owner>, status: Status, policy: Policy) -> (Peer, Ocsp) {
    let owner = Arc::clone(root);
    let peer = Peer::start(move |request| Reply::ocsp(answer_to(request, &owner, status, UnixTime::now()))).await;
    let mut settings = Settings::default();
    settings.policy = policy;
    settings.url = Some(peer.url.clone());
    settings.timeout = timeout;
    settings.breaker = BreakerSettings { failures: 1000, ..BreakerSettings::default() };
    (peer, Ocsp::new(settings, Handle::current()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_certificates_of_every_kind_of_key() {
    let root = Owner::root("root");
    let ec = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P521_SHA512];
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    for key in ec.into_iter().map(|algorithm| KeyPair::generate_for(algorithm).unwrap()).chain([rsa]) {
        assert_eq!(handshake_of(builder(&root), &root.issue_for(client(7), key), &[]).await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_the_certificate_itself() {
    let root = Owner::root("root");
    let mut expired = client(7);
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut early = client(7);
    early.not_before = date_time_ymd(2100, 1, 1);
    let mut agreement = client(7);
    agreement.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    let mut no_usage = client(7);
    no_usage.key_usages.clear();
    let mut server = client(7);
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut no_purpose = client(7);
    no_purpose.extended_key_usages.clear();
    for (params, told) in [
        (expired, Err(AlertDescription::CertificateExpired)),
        (early, Err(AlertDescription::CertificateExpired)),
        (agreement, Err(AlertDescription::UnsupportedCertificate)),
        (no_usage, Err(AlertDescription::UnsupportedCertificate)),
        (server, Err(AlertDescription::UnsupportedCertificate)),
        (no_purpose, Ok(())),
    ] {
        assert_eq!(handshake_of(builder(&root), &root.issue(params.clone()), &[]).await, told, "{params:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_key_under_another_authority() {
    let (root, other) = (Owner::root("root"), Owner::root("other"));
    let key = ecdsa();
    let same = || KeyPair::from_pkcs8_der_and_sign_algo(&key.serialized_der().into(), &PKCS_ECDSA_P256_SHA256).unwrap();
    assert_eq!(handshake_of(builder(&root), &root.issue_for(client(7), same()), &[]).await, Ok(()));
    let foreign = other.issue_for(client(7), same());
    assert_eq!(handshake_of(builder(&root), &foreign, &[]).await, Err(AlertDescription::UnknownCA));
    assert_eq!(handshake_of(builder(&root), &foreign, &[&other]).await, Err(AlertDescription::UnknownCA));
    let namesake = Owner::root("root").issue_for(client(7), same());
    assert_eq!(handshake_of(builder(&root), &namesake, &[]).await, Err(AlertDescription::DecryptError));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_of_somebody_else() {
    let root = Owner::root("root");
    let (victim, thief) = (root.issue(client(7)), ecdsa());
    let verifier = builder(&root).build().unwrap();
    // rustls will not pair the two; so a certificate over the thief's key carries the victim's place in the chain.
    let forged = Owner::root("thief").issue_for(client(7), thief);
    let chain = vec![forged.certificate.clone(), victim.certificate.clone()];
    assert_eq!(handshake(verifier, Some((chain, &forged.key))).await, Err(AlertDescription::UnknownCA));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intermediates_are_presented_or_configured() {
    let root = Owner::root("root");
    let between = root.intermediate("between");
    let owner = between.issue(client(7));
    assert_eq!(handshake_of(builder(&root), &owner, &[]).await, Err(AlertDescription::UnknownCA));
    assert_eq!(handshake_of(builder(&root), &owner, &[&between]).await, Ok(()));
    let configured = builder(&root).intermediates(vec![between.certificate.clone()]);
    assert_eq!(handshake_of(configured, &owner, &[]).await, Ok(()));
    // A client is no authority.
    let below = owner.issue(client(8));
    assert!(handshake_of(builder(&root), &below, &[&owner, &between]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_roots() {
    let (one, two) = (Owner::root("one"), Owner::root("two"));
    for root in [&one, &two] {
        let verifier = ClientVerifier::builder(store(&[&one, &two]), &aws_lc_rs::default_provider());
        assert_eq!(handshake_of(verifier, &root.issue(client(7)), &[]).await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_without_a_certificate() {
    let root = Owner::root("root");
    let strict = builder(&root).build().unwrap();
    assert_eq!(handshake(strict, None).await, Err(AlertDescription::CertificateRequired));
    assert_eq!(handshake(builder(&root).allow_anonymous().build().unwrap(), None).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_status_has_its_alert() {
    let root = Arc::new(Owner::root("root"));
    for (status, told) in [
        (Status::Good, Ok(())),
        (revoked(), Err(AlertDescription::CertificateRevoked)),
        (Status::Unknown, Err(AlertDescription::CertificateUnknown)),
    ] {
        let (peer, ocsp) = ocsp(&root, status, Policy::Hard).await;
        let owner = root.issue(client(7));
        assert_eq!(handshake_of(builder(&root).ocsp(ocsp.clone()), &owner, &[]).await, told);
        assert_eq!(handshake_of(builder(&root).ocsp(ocsp), &owner, &[]).await, told, "as remembered");
        assert_eq!(peer.asked(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_does_not_help_what_is_expired_or_not_for_this() {
    let root = Arc::new(Owner::root("root"));
    let (peer, ocsp) = ocsp(&root, Status::Good, Policy::Soft).await;
    let mut expired = client(7);
    expired.not_after = date_time_ymd(2020, 1, 1);
    let told = handshake_of(builder(&root).ocsp(ocsp.clone()), &root.issue(expired), &[]).await;
    assert_eq!(told, Err(AlertDescription::CertificateExpired));
    let mut agreement = client(7);
    agreement.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    let told = handshake_of(builder(&root).ocsp(ocsp.clone()), &root.issue(agreement), &[]).await;
    assert_eq!(told, Err(AlertDescription::UnsupportedCertificate));
    let told = handshake_of(builder(&root).ocsp(ocsp), &Owner::root("root").issue(client(7)), &[]).await;
    assert_eq!(told, Err(AlertDescription::DecryptError));
    assert_eq!(peer.asked(), 0, "nobody is asked about a certificate that is refused anyway");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responder_that_is_slow_or_down() {
    let root = Arc::new(Owner::root("root"));
    for (policy, told) in [(Policy::Hard, Err(AlertDescription::AccessDenied)), (Policy::Soft, Ok(()))] {
        let (peer, impatient) = ocsp_within(Duration::from_millis(1), &root, Status::Good, policy).await;
        peer.now(|_| Reply::Never);
        assert_eq!(handshake_of(builder(&root).ocsp(impatient), &root.issue(client(7)), &[]).await, told);
        let (peer, ocsp) = ocsp(&root, Status::Good, policy).await;
        peer.now(|_| Reply::HangUp);
        assert_eq!(handshake_of(builder(&root).ocsp(ocsp), &root.issue(client(8)), &[]).await, told);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_beyond_the_limit_do_not_wait() {
    let root = Arc::new(Owner::root("root"));
    let (peer, ocsp) = ocsp(&root, Status::Good, Policy::Hard).await;
    let none = builder(&root).ocsp(ocsp.clone()).max_waiting(0);
    assert_eq!(handshake_of(none, &root.issue(client(7)), &[]).await, Err(AlertDescription::AccessDenied));
    assert_eq!(peer.asked(), 0);
    assert_eq!(handshake_of(builder(&root).ocsp(ocsp.clone()), &root.issue(client(7)), &[]).await, Ok(()));
    let none = builder(&root).ocsp(ocsp).max_waiting(0);
    assert_eq!(handshake_of(none, &root.issue(client(7)), &[]).await, Ok(()), "as remembered");
}

#[tokio::test]
async fn current_thread_runtime_cannot_wait() {
    let root = Arc::new(Owner::root("root"));
    let (peer, ocsp) = ocsp(&root, Status::Good, Policy::Hard).await;
    let told = handshake_of(builder(&root).ocsp(ocsp), &root.issue(client(7)), &[]).await;
    assert_eq!(told, Err(AlertDescription::AccessDenied));
    assert_eq!(peer.asked(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thread_of_no_runtime_just_waits() {
    use rustls::server::danger::ClientCertVerifier as _;

    let root = Arc::new(Owner::root("root"));
    let (peer, ocsp) = ocsp(&root, Status::Good, Policy::Hard).await;
    let verifier = builder(&root).ocsp(ocsp).build().unwrap();
    let certificate = root.issue(client(7)).certificate;
    let thread = std::thread::spawn(move || verifier.verify_client_cert(&certificate, &[], UnixTime::now()).is_ok());
    assert!(tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap());
    assert_eq!(peer.asked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responder_named_in_the_certificate_is_asked() {
    let root = Arc::new(Owner::root("root"));
    let owner = Arc::clone(&root);
    let peer = Peer::start(move |request| Reply::ocsp(answer_to(request, &owner, revoked(), UnixTime::now()))).await;
    let mut params = client(7);
    params.custom_extensions = vec![responder_at(&peer.url)];
    let ocsp = Ocsp::new(Settings::default(), Handle::current());
    let told = handshake_of(builder(&root).ocsp(ocsp), &root.issue(params), &[]).await;
    assert_eq!(told, Err(AlertDescription::CertificateRevoked));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intermediates_are_looked_up_if_asked_for() {
    let root = Arc::new(Owner::root("root"));
    let between = Arc::new(root.intermediate("between"));
    // The root's responder has revoked the intermediate; the intermediate's has not revoked the client.
    let (above, below) = (Arc::clone(&root), Arc::clone(&between));
    let peer = Peer::start(move |request| {
        let asked = &revocation::ocsp::Request::parse(request).unwrap().certificates[0];
        if asked.is_issued_by(&below.issuer()) {
            return Reply::ocsp(answer_to(request, &below, Status::Good, UnixTime::now()));
        }
        assert_eq!(asked.serial(), [77]);
        Reply::ocsp(answer_to(request, &above, revoked(), UnixTime::now()))
    })
    .await;
    let mut settings = Settings::default();
    settings.url = Some(peer.url.clone());
    let ocsp = Ocsp::new(settings, Handle::current());
    let owner = between.issue(client(7));
    assert_eq!(handshake_of(builder(&root).ocsp(ocsp.clone()), &owner, &[&between]).await, Ok(()));
    let whole = builder(&root).ocsp(ocsp).ocsp_of_intermediates();
    assert_eq!(handshake_of(whole, &owner, &[&between]).await, Err(AlertDescription::CertificateRevoked));
    assert_eq!(peer.asked(), 2);
}

#[test]
fn verifier_needs_a_root_and_sound_intermediates() {
    let provider = aws_lc_rs::default_provider();
    assert_eq!(ClientVerifier::builder(RootCertStore::empty(), &provider).build().unwrap_err(), BuildError::NoRoots);
    let odd = builder(&Owner::root("root")).intermediates(vec![vec![0x30, 0].into()]).build();
    assert!(matches!(odd, Err(BuildError::Intermediate { place: 0, .. })));
}
