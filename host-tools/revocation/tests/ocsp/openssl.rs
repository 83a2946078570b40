//! OpenSSL as the other side. Its responder answers from files, so that no port is open to the network.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use revocation::ocsp::{NonceRule, Status};
use revocation::service::Denied;
use revocation::{Ocsp, Settings};
use rustls_pki_types::UnixTime;
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::peers::{Peer, Reply, answer_to};
use crate::pki::{Owner, client, delegate, question, revoked};

/// Certificates 1 (good) and 2 (revoked) of `root` in OpenSSL's list; 3 is not in it.
fn folder(root: &Owner, signer: &Owner) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let list = "V\t400101000000Z\t\t01\tunknown\t/CN=client\n\
                R\t400101000000Z\t240101000000Z,keyCompromise\t02\tunknown\t/CN=client\n";
    for (name, text) in [
        ("index.txt", list.to_owned()),
        ("root.pem", root.pem.clone()),
        ("signer.pem", signer.pem.clone()),
        ("signer.key", signer.key.serialize_pem()),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn run(folder: &Path, args: &[&str]) -> Output {
    Command::new("openssl").arg("ocsp").args(args).current_dir(folder).output().unwrap()
}

/// OpenSSL's answer to `request`.
fn openssl_answers(folder: &Path, request: &[u8]) -> Vec<u8> {
    fs::write(folder.join("request"), request).unwrap();
    let output = run(
        folder,
        &[
            "-index",
            "index.txt",
            "-CA",
            "root.pem",
            "-rsigner",
            "signer.pem",
            "-rkey",
            "signer.key",
            "-ndays",
            "1",
            "-reqin",
            "request",
            "-respout",
            "response",
        ],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(folder.join("response")).unwrap()
}

/// Our client asks OpenSSL, with `signer` as `root`'s responder.
async fn ask_openssl(root: &Owner, signer: &Owner, nonce: NonceRule) {
    let files = folder(root, signer);
    let path = files.path().to_owned();
    let peer = Peer::start(move |request| Reply::ocsp(openssl_answers(&path, request))).await;
    let mut settings = Settings::default();
    settings.url = Some(peer.url.clone());
    settings.rules.nonce = nonce;
    let ocsp = Ocsp::new(settings, Handle::current());
    for (number, decision) in [(1, Ok(())), (2, Err(Denied::Revoked)), (3, Err(Denied::Unknown))] {
        assert_eq!(ocsp.check(&question(&root.issuer(), number)).await, decision, "{number}");
    }
}

#[tokio::test]
async fn our_client_asks_openssl() {
    let root = Owner::root("root");
    ask_openssl(&root, &root, NonceRule::Required).await;
    ask_openssl(&root, &root.issue(delegate()), NonceRule::Omitted).await;
}

#[tokio::test]
async fn our_client_asks_openssl_with_rsa() {
    let root = Owner::root_with("root", KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap());
    ask_openssl(&root, &root, NonceRule::Required).await;
}

/// What OpenSSL's client says of certificate 1 of `root` after asking `url`.
fn openssl_asks(folder: &Path, url: &str, more: &[&str]) -> (bool, String) {
    let args = ["-issuer", "root.pem", "-cert", "client.pem", "-CAfile", "root.pem", "-url", url, "-timeout", "20"];
    let output = run(folder, &[more, &args].concat());
    (output.status.success(), [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_asks_our_responder() {
    let root = Arc::new(Owner::root("root"));
    let files = folder(&root, &root);
    fs::write(files.path().join("client.pem"), root.issue(client(1)).pem).unwrap();
    for (status, told) in [(Status::Good, "good"), (revoked(), "revoked"), (Status::Unknown, "unknown")] {
        let owner = Arc::clone(&root);
        let peer = Peer::start(move |request| Reply::ocsp(answer_to(request, &owner, status, UnixTime::now()))).await;
        for more in [&[][..], &["-no_nonce"], &["-sha256"]] {
            let (done, text) = tokio::task::block_in_place(|| openssl_asks(files.path(), &peer.url, more));
            assert!(done && text.contains("Response verify OK"), "{text}");
            assert!(text.contains(&format!("client.pem: {told}")), "{text}");
            assert!(!text.contains("WARNING"), "no nonce, or another: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_believes_our_delegate_and_nobody_else() {
    let root = Arc::new(Owner::root("root"));
    let files = folder(&root, &root);
    fs::write(files.path().join("client.pem"), root.issue(client(1)).pem).unwrap();
    let signers = [(root.issue(delegate()), true), (root.issue(CertificateParams::default()), false)];
    for (signer, believed) in signers {
        let issuer = root.issuer();
        let peer = Peer::start(move |request| {
            let request = revocation::ocsp::Request::parse(request).unwrap();
            let now = UnixTime::now();
            assert!(request.certificates[0].is_issued_by(&issuer));
            let response = crate::pki::response_of(&signer, now, request.nonce)
                .answer(crate::pki::says(request.certificates[0].clone(), Status::Good, now))
                .certificate(signer.certificate.clone());
            Reply::ocsp(signer.sign(response))
        })
        .await;
        let (_, text) = tokio::task::block_in_place(|| openssl_asks(files.path(), &peer.url, &[]));
        assert_eq!(text.contains("Response verify OK"), believed, "{text}");
    }
}
