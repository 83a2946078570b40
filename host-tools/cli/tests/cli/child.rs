//! Children of tests: they take signals as programs do that a person starts, and no test waits for one for ever.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Longest that a child may live. A machine under load is slow; a child that hangs is found all the same.
const LIMIT: Duration = Duration::from_secs(300);

/// `program`, with signals as they are by default: what was started in the background of a script ignores some, and so do its children.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(program);
    command
}

/// A child at work, whose streams are pipes. Dropping it kills it, and whatever else is in a process group that it leads.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    pieces: Receiver<(Stream, Vec<u8>)>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    deadline: Instant,
}

enum Stream {
    Stdout,
    Stderr,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
        let (sender, pieces) = mpsc::channel();
        follow(child.stdout.take().expect("a pipe"), || Stream::Stdout, sender.clone());
        follow(child.stderr.take().expect("a pipe"), || Stream::Stderr, sender);
        let input = child.stdin.take();
        Self { child, input, pieces, stdout: Vec::new(), stderr: Vec::new(), deadline: Instant::now() + LIMIT }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The other end of its standard input, for the first who asks. Dropping it is the end of the input.
    pub(crate) fn input(&mut self) -> ChildStdin {
        self.input.take().expect("nobody has taken it yet")
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a child to get a signal");
    }

    /// What it writes to standard output before the line `last`.
    #[track_caller]
    pub(crate) fn until_line(&mut self, last: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.stdout);
            let lines = text.split_inclusive('\n');
            let before: String = lines.take_while(|line| line.strip_suffix('\n') != Some(last)).collect();
            if before.len() < text.len() {
                return before;
            }
            drop(text);
            assert!(self.more(), "it ends without {last:?}: {}", self.said());
        }
    }

    /// Closes its input, unless somebody has that, and waits for its end, and for the end of what it writes.
    #[track_caller]
    pub(crate) fn end(mut self) -> Output {
        self.input = None;
        while self.more() {}
        let status = loop {
            match self.child.try_wait().expect("its status") {
                Some(status) => break status,
                None if Instant::now() < self.deadline => thread::sleep(Duration::from_millis(1)),
                None => self.give_up(),
            }
        };
        Output { status, stdout: std::mem::take(&mut self.stdout), stderr: std::mem::take(&mut self.stderr) }
    }

    /// Waits for something that it writes; `false` if it has closed both outputs.
    #[track_caller]
    fn more(&mut self) -> bool {
        match self.pieces.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
            Ok((Stream::Stdout, piece)) => self.stdout.extend(piece),
            Ok((Stream::Stderr, piece)) => self.stderr.extend(piece),
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => self.give_up(),
        }
        true
    }

    #[track_caller]
    fn give_up(&self) -> ! {
        panic!("process {} has no end after {LIMIT:?}, and is killed; it wrote: {}", self.id(), self.said())
    }

    fn said(&self) -> String {
        format!("{}{}", String::from_utf8_lossy(&self.stdout), String::from_utf8_lossy(&self.stderr))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Who leads no group has none of this number.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Passes on what comes from `output`, to its end.
fn follow(mut output: impl Read + Send + 'static, stream: fn() -> Stream, pieces: Sender<(Stream, Vec<u8>)>) {
    thread::spawn(move || {
        let mut piece = [0; 1 << 16];
        // Nobody listens after a test has failed, and that is fine.
        while let Ok(len @ 1..) = output.read(&mut piece)
            && pieces.send((stream(), piece[..len].to_vec())).is_ok()
        {}
    });
}
