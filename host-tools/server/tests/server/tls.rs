//! What the listeners take as TLS, and whom they let in.

use std::io::{self, Read as _};

use cdoc2_api::CapsuleType;
use rcgen::PKCS_ECDSA_P384_SHA384;
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore};

use super::support::{Authority, Bed, Files, Http, client_config, connect, tls};

#[test]
fn tls_1_2_is_refused() {
    let bed = Bed::new();
    for address in [bed.addresses.sender, bed.addresses.recipient] {
        let error = tls(address, client_config(&bed.files.authority, None, &[&TLS12])).unwrap_err();
        assert!(error.to_string().contains("ProtocolVersion"), "{error}");
        let stream = tls(address, client_config(&bed.files.authority, None, &[&TLS12, &TLS13])).unwrap();
        assert_eq!(stream.conn.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    }
}

#[test]
fn plain_http_gets_no_answer_on_a_tls_port() {
    let bed = Bed::new();
    for address in [bed.addresses.sender, bed.addresses.recipient] {
        let mut stream = connect(address);
        io::Write::write_all(&mut stream, b"GET /key-capsules HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
}

#[test]
fn certificates_that_are_not_sound_are_refused_with_an_alert() {
    let bed = Bed::new();
    let authority = &bed.files.authority;
    for (identity, told) in [
        (authority.late(), AlertDescription::CertificateExpired),
        (authority.server(), AlertDescription::UnsupportedCertificate),
        (authority.intermediate().person(&PKCS_ECDSA_P384_SHA384), AlertDescription::UnknownCA),
    ] {
        assert_eq!(bed.alert(&identity), told);
    }
    let metrics = bed.metrics();
    assert!(metrics.contains(r#"cdoc2_handshakes_total{listener="recipient",result="failed"}"#), "{metrics}");
}

#[test]
fn sessions_are_not_resumed() {
    let bed = Bed::new();
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let path = bed.put(&mari.capsule(CapsuleType::EccSecp384r1));
    // The two connections share the client's store of sessions.
    let config = client_config(&bed.files.authority, Some(&mari), &[&TLS13]);
    for _ in 0..2 {
        let mut http = Http::new(tls(bed.addresses.recipient, config.clone()).unwrap());
        assert_eq!(http.get(&path).status, 200);
        assert_eq!(http.stream().conn.handshake_kind(), Some(HandshakeKind::Full));
    }
}

#[test]
fn key_exchange_can_be_hybrid() {
    let bed = Bed::new();
    let hybrid = rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768;
    let provider = CryptoProvider { kx_groups: vec![hybrid], ..rustls::crypto::aws_lc_rs::default_provider() };
    let mut roots = RootCertStore::empty();
    roots.add(bed.files.authority.certificate.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider.into()).with_protocol_versions(&[&TLS13]).unwrap();
    let stream = tls(bed.addresses.sender, builder.with_root_certificates(roots).with_no_client_auth()).unwrap();
    assert_eq!(stream.conn.negotiated_key_exchange_group().unwrap().name(), hybrid.name());
}

#[test]
fn reload_takes_new_certificates_and_keeps_old_ones_if_broken() {
    let bed = Bed::new();
    let server = bed.server.as_ref().unwrap();
    let shown = || {
        [bed.addresses.sender, bed.addresses.recipient].map(|address| {
            let stream = bed.tls(address, None).unwrap();
            stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
        })
    };
    let first = shown();
    let mut open = bed.sender();
    let renewed = bed.files.renew();
    assert_eq!(shown(), first, "nothing changes by itself");
    bed.runtime.block_on(server.reload()).unwrap();
    assert_eq!(shown(), [renewed.clone(), renewed.clone()]);

    for (file, broken) in [("server.pem", "nonsense"), ("server.key", ""), ("authority.pem", "-----BEGIN CERTIFICATE-----\n")] {
        let sound = std::fs::read(bed.files.path(file)).unwrap();
        std::fs::write(bed.files.path(file), broken).unwrap();
        let error = bed.runtime.block_on(server.reload()).unwrap_err().to_string();
        assert!(error.contains(file), "{error}");
        std::fs::write(bed.files.path(file), sound).unwrap();
        assert_eq!(shown(), [renewed.clone(), renewed.clone()], "{file}");
    }
    // A key that does not fit.
    let other = bed.files.authority.server();
    std::fs::write(bed.files.path("server.key"), other.key.serialize_pem()).unwrap();
    let error = bed.runtime.block_on(server.reload()).unwrap_err().to_string();
    assert!(error.contains("is not the key of the certificate in") && error.contains("server.pem"), "{error}");
    assert_eq!(shown(), [renewed.clone(), renewed]);
    // A connection that was open all the time still works.
    assert_eq!(open.get("/key-capsules").status, 405);
}

#[test]
fn reload_takes_new_authorities() {
    let bed = Bed::new();
    let newcomers = Authority::new();
    let mari = newcomers.person(&PKCS_ECDSA_P384_SHA384);
    let path = bed.put(&mari.capsule(CapsuleType::EccSecp384r1));
    assert!(bed.tls(bed.addresses.recipient, Some(&mari)).unwrap().read(&mut [0]).is_err());
    std::fs::write(bed.files.path("authority.pem"), newcomers.certificate.pem()).unwrap();
    bed.runtime.block_on(bed.server.as_ref().unwrap().reload()).unwrap();
    assert_eq!(bed.recipient(Some(&mari)).get(&path).status, 200);
}

#[test]
fn intermediate_authorities_may_be_the_servers_or_the_clients() {
    let files = Files::new();
    let intermediate = files.authority.intermediate();
    std::fs::write(files.path("intermediate.pem"), intermediate.certificate.pem()).unwrap();
    let text = files.text("");
    let knows = text.replace("client_authorities", "client_intermediates = [\"intermediate.pem\"]\nclient_authorities");
    let mari = intermediate.person(&PKCS_ECDSA_P384_SHA384);
    let bed = Bed::start(files, &text);
    let path = bed.put(&mari.capsule(CapsuleType::EccSecp384r1));
    assert!(bed.tls(bed.addresses.recipient, Some(&mari)).unwrap().read(&mut [0]).is_err(), "nobody knows it");
    let mut config = client_config(&bed.files.authority, None, &[&TLS13]);
    config.client_auth_cert_resolver = intermediate.resolver(&mari);
    assert_eq!(Http::new(tls(bed.addresses.recipient, config).unwrap()).get(&path).status, 200, "the client sends it");
    let Bed { files, .. } = bed;
    let bed = Bed::start(files, &knows);
    assert_eq!(bed.recipient(Some(&mari)).get(&path).status, 200, "the server has it");
}
