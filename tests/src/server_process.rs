//! The program `cdoc2-server` as a process: its log, its metrics, its end.

use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::process::with_default_signals;
use crate::program::cdoc2_server;

/// Longest wait for what a server does by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, so that it does not outlive the thread that starts it.
#[must_use]
pub fn command() -> Command {
    let mut command = with_default_signals("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(cdoc2_server());
    command
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

/// A server's process. Dropping it kills it.
pub struct ServerProcess {
    process: Child,
    log: Arc<Log>,
    follower: Option<JoinHandle<()>>,
    /// What it said when it was ready.
    ready: Value,
}

impl fmt::Debug for ServerProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerProcess").field("process", &self.process.id()).field("ready", &self.ready).finish_non_exhaustive()
    }
}

impl ServerProcess {
    /// What `command` starts, once it is ready.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("setpriv runs");
        let log = Arc::new(Log::default());
        let stderr = process.stderr.take().expect("its log is a pipe");
        let follower = thread::spawn({
            let log = log.clone();
            move || log.follow(stderr)
        });
        // The line that says that it is ready; none if it ends before.
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("its output is a pipe")).read_line(&mut line).expect("it can be read");
        let ready = serde_json::from_str(&line).unwrap_or_default();
        let server = Self { process, follower: Some(follower), ready, log };
        if server.ready.is_null() {
            server.log.wait(|_| None::<()>);
        }
        assert!(!server.ready.is_null(), "the server does not start:\n{}", server.log());
        server
    }

    /// Where it listens under this name.
    ///
    /// # Panics
    /// It has no such listener.
    #[must_use]
    pub fn address(&self, listener: &str) -> SocketAddr {
        self.ready[listener]
            .as_str()
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("no {listener} in {}", self.ready))
    }

    /// What the operator sees at `path`: status and body.
    ///
    /// # Panics
    /// No answer.
    #[must_use]
    pub fn operations(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.address("operations"));
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

impl Drop for ServerProcess {
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
