//! SoftHSM: a token in software behind a PKCS#11 module, filled by OpenSC's `pkcs11-tool`.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::process::succeeds;

/// The module.
pub const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// The PIN of every token.
pub const PIN: &str = "1234";

/// Tokens in a folder of their own.
#[derive(Debug)]
pub struct SoftHsm {
    folder: TempDir,
}

impl SoftHsm {
    /// Without any token.
    ///
    /// # Panics
    /// There is no place for it.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tokens = folder.path().join("tokens");
        fs::create_dir(&tokens).expect("a folder for the tokens");
        let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        fs::write(folder.path().join("softhsm2.conf"), text).expect("the configuration");
        Self { folder }
    }

    /// Adds a token called `label` with a private key (PKCS#8 in DER), which signs, decrypts and agrees on keys, and its certificate in DER.
    ///
    /// # Panics
    /// SoftHSM or OpenSC is not installed, or does not take it.
    pub fn add(&self, label: &str, key: &[u8], certificate: &[u8]) {
        let mut initialise = Command::new("softhsm2-util");
        initialise.args(["--init-token", "--free", "--label", label, "--so-pin", "00000000", "--pin", PIN]);
        succeeds(self.known_to(&mut initialise));
        for (kind, octets) in [("privkey", key), ("cert", certificate)] {
            let file = self.folder.path().join(kind);
            fs::write(&file, octets).expect("a file");
            let mut write = Command::new("pkcs11-tool");
            write.args(["--module", MODULE, "--token-label", label, "--login", "--pin", PIN, "--type", kind, "--id", "01"]);
            write.args(["--label", label, "--usage-sign", "--usage-decrypt", "--usage-derive", "--write-object"]).arg(file);
            succeeds(self.known_to(&mut write));
        }
    }

    /// `command`, which finds these tokens by the module.
    pub fn known_to<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("SOFTHSM2_CONF", self.folder.path().join("softhsm2.conf"))
    }
}

impl Default for SoftHsm {
    fn default() -> Self {
        Self::new()
    }
}
