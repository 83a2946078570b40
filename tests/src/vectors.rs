//! The manifest of `vectors/`: containers that others wrote, and what is to become of them.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::program::folder;

/// One container, one key, one outcome.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// Name of the case.
    pub id: String,
    /// The family it belongs to.
    pub kind: String,
    /// The container, relative to `vectors/`.
    pub file: PathBuf,
    /// Who wrote the container: `libcdoc`, or `handmade` octet by octet.
    pub origin: String,
    /// The key.
    pub unlock: Unlock,
    /// Main outcome: `decrypts`, `sanitised`, `reject-format`, `reject-nokey`, `reject-hmac`, `reject-auth`, `reject-archive`, or `safe`
    /// for anything but a crash, a write elsewhere, or leftovers.
    pub expect: String,
    /// Other outcomes that are right, too.
    #[serde(default)]
    pub accept: Vec<String>,
    /// What is in the archive.
    pub files: Vec<File>,
}

/// What opens a container.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Unlock {
    /// A password for the record at `index`, which counts from 1.
    #[allow(missing_docs, reason = "said above")]
    Password { password: String, index: usize },
    /// A symmetric key for the record at `index`, which counts from 1.
    #[allow(missing_docs, reason = "said above")]
    Symmetric { secret_hex: String, index: usize },
    /// A private key in PEM, relative to `vectors/`.
    #[allow(missing_docs, reason = "said above")]
    PrivateKey { key_file: PathBuf },
}

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct File {
    /// As it stands in the archive.
    pub name: String,
    /// Hexadecimal digits.
    pub sha256: String,
}

impl Case {
    /// Whether `outcome` is right.
    #[must_use]
    pub fn allows(&self, outcome: &str) -> bool {
        self.expect == outcome || self.accept.iter().any(|accepted| accepted == outcome)
    }

    /// Path of the container.
    #[must_use]
    pub fn container(&self) -> PathBuf {
        vectors().join(&self.file)
    }
}

/// The folder of the vectors.
#[must_use]
pub fn vectors() -> PathBuf {
    folder().join("vectors")
}

/// Every case of the manifest.
///
/// # Panics
/// The manifest cannot be read.
#[must_use]
pub fn cases() -> Vec<Case> {
    let manifest = fs::read(vectors().join("manifest.json")).expect("there is a manifest");
    serde_json::from_slice(&manifest).expect("the manifest is sound")
}

/// The octets in hexadecimal digits.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The octets of hexadecimal digits.
///
/// # Panics
/// They are no such digits.
#[must_use]
pub fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits")).collect()
}

/// Hexadecimal digits of the file's SHA-256.
///
/// # Panics
/// The file cannot be read.
#[must_use]
pub fn sha256(file: &Path) -> String {
    use sha2::Digest as _;
    hex(&sha2::Sha256::digest(fs::read(file).expect("the file can be read")))
}
