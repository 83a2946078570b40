//! The process: OpenLDAP's slapd, with a private configuration.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{ADMINISTRATOR, Error, SK_SUFFIX, ZETES_SUFFIX};
use crate::Identity;
use crate::loopback::ANY;

/// Debian's place, and those of others.
const PROGRAMS: [&str; 3] = ["/usr/sbin/slapd", "/usr/libexec/slapd", "/usr/local/libexec/slapd"];
/// Where the schemas are that come with it.
const SCHEMAS: [&str; 3] = ["/etc/ldap/schema", "/etc/openldap/schema", "/usr/local/etc/openldap/schema"];
/// Where its modules are, if its databases are modules.
const MODULES: [&str; 3] = ["/usr/lib/ldap", "/usr/lib64/openldap", "/usr/lib/openldap"];
/// How long it may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often ports are chosen: somebody may take one between its choice and its use.
const ATTEMPTS: usize = 5;

/// Where it listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    /// For `ldap`, with StartTLS.
    pub(super) plain: SocketAddr,
    /// For `ldaps`.
    pub(super) tls: SocketAddr,
}

/// A running slapd.
#[derive(Debug)]
pub(super) struct Slapd {
    stop: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

/// Where the program is.
pub(super) fn program() -> Option<&'static Path> {
    PROGRAMS.iter().map(Path::new).find(|path| path.exists())
}

/// Writes its configuration, and in it the lines `more`, into `folder`, which is to be new; the file.
pub(super) fn configure(folder: &Path, identity: &Identity, password: &str, more: &str) -> Result<PathBuf, Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| Error::File { path, cause }
    };
    for name in ["", "sk", "zetes"] {
        let path = folder.join(name);
        DirBuilder::new().mode(0o700).create(&path).map_err(failed(&path))?;
    }
    let schemas = SCHEMAS.iter().map(Path::new).find(|path| path.exists()).ok_or(Error::NoSchema)?;
    let modules = MODULES.iter().map(Path::new).find(|path| path.join("back_mdb.la").exists() || path.join("back_mdb.so").exists());
    let modules = modules.map(|path| format!("modulepath {}\nmoduleload back_mdb\n", quoted(path))).unwrap_or_default();
    let file = |name: &str| quoted(&folder.join(name));
    let database = |suffix: &str, name: &str, more: &str| {
        let folder = file(name);
        format!(
            "database mdb\nsuffix \"{suffix}\"\nrootdn \"{ADMINISTRATOR}\"\n{more}directory {folder}\nmaxsize 67108864\ndbnosync\n"
        )
    };
    let text = [
        format!("include {}\ninclude {}\n", quoted(&schemas.join("core.schema")), quoted(&schemas.join("cosine.schema"))),
        format!("include {}\npidfile {}\n{modules}", file("holder.schema"), file("slapd.pid")),
        format!("TLSCertificateFile {}\nTLSCertificateKeyFile {}\nTLSVerifyClient never\n", file("server.pem"), file("server.key")),
        // As many as SK's directory gives.
        format!("sizelimit 50\n{more}\n"),
        // The administrator's own entry would be in this one, and so the password must be.
        database(SK_SUFFIX, "sk", &format!("rootpw {password}\n")),
        database(ZETES_SUFFIX, "zetes", ""),
    ];
    let config = folder.join("slapd.conf");
    for (path, content) in [
        (folder.join("holder.schema"), include_str!("holder.schema")),
        (folder.join("server.pem"), &identity.chain_pem()),
        (folder.join("server.key"), &identity.key_pem()),
        (config.clone(), &text.concat()),
    ] {
        write(&path, content).map_err(failed(&path))?;
    }
    Ok(config)
}

/// A word of slapd.conf(5).
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""))
}

fn write(path: &Path, content: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(content.as_bytes())
}

impl Slapd {
    /// Starts it with the configuration file `config`, at free ports or at those given, and waits until it takes connections.
    pub(super) fn start(program: &'static Path, config: &Path, at: Option<Ports>) -> Result<(Self, Ports), Error> {
        let mut failure = Error::Over;
        for _ in 0..if at.is_some() { 1 } else { ATTEMPTS } {
            let ports = match at {
                Some(ports) => ports,
                None => free_ports()?,
            };
            match Self::start_at(program, config.to_owned(), ports) {
                Ok(slapd) => return Ok((slapd, ports)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// The process dies with the thread that started it, which therefore stays.
    fn start_at(program: &'static Path, config: PathBuf, ports: Ports) -> Result<Self, Error> {
        let (ready, is_ready) = mpsc::channel();
        let (stop, stopped) = mpsc::channel();
        let keeper = thread::Builder::new().name("slapd".into()).spawn(move || keep(program, &config, ports, &ready, &stopped));
        let keeper = keeper.map_err(Error::Process)?;
        let slapd = Self { stop: Some(stop), keeper: Some(keeper) };
        is_ready.recv().map_err(|_| Error::Over)?.map(|()| slapd)
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

fn free_ports() -> Result<Ports, Error> {
    // Both at the same time, or they might be the same.
    let [plain, tls] = [TcpListener::bind(ANY).map_err(Error::Process)?, TcpListener::bind(ANY).map_err(Error::Process)?];
    Ok(Ports { plain: plain.local_addr().map_err(Error::Process)?, tls: tls.local_addr().map_err(Error::Process)? })
}

/// Starts the process, says how that went, and ends it when it is told to.
fn keep(program: &Path, config: &Path, ports: Ports, ready: &Sender<Result<(), Error>>, stopped: &Receiver<()>) {
    let mut child = match spawn(program, config, ports) {
        Ok(child) => child,
        Err(error) => {
            let _ = ready.send(Err(Error::Process(error)));
            return;
        }
    };
    let started = wait_until_ready(&mut child, config, ports);
    let is_ready = started.is_ok();
    if ready.send(started).is_ok() && is_ready {
        // Nothing is ever sent: the other end goes.
        let _ = stopped.recv();
    }
    // Its databases survive this, as they would a crash.
    let _ = child.kill();
    let _ = child.wait();
}

/// `setpriv` of util-linux asks the kernel to kill slapd when this process is killed; nothing else can do that without unsafe code.
fn spawn(program: &Path, config: &Path, ports: Ports) -> io::Result<Child> {
    let log = File::create(log(config))?;
    let urls = format!("ldap://{}/ ldaps://{}/", ports.plain, ports.tls);
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    // "none" is what slapd calls its most important messages; with any -d it stays in the foreground.
    command.args(["-d", "none", "-h", &urls, "-f"]).arg(config);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()
}

fn log(config: &Path) -> PathBuf {
    config.with_file_name("slapd.log")
}

fn wait_until_ready(child: &mut Child, config: &Path, ports: Ports) -> Result<(), Error> {
    let begin = Instant::now();
    for address in [ports.plain, ports.tls] {
        while TcpStream::connect(address).is_err() {
            let status = child.try_wait().map_err(Error::Process)?;
            if status.is_some() || begin.elapsed() > READY_WITHIN {
                return Err(Error::NotReady(fs::read_to_string(log(config)).unwrap_or_default().trim_end().to_owned()));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
    Ok(())
}
