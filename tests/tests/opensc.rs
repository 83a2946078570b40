//! The simulated ID-card with software that knows nothing of it: pcscd, vpcd, OpenSC, and what builds on OpenSC's PKCS#11 module.
//!
//! The expected texts are those of OpenSC 0.23 (Debian 12) for a real card of 2018.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cdoc2_tests::desk::Desk;
use cdoc2_tests::pcscd::VPCD_PORT;
use cdoc2_tests::process::{ended, fails, succeeds};
use cdoc2_tests::token::{CODE, NAME, PIN1, PIN2, PUK, Token};

/// OpenSC's PKCS#11 module, as its own tools find it.
const MODULE: &str = "opensc-pkcs11.so";

/// The same for those who need a path, which has the machine's architecture in it.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    folders.map(|folder| folder.join(MODULE)).find(|library| library.exists()).expect("OpenSC's module is in a folder in /usr/lib")
}

/// A desk with OpenSC's programs on it.
struct OpenSc(Desk);

impl std::ops::Deref for OpenSc {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.0
    }
}

impl OpenSc {
    fn new() -> Self {
        Self(Desk::over_vpcd(&[]))
    }

    fn over_usb() -> Self {
        Self(Desk::over_usb(&[]))
    }

    fn pkcs11(&self, arguments: &[&str]) -> Command {
        let mut command = self.client("pkcs11-tool");
        command.args(["--module", MODULE]).args(arguments);
        command
    }

    fn pkcs15(&self, arguments: &[&str]) -> Command {
        let mut command = self.client("pkcs15-tool");
        command.args(arguments);
        command
    }

    /// The public key of a certificate, PEM.
    fn public_key(&self, which: &str) -> PathBuf {
        let path = self.path(&format!("{which}.pub"));
        let certificate = self.token.certificate(which);
        succeeds(openssl().args(["x509", "-noout", "-pubkey", "-in"]).arg(certificate).arg("-out").arg(&path));
        path
    }

    fn verify_pin(&self, id: &str, pin: &str) -> Command {
        self.pkcs15(&["--verify-pin", "--auth-id", id, "--pin", pin])
    }
}

/// Somebody else's P-384 key, with which OpenSSL computes what the card must compute.
struct Peer {
    key: PathBuf,
    public_der: PathBuf,
    secret: PathBuf,
}

impl Peer {
    fn new(desk: &OpenSc) -> Self {
        let (key, public_der, secret) = (desk.path("peer.key"), desk.path("peer.der"), desk.path("peer.secret"));
        succeeds(openssl().args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out"]).arg(&key));
        succeeds(openssl().args(["pkey", "-pubout", "-outform", "DER", "-in"]).arg(&key).arg("-out").arg(&public_der));
        Self { key, public_der, secret }
    }

    fn agree(&self, with: &Path) -> Vec<u8> {
        let mut derive = openssl();
        derive.args(["pkeyutl", "-derive", "-inkey"]).arg(&self.key).arg("-peerkey").arg(with);
        succeeds(derive.arg("-out").arg(&self.secret));
        fs::read(&self.secret).unwrap()
    }
}

fn openssl() -> Command {
    let mut command = Command::new("openssl");
    command.stdin(Stdio::null());
    command
}

#[track_caller]
fn has(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}

#[test]
fn opensc_takes_it_for_an_id_card() {
    let desk = OpenSc::new();
    let said = succeeds(desk.client("opensc-tool").args(["--atr", "--name"]));
    has(&said, &["3b:db:96:00:80:b1:fe:45:1f:83:00:12:23:3f:53:65:49:44:0f:90:00:f1", "EstEID 2018"]);

    let said = succeeds(&mut desk.pkcs15(&["--dump"]));
    has(&said, &[&format!("PKCS#15 Card [{NAME},{CODE}]"), "AS0000001", "IDEMIA"]);
    for (what, count) in [("PIN [", 3), ("Private EC Key [", 2), ("X.509 Certificate [", 2), ("FieldLength    : 384", 2)] {
        assert_eq!(said.matches(what).count(), count, "{what}: {said}");
    }
}

#[test]
fn pkcs11_shows_slots_objects_and_mechanisms() {
    let desk = OpenSc::new();
    let said = succeeds(&mut desk.pkcs11(&["--list-slots"]));
    has(&said, &["Slot 0", "(PIN1)", "Slot 1", "(PIN2)"]);
    has(&succeeds(&mut desk.pkcs11(&["--list-objects"])), &["Isikutuvastus", "ID:         01"]);
    has(&succeeds(&mut desk.pkcs11(&["--list-objects", "--slot-index", "1"])), &["Allkirjastamine", "ID:         02"]);
    has(&succeeds(&mut desk.pkcs11(&["--list-mechanisms"])), &["ECDH1-DERIVE, keySize={384,384}"]);
}

#[test]
fn a_second_card_has_slots_of_its_own() {
    let desk = OpenSc::new();
    let other = Token::new(&desk.path("other"), &[]);
    let _card = other.insert(&desk.namespace, VPCD_PORT + 1);
    let said = succeeds(&mut desk.pkcs11(&["--list-slots"]));
    has(&said, &["Virtual PCD 00 00", "Virtual PCD 00 01", "(0x4)"]);
    assert_eq!(said.matches("(PIN1)").count(), 2, "{said}");
}

#[test]
fn derives_what_openssl_derives() {
    derives(&OpenSc::new());
}

#[test]
fn derives_what_openssl_derives_over_usb() {
    derives(&OpenSc::over_usb());
}

fn derives(desk: &OpenSc) {
    let peer = Peer::new(desk);
    let expected = peer.agree(&desk.public_key("auth"));
    assert_eq!(expected.len(), 48);
    for mechanism in ["ECDH1-DERIVE", "ECDH1-COFACTOR-DERIVE"] {
        let secret = desk.path(mechanism);
        let login = ["--login", "--pin", PIN1, "--derive", "--mechanism", mechanism, "--id", "01"];
        succeeds(desk.pkcs11(&login).arg("--input-file").arg(&peer.public_der).arg("--output-file").arg(&secret));
        assert_eq!(fs::read(secret).unwrap(), expected, "{mechanism}");
    }
    // The point in an OCTET STRING is longer than what the card takes.
    let login = ["--login", "--pin", PIN1, "--derive", "--derive-pass-der", "--mechanism", "ECDH1-DERIVE", "--id", "01"];
    let refused = desk.path("refused");
    let said = fails(desk.pkcs11(&login).arg("--input-file").arg(&peer.public_der).arg("--output-file").arg(&refused));
    has(&said, &["CKR_DATA_INVALID"]);
    assert!(!refused.exists());
}

#[test]
fn signatures_verify() {
    signs(&OpenSc::new());
}

#[test]
fn signatures_verify_over_usb() {
    signs(&OpenSc::over_usb());
}

fn signs(desk: &OpenSc) {
    let message = desk.path("message");
    fs::write(&message, "to be signed").unwrap();
    for (slot, pin, id, which) in [("0", PIN1, "01", "auth"), ("1", PIN2, "02", "sign")] {
        let public = desk.public_key(which);
        for (mechanism, digest) in [("ECDSA-SHA384", "-sha384"), ("ECDSA-SHA256", "-sha256")] {
            let signature = desk.path("signature");
            let login = ["--slot-index", slot, "--login", "--pin", pin, "--sign", "--mechanism", mechanism, "--id", id];
            let mut sign = desk.pkcs11(&login);
            sign.args(["--signature-format", "openssl", "--input-file"]).arg(&message).arg("--output-file").arg(&signature);
            succeeds(&mut sign);
            let mut verify = openssl();
            verify.args(["dgst", digest, "-verify"]).arg(&public).arg("-signature").arg(&signature).arg(&message);
            has(&succeeds(&mut verify), &["Verified OK"]);
        }
    }
}

#[test]
fn raw_signature_verifies() {
    let desk = OpenSc::new();
    let (digest, signature) = (desk.path("digest"), desk.path("signature"));
    fs::write(&digest, [0x5A; 48]).unwrap();
    let login = ["--login", "--pin", PIN1, "--sign", "--mechanism", "ECDSA", "--id", "01", "--signature-format", "openssl"];
    succeeds(desk.pkcs11(&login).arg("--input-file").arg(&digest).arg("--output-file").arg(&signature));
    let mut verify = openssl();
    verify.args(["pkeyutl", "-verify", "-pubin", "-inkey"]).arg(desk.public_key("auth"));
    has(&succeeds(verify.arg("-in").arg(&digest).arg("-sigfile").arg(&signature)), &["Signature Verified Successfully"]);
}

/// PIN2 is asked for at the login and once more for the signature, which uses it up (CKA_ALWAYS_AUTHENTICATE).
#[test]
fn signature_takes_two_pins() {
    let desk = OpenSc(Desk::traced(&[]));
    let message = desk.path("message");
    fs::write(&message, "to be signed").unwrap();
    let login = ["--slot-index", "1", "--login", "--pin", PIN2, "--sign", "--mechanism", "ECDSA-SHA384", "--id", "02"];
    succeeds(desk.pkcs11(&login).arg("--input-file").arg(&message).arg("--output-file").arg(desk.path("signature")));
    let trace = desk.token.trace();
    let said = |what: &str| trace.lines().filter(|line| line.starts_with("-> ") && line.ends_with(what)).count();
    assert_eq!((said("VERIFY 85"), said("PSO COMPUTE DIGITAL SIGNATURE")), (2, 1), "{trace}");
}

#[test]
fn pins_are_verified_blocked_and_unblocked() {
    blocks_and_unblocks(&OpenSc::new());
}

#[test]
fn pins_are_verified_blocked_and_unblocked_over_usb() {
    blocks_and_unblocks(&OpenSc::over_usb());
}

fn blocks_and_unblocks(desk: &OpenSc) {
    for (id, pin, wrong) in [("01", PIN1, "4321"), ("02", PIN2, "54321")] {
        succeeds(&mut desk.verify_pin(id, pin));
        for _ in 0..3 {
            has(&fails(&mut desk.verify_pin(id, wrong)), &["PIN code or key incorrect"]);
        }
        has(&fails(&mut desk.verify_pin(id, wrong)), &["Authentication method blocked"]);
        has(&fails(&mut desk.verify_pin(id, pin)), &["Authentication method blocked"]);
        succeeds(&mut desk.pkcs15(&["--unblock-pin", "--auth-id", id, "--puk", PUK, "--new-pin", pin]));
        succeeds(&mut desk.verify_pin(id, pin));
    }
}

#[test]
fn pkcs11_is_told_that_the_pin_is_locked() {
    let desk = OpenSc::new();
    for _ in 0..3 {
        fails(&mut desk.pkcs11(&["--login", "--pin", "4321", "--list-objects"]));
    }
    has(&fails(&mut desk.pkcs11(&["--login", "--pin", PIN1, "--list-objects"])), &["CKR_PIN_LOCKED"]);
}

#[test]
fn pins_are_changed() {
    let desk = OpenSc::new();
    for (id, old, new) in [("01", PIN1, "987654"), ("02", PIN2, "123456789012"), ("03", PUK, "87654321")] {
        succeeds(&mut desk.pkcs15(&["--change-pin", "--auth-id", id, "--pin", old, "--new-pin", new]));
        has(&fails(&mut desk.verify_pin(id, old)), &["PIN code or key incorrect"]);
        succeeds(&mut desk.verify_pin(id, new));
    }
}

#[test]
fn two_programs_share_the_card() {
    let desk = OpenSc::new();
    let peer = Peer::new(&desk);
    std::thread::scope(|scope| {
        for program in 0..2 {
            let (desk, peer) = (&desk, &peer);
            scope.spawn(move || {
                let login = ["--login", "--pin", PIN1, "--derive", "--mechanism", "ECDH1-DERIVE", "--id", "01"];
                let secret = desk.path(&format!("secret{program}"));
                for _ in 0..3 {
                    succeeds(desk.pkcs11(&login).arg("--input-file").arg(&peer.public_der).arg("--output-file").arg(&secret));
                }
            });
        }
    });
    let expected = peer.agree(&desk.public_key("auth"));
    for program in 0..2 {
        assert_eq!(fs::read(desk.path(&format!("secret{program}"))).unwrap(), expected);
    }
}

#[test]
fn ssh_and_gnutls_find_both_keys() {
    let desk = OpenSc::new();
    let said = succeeds(desk.client("ssh-keygen").arg("-D").arg(library()));
    assert_eq!(said.matches("ecdsa-sha2-nistp384").count(), 2, "{said}");
    let said = succeeds(desk.client("p11tool").arg("--provider").arg(library()).arg("--list-tokens"));
    has(&said, &["PIN1", "PIN2"]);
}

#[test]
fn java_lists_agrees_and_signs() {
    let desk = OpenSc::new();
    let config = desk.path("java.cfg");
    // Java would store the secret on the card otherwise, which no ID-card lets it do.
    let secret_keys = "attributes(*,CKO_SECRET_KEY,*) = { CKA_TOKEN = false }";
    fs::write(&config, format!("name=card\nlibrary={}\nslotListIndex=0\n{secret_keys}\n", library().display())).unwrap();

    let mut keytool = desk.client("keytool");
    keytool.args([
        "-list",
        "-storetype",
        "PKCS11",
        "-storepass",
        PIN1,
        "-providerClass",
        "sun.security.pkcs11.SunPKCS11",
        "-providerArg",
    ]);
    has(&succeeds(keytool.arg(&config)), &["Isikutuvastus", "PrivateKeyEntry"]);

    let peer = Peer::new(&desk);
    let mut java = desk.client("java");
    java.arg(cdoc2_tests::program::folder().join("java/Token.java")).arg(&config).arg(PIN1).arg(&peer.public_der);
    let secret: String = peer.agree(&desk.public_key("auth")).iter().map(|octet| format!("{octet:02x}")).collect();
    has(&succeeds(&mut java), &[&format!("secret {secret}"), "signature good"]);
}

/// `openssl s_server` that wants a certificate of the token's authority, and answers what curl asks.
struct TlsServer {
    program: Child,
    port: u16,
}

impl TlsServer {
    fn new(folder: &Path, client_ca: &Path, version: &str) -> Self {
        let (key, certificate) = (folder.join("server.key"), folder.join("server.pem"));
        let mut request = openssl();
        request.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
        request
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate);
        succeeds(&mut request);
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
        let mut server = openssl();
        server.args([
            "s_server",
            "-www",
            version,
            "-partial_chain",
            "-Verify",
            "1",
            "-verify_return_error",
            "-accept",
            &format!("127.0.0.1:{port}"),
        ]);
        server.arg("-key").arg(&key).arg("-cert").arg(&certificate).arg("-CAfile").arg(client_ca);
        let mut program = server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        cdoc2_tests::process::wait_for_line(program.stdout.take().unwrap(), "ACCEPT");
        Self { program, port }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[test]
fn mutual_tls_with_the_key_on_the_card() {
    let desk = OpenSc::new();
    let certificate = desk.token.certificate("auth");
    // Both slots hold a key for TLS unless the token is named, by the label that OpenSC has cut to 32 octets.
    let slots = succeeds(&mut desk.pkcs11(&["--list-slots"]));
    let label = slots.lines().find_map(|line| line.trim().strip_prefix("token label")).unwrap().trim_start_matches([' ', ':']);
    let key = format!("pkcs11:token={};object=Isikutuvastus;type=private;pin-value={PIN1}", percent_encoded(label));
    for version in ["-tls1_3", "-tls1_2"] {
        // The card's own certificate is what the server trusts: who issued it does not matter here.
        let server = TlsServer::new(desk.namespace.folder(), &certificate, version);
        let mut s_client = desk.client("openssl");
        s_client.args(["s_client", "-engine", "pkcs11", "-keyform", "engine", "-ign_eof", "-verify_return_error"]);
        s_client
            .args(["-connect", &format!("127.0.0.1:{}", server.port), "-servername", "localhost", "-key", &key, "-cert"])
            .arg(&certificate);
        s_client.arg("-CAfile").arg(desk.path("server.pem")).env("PKCS11_MODULE_PATH", library());
        let mut program = s_client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        program.stdin.take().unwrap().write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let (_, said) = ended(program);
        has(&said, &["HTTP/1.0 200 ok", "Client certificate", CODE]);

        let mut curl = desk.client("curl");
        curl.args(["--silent", "--show-error", "--engine", "pkcs11", "--key-type", "ENG", "--key", &key, "--cert"])
            .arg(&certificate);
        curl.arg("--cacert").arg(desk.path("server.pem")).arg(format!("https://localhost:{}/", server.port));
        has(&succeeds(curl.env("PKCS11_MODULE_PATH", library())), &["Client certificate", CODE]);
    }
}

/// A PKCS#11 URI's value (RFC 7512, section 2.3).
fn percent_encoded(value: &str) -> String {
    value
        .bytes()
        .map(|octet| if octet.is_ascii_alphanumeric() { char::from(octet).to_string() } else { format!("%{octet:02X}") })
        .collect()
}
