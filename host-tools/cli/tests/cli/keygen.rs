//! `cdoc2 keygen`: what it makes can be used at once, here and elsewhere.

use crate::support::{Sandbox, says};

#[test]
fn public_half_is_printed_or_written() {
    let sandbox = Sandbox::new();
    let printed = sandbox.run("keygen -o a.key").done().text();
    assert!(printed.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{printed}");
    sandbox.openssl("pkey -in a.key -pubout -out a.pub");
    assert_eq!(sandbox.read("a.pub"), printed.as_bytes());
    let run = sandbox.run("keygen -o b.key --pubkey b.pub").done();
    assert_eq!((run.stdout(), run.stderr().as_str()), (&b""[..], ""));
    sandbox.openssl("pkey -in b.key -pubout -out b2.pub");
    assert_eq!(sandbox.read("b.pub"), sandbox.read("b2.pub"));
    assert_eq!((sandbox.mode("b.key"), sandbox.mode("b.pub") & 0o600), (0o600, 0o600));
    says(&sandbox.run("keygen -o -").done().text(), "-----BEGIN PRIVATE KEY-----");
}

#[test]
fn kinds_and_sizes() {
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", "");
    for (name, options) in [("ec", "--type ec --curve secp384r1"), ("rsa", "--type rsa --bits 2048")] {
        sandbox.run(&format!("keygen -o {name}.key --pubkey {name}.pub {options}")).done();
        sandbox.run(&format!("encrypt -o {name}.cdoc2 -r pubkey:{name}.pub a.txt")).done();
        sandbox.run(&format!("decrypt {name}.cdoc2 -o {name} --key {name}.key")).done();
    }
    says(&sandbox.run("inspect rsa.cdoc2").done().text(), "RSA key of 2048 bits (SC.02)");
    says(&sandbox.run("keygen -o x --type rsa --bits 1024").failed(2), "1024 bits");
    for wrong in
        ["--curve secp384r1 --type rsa", "--bits 2048", "--type secret --encrypt", "--type secret --pubkey y", "--curve secp256k1"]
    {
        sandbox.run(&format!("keygen -o x {wrong}")).failed(2);
    }
    assert!(!sandbox.path("x").exists());
}

#[test]
fn passphrase_protects_the_key() {
    let sandbox = Sandbox::new();
    sandbox.write("phrase", "pikk jutt\n");
    sandbox.write("a.txt", "");
    sandbox.run("keygen -o k --pubkey p --encrypt --key-password-file phrase").done();
    says(&String::from_utf8(sandbox.read("k")).unwrap(), "-----BEGIN ENCRYPTED PRIVATE KEY-----");
    sandbox.openssl("pkey -in k -passin file:phrase -noout");
    sandbox.run("encrypt -o in.cdoc2 -r pubkey:p a.txt").done();
    sandbox.run("decrypt in.cdoc2 -o one --key k --key-password-file phrase").done();
    sandbox.cdoc2("decrypt in.cdoc2 -o two --key k").env("CDOC2_KEY_PASSWORD", "pikk jutt").run().done();
    says(&sandbox.cdoc2("decrypt in.cdoc2 -o x --key k").env("CDOC2_KEY_PASSWORD", "vale").run().failed(5), "k: wrong passphrase");
    says(&sandbox.run("decrypt in.cdoc2 -o x --batch --key k").failed(2), "--key-password-file PATH");
    sandbox.cdoc2("keygen -o x --encrypt").env("CDOC2_KEY_PASSWORD", "").run().failed(2);
    sandbox.run("keygen -o x --encrypt --batch").failed(2);
    sandbox.run("keygen -o x --key-password-file phrase").failed(2);
    assert!(!sandbox.path("x").exists());
}

#[test]
fn secret_is_text_of_32_octets() {
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", "");
    sandbox.run("keygen --type secret -o s").done();
    let text = String::from_utf8(sandbox.read("s")).unwrap();
    assert!(text.starts_with("base64,") && text.ends_with("=\n") && text.len() == 7 + 44 + 1, "{text}");
    assert_eq!(sandbox.mode("s"), 0o600);
    sandbox.run("keygen --type secret -o t").done();
    assert_ne!(sandbox.read("s"), sandbox.read("t"));
    sandbox.run("encrypt -o in.cdoc2 -r secret:s:s a.txt").done();
    sandbox.run("decrypt in.cdoc2 -o out --secret s").done();
}

#[test]
fn existing_files_are_kept_unless_forced() {
    let sandbox = Sandbox::new();
    sandbox.write("k", "mine");
    sandbox.write("p", "mine");
    sandbox.run("keygen -o k --pubkey q").failed(9);
    sandbox.run("keygen -o l --pubkey p").failed(9);
    sandbox.run("keygen -o k --type secret").failed(9);
    sandbox.run("keygen -o same --pubkey same").failed(2);
    assert_eq!((sandbox.read("k"), sandbox.read("p")), (b"mine".to_vec(), b"mine".to_vec()));
    assert_eq!(sandbox.names("."), ["k", "p"]);
    sandbox.run("keygen -f -o k --pubkey p").done();
    assert_eq!(sandbox.mode("k"), 0o600);
}
