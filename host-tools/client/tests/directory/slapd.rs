//! OpenLDAP's slapd on this machine, with the tree of SK.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding as _};
use tempfile::TempDir;

use crate::people::Server;

/// Entries, and what stands above them.
#[derive(Default)]
pub(crate) struct Tree(String);

impl Tree {
    pub(crate) fn new() -> Self {
        Self(
            "dn: c=EE\nobjectClass: country\nc: EE\n\n\
             dn: o=Identity card,c=EE\nobjectClass: organization\no: Identity card\n\n\
             dn: o=Mobile-ID,c=EE\nobjectClass: organization\no: Mobile-ID\n\n"
                .to_owned(),
        )
    }

    /// An entry under `o=branch` with these certificates.
    pub(crate) fn add(&mut self, branch: &str, name: &str, serial_number: &str, certificates: &[Vec<u8>]) -> &mut Self {
        let encode = |octets: &[u8]| Base64::encode_string(octets);
        let dn = format!("cn={},o={branch},c=EE", ldap3::dn_escape(name));
        let entry = &mut self.0;
        write!(entry, "dn:: {}\nobjectClass: device\nobjectClass: extensibleObject\n", encode(dn.as_bytes())).unwrap();
        write!(entry, "cn:: {}\nserialNumber: {serial_number}\n", encode(name.as_bytes())).unwrap();
        for certificate in certificates {
            writeln!(entry, "userCertificate;binary:: {}", encode(certificate)).unwrap();
        }
        entry.push('\n');
        self
    }
}

/// A running slapd; it ends with the value.
pub(crate) struct Slapd {
    process: Child,
    pub(crate) ldap: String,
    pub(crate) ldaps: String,
    _folder: TempDir,
}

impl Slapd {
    /// Starts it; `more` is added to its configuration.
    pub(crate) fn start(server: &Server, tree: &Tree, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("db")).unwrap();
        fs::write(path("tree.ldif"), &tree.0).unwrap();
        fs::write(path("server.pem"), server.certificate.pem()).unwrap();
        fs::write(path("server.key"), server.key.serialize_pem()).unwrap();
        let shown = folder.path().display();
        let configuration = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {shown}/pid\n\
             TLSCertificateFile {shown}/server.pem\nTLSCertificateKeyFile {shown}/server.key\n{more}\n\
             database mdb\nsuffix \"c=EE\"\ndirectory {shown}/db\n"
        );
        fs::write(path("slapd.conf"), configuration).unwrap();
        run(Command::new("/usr/sbin/slapadd").args(["-q", "-f"]).arg(path("slapd.conf")).arg("-l").arg(path("tree.ldif")));
        // Somebody may take a port between its choice and its use.
        for _ in 0..5 {
            let [plain, tls] = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
            let [plain, tls] = [plain, tls].map(|listener| listener.local_addr().unwrap().port());
            if let Some(process) = start(&path("slapd.conf"), &format!("ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{tls}")) {
                [plain, tls].into_iter().for_each(wait_for);
                let (ldap, ldaps) = (format!("ldap://localhost:{plain}"), format!("ldaps://localhost:{tls}"));
                return Self { process, ldap, ldaps, _folder: folder };
            }
        }
        panic!("slapd does not start");
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("slapd is installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// It begins to listen a moment after it has said so.
fn wait_for(port: u16) {
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(30), "slapd does not listen");
        thread::yield_now();
    }
}

/// Waits until it says that it starts; none if it ends before.
fn start(configuration: &Path, addresses: &str) -> Option<Child> {
    let mut command = Command::new("/usr/sbin/slapd");
    command.args(["-d", "stats", "-h", addresses, "-f"]).arg(configuration);
    let mut process = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("slapd is installed");
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    if lines.by_ref().map_while(Result::ok).any(|line| line.contains("slapd starting")) {
        // Its log must go somewhere, or it waits for its reader.
        thread::spawn(move || lines.for_each(|_| {}));
        return Some(process);
    }
    let _ = process.wait();
    None
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
