//! openssl(1), in a folder of its own.

use std::io::Write;
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub(crate) struct Openssl {
    folder: TempDir,
}

impl Openssl {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Runs `openssl` with these arguments, split at spaces, and answers with what it writes.
    pub(crate) fn run(&self, arguments: &str) -> Vec<u8> {
        self.run_on(arguments, &[])
    }

    /// The same with `input` as standard input.
    pub(crate) fn run_on(&self, arguments: &str, input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl, which these tests need (apt-get install openssl)");
        // A command that reads nothing closes the pipe.
        let _ = child.stdin.take().expect("a pipe").write_all(input);
        let output = child.wait_with_output().expect("the output of openssl");
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// A file for the next command.
    pub(crate) fn write(&self, name: &str, octets: &[u8]) {
        std::fs::write(self.folder.path().join(name), octets).expect("a file in the temporary folder");
    }

    /// A new key on the curve with this name, in PKCS#8 PEM.
    pub(crate) fn ec_key(&self, curve: &str) -> Vec<u8> {
        self.run(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve}"))
    }

    /// A new RSA key, in PKCS#8 PEM.
    pub(crate) fn rsa_key(&self, bits: usize) -> Vec<u8> {
        self.run(&format!("genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:{bits}"))
    }

    /// The public half, in PEM.
    pub(crate) fn public(&self, private: &[u8]) -> Vec<u8> {
        self.run_on("pkey -pubout", private)
    }

    /// A certificate for this key that the key signs itself, in PEM. Leaves the key in `key.pem`.
    pub(crate) fn certificate(&self, private: &[u8], arguments: &str) -> Vec<u8> {
        self.write("key.pem", private);
        self.run(&format!("req -x509 -key key.pem -days 30 {arguments}"))
    }
}
