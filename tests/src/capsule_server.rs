//! The program `cdoc2-server` as an operator runs it: a folder with certificates and a configuration, and a process.

use std::fmt;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding as _};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::https::{Client, Request, Response};
use crate::pki::{Authority, Identity, Kind};
use crate::program::cdoc2_server;

/// Longest wait for what a server does by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where capsules are.
pub const PATH: &str = "/key-capsules";

/// Everything that a server needs, in a folder that is gone with the value.
#[derive(Debug)]
pub struct Installation {
    folder: TempDir,
    /// The root that servers' certificates and `authority`'s chain to.
    pub root: Authority,
    /// The intermediate authority that issues clients' certificates.
    pub authority: Authority,
    config: toml::Table,
}

impl Installation {
    /// With a SQLite file in the folder, and without OCSP and limits on rates.
    ///
    /// # Panics
    /// No place for files.
    #[must_use]
    pub fn with_sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = Authority::root("Root of a test");
        let authority = root.intermediate("Persons of a test");
        fs::write(folder.path().join("root.pem"), root.pem()).expect("a certificate");
        fs::write(folder.path().join("persons.pem"), authority.pem()).expect("a certificate");
        let config = r#"
            [sender]
            address = "127.0.0.1:0"
            certificate = "server.pem"
            key = "server.key"
            [recipient]
            address = "127.0.0.1:0"
            certificate = "server.pem"
            key = "server.key"
            client_authorities = ["root.pem"]
            client_intermediates = ["persons.pem"]
            [operations]
            address = "127.0.0.1:0"
            [store]
            sqlite = "capsules.sqlite"
            [ocsp]
            enabled = false
            [limits]
            handshakes_per_second = 0
            requests_per_second = 0
        "#;
        let config = config.parse().expect("a configuration");
        let new = Self { folder, root, authority, config };
        new.change_certificate();
        new
    }

    /// The same with this PostgreSQL database.
    #[must_use]
    pub fn with_postgresql(url: &str) -> Self {
        let mut new = Self::with_sqlite();
        new.config.insert("store".into(), toml::Table::from_iter([("postgresql".to_owned(), url.into())]).into());
        new
    }

    /// Sets what `toml` says, and leaves the rest of the configuration.
    ///
    /// # Panics
    /// It is not TOML.
    pub fn set(&mut self, toml: &str) {
        let sections: toml::Table = toml.parse().expect("TOML");
        for (name, section) in sections {
            let ours = self.config.entry(name).or_insert_with(|| toml::Table::new().into());
            ours.as_table_mut().expect("a section").extend(section.as_table().expect("a section").clone());
        }
    }

    /// Puts a new certificate and key into the server's files.
    ///
    /// # Panics
    /// They cannot be written.
    pub fn change_certificate(&self) {
        let server = self.root.server();
        self.write("server.pem", server.chain_pem().as_bytes());
        self.write("server.key", crate::pki::key_pem(&server).as_bytes());
    }

    /// Writes a file in the folder, whole or not at all.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn write(&self, name: &str, octets: &[u8]) {
        let new = self.path().join(format!("{name}.new"));
        fs::write(&new, octets).and_then(|()| fs::rename(&new, self.path().join(name))).expect("a file");
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The server's command, with the configuration as it is now.
    ///
    /// # Panics
    /// The configuration cannot be written.
    pub fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(cdoc2_server()).args(self.arguments());
        command
    }

    fn arguments(&self) -> [std::ffi::OsString; 3] {
        let config = self.path().join("cdoc2-server.toml");
        fs::write(&config, self.config.to_string()).expect("the configuration");
        ["capsule".into(), "--config".into(), config.into()]
    }

    /// A server, once it is ready.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(&self) -> CapsuleServer {
        self.start_as(&mut self.command())
    }

    /// What `command` starts, once it is ready.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start_as(&self, command: &mut Command) -> CapsuleServer {
        CapsuleServer::start(command, Client::anonymous(&self.root))
    }

    /// Runs a server that is expected to give up; its exit status, and what it said.
    ///
    /// # Panics
    /// It cannot be run.
    #[must_use]
    pub fn fails_to_start(&self) -> (Option<i32>, String) {
        let output = self.command().stdin(Stdio::null()).output().expect("setpriv runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Somebody with a key of `kind`.
    #[must_use]
    pub fn person(&self, kind: Kind) -> Identity {
        self.authority.person(kind)
    }

    /// `identity` as a client.
    #[must_use]
    pub fn client(&self, identity: &Identity) -> Client {
        Client::with(&self.root, identity)
    }
}

/// Waits for what somebody else does, and looks often.
///
/// # Panics
/// It does not happen.
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Lines that a process wrote, and whether that was all.
#[derive(Debug, Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

impl Log {
    /// Keeps what comes from `stderr`, to its end.
    fn follow(&self, stderr: ChildStderr) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            self.lines.lock().expect("no panic").0.push(line);
            self.more.notify_all();
        }
        self.lines.lock().expect("no panic").1 = true;
        self.more.notify_all();
    }

    /// Waits for a line of which `pick` makes something.
    fn wait<T>(&self, mut pick: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = 0;
        let mut guard = self.lines.lock().expect("no panic");
        loop {
            if let Some(found) = guard.0[seen..].iter().find_map(|line| pick(line)) {
                return Some(found);
            }
            seen = guard.0.len();
            let left = deadline.checked_duration_since(Instant::now()).filter(|_| !guard.1)?;
            guard = self.more.wait_timeout(guard, left).expect("no panic").0;
        }
    }
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Capsules are put here.
    pub sender: SocketAddr,
    /// They are fetched here.
    pub recipient: SocketAddr,
    /// The operator looks here.
    pub operations: SocketAddr,
}

impl Addresses {
    /// What the server says when it is ready: one line of JSON.
    fn parse(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let address = |name: &str| line.get(name)?.as_str()?.parse().ok();
        Some(Self { sender: address("sender")?, recipient: address("recipient")?, operations: address("operations")? })
    }
}

/// A server's process. Dropping it kills it.
pub struct CapsuleServer {
    process: Child,
    log: Arc<Log>,
    follower: Option<JoinHandle<()>>,
    /// Where it listens.
    pub addresses: Addresses,
    sender: Client,
}

impl fmt::Debug for CapsuleServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapsuleServer")
            .field("process", &self.process.id())
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl CapsuleServer {
    fn start(command: &mut Command, sender: Client) -> Self {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("setpriv runs");
        let log = Arc::new(Log::default());
        let stderr = process.stderr.take().expect("its log is a pipe");
        let follower = thread::spawn({
            let log = log.clone();
            move || log.follow(stderr)
        });
        // The line that says that it is ready; none if it ends before.
        let mut ready = String::new();
        BufReader::new(process.stdout.take().expect("its output is a pipe")).read_line(&mut ready).expect("it can be read");
        let addresses = Addresses::parse(&ready);
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let unready = Addresses { sender: nowhere, recipient: nowhere, operations: nowhere };
        let server = Self { process, follower: Some(follower), addresses: addresses.unwrap_or(unready), log, sender };
        if addresses.is_none() {
            server.log.wait(|_| None::<()>);
        }
        assert!(addresses.is_some(), "the server does not start:\n{}", server.log());
        server
    }

    /// Puts a capsule; the answer.
    ///
    /// # Errors
    /// The connection fails.
    pub fn put(&self, capsule: &Capsule) -> io::Result<Response> {
        self.sender.request(self.addresses.sender, &Request::post(PATH, capsule.json()))
    }

    /// The same with an expiry.
    ///
    /// # Errors
    /// The connection fails.
    pub fn put_until(&self, capsule: &Capsule, expiry: &str) -> io::Result<Response> {
        self.sender.request(self.addresses.sender, &Request::post(PATH, capsule.json()).header("x-expiry-time", expiry))
    }

    /// Puts a capsule that the server must take; where it is.
    ///
    /// # Panics
    /// The server does not take it.
    #[must_use]
    pub fn keep(&self, capsule: &Capsule) -> String {
        location(&self.put(capsule).expect("an answer"))
    }

    /// Fetches what is at `location` as `client`.
    ///
    /// # Errors
    /// The connection fails, or the server refuses the certificate.
    pub fn get(&self, client: &Client, location: &str) -> io::Result<Response> {
        client.request(self.addresses.recipient, &Request::get(location))
    }

    /// The client that puts capsules.
    #[must_use]
    pub fn sender(&self) -> &Client {
        &self.sender
    }

    /// What the operator sees at `path`: status and body.
    ///
    /// # Panics
    /// No answer.
    #[must_use]
    pub fn operations(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.addresses.operations);
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}", &url])
            .output();
        let output = output.expect("curl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').expect("a status in the last line");
        let status = status.parse().expect("a status");
        assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
        (status, body.to_owned())
    }

    /// What the operator sees as `name` at /metrics, all its labels together; 0 if it is not there. The name may go on with labels.
    #[must_use]
    pub fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.operations("/metrics");
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']))?;
            rest.rsplit(' ').next()?.parse::<f64>().ok()
        });
        values.sum()
    }

    /// Waits until this metric is as wanted.
    ///
    /// # Panics
    /// It never is.
    pub fn until_metric(&self, name: &str, wanted: impl Fn(f64) -> bool) {
        until(name, || wanted(self.metric(name)));
    }

    /// Waits until `/readyz` has this status.
    ///
    /// # Panics
    /// It never has.
    pub fn until_readyz(&self, status: u16) {
        until("/readyz", || self.operations("/readyz").0 == status);
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// It is gone.
    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.id().cast_signed()).expect("a process");
        kill_process(id, signal).expect("the process is there");
    }

    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it ends; its exit status.
    ///
    /// # Panics
    /// It does not end.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until("the server's end", || {
            status = self.process.try_wait().expect("its status");
            status.is_some()
        });
        status.expect("it ended")
    }

    /// Kills it as a loss of power would, but for what the system holds.
    ///
    /// # Panics
    /// It had ended before.
    pub fn kill(&mut self) {
        self.process.kill().expect("it runs");
        let status = self.process.wait().expect("its status");
        assert_eq!(status.signal(), Some(9), "{}", self.log());
    }

    /// Waits for a line in the log of which `pick` makes something.
    ///
    /// # Panics
    /// None comes.
    pub fn line<T>(&self, pick: impl FnMut(&str) -> Option<T>) -> T {
        self.log.wait(pick).unwrap_or_else(|| panic!("no such line in the log:\n{}", self.log()))
    }

    /// What it wrote so far.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lines.lock().expect("no panic").0.join("\n")
    }

    /// Octets of memory that are its own, and not shared with other processes' programs: `RssAnon` of proc(5).
    ///
    /// # Panics
    /// It is gone.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
        1024 * line.trim_end_matches("kB").trim().parse::<u64>().expect("a number")
    }
}

impl Drop for CapsuleServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(follower) = self.follower.take() {
            let _ = follower.join();
        }
        // Only what a failed test would want to know.
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}

/// Where the answer to a PUT says that the capsule is.
///
/// # Panics
/// The server did not take the capsule.
#[must_use]
pub fn location(response: &Response) -> String {
    assert_eq!(response.status, 201, "{response:?}");
    response.header("location").expect("a Location").to_owned()
}

/// A capsule, as the interface has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capsule {
    /// The recipient's key.
    pub recipient_id: Vec<u8>,
    /// The sender's.
    pub ephemeral_key_material: Vec<u8>,
    /// The kind.
    pub capsule_type: String,
}

impl Capsule {
    /// A new capsule for `recipient`, whose key is of `kind`: a point of the sender's on the same curve, or what may be an encrypted KEK.
    #[must_use]
    pub fn new(kind: Kind, recipient: &Identity) -> Self {
        let ephemeral_key_material = match kind {
            Kind::P256 | Kind::P384 | Kind::P521 => kind.generate().public_key_raw().to_vec(),
            Kind::Rsa => random(256),
        };
        Self { recipient_id: recipient.recipient_id().to_vec(), ephemeral_key_material, capsule_type: kind.capsule_type().into() }
    }

    /// As the interface sends it.
    #[must_use]
    pub fn json(&self) -> String {
        self.value().to_string()
    }

    /// The same, to be altered.
    #[must_use]
    pub fn value(&self) -> Value {
        json!({
            "recipient_id": Base64::encode_string(&self.recipient_id),
            "ephemeral_key_material": Base64::encode_string(&self.ephemeral_key_material),
            "capsule_type": self.capsule_type,
        })
    }

    /// The capsule in an answer.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn read(response: &Response) -> Self {
        assert_eq!(response.status, 200, "{response:?}");
        let value = response.json();
        let fields = value.as_object().expect("an object");
        assert_eq!(fields.len(), 3, "{value}");
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("no {name}: {value}"));
        let octets = |name: &str| Base64::decode_vec(text(name)).expect("base64");
        Self {
            recipient_id: octets("recipient_id"),
            ephemeral_key_material: octets("ephemeral_key_material"),
            capsule_type: text("capsule_type").to_owned(),
        }
    }
}

/// `len` random octets.
///
/// # Panics
/// The system has none.
#[must_use]
pub fn random(len: usize) -> Vec<u8> {
    let mut octets = vec![0; len];
    getrandom::fill(&mut octets).expect("random octets");
    octets
}
