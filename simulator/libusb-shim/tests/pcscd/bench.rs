//! pcscd and libccid as the distribution has them, in a mount namespace with a `/run/pcscd` of its own.

use std::env;
use std::ffi::CString;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use pcsc::{Context, ReaderState, Scope, State};
use simulator::hw::RealClock;
use simulator::reader::usbip::protocol::BusId;
use simulator::reader::usbip::{PRODUCT_ID, Server, VENDOR_ID, ccid_device};
use tempfile::TempDir;

use crate::card::Card;

/// Longest that anything here takes to get ready.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Set inside the namespace.
const INSIDE: &str = "LIBUSB_SHIM_TEST_FOLDER";

const LIBCCID: &str = "/usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Linux/libccid.so";
const SUPPORTED_READERS: &str = "/etc/libccid_Info.plist";

/// Runs `test`, which is the test called `name`, in a mount namespace: this program is started again in there for it alone.
pub(crate) fn in_namespace(name: &str, test: impl FnOnce(&Bench)) {
    if let Some(folder) = env::var_os(INSIDE) {
        return test(&Bench { folder: folder.into() });
    }
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("run")).unwrap();
    let mut unshare = Command::new("unshare");
    // Whoever is not root may have a namespace in which he is. That of processes ends pcscd with the test, whatever ends that.
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    unshare.args(if is_root { &[][..] } else { &["--map-root-user"] });
    unshare.args(["--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]);
    let script = "mount -t tmpfs tmpfs /run && mkdir /run/pcscd && mount --bind \"$0/run\" /run/pcscd && exec \"$@\"";
    unshare.args(["sh", "-c", script]).arg(folder.path()).arg(env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    let status = unshare.env(INSIDE, folder.path()).status().expect("unshare runs");
    assert!(status.success(), "the test failed in its namespace: {status}");
}

/// The inside of the namespace.
pub(crate) struct Bench {
    folder: PathBuf,
}

impl Bench {
    /// A server with `count` tokens.
    pub(crate) fn server(count: usize) -> (Server, Vec<BusId>) {
        let mut server = Server::bind("127.0.0.1:0").unwrap();
        let plug_in = |number| server.plug_in(ccid_device(Card::default(), RealClock::default(), format!("TEST{number}"))).unwrap();
        let bus_ids = (1..=count).map(plug_in).collect();
        (server, bus_ids)
    }

    /// pcscd with the readers of `server`, which are there already: "Token 00 00", "Token 01 00" and so on.
    pub(crate) fn pcscd(&self, server: &Server, count: usize) -> Pcscd {
        let [config, library, drivers] = ["readers", "lib", "drivers/ifd-ccid.bundle/Contents"].map(|name| self.folder.join(name));
        for folder in [&config, &library, &drivers] {
            fs::create_dir_all(folder).unwrap();
        }
        let mut readers = String::new();
        for number in 0..count {
            let device = format!("{VENDOR_ID:04x}/{PRODUCT_ID:04x}:libusb-1.0:1:{}:0", number + 2);
            writeln!(readers, "FRIENDLYNAME \"Token\"\nDEVICENAME usb:{device}\nLIBPATH {LIBCCID}\nCHANNELID {number}\n").unwrap();
        }
        fs::write(config.join("readers"), readers).unwrap();
        fs::copy(shim(), library.join("libusb-1.0.so.0")).unwrap();
        fs::write(drivers.join("Info.plist"), supported_readers()).unwrap();
        let mut command = Command::new("/usr/sbin/pcscd");
        command.args(["--foreground", "--info", "--config"]).arg(config);
        command.env("LD_LIBRARY_PATH", library).env("PCSCLITE_HP_DROPDIR", self.folder.join("drivers"));
        command.env("USBIP_SHIM", server.address().to_string());
        let mut daemon =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("pcscd runs: scripts/bootstrap installs it");
        let output = daemon.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Nobody listens after it is ready.
                let _ = sender.send(line);
            }
        });
        // From here on it is ended if the test fails.
        let daemon = Pcscd { daemon };
        let deadline = Instant::now() + PATIENCE;
        let mut said = Vec::new();
        while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if line.contains("daemon ready") {
                return daemon;
            }
            said.push(line);
        }
        panic!("pcscd does not get ready:\n{}", said.join("\n"));
    }
}

/// A running pcscd.
pub(crate) struct Pcscd {
    daemon: Child,
}

impl Pcscd {
    /// A client's context.
    pub(crate) fn context(&self) -> Context {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // pcscd makes its socket a moment after it said that it is ready.
            match Context::establish(Scope::User) {
                Err(pcsc::Error::NoService) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
                context => return context.expect("pcscd has a socket"),
            }
        }
    }

    /// Process number.
    pub(crate) fn id(&self) -> u32 {
        self.daemon.id()
    }
}

impl Drop for Pcscd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Name of a reader.
pub(crate) fn reader(number: usize) -> CString {
    CString::new(format!("Token {number:02} 00")).unwrap()
}

/// Waits until the state of `reader` has `wanted`.
pub(crate) fn wait_for(context: &Context, reader: &CString, wanted: State) {
    let deadline = Instant::now() + PATIENCE;
    let mut states = [ReaderState::new(reader.clone(), State::UNAWARE)];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        context
            .get_status_change(Some(left), &mut states)
            .unwrap_or_else(|error| panic!("{reader:?} does not become {wanted:?}: {error}"));
        if states[0].event_state().contains(wanted) {
            return;
        }
        states[0].sync_current_state();
    }
}

/// The library under test, which Cargo has built beside this program.
fn shim() -> PathBuf {
    let library = env::current_exe().unwrap().with_file_name("liblibusb_shim.so");
    assert!(library.exists(), "no {}", library.display());
    library
}

/// libccid's list of the readers that it drives, with ours.
fn supported_readers() -> String {
    let mut list = fs::read_to_string(SUPPORTED_READERS).expect("libccid is needed: scripts/bootstrap installs it");
    let [vendor, product] = [VENDOR_ID, PRODUCT_ID].map(|number| format!("0x{number:04X}"));
    for (key, value) in [("ifdVendorID", vendor), ("ifdProductID", product), ("ifdFriendlyName", "Token".to_owned())] {
        let key_at = list.find(&format!("<key>{key}</key>")).unwrap();
        let at = key_at + list[key_at..].find("<array>").unwrap() + "<array>".len();
        list.insert_str(at, &format!("<string>{value}</string>"));
    }
    list
}
