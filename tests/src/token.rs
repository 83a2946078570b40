//! Simulated tokens as programs.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::pcscd::Namespace;
use crate::process::{succeeds, wait_for_line};
use crate::program::token_sim;

/// PIN1 of every token here.
pub const PIN1: &str = "1234";
/// PIN2.
pub const PIN2: &str = "12345";
/// PUK.
pub const PUK: &str = "12345678";
/// The names on the card, as its certificates have them.
pub const NAME: &str = "JÕEORG,JAAK-KRISTJAN";
/// The personal code.
pub const CODE: &str = "38001085718";

/// A token's state in a file, and the program that runs it.
#[derive(Debug)]
pub struct Token {
    state: PathBuf,
}

impl Token {
    /// A new token with its state at `state`; `options` are further ones of `token-sim new`.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn new(state: &Path, options: &[&str]) -> Self {
        let mut command = Command::new(token_sim());
        command.arg("new").arg("--state").arg(state).args(["--name", NAME, "--code", CODE]).args(options);
        succeeds(&mut command);
        Self { state: state.to_owned() }
    }

    /// The file with its state.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Writes a certificate, `auth`, `sign` or `cdoc2`, as PEM to a file beside the state and tells where.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn certificate(&self, which: &str) -> PathBuf {
        let mut command = Command::new(token_sim());
        command.arg("cert").arg("--state").arg(&self.state).arg(which);
        let path = self.state.with_extension(format!("{which}.pem"));
        fs::write(&path, succeeds(&mut command)).expect("the certificate can be written");
        path
    }

    /// Puts it into the vpcd reader that listens on `port` in `namespace`.
    #[must_use]
    pub fn insert(&self, namespace: &Namespace, port: u16) -> Inserted {
        self.run(namespace.command(token_sim()), &["--vpcd", &format!("127.0.0.1:{port}")], &[])
    }

    /// The same, to be touched by [`Inserted::touch`] alone.
    #[must_use]
    pub fn insert_untouched(&self, namespace: &Namespace, port: u16) -> Inserted {
        self.run_untouched(namespace, &["--vpcd", &format!("127.0.0.1:{port}")])
    }

    /// The same, and what it is told and answers goes to a file: see [`Self::trace`].
    #[must_use]
    pub fn insert_traced(&self, namespace: &Namespace, port: u16) -> Inserted {
        let mut command = namespace.command(token_sim());
        command.stderr(fs::File::create(self.trace_file()).expect("a file for the trace"));
        self.run(command, &["--vpcd", &format!("127.0.0.1:{port}")], &["--trace"])
    }

    /// What was traced so far.
    ///
    /// # Panics
    /// Nothing is traced.
    #[must_use]
    pub fn trace(&self) -> String {
        fs::read_to_string(self.trace_file()).expect("the trace")
    }

    fn trace_file(&self) -> PathBuf {
        self.state.with_extension("trace")
    }

    /// Puts it into whatever listens at `address` as vpcd does, in the network of the test itself.
    #[must_use]
    pub fn insert_outside(&self, address: SocketAddr) -> Inserted {
        self.run(Command::new(token_sim()), &["--vpcd", &address.to_string()], &[])
    }

    /// Plugs it into a USB/IP server at `address` in `namespace`.
    #[must_use]
    pub fn plug(&self, namespace: &Namespace, address: &str) -> Inserted {
        self.run(namespace.command(token_sim()), &["--usbip", address], &[])
    }

    /// The same, to be touched by [`Inserted::touch`] alone.
    #[must_use]
    pub fn plug_untouched(&self, namespace: &Namespace, address: &str) -> Inserted {
        self.run_untouched(namespace, &["--usbip", address])
    }

    fn run_untouched(&self, namespace: &Namespace, reader: &[&str]) -> Inserted {
        let mut command = namespace.command(token_sim());
        command.stderr(Stdio::piped());
        self.run(command, reader, &["--touch", "ask"])
    }

    fn run(&self, mut command: Command, reader: &[&str], options: &[&str]) -> Inserted {
        command.arg("run").arg("--state").arg(&self.state).args(reader).args(options);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = command.spawn().expect("token-sim runs");
        wait_for_line(program.stdout.take().expect("its output is a pipe"), "ready");
        Inserted { program }
    }
}

/// A token in a reader; dropping it pulls it out.
#[derive(Debug)]
pub struct Inserted {
    program: Child,
}

impl Inserted {
    /// Waits until the token asks for a touch; once only.
    ///
    /// # Panics
    /// It does not ask, or is touched by itself.
    pub fn wait_for_question(&mut self) {
        wait_for_line(self.program.stderr.take().expect("nobody has waited yet"), "asks for a touch");
    }

    /// Touches it.
    ///
    /// # Panics
    /// The program has ended.
    pub fn touch(&mut self) {
        writeln!(self.program.stdin.as_mut().expect("its input is a pipe")).expect("it reads");
    }
}

impl Drop for Inserted {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
