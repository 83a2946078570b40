//! A folder to work in, and the program run in it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::child::{self, Running};

/// The program under test.
pub(crate) const CDOC2: &str = env!("CARGO_BIN_EXE_cdoc2");

/// A password that keeps all rules.
pub(crate) const PASSWORD: &str = "Kevade2026tuul";

/// The password of [`Sandbox::with_password`]. It keeps none of them, which matters to nobody who opens a container.
pub(crate) const OLD_PASSWORD: &str = "Parool-üks";

/// A container for that password, labelled `pw`, with `beta.txt` in it. It asks for 1000 rounds of hashing only, so tests with it are quick.
const PASSWORD_CONTAINER: &[u8] = include_bytes!("../../../../tests/vectors/containers/hm130_pbkdf2-iter-1000.cdoc2");

/// The environment variables that the program knows.
pub(crate) const VARIABLES: [&str; 9] = [
    "CDOC2_CONFIG",
    "CDOC2_PASSWORD",
    "CDOC2_NEW_PASSWORD",
    "CDOC2_KEY_PASSWORD",
    "CDOC2_PIN",
    "CDOC2_NEW_PIN",
    "CDOC2_PUK",
    "CDOC2_READER",
    "NO_COLOR",
];

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that goes when the test does.
pub(crate) struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// With a secret in `s` and a container for it in `in.cdoc2`, which holds `a.txt` with "plain text\n".
    pub(crate) fn with_container() -> Self {
        let sandbox = Self::with_secret();
        sandbox.write("a.txt", "plain text\n");
        sandbox.run("encrypt -o in.cdoc2 -r secret:s:s a.txt").done();
        fs::remove_file(sandbox.path("a.txt")).expect("a file to remove");
        sandbox
    }

    /// With a secret in `s`.
    pub(crate) fn with_secret() -> Self {
        let sandbox = Self::new();
        sandbox.write("s", [0x5A; 32]);
        sandbox
    }

    /// With a container for [`OLD_PASSWORD`] in `in.cdoc2`.
    pub(crate) fn with_password() -> Self {
        let sandbox = Self::new();
        sandbox.write("in.cdoc2", PASSWORD_CONTAINER);
        sandbox
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: impl AsRef<Path>, octets: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, octets).expect("a file");
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The permission bits of a file.
    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).expect("a file").permissions().mode() & 0o7777
    }

    /// The names of everything in the folder `name`, hidden files included, in their order.
    pub(crate) fn names(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).expect("a folder");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The program with these arguments, split at spaces.
    pub(crate) fn cdoc2(&self, arguments: &str) -> Invocation {
        self.cdoc2_with(arguments.split_whitespace())
    }

    pub(crate) fn cdoc2_with(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Invocation {
        // In a session of its own, so that it has no terminal to ask at, wherever the tests were started.
        let mut command = child::command("setsid");
        command.arg(CDOC2).args(arguments).current_dir(&self.folder);
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        // Nobody's own configuration counts.
        command.env("XDG_CONFIG_HOME", self.path("configuration"));
        Invocation { command, input: Vec::new() }
    }

    pub(crate) fn run(&self, arguments: &str) -> Run {
        self.cdoc2(arguments).run()
    }

    /// A line for the shell, with the program as `cdoc2`.
    pub(crate) fn shell(&self, line: &str) -> Run {
        let mut path = std::env::split_paths(&std::env::var_os("PATH").expect("PATH")).collect::<Vec<_>>();
        path.insert(0, Path::new(CDOC2).parent().expect("a folder").to_owned());
        let mut command = child::command("setsid");
        command.args(["bash", "-o", "pipefail", "-c", line]).current_dir(&self.folder);
        command.env("PATH", std::env::join_paths(path).expect("PATH"));
        command.env("XDG_CONFIG_HOME", self.path("configuration"));
        Invocation { command, input: Vec::new() }.run()
    }

    /// A self-signed certificate in `name.cer` for a new P-384 key in `name.key`, good for `days`.
    pub(crate) fn certificate(&self, name: &str, days: i32, extension: &str) {
        self.write("extensions", extension);
        for line in [
            format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out {name}.key"),
            format!("req -new -key {name}.key -subj /CN={name} -out {name}.csr"),
            format!("x509 -req -in {name}.csr -signkey {name}.key -days {days} -extfile extensions -out {name}.cer"),
        ] {
            self.openssl(&line);
        }
    }

    /// Runs openssl(1).
    pub(crate) fn openssl(&self, arguments: &str) {
        let output = Running::start(child::command("openssl").args(arguments.split_whitespace()).current_dir(&self.folder)).end();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The program, about to be run.
pub(crate) struct Invocation {
    command: Command,
    input: Vec<u8>,
}

impl Invocation {
    pub(crate) fn env(mut self, variable: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(variable, value);
        self
    }

    pub(crate) fn input(mut self, octets: impl Into<Vec<u8>>) -> Self {
        self.input = octets.into();
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Run {
        let Self { command, input } = self;
        let mut child = Self { command, input: Vec::new() }.start();
        let mut stdin = child.input();
        let writer = std::thread::spawn(move || {
            // Who does not read it closes the pipe.
            let _ = stdin.write_all(&input);
        });
        let output = child.end();
        writer.join().expect("a writer");
        Run(output)
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Running {
        Running::start(&mut self.command)
    }
}

/// What the program did.
pub(crate) struct Run(Output);

impl Run {
    pub(crate) fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    pub(crate) fn stdout(&self) -> &[u8] {
        &self.0.stdout
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).expect("text")
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).expect("text")
    }

    /// It must have succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code(), Some(0), "{}", self.stderr());
        self
    }

    /// It must have ended with this code; what it said.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code(), Some(code), "{}", self.stderr());
        self.stderr()
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "still no {what}");
        std::thread::yield_now();
    }
}

/// Asserts that `text` holds `part`.
#[track_caller]
pub(crate) fn says(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in: {text}");
}
