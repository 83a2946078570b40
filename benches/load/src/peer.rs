//! A server that is measured, as a process.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::drive::Target;
use crate::process::Processes;

/// How long a server may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// How long one that was told to stop may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A server, and where it listens.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) processes: Processes,
    /// Where recipients fetch capsules.
    pub(crate) recipient: Arc<Target>,
    /// Where senders put them.
    pub(crate) sender: Option<Arc<Target>>,
    _program: Program,
}

impl Peer {
    /// The server that `program` is.
    pub(crate) fn new(
        name: &'static str,
        program: Program,
        recipient: Arc<Target>,
        sender: Option<Arc<Target>>,
    ) -> Result<Self, Error> {
        let processes = Processes::of(program.id()).map_err(|cause| Error::Start { program: name.into(), cause })?;
        Ok(Self { name, processes, recipient, sender, _program: program })
    }
}

/// A program that dies with this value.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    name: String,
    log: PathBuf,
}

/// Why a server is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{program} cannot be started: {cause}")]
    Start { program: String, cause: io::Error },
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("{program} does not listen at {address}. It said:\n{log}")]
    Silent { program: String, address: SocketAddr, log: String },
    #[error("no free port: {0}")]
    Port(io::Error),
}

impl Program {
    /// Starts `command`; all that it says goes to `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self, Error> {
        let name = command.get_program().to_string_lossy().into_owned();
        let file = |cause| Error::File { path: log.to_owned(), cause };
        let output = File::create(log).map_err(file)?;
        command.stdin(Stdio::null()).stderr(output.try_clone().map_err(file)?).stdout(output);
        let child = command.spawn().map_err(|cause| Error::Start { program: name.clone(), cause })?;
        Ok(Self { child, name, log: log.to_owned() })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until something listens at `address`.
    pub(crate) async fn listening(&mut self, address: SocketAddr) -> Result<(), Error> {
        let end = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).await.is_err() {
            let gone = !matches!(self.child.try_wait(), Ok(None));
            if gone || Instant::now() > end {
                let log = std::fs::read_to_string(&self.log).unwrap_or_else(|error| error.to_string());
                return Err(Error::Silent { program: self.name.clone(), address, log });
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SIGTERM lets nginx end its workers; killed, it would leave them behind.
        let asked = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let end = std::time::Instant::now() + STOP_TIMEOUT;
        while asked.is_ok() && std::time::Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // Nothing more can be done about one that cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Addresses on this machine that nobody listens at, for programs that cannot say which port they took.
pub(crate) fn free_addresses<const N: usize>() -> Result<[SocketAddr; N], Error> {
    // All are held until all are there: they differ.
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>().map_err(Error::Port)?;
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for (address, listener) in addresses.iter_mut().zip(&listeners) {
        *address = listener.local_addr().map_err(Error::Port)?;
    }
    Ok(addresses)
}

/// Writes a configuration file.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|cause| Error::File { path: path.to_owned(), cause })
}
