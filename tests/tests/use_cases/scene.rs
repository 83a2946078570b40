//! Where a use case takes place: a test bed, a folder to work in, and the command.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cdoc2_testbed::card::PIN1;
use cdoc2_testbed::{Holder, Options, PersonalCode, Testbed};
use cdoc2_tests::program::cdoc2;
use serde_json::Value;
use tempfile::TempDir;

/// Exit codes (manual page, "Exit status").
pub(crate) mod code {
    pub(crate) const USAGE: i32 = 2;
    pub(crate) const FORMAT: i32 = 3;
    pub(crate) const NO_RECORD: i32 = 4;
    pub(crate) const REJECTED: i32 = 5;
    pub(crate) const LIMIT: i32 = 8;
    pub(crate) const IO: i32 = 9;
    pub(crate) const NETWORK: i32 = 10;
    pub(crate) const CARD: i32 = 11;
}

/// What is in every container.
pub(crate) const CONTENT: &str = "plain text\n";

/// Who receives containers.
pub(crate) const MARI: (&str, &str) = ("MAASIKAS,MARI", "60001017727");
/// Somebody else.
pub(crate) const JAAN: (&str, &str) = ("TAMM,JAAN", "38001085718");

/// The card or key holder of this name and code.
pub(crate) fn holder((name, code): (&str, &str)) -> Holder {
    Holder::new(name, PersonalCode::parse(code).unwrap()).unwrap()
}

/// A test bed, and a folder with `a.txt` and `pin` in it.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) bed: Testbed,
    folder: TempDir,
}

impl Scene {
    /// Without a directory.
    pub(crate) fn new() -> Self {
        Self::with(Options { ldap: false, ..Options::default() })
    }

    /// With a directory, which takes slapd.
    pub(crate) fn with_directory() -> Self {
        let scene = Self::with(Options::default());
        scene.bed.directory().expect("slapd runs; scripts/bootstrap installs it");
        scene
    }

    pub(crate) fn with(options: Options) -> Self {
        let scene = Self { bed: Testbed::start(options).unwrap(), folder: tempfile::tempdir().unwrap() };
        scene.write("a.txt", CONTENT);
        scene.write("pin", PIN1);
        scene
    }

    /// With a card of [`MARI`]'s, and how to name its reader.
    pub(crate) fn with_card() -> (Self, String) {
        let scene = Self::new();
        let reader = scene.card(MARI);
        (scene, reader)
    }

    /// With a container for the card of [`MARI`] whose capsule is on the server; and how to name the card's reader.
    pub(crate) fn with_container() -> (Self, String) {
        let (scene, reader) = Self::with_card();
        scene.done(&format!("encrypt -o in.cdoc2 -r token:{reader} a.txt"));
        (scene, reader)
    }

    /// A new card, and how to name its reader.
    pub(crate) fn card(&self, who: (&str, &str)) -> String {
        format!("sim:{}", self.bed.card(&holder(who)).unwrap().path.display())
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// A configuration beside the test bed's: `text`, in which `ROOT` stands for the file of the authority's certificate.
    pub(crate) fn configure(&self, name: &str, text: &str) {
        let root = self.bed.folder().join("root.pem");
        self.write(name, text.replace("ROOT", root.to_str().unwrap()));
    }

    /// The command with these words, at work in the folder, and nobody to ask.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(cdoc2());
        command.arg("--batch").args(words.split(' ')).current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["CDOC2_READER", "CDOC2_PIN", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        command.env("CDOC2_CONFIG", self.bed.config());
        command
    }

    /// Does it, and tells what was said.
    #[track_caller]
    pub(crate) fn done(&self, words: &str) -> String {
        self.ends(0, words)
    }

    /// Ends with this code, and tells what was said.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, words: &str) -> String {
        let output = self.command(words).output().unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
        assert_eq!(output.status.code(), Some(code), "cdoc2 {words}:\n{said}");
        said
    }

    /// Fails with this code, says these things, and leaves nothing behind.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &str, says: &[&str]) {
        let before = self.listing();
        let said = self.ends(code, words);
        for text in says {
            assert!(said.contains(text), "no {text:?} in:\n{said}");
        }
        assert_eq!(self.listing(), before, "something is left behind");
    }

    /// The container at `name` opens with `options`.
    #[track_caller]
    pub(crate) fn opens(&self, name: &str, options: &str) -> String {
        let said = self.done(&format!("decrypt {name} -o out {options}"));
        assert_eq!(fs::read_to_string(self.path("out/a.txt")).unwrap(), CONTENT);
        fs::remove_dir_all(self.path("out")).unwrap();
        said
    }

    /// What `cdoc2 inspect` tells about the records of the container at `name`.
    pub(crate) fn records(&self, name: &str) -> Vec<Value> {
        let output = self.command(&format!("inspect --json {name}")).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["records"].as_array().unwrap_or_else(|| panic!("no records in {report}")).clone()
    }

    fn listing(&self) -> BTreeSet<PathBuf> {
        fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}
