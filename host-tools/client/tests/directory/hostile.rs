//! A server that says what it is told to, over TLS that is right.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rustls::crypto::aws_lc_rs;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::people::Server;

/// Serves one connection: answers each of the requests with the next of `answers`, then waits until the client goes. Answers its address.
pub(crate) fn over_tls(server: &Server, answers: Vec<Vec<u8>>) -> String {
    let (chain, key) = server.identity.for_rustls();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let (listener, url) = listen("ldaps");
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        talk(StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream), answers);
    });
    url
}

/// As [`over_tls`], without TLS.
pub(crate) fn plain(scheme: &str, answers: Vec<Vec<u8>>) -> String {
    let (listener, url) = listen(scheme);
    thread::spawn(move || talk(listener.accept().unwrap().0, answers));
    url
}

fn listen(scheme: &str) -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port());
    (listener, url)
}

fn talk(mut stream: impl std::io::Read + std::io::Write, answers: Vec<Vec<u8>>) {
    let mut request = [0; 4096];
    for answer in answers {
        // The client may have gone already.
        if !matches!(stream.read(&mut request), Ok(1..)) || stream.write_all(&answer).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
    while matches!(stream.read(&mut request), Ok(1..)) {}
}

/// An element in BER.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len()).unwrap();
    [&[tag, 0x84][..], &len.to_be_bytes(), content].concat()
}

/// An LDAP message.
pub(crate) fn message(number: u8, op: &[u8]) -> Vec<u8> {
    element(0x30, &[&[2, 1, number][..], op].concat())
}

/// A response that is a result and no more.
pub(crate) fn result(number: u8, tag: u8, code: u8) -> Vec<u8> {
    message(number, &element(tag, &[0x0A, 1, code, 4, 0, 4, 0]))
}

/// An entry with these certificates.
pub(crate) fn entry(number: u8, values: &[&[u8]]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|value| element(4, value)).collect();
    let attribute = element(0x30, &[element(4, b"userCertificate;binary"), element(0x31, &values)].concat());
    message(number, &element(0x64, &[element(4, b"cn=X"), element(0x30, &attribute)].concat()))
}
