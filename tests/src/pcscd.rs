//! pcscd with readers of its own, out of the way of the machine's: private network, private `/run`, and gone with the test.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{PATIENCE, wait_for_line};
use crate::program::libusb_shim;

/// Set inside a namespace in which a test is, to its folder.
const INSIDE: &str = "CDOC2_TESTS_NAMESPACE";

/// vpcd's first port, on which the first card is expected (vsmartcard, `reader.conf`: 0x8C7B).
pub const VPCD_PORT: u16 = 35963;

/// Network and mounts that only a test's own programs see. As root, or as anybody whom the kernel lets have user namespaces.
#[derive(Debug)]
pub struct Namespace {
    folder: PathBuf,
    /// `None` inside of it.
    entrance: Option<Entrance>,
}

/// What makes a namespace last, and the way in.
#[derive(Debug)]
struct Entrance {
    holder: Child,
    /// Closing it ends the holder, also when the test is killed.
    _stdin: ChildStdin,
    _folder: TempDir,
    is_root: bool,
}

impl Namespace {
    /// A namespace with nothing in it but a loopback device.
    ///
    /// # Panics
    /// The machine allows none.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("run")).expect("a folder for the socket");
        let is_root = fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0).unwrap_or(false);
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--net"]);
        if !is_root {
            unshare.args(["--user", "--map-root-user"]);
        }
        // pcscd and its clients know no other place for the socket than /run/pcscd.
        let script = "ip link set lo up && mount -t tmpfs tmpfs /run && mkdir /run/pcscd && mount --bind \"$0\" /run/pcscd && echo ready && exec cat";
        unshare.args(["sh", "-c", script]).arg(folder.path().join("run"));
        let mut holder = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare runs");
        let stdin = holder.stdin.take().expect("its input is a pipe");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("its output is a pipe")).read_line(&mut line).expect("it can be read");
        assert_eq!(line, "ready\n", "this machine gives no network namespace");
        Self { folder: folder.path().to_owned(), entrance: Some(Entrance { holder, _stdin: stdin, _folder: folder, is_root }) }
    }

    /// Runs `test`, which is the test called `name`, in a new namespace: this program is started again in there for it alone, and is a client of
    /// the pcscd in there as it is.
    ///
    /// # Panics
    /// The test fails.
    pub fn with_test_inside(name: &str, test: impl FnOnce(&Self)) {
        if let Some(folder) = env::var_os(INSIDE) {
            let namespace = Self { folder: folder.into(), entrance: None };
            fs::write(namespace.folder().join("inside"), "").expect("a sign that it came here");
            return test(&namespace);
        }
        let namespace = Self::new();
        let mut command = namespace.command(env::current_exe().expect("the test has a path"));
        let status = command.args(["--exact", name, "--nocapture"]).env(INSIDE, namespace.folder()).status().expect("nsenter runs");
        assert!(status.success(), "the test failed in its namespace: {status}");
        assert!(namespace.folder().join("inside").exists(), "no test is called {name}");
    }

    /// The same namespace, for somebody who keeps it.
    ///
    /// # Panics
    /// The test is not in it: then it lasts no longer than the one that there is.
    pub(crate) fn entered(&self) -> Self {
        assert!(self.entrance.is_none(), "the test is outside of its namespace");
        Self { folder: self.folder.clone(), entrance: None }
    }

    /// `program`, to run inside. It is killed when the thread that starts it ends.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(Entrance { holder, is_root, .. }) = &self.entrance {
            command.args(["nsenter", "--mount", "--net", "--target"]).arg(holder.id().to_string());
            if !is_root {
                command.args(["--user", "--preserve-credentials"]);
            }
        }
        command.arg("--").arg(program.as_ref());
        command
    }

    /// A folder for the files of this namespace.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// An unmodified pcscd.
#[derive(Debug)]
pub struct Pcscd {
    daemon: Child,
    socket: PathBuf,
    home: PathBuf,
}

impl Pcscd {
    /// With vpcd's two readers, "Virtual PCD 00 00" and "Virtual PCD 00 01", on [`VPCD_PORT`] and the port after it.
    #[must_use]
    pub fn with_vpcd(namespace: &Namespace) -> Self {
        let driver = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
        let readers = format!(
            "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:{VPCD_PORT:#x}\nLIBPATH {driver}\nCHANNELID {VPCD_PORT:#x}\n"
        );
        Self::start(namespace, &readers, &[])
    }

    /// With libccid's reader for the USB device 1209:0001 that a USB/IP server at `address` exports: "Token 00 00". The device must be there
    /// already.
    #[must_use]
    pub fn with_libccid(namespace: &Namespace, address: &str) -> Self {
        Self::with_libccid_readers(namespace, address, 1)
    }

    /// The same with the first `count` devices: "Token 00 00", "Token 01 00" and so on.
    #[must_use]
    pub fn with_libccid_readers(namespace: &Namespace, address: &str, count: usize) -> Self {
        let library = namespace.folder().join("lib");
        fs::create_dir_all(&library).expect("a folder for the library");
        fs::copy(libusb_shim(), library.join("libusb-1.0.so.0")).expect("the library can be copied");
        let drop_folder = namespace.folder().join("drivers");
        let contents = drop_folder.join("ifd-ccid.bundle/Contents");
        fs::create_dir_all(&contents).expect("a folder for the driver's list");
        fs::write(contents.join("Info.plist"), supported_readers("0x1209", "0x0001", "Token")).expect("the driver's list");
        let driver = "/usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Linux/libccid.so";
        let mut readers = String::new();
        for number in 0..count {
            // The server gives addresses from 2 on.
            let device = format!("usb:1209/0001:libusb-1.0:1:{}:0", number + 2);
            writeln!(readers, "FRIENDLYNAME \"Token\"\nDEVICENAME {device}\nLIBPATH {driver}\nCHANNELID {number}\n")
                .expect("a string can be written to");
        }
        let variables = [
            ("LD_LIBRARY_PATH", library.display().to_string()),
            ("PCSCLITE_HP_DROPDIR", drop_folder.display().to_string()),
            ("USBIP_SHIM", address.to_owned()),
        ];
        Self::start(namespace, &readers, &variables)
    }

    fn start(namespace: &Namespace, readers: &str, variables: &[(&str, String)]) -> Self {
        let config = namespace.folder().join("readers");
        fs::create_dir_all(&config).expect("a folder for the configuration");
        fs::write(config.join("readers"), readers).expect("the configuration");
        let mut command = namespace.command("/usr/sbin/pcscd");
        command.args(["--foreground", "--info", "--config"]).arg(&config);
        command.envs(variables.iter().map(|(name, value)| (*name, value)));
        let mut daemon = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("pcscd runs");
        wait_for_line(daemon.stdout.take().expect("its output is a pipe"), "daemon ready");
        let socket = namespace.folder().join("run/pcscd.comm");
        // It says so just before it listens.
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "pcscd does not listen on {}", socket.display());
            std::thread::sleep(Duration::from_millis(1));
        }
        Self { daemon, socket, home: namespace.folder().to_owned() }
    }

    /// Its process number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.daemon.id()
    }

    /// `program` as a client of this pcscd, with a home of its own. It runs outside of the namespace.
    pub fn client(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        // Without the variable a client would silently talk to the machine's own pcscd.
        assert!(self.socket.exists(), "no {}", self.socket.display());
        command.env("PCSCLITE_CSOCK_NAME", &self.socket).env("HOME", &self.home).stdin(Stdio::null());
        command
    }
}

impl Drop for Pcscd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// libccid's list of the readers that it drives, with one more.
fn supported_readers(vendor: &str, product: &str, name: &str) -> String {
    let list = fs::read_to_string("/etc/libccid_Info.plist").expect("libccid's list");
    let mut added = list;
    for (key, value) in [("ifdVendorID", vendor), ("ifdProductID", product), ("ifdFriendlyName", name)] {
        let key_at = added.find(&format!("<key>{key}</key>")).expect("the list has this array");
        let array = "<array>";
        let at = key_at + added[key_at..].find(array).expect("an array follows") + array.len();
        added.insert_str(at, &format!("\n<string>{value}</string>"));
    }
    added
}
