//! The certificates, as OpenSSL sees them.

use std::fs;

use crate::support::{HOLDER, Sandbox};

/// The certificate of `key`, in a file of that name, as `openssl x509` tells it.
fn certificate(sandbox: &Sandbox, key: &str) -> String {
    let pem = sandbox.token_sim(&["cert", "--state", "t", key]).succeeded();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n") && pem.ends_with("-----END CERTIFICATE-----\n"));
    fs::write(sandbox.path(key), pem).unwrap();
    sandbox.tool("openssl", &format!("x509 -in {key} -noout -text -nameopt utf8,sep_comma_plus_space,show_type"))
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[test]
fn say_what_they_must_and_verify() {
    let sandbox = Sandbox::with_token(&["--ca", "ca", "--cdoc2-key", "p256"]);
    let subject = "Subject: C=PRINTABLESTRING:EE, CN=UTF8STRING:JÕEORG,JAAK-KRISTJAN,38001085718, SN=UTF8STRING:JÕEORG, \
                   GN=UTF8STRING:JAAK-KRISTJAN, serialNumber=PRINTABLESTRING:PNOEE-38001085718\n";
    let auth = certificate(&sandbox, "auth");
    has(&auth, &[subject, "ASN1 OID: secp384r1", "critical\n                Digital Signature, Key Agreement\n"]);
    has(&auth, &["TLS Web Client Authentication, E-mail Protection\n", "Policy: 1.3.6.1.4.1.51361.1.2.1\n", "CA:FALSE"]);
    let sign = certificate(&sandbox, "sign");
    has(&sign, &[subject, "ASN1 OID: secp384r1", "critical\n                Non Repudiation\n"]);
    assert!(!sign.contains("Extended Key Usage"));
    let cdoc2 = certificate(&sandbox, "cdoc2");
    has(&cdoc2, &[subject, "ASN1 OID: prime256v1", "critical\n                Key Agreement\n"]);
    assert_eq!(sandbox.tool("openssl", "verify -x509_strict -CAfile ca/ca.pem auth sign cdoc2"), "auth: OK\nsign: OK\ncdoc2: OK\n");
    for key in ["auth", "sign", "cdoc2"] {
        sandbox.tool("openssl", &format!("x509 -in {key} -outform der -out der"));
        assert!(fs::metadata(sandbox.path("der")).unwrap().len() <= 1536);
    }
}

#[test]
fn longest_names_fit() {
    let sandbox = Sandbox::new();
    let names = format!("{},{}", "Õ".repeat(26), "Ü".repeat(25));
    sandbox.token_sim(&["new", "--state", "t", "--cdoc2-key", "p521", "--name", &names, "--code", "38001085718"]).succeeded();
    for key in ["auth", "sign", "cdoc2"] {
        has(&certificate(&sandbox, key), &[&format!("CN=UTF8STRING:{names},38001085718")]);
    }
}

#[test]
fn one_authority_serves_many_cards() {
    let sandbox = Sandbox::with_token(&["--ca", "ca"]);
    let authority = fs::read(sandbox.path("ca/ca.pem")).unwrap();
    certificate(&sandbox, "auth");
    sandbox.token_sim(&[&["new", "--force", "--state", "t", "--ca", "ca"], &HOLDER[..]].concat()).succeeded();
    certificate(&sandbox, "sign");
    assert_eq!(fs::read(sandbox.path("ca/ca.pem")).unwrap(), authority);
    assert_eq!(sandbox.tool("openssl", "verify -CAfile ca/ca.pem auth sign"), "auth: OK\nsign: OK\n");
}

#[test]
fn authorities_that_are_none_are_told_apart() {
    let sandbox = Sandbox::with_token(&["--ca", "ca"]);
    Sandbox::with_token(&["--ca", &sandbox.path("other").display().to_string()]);
    let fault = || sandbox.token_sim(&[&["new", "--state", "u", "--ca", "ca"], &HOLDER[..]].concat()).failed(1);

    fs::copy(sandbox.path("other/ca.pem"), sandbox.path("ca/ca.pem")).unwrap();
    assert_eq!(fault(), "token-sim: ca/ca.pem: the certificate is not that of the key beside it\n");
    fs::write(sandbox.path("ca/ca.pem"), "text").unwrap();
    assert!(fault().starts_with("token-sim: ca/ca.pem: not a certificate in PEM"));
    fs::remove_file(sandbox.path("ca/ca.pem")).unwrap();
    assert_eq!(fault(), "token-sim: ca/ca.pem: is missing, though the authority's other file is there\n");
    fs::copy(sandbox.path("other/ca.pem"), sandbox.path("ca/ca.pem")).unwrap();
    sandbox.tool("openssl", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca/ca.key");
    assert!(fault().starts_with("token-sim: ca/ca.key: not an unencrypted secp384r1 private key in PEM (PKCS#8)"));
    fs::remove_file(sandbox.path("ca/ca.key")).unwrap();
    assert_eq!(fault(), "token-sim: ca/ca.key: is missing, though the authority's other file is there\n");
    assert!(!sandbox.files().contains(&"u".to_owned()));
}

#[test]
fn authority_of_openssl_does_as_well() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("ca")).unwrap();
    sandbox.tool("openssl", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out ca/ca.key");
    sandbox.tool("openssl", "req -x509 -new -key ca/ca.key -subj /CN=Elsewhere -days 9 -out ca/ca.pem");
    sandbox.token_sim(&[&["new", "--state", "t", "--ca", "ca"], &HOLDER[..]].concat()).succeeded();
    certificate(&sandbox, "auth");
    assert_eq!(sandbox.tool("openssl", "verify -CAfile ca/ca.pem auth"), "auth: OK\n");
}

#[test]
fn two_at_once_make_one_authority() {
    let sandbox = Sandbox::new();
    std::thread::scope(|scope| {
        for state in ["t", "u", "v", "w"] {
            let sandbox = &sandbox;
            scope.spawn(move || sandbox.token_sim(&[&["new", "--state", state, "--ca", "ca"], &HOLDER[..]].concat()).succeeded());
        }
    });
    for state in ["t", "u", "v", "w"] {
        fs::write(sandbox.path("cert"), sandbox.token_sim(&["cert", "--state", state, "auth"]).succeeded()).unwrap();
        assert_eq!(sandbox.tool("openssl", "verify -CAfile ca/ca.pem cert"), "cert: OK\n");
    }
}

#[test]
fn key_that_is_not_there_has_no_certificate() {
    let sandbox = Sandbox::with_token(&[]);
    let said = sandbox.token_sim(&["cert", "--state", "t", "cdoc2"]).failed(1);
    assert_eq!(said, "token-sim: t: the token has no CDOC2 key\n");
}

#[test]
fn keys_from_files_are_certified_as_they_are() {
    let sandbox = Sandbox::new();
    for (curve, file) in [("P-384", "auth.key"), ("P-256", "cdoc2.key")] {
        sandbox.tool("openssl", &format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve} -out {file}"));
    }
    let new = |keys: &[&str]| sandbox.token_sim(&[&["new", "--state", "t"], &HOLDER[..], keys].concat());
    new(&["--auth-key", "auth.key", "--cdoc2-key-file", "cdoc2.key"]).succeeded();
    for key in ["auth", "cdoc2"] {
        certificate(&sandbox, key);
        let certified = sandbox.tool("openssl", &format!("x509 -in {key} -noout -pubkey"));
        assert_eq!(certified, sandbox.tool("openssl", &format!("pkey -in {key}.key -pubout")));
    }
    fs::remove_file(sandbox.path("t")).unwrap();
    let said = new(&["--auth-key", "cdoc2.key"]).failed(1);
    assert_eq!(said, "token-sim: the profile's authentication key is on P-384, and no other curve\n");
    let said = new(&["--cdoc2-key", "p256", "--cdoc2-key-file", "cdoc2.key"]).failed(2);
    assert!(said.contains("cannot be used with"), "{said}");
    assert!(!sandbox.files().contains(&"t".to_owned()));
}
