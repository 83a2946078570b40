//! A folder to work in, and programs run in it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// The names and the code of every card here that needs no others.
pub(crate) const HOLDER: [&str; 4] = ["--name", "JÕEORG,JAAK-KRISTJAN", "--code", "38001085718"];

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Sandbox {
    folder: TempDir,
}

/// How a program ended, and what it said.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(Output { status, stdout, stderr }: Output) -> Self {
        let text = |octets| String::from_utf8(octets).expect("text");
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

impl Ended {
    /// Its standard output, after success in silence.
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self.stdout
    }

    /// What it complained of, after failure with this code.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}", self.stderr);
        self.stderr
    }
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// With a token in the file `t`; `options` are further ones of `token-sim new`.
    pub(crate) fn with_token(options: &[&str]) -> Self {
        let sandbox = Self::new();
        sandbox.token_sim(&[&["new", "--state", "t"], &HOLDER[..], options].concat()).succeeded();
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn token_sim(&self, arguments: &[&str]) -> Ended {
        self.command(env!("CARGO_BIN_EXE_token-sim")).args(arguments).output().expect("token-sim runs").into()
    }

    /// A program of the machine's that must succeed, run with these arguments, split at spaces; what it printed.
    pub(crate) fn tool(&self, program: &str, arguments: &str) -> String {
        let output = self.command(program).args(arguments.split_whitespace()).output();
        let ended: Ended = output.unwrap_or_else(|error| panic!("{program}, which these tests need: {error}")).into();
        assert_eq!(ended.code, Some(0), "{program} {arguments}: {}", ended.stderr);
        ended.stdout
    }

    /// The names of the files in the folder.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name of ours"))
            .collect();
        names.sort();
        names
    }

    /// Puts the token `t` into a reader of this test's, with further options.
    pub(crate) fn insert(&self, options: &[&str]) -> Inserted {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its number").to_string();
        let mut program = self
            .command(env!("CARGO_BIN_EXE_token-sim"))
            .args(["run", "--state", "t", "--vpcd", &address])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("token-sim runs");
        let stream = listener.accept().expect("the card").0;
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let mut inserted = Inserted { stderr: program.stderr.take().expect("a pipe"), program, stream };
        inserted.send(&[1]);
        assert_eq!(inserted.ask(&[4]).first(), Some(&0x3B));
        let mut line = String::new();
        BufReader::new(inserted.program.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert_eq!(line, format!("ready vpcd {address}\n"));
        inserted
    }
}

/// A token in a reader, and vpcd's end of the connection.
pub(crate) struct Inserted {
    pub(crate) program: Child,
    pub(crate) stderr: ChildStderr,
    stream: TcpStream,
}

impl Inserted {
    pub(crate) fn send(&mut self, message: &[u8]) {
        let len = u16::try_from(message.len()).expect("a short message");
        self.stream.write_all(&[&len.to_be_bytes(), message].concat()).expect("it can be sent");
    }

    pub(crate) fn receive(&mut self) -> Vec<u8> {
        let mut len = [0; 2];
        self.stream.read_exact(&mut len).expect("a length");
        let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
        self.stream.read_exact(&mut message).expect("a message");
        message
    }

    pub(crate) fn ask(&mut self, message: &[u8]) -> Vec<u8> {
        self.send(message);
        self.receive()
    }

    /// Pulls the card out by closing the reader, and answers with the exit code and what was written to standard error.
    pub(crate) fn close_reader(self) -> (Option<i32>, String) {
        drop(self.stream);
        ended(self.program, self.stderr)
    }

    /// Ends the program by a signal; the connection stays as it is.
    pub(crate) fn signal(self, signal: i32) -> (Option<i32>, String) {
        let pid = self.program.id().to_string();
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status().expect("a shell");
        assert!(sent.success());
        ended(self.program, self.stderr)
    }
}

fn ended(mut program: Child, mut stderr: ChildStderr) -> (Option<i32>, String) {
    let mut said = String::new();
    stderr.read_to_string(&mut said).expect("text");
    (program.wait().expect("its end").code(), said)
}

/// VERIFY for a PIN of the card of 2018.
pub(crate) fn verify(reference: u8, digits: &str) -> Vec<u8> {
    let mut command = vec![0x00, 0x20, 0x00, reference, 0x0C];
    command.extend(digits.as_bytes());
    command.resize(5 + 12, 0xFF);
    command
}
