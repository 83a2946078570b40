//! Programs that are run to an end, which they must come to, or until they say something.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longest that anything may take to get ready. A machine under load is slow; a broken one is found all the same.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Longest that a program may take that is waited for.
const LIMIT: Duration = Duration::from_secs(300);

/// `program`, with signals as they are by default: what was started in the background of a script ignores some, and so do its children.
#[must_use]
pub fn with_default_signals(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(program);
    command
}

/// Reads `output` until a line contains `text`, and lets a thread read on, so that the program never has to wait.
///
/// # Panics
/// The output ends, or that takes too long.
pub fn wait_for_line(output: impl Read + Send + 'static, text: &str) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // After the line was found nobody listens, and that is fine.
            let _ = sender.send(line);
        }
    });
    let deadline = Instant::now() + PATIENCE;
    let mut said = Vec::new();
    loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(text) => return line,
            Ok(line) => said.push(line),
            Err(_) => panic!("no line with {text:?}, but:\n{}", said.join("\n")),
        }
    }
}

/// Runs `command`, which must end in time, and gives what it said on both outputs.
///
/// # Panics
/// It does not run, or not to an end.
#[track_caller]
pub fn run(command: &mut Command) -> (ExitStatus, String) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    ended(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// Waits for the end of `child`, which must come in time, and gives what it said on those outputs that are pipes.
///
/// # Panics
/// It does not end, and is killed.
#[track_caller]
pub fn ended(mut child: Child) -> (ExitStatus, String) {
    drop(child.stdin.take());
    let outputs = [child.stdout.take().map(Output::read), child.stderr.take().map(Output::read)];
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            let said: String = outputs.iter().flatten().map(Output::so_far).collect();
            panic!("process {} had no end after {LIMIT:?}; it said:\n{said}", child.id());
        }
        thread::sleep(Duration::from_millis(2));
    };
    (status, outputs.into_iter().flatten().map(Output::whole).collect())
}

/// What a child says on one of its outputs.
struct Output {
    said: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<io::Result<()>>,
}

impl Output {
    fn read(mut output: impl Read + Send + 'static) -> Self {
        let said = Arc::new(Mutex::new(Vec::new()));
        let reader = thread::spawn({
            let said = Arc::clone(&said);
            move || {
                let mut piece = [0; 1 << 16];
                while let len @ 1.. = output.read(&mut piece)? {
                    said.lock().expect("no panic").extend_from_slice(&piece[..len]);
                }
                Ok(())
            }
        });
        Self { said, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().expect("no panic")).into_owned()
    }

    fn whole(self) -> String {
        let Self { said, reader } = self;
        reader.join().expect("the reader ends").expect("the output can be read");
        let said = said.lock().expect("no panic");
        String::from_utf8_lossy(&said).into_owned()
    }
}

/// [`run`] for a command that must succeed.
///
/// # Panics
/// It fails.
pub fn succeeds(command: &mut Command) -> String {
    let (status, said) = run(command);
    assert!(status.success(), "{command:?}:\n{said}");
    said
}

/// [`run`] for a command that must fail.
///
/// # Panics
/// It succeeds.
pub fn fails(command: &mut Command) -> String {
    let (status, said) = run(command);
    assert!(!status.success(), "{command:?} succeeded:\n{said}");
    said
}

/// [`run`] for a command that must end with `code`.
///
/// # Panics
/// It ends otherwise.
#[track_caller]
pub fn ends_with(code: i32, command: &mut Command) -> String {
    let (status, said) = run(command);
    assert_eq!(status.code(), Some(code), "{command:?}:\n{said}");
    said
}
