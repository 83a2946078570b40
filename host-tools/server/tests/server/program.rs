//! The program: its exit codes, signals, and what it writes.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use cdoc2_api::CapsuleType;
use cdoc2_server::store::Sqlite;
use rcgen::PKCS_ECDSA_P384_SHA384;
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use rustls::version::TLS13;

use super::support::{Authority, Files, Http, Identity, PERSONAL_CODE, client_config, pem, tls};

fn program(command: &str, files: &Files) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_cdoc2-server"));
    program.args([command, "--config"]).arg(files.path("server.toml"));
    program
}

fn check(files: &Files, text: &str) -> (i32, String) {
    fs::write(files.path("server.toml"), text).unwrap();
    let Output { status, stderr, .. } = program("check-config", files).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn configurations_are_checked() {
    let files = Files::new();
    let sound = with_ocsp(&files.text(""));
    assert_eq!(check(&files, &sound), (0, String::new()));
    for (what, text, code, told) in [
        ("no TOML", "sender".to_owned(), 3, "server.toml, line 1"),
        ("an unknown key", files.text("[limits]\nconections = 1"), 3, "unknown field `conections`"),
        ("no authority", sound.replace("\"authority.pem\"", ""), 3, "recipient.client_authorities name at least one file"),
        ("a file that is missing", sound.replace("\"server.pem\"", "\"missing.pem\""), 1, "missing.pem cannot be read"),
        ("a key for a certificate", sound.replace("\"server.pem\"", "\"server.key\""), 1, "server.key holds no certificate"),
        ("a certificate for a key", sound.replace("\"server.key\"", "\"server.pem\""), 1, "server.pem holds no private key"),
        ("a database without its folder", sound.replace("capsules.sqlite", "missing/capsules.sqlite"), 1, "store: "),
    ] {
        let (exit, text) = check(&files, &text);
        assert_eq!(exit, code, "{what}: {text}");
        assert!(text.starts_with("cdoc2-server: ") && text.contains(told), "{what}: {text}");
    }
    fs::write(files.path("server.key"), Authority::new().server().key.serialize_pem()).unwrap();
    let (exit, text) = check(&files, &sound);
    assert_eq!(exit, 1);
    assert!(text.contains("sender.key: ") && text.contains("is not the key of the certificate in"), "{text}");
    assert_eq!(program("capsule", &files).output().unwrap().status.code(), Some(1));
    files.renew();
    assert_eq!(check(&files, &sound), (0, String::new()));
    // Of a server of the other kind.
    let output = program("shares", &files).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text.contains("server.toml: [sender] belongs to a capsule server: run `cdoc2-server capsule`"), "{text}");
    assert_eq!(Command::new(env!("CARGO_BIN_EXE_cdoc2-server")).arg("capsules").output().unwrap().status.code(), Some(2));
}

/// With `[ocsp]` as it is by default.
fn with_ocsp(text: &str) -> String {
    text.replace("enabled = false", "enabled = true")
}

#[test]
fn certificates_that_nobody_can_use_are_told_by_key() {
    let files = Files::new();
    let sound = with_ocsp(&files.text(""));
    let writes = |name: &str, identity: &Identity| fs::write(files.path(name), pem("CERTIFICATE", &identity.certificate)).unwrap();
    for (not_before, not_after, told) in [
        (2020, 2021, "server.pem expired at 2021-01-01T00:00:00Z"),
        (2100, 2101, "server.pem is not valid before 2100-01-01T00:00:00Z"),
    ] {
        let identity = files.authority.server_between(not_before, not_after);
        writes("server.pem", &identity);
        fs::write(files.path("server.key"), identity.key.serialize_pem()).unwrap();
        let (exit, text) = check(&files, &sound);
        assert_eq!(exit, 1, "{text}");
        assert!(text.contains("sender.certificate: ") && text.contains(told), "{text}");
        assert_eq!(program("capsule", &files).output().unwrap().status.code(), Some(1));
    }
    files.renew();
    writes("leaf.pem", &files.authority.person(&PKCS_ECDSA_P384_SHA384));
    let shares = with_ocsp(&files.shares_text(""));
    for (text, key) in [
        (sound.replace("authority.pem", "leaf.pem"), "recipient.client_authorities"),
        (sound.replace("[operations]", "client_intermediates = [\"leaf.pem\"]\n[operations]"), "recipient.client_intermediates"),
        (shares.replace("authority.pem", "leaf.pem"), "shares.authorities"),
        (shares.replace("[operations]", "intermediates = [\"leaf.pem\"]\n[operations]"), "shares.intermediates"),
    ] {
        let (exit, said) = check(&files, &text);
        assert_eq!(exit, 1, "{said}");
        let told = "leaf.pem holds what is no authority's: certificate 1 is nobody's who issues certificates";
        assert!(said.contains(&format!("{key}: ")) && said.contains(told) && !said.contains(PERSONAL_CODE), "{said}");
    }
    let (exit, said) = check(&files, &files.text("[crl]\nfiles = [\"leaf.pem\"]"));
    assert_eq!(exit, 1, "{said}");
    assert!(said.contains("crl.files: ") && said.contains("leaf.pem holds no revocation list"), "{said}");
}

#[test]
fn checking_says_what_would_become_of_the_database_and_changes_nothing() {
    let files = Files::new();
    fs::write(files.path("server.toml"), with_ocsp(&files.text(""))).unwrap();
    let told = || {
        let names = || {
            let entries = fs::read_dir(files.folder.path()).unwrap().map(|entry| entry.unwrap().path());
            let mut entries: Vec<_> = entries.map(|path| (fs::read(&path).unwrap(), path)).collect();
            entries.sort();
            entries
        };
        let before = names();
        let Output { status, stdout, stderr } = program("check-config", &files).output().unwrap();
        assert!(names() == before, "something was written");
        (status.code().unwrap(), String::from_utf8([stdout, stderr].concat()).unwrap())
    };
    let (exit, said) = told();
    assert!(exit == 0 && said.contains("database: absent; would be created at start\n"), "{said}");
    let path = files.path("capsules.sqlite");
    drop(Sqlite::open(&path).unwrap());
    let (exit, said) = told();
    assert!(exit == 0 && said.contains("database: up to date\n"), "{said}");
    let sql = |sql| Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    sql("DELETE FROM migrations WHERE version > 1");
    let (exit, said) = told();
    assert!(exit == 0 && said.contains("database: version 1; would be migrated to 3 at start\n"), "{said}");
    sql("INSERT INTO migrations (version) VALUES (99)");
    let (exit, said) = told();
    assert!(exit == 1 && said.contains("made by a newer one") && !said.contains("sound"), "{said}");
}

#[test]
fn what_was_read_is_told() {
    let files = Files::new();
    fs::write(files.path("people.crl"), files.authority.list(&[], 2100)).unwrap();
    let text = files.text("[crl]\nfiles = [\"people.crl\"]");
    fs::write(
        files.path("server.toml"),
        text.replace("sqlite = \"capsules.sqlite\"", "postgresql = \"host=/nowhere password=hunter2\""),
    )
    .unwrap();
    let Output { status, stdout, stderr } = program("check-config", &files).output().unwrap();
    assert_eq!(status.code(), Some(1));
    let said = String::from_utf8([stdout, stderr].concat()).unwrap();
    let certificate = fs::read_to_string(files.path("server.pem")).unwrap();
    for told in [
        "authorities read file=recipient.client_authorities: ",
        "certificates=1",
        "certificate read file=sender.certificate: ",
        "not_after=2100-01-01T00:00:00Z",
        "revocation list read file=crl.files: ",
        "next_update=\"2100-12-31T00:00:00Z\"",
        "configuration store=Postgresql",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    for secret in ["hunter2", certificate.lines().nth(1).unwrap()] {
        assert!(!said.contains(secret), "{said}");
    }
    let mut running = Running::start(&files, "[crl]\nfiles = [\"people.crl\"]\n[log]\nlevel = \"debug\"");
    let (_, log) = running.stop(Signal::TERM);
    for told in [
        "\"authorities read\"",
        "\"certificate read\"",
        "\"revocation list read\"",
        "\"configuration\"",
        "\"the database was brought to this version\"",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
}

#[test]
fn what_may_not_be_meant_is_a_warning() {
    let files = Files::new();
    fs::write(files.path("people.crl"), files.authority.list(&[], 2021)).unwrap();
    let (off, on) = (files.text(""), with_ocsp(&files.text("")));
    let lists = files.text("[crl]\nfiles = [\"people.crl\"]");
    for (text, told) in [
        (off.clone(), vec!["crl.files is empty"]),
        (on.clone(), vec![]),
        (off.replace("enabled = false", "policy = \"soft\""), vec!["ocsp.policy = \"soft\""]),
        (lists.clone(), vec!["a revocation list is outdated", "certificates revoked since the lists"]),
        (with_ocsp(&lists), vec!["a revocation list is outdated"]),
    ] {
        let (exit, said) = check(&files, &text);
        assert_eq!(exit, 0, "{said}");
        assert_eq!(said.lines().filter(|line| line.starts_with(" WARN ")).count(), told.len(), "{said}");
        assert!(told.iter().all(|told| said.contains(told)), "{told:?}: {said}");
    }
    fs::set_permissions(files.path("server.key"), Permissions::from_mode(0o644)).unwrap();
    let (exit, said) = check(&files, &on);
    assert!(exit == 0 && said.contains("can read or change this private key") && said.contains("server.key"), "{said}");
    let mut running = Running::start(&files, "");
    let (_, log) = running.stop(Signal::TERM);
    assert!(log.lines().any(|line| line.contains("\"WARN\"") && line.contains("crl.files is empty")), "{log}");
}

#[test]
fn configurations_of_shares_servers_are_checked() {
    let files = Files::new();
    let sound = with_ocsp(&files.shares_text(""));
    assert_eq!(check(&files, &sound), (0, String::new()));
    let output = program("capsule", &files).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text.contains("server.toml: [shares] belongs to a shares server: run `cdoc2-server shares`"), "{text}");
    for (what, text, code, told) in [
        ("neither", "[store]\nsqlite = \"a\"".to_owned(), 3, "[sender] is missing"),
        ("both", format!("{sound}\n[sender]\ncertificate = \"server.pem\"\nkey = \"server.key\""), 3, "[sender] belongs to"),
        ("no authority", sound.replace("\"authority.pem\"", ""), 3, "shares.authorities name at least one file"),
        ("no address", sound.replace("https:", "http:"), 3, "url: a server's address begins with https://"),
        ("no url", sound.replace("url =", "# url ="), 3, "missing field `url`"),
        (
            "a nonce for ever",
            files.shares_text("").replace("url =", "nonce_lifetime = \"2h\"\nurl ="),
            3,
            "shares.nonce_lifetime must",
        ),
        ("short headers", files.shares_text("[limits]\nheader_len = 8192"), 3, "limits.header_len must be 16384 or more"),
        ("a file that is missing", sound.replace("\"authority.pem\"", "\"missing.pem\""), 1, "missing.pem cannot be read"),
        ("a key for an authority", sound.replace("\"authority.pem\"", "\"server.key\""), 1, "server.key holds no certificate"),
        ("a database without its folder", sound.replace("shares.sqlite", "missing/shares.sqlite"), 1, "store: "),
    ] {
        let (exit, text) = check(&files, &text);
        assert_eq!(exit, code, "{what}: {text}");
        assert!(text.starts_with("cdoc2-server: ") && text.contains(told), "{what}: {text}");
    }
}

#[test]
fn shares_are_served_until_it_is_told_to_stop() {
    let files = Files::new();
    fs::write(files.path("server.toml"), files.shares_text("")).unwrap();
    let mut child = program("shares", &files).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addresses: serde_json::Value = serde_json::from_str(&line).unwrap();
    let shares: SocketAddr = addresses["shares"].as_str().unwrap().parse().unwrap();
    assert!(addresses["operations"].is_string());
    let mut http = Http::new(tls(shares, client_config(&files.authority, None, &[&TLS13])).unwrap());
    assert_eq!(http.get("/key-shares").status, 405);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(log.lines().any(|line| line.contains("\"listener\":\"shares\"") && line.contains("listening")), "{log}");
}

/// The program while it serves.
struct Running {
    child: Child,
    _output: BufReader<ChildStdout>,
    sender: SocketAddr,
    recipient: SocketAddr,
}

impl Running {
    fn start(files: &Files, more: &str) -> Self {
        fs::write(files.path("server.toml"), files.text(more)).unwrap();
        let mut child = program("capsule", files).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let addresses: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = |name: &str| addresses[name].as_str().unwrap().parse().unwrap();
        Self { child, _output: output, sender: address("sender"), recipient: address("recipient") }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Everything it wrote to its log, and its exit code, after it was told to stop.
    fn stop(&mut self, signal: Signal) -> (Option<i32>, String) {
        self.signal(signal);
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn log_is_json_and_says_nothing_personal() {
    let files = Files::new();
    let mari = files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let jaan = files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let capsule = mari.capsule(CapsuleType::EccSecp384r1);
    let mut running = Running::start(&files, "[log]\nlevel = \"trace\"");
    let http =
        |address, identity: Option<&Identity>| tls(address, client_config(&files.authority, identity, &[&TLS13])).map(Http::new);
    let mut sender = http(running.sender, None).unwrap();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let response = sender.post(&capsule, &[&format!("traceparent: {trace}")]);
    let path = response.header("location").unwrap().to_owned();
    // A capsule with something wrong in it, and one that nobody can read.
    assert_eq!(sender.post_text(&serde_json::to_string(&capsule).unwrap().replace("384", "256"), &[]).status, 400);
    assert_eq!(sender.post_text(&format!("{PERSONAL_CODE} MAASIKAS"), &[]).status, 400);
    assert_eq!(http(running.recipient, Some(&mari)).unwrap().get(&path).status, 200);
    assert_eq!(http(running.recipient, Some(&jaan)).unwrap().get(&path).status, 404);
    // Certificates that are refused have names, too.
    for refused in [files.authority.late(), Authority::new().person(&PKCS_ECDSA_P384_SHA384)] {
        assert!(http(running.recipient, Some(&refused)).unwrap().receive().is_none());
    }
    let (code, log) = running.stop(Signal::TERM);
    assert_eq!(code, Some(0));

    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let requests: Vec<_> = lines.iter().filter(|line| line["message"] == "request").collect();
    assert_eq!(requests.len(), 5, "{log}");
    let first = requests[0];
    assert_eq!(first["method"], "POST");
    assert_eq!(first["route"], "/key-capsules");
    assert_eq!(first["status"], 201);
    assert_eq!(first["listener"], "sender");
    assert_eq!(first["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(first["parent_id"], "00f067aa0ba902b7");
    assert_eq!(first["request_id"].as_str(), response.header("x-request-id"));
    assert!(first["duration_us"].is_u64() && first["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{first}");
    assert!(lines.iter().any(|line| line["message"] == "handshake failed"), "{log}");
    assert!(lines.iter().any(|line| line["message"] == "stopped"), "{log}");

    let id = path.rsplit('/').next().unwrap();
    let key = fs::read_to_string(files.path("server.key")).unwrap();
    let recipient = serde_json::to_value(&capsule).unwrap()["recipient_id"].as_str().unwrap().to_owned();
    let secrets = [id, PERSONAL_CODE, "MAASIKAS", &recipient[..24], key.lines().nth(1).unwrap()];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
    // Nor in hexadecimal or as numbers, the usual ways in which octets are printed.
    let octets = &mari.recipient_id()[1..9];
    let hexadecimal: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let numbers = octets.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    assert!(!log.contains(&hexadecimal) && !log.contains(&numbers), "{log}");
}

#[test]
fn signals_reload_and_stop() {
    let files = Files::new();
    let mut running = Running::start(&files, "");
    let shown = || {
        let stream = tls(running.sender, client_config(&files.authority, None, &[&TLS13])).unwrap();
        stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let first = shown();
    let renewed = files.renew();
    running.signal(Signal::HUP);
    // The signal has no answer; the new certificate is one.
    while shown() == first {
        std::thread::yield_now();
    }
    assert_eq!(shown(), renewed);
    let (code, log) = running.stop(Signal::INT);
    assert_eq!(code, Some(0));
    assert!(log.contains("certificates and keys loaded anew"), "{log}");
}
