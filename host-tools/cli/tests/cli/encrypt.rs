//! `cdoc2 encrypt`: recipients, inputs, warnings.

use std::os::unix::ffi::OsStrExt as _;

use crate::support::{Sandbox, says};

#[test]
fn every_kind_of_recipient_opens_the_same_container() {
    let sandbox = Sandbox::with_secret();
    sandbox.certificate("mari", 100, "");
    sandbox.run("keygen -o rsa.key --type rsa --bits 2048 --pubkey rsa.pub").done();
    sandbox.openssl("pkcs12 -export -inkey mari.key -in mari.cer -out mari.p12 -passout pass:eluaegne");
    sandbox.write("passphrase", "eluaegne\n");
    sandbox.write("a.txt", "one");
    sandbox.write("photos/2026/b.jpg", "two");
    sandbox.write("photos/õ.jpg", "three");
    sandbox.run("encrypt -o out.cdoc2 -r cert:mari.cer -r pubkey:rsa.pub -r secret:s:s a.txt photos").done();
    for (folder, unlock) in [
        ("by-key", "--key mari.key"),
        ("by-rsa-key", "-i rsa.key"),
        ("by-p12", "--p12 mari.p12 --key-password-file passphrase"),
        ("by-secret", "--secret s"),
    ] {
        sandbox.run(&format!("decrypt out.cdoc2 -o {folder} {unlock}")).done();
        assert_eq!(sandbox.names(folder), ["a.txt", "photos_2026_b.jpg", "photos_õ.jpg"]);
        assert_eq!(sandbox.read(format!("{folder}/photos_2026_b.jpg")), b"two");
    }
}

#[test]
fn recipients_come_from_files_too() {
    let sandbox = Sandbox::with_secret();
    sandbox.certificate("mari", 100, "");
    sandbox.write("a.txt", "");
    sandbox.write("friends", "# people\r\n\r\n  cert:mari.cer\r\nsecret:s:s\n");
    sandbox.run("encrypt -o out.cdoc2 -R friends a.txt").done();
    let text = sandbox.run("inspect out.cdoc2").done().text();
    says(&text, "Record 1: mari");
    says(&text, "Record 2: s");
    sandbox.write("enemies", "cert:mari.cer\nnobody\n");
    says(&sandbox.run("encrypt -o x.cdoc2 -R enemies a.txt").failed(2), "enemies, line 2: not a recipient");
}

#[test]
fn nobody_to_encrypt_for_is_refused() {
    let sandbox = Sandbox::with_secret();
    sandbox.write("a.txt", "");
    sandbox.write("none", "# nobody\n");
    says(&sandbox.run("encrypt -o out.cdoc2 a.txt").failed(2), "there is no recipient");
    says(&sandbox.run("encrypt -o out.cdoc2 -R none a.txt").failed(2), "there is no recipient");
    says(&sandbox.run("encrypt -o out.cdoc2 -r mari.cer a.txt").failed(2), "hint: write cert:PATH");
}

#[test]
fn same_key_twice_is_taken_once() {
    let sandbox = Sandbox::new();
    sandbox.certificate("mari", 100, "");
    sandbox.openssl("pkey -in mari.key -pubout -out mari.pub");
    sandbox.write("a.txt", "");
    let said = sandbox.run("encrypt -o out.cdoc2 -r cert:mari.cer -r pubkey:mari.pub a.txt").done().stderr();
    says(&said, "recipient 2 has the same key as one before");
    says(&sandbox.run("inspect out.cdoc2").done().text(), "1 record\n");
}

#[test]
fn same_label_twice_is_refused() {
    let sandbox = Sandbox::with_secret();
    sandbox.write("t", [1; 32]);
    sandbox.write("a.txt", "");
    says(
        &sandbox.run("encrypt -o out.cdoc2 -r secret:x:s -r secret:x:t a.txt").failed(2),
        "recipient 2: there is a password or a secret",
    );
    says(&sandbox.run("encrypt -o out.cdoc2 -r password -r password a.txt").failed(2), "give each one a label of its own");
}

#[test]
fn dates_of_certificates_are_looked_at() {
    let sandbox = Sandbox::new();
    sandbox.certificate("old", -1, "");
    sandbox.certificate("soon", 10, "");
    sandbox.write("a.txt", "");
    let said = sandbox.run("encrypt -o out.cdoc2 -r cert:old.cer a.txt").failed(2);
    says(&said, "old.cer: the certificate expired on 20");
    says(&said, "--allow-expired");
    says(
        &sandbox.run("encrypt -o out.cdoc2 --allow-expired -r cert:old.cer a.txt").done().stderr(),
        "warning: old.cer: the certificate expired",
    );
    sandbox.run("decrypt out.cdoc2 -o opened --key old.key").done();
    says(
        &sandbox.run("encrypt -o two.cdoc2 -r cert:soon.cer a.txt").done().stderr(),
        "warning: soon.cer: the certificate expires on 20",
    );
    assert_eq!(sandbox.run("encrypt -q -o three.cdoc2 -r cert:soon.cer a.txt").done().stderr(), "");
}

#[test]
fn certificates_for_other_uses_get_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.certificate("signer", 100, "keyUsage=critical,nonRepudiation");
    sandbox.write("a.txt", "");
    says(&sandbox.run("encrypt -o out.cdoc2 -r cert:signer.cer a.txt").done().stderr(), "keyUsage lacks keyAgreement");
}

#[test]
fn curves_that_lock_java_out_get_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", "");
    for curve in ["secp256r1", "secp521r1"] {
        sandbox.run(&format!("keygen -o {curve}.key --curve {curve} --pubkey {curve}.pub")).done();
        let said = sandbox.run(&format!("encrypt -o {curve}.cdoc2 -r pubkey:{curve}.pub a.txt")).done().stderr();
        says(&said, &format!("a recipient's key is on {curve}; programs built on the Java implementation"));
        sandbox.run(&format!("decrypt {curve}.cdoc2 -o {curve} --key {curve}.key")).done();
    }
}

#[test]
fn secrets_have_the_length_that_others_read() {
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", "");
    sandbox.write("short", [7; 31]);
    sandbox.write("long", [7; 33]);
    says(&sandbox.run("encrypt -o out.cdoc2 -r secret:x:short a.txt").failed(2), "short: the secret has 31 octets; 32 are wanted");
    says(&sandbox.run("encrypt -o out.cdoc2 -r secret:x:long a.txt").done().stderr(), "the secret has 33 octets; libcdoc");
    sandbox.run("decrypt out.cdoc2 -o opened --secret long").done();
}

#[test]
fn wrong_kinds_of_key_files_get_advice() {
    let sandbox = Sandbox::new();
    sandbox.certificate("mari", 100, "");
    sandbox.write("a.txt", "");
    says(
        &sandbox.run("encrypt -o out.cdoc2 -r pubkey:mari.cer a.txt").failed(2),
        "mari.cer: holds a certificate where a public key is needed",
    );
    says(&sandbox.run("encrypt -o out.cdoc2 -r pubkey:mari.key a.txt").failed(2), "extract the public half");
    says(&sandbox.run("encrypt -o out.cdoc2 -r cert:absent.cer a.txt").failed(9), "absent.cer: ");
}

#[test]
fn inputs_that_cannot_be_meant_are_refused() {
    let sandbox = Sandbox::with_container();
    sandbox.write("folder/a.txt", "");
    sandbox.run("encrypt -o folder/out.cdoc2 -r secret:s:s folder").done();
    says(
        &sandbox.run("encrypt -f -o folder/out.cdoc2 -r secret:s:s folder").failed(2),
        "is to be encrypted and overwritten at once",
    );
    says(&sandbox.run("encrypt -f -o s -r secret:s:s s").failed(2), "is to be encrypted and overwritten at once");
    assert_eq!(sandbox.read("s"), [0x5A; 32]);
    says(&sandbox.run("encrypt -o out.cdoc2 -r secret:s:s in.cdoc2").done().stderr(), "in.cdoc2: is a CDOC2 container already");
    says(&sandbox.run("encrypt -o x.cdoc2 -r secret:s:s absent").failed(9), "absent: ");
    says(
        &sandbox.run("encrypt -o x.cdoc2 -r secret:s:s folder/a.txt folder/../folder/a.txt").failed(2),
        "second file of this name",
    );
}

#[test]
fn existing_output_is_kept_unless_forced() {
    let sandbox = Sandbox::with_secret();
    sandbox.write("a.txt", "new");
    sandbox.write("out.cdoc2", "old");
    let said = sandbox.run("encrypt -o out.cdoc2 -r secret:s:s a.txt").failed(9);
    says(&said, "out.cdoc2 exists already");
    says(&said, "hint: --force overwrites it");
    assert_eq!(sandbox.read("out.cdoc2"), b"old");
    sandbox.run("encrypt --force -o out.cdoc2 -r secret:s:s a.txt").done();
    assert!(sandbox.read("out.cdoc2").starts_with(b"CDOC\x02"));
    assert_eq!(sandbox.names("."), ["a.txt", "out.cdoc2", "s"]);
}

#[test]
fn odd_file_names_survive_and_unsafe_ones_are_refused() {
    let sandbox = Sandbox::with_secret();
    let odd = ["with space.txt", "õäöü.txt", "o\u{303}.txt", "日本.txt", "a=b&c.txt", "'quoted'.txt", "#hash"];
    for name in odd {
        sandbox.write(name, name);
    }
    let arguments = ["encrypt", "-o", "out.cdoc2", "-r", "secret:s:s"].into_iter().chain(odd);
    sandbox.cdoc2_with(arguments).run().done();
    sandbox.run("decrypt out.cdoc2 -o opened --secret s").done();
    for name in odd {
        assert_eq!(sandbox.read(format!("opened/{name}")), name.as_bytes());
    }
    for name in [&b"\xff.txt"[..], b"new\nline", b"\xe2\x80\xaegpj.exe", b"trailing."] {
        let name = std::ffi::OsStr::from_bytes(name);
        sandbox.write(name, "");
        let arguments = ["encrypt", "-o", "x.cdoc2", "-r", "secret:s:s"].map(std::ffi::OsStr::new).into_iter().chain([name]);
        let said = sandbox.cdoc2_with(arguments).run().failed(2);
        says(&said, "cannot be called");
        assert!(!said.contains('\u{202e}') && !said.trim_end().contains("new\nline"), "{said}");
    }
    assert!(!sandbox.path("x.cdoc2").exists());
}

#[test]
fn paths_need_not_be_utf_8() {
    let sandbox = Sandbox::with_secret();
    let output = std::ffi::OsStr::from_bytes(b"\xff.cdoc2");
    sandbox.write("a.txt", "");
    let arguments = [b"encrypt".as_slice(), b"-o", b"\xff.cdoc2", b"-r", b"secret:s:s", b"a.txt"].map(std::ffi::OsStr::from_bytes);
    sandbox.cdoc2_with(arguments).run().done();
    let inspect = [b"inspect".as_slice(), output.as_bytes(), b"--json"].map(std::ffi::OsStr::from_bytes);
    says(&sandbox.cdoc2_with(inspect).run().done().text(), "\"file\": \"\u{fffd}.cdoc2\"");
}
