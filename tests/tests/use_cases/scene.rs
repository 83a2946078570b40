//! Where a use case takes place: a folder to work in, the command, and perhaps a test bed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cdoc2_testbed::card::PIN1;
use cdoc2_testbed::content::{self, Document};
use cdoc2_testbed::{Algorithm, Holder, Options, PersonalCode, Testbed};
use cdoc2_tests::process;
use cdoc2_tests::program::cdoc2;
use cdoc2_tests::softhsm::{self, SoftHsm};
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

/// A password that keeps the rules.
pub(crate) const PASSWORD: &str = "Kevade2026tuul";

/// A folder to work in, with `a.txt`, and `pw` with [`PASSWORD`] in it.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: TempDir,
    /// The client's configuration.
    config: PathBuf,
}

impl Folder {
    /// With a configuration that says nothing.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        fs::write(&config, "").unwrap();
        let new = Self { folder, config };
        new.write("a.txt", CONTENT);
        new.write("pw", PASSWORD);
        new
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Writes a file that is long, and stays so when it is compressed.
    pub(crate) fn write_noise(&self, name: &str) {
        self.write(name, noise());
    }

    /// The command with these words, at work in the folder, and nobody to ask.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(cdoc2());
        command.arg("--batch").args(words.split(' ')).stdin(Stdio::null());
        self.prepare(&mut command);
        command
    }

    /// Starts the command with these words, as a person does, who can interrupt it.
    pub(crate) fn start(&self, words: &str) -> Child {
        let mut command = process::with_default_signals(cdoc2());
        command.arg("--batch").args(words.split(' ')).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.prepare(&mut command);
        command.spawn().unwrap()
    }

    /// Sets the folder and the variables of `command`.
    pub(crate) fn prepare(&self, command: &mut Command) {
        for name in ["CDOC2_READER", "CDOC2_PIN", "CDOC2_PASSWORD", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        command.current_dir(self.folder.path()).env("CDOC2_CONFIG", &self.config);
    }

    /// Does it, and tells what was said.
    #[track_caller]
    pub(crate) fn done(&self, words: &str) -> String {
        self.ends(0, words)
    }

    /// Ends with this code, and tells what was said.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, words: &str) -> String {
        process::ends_with(code, &mut self.command(words))
    }

    /// Fails with this code, says these things, and leaves nothing behind.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, words: &str, says: &[&str]) {
        self.command_fails(code, &mut self.command(words), says);
    }

    /// The same where no file may grow beyond 100 KiB.
    #[track_caller]
    pub(crate) fn fails_without_room(&self, code: i32, words: &str, says: &[&str]) {
        let mut command = Command::new("bash");
        command.args(["-c", &format!("ulimit -f 100; exec '{}' --batch {words}", cdoc2().display())]).stdin(Stdio::null());
        self.prepare(&mut command);
        self.command_fails(code, &mut command, says);
    }

    #[track_caller]
    fn command_fails(&self, code: i32, command: &mut Command, says: &[&str]) {
        let before = self.listing();
        let said = process::ends_with(code, command);
        for text in says {
            assert!(said.contains(text), "no {text:?} in:\n{said}");
        }
        assert_eq!(self.listing(), before, "something is left behind");
    }

    /// The container at `name` opens with `options`.
    #[track_caller]
    pub(crate) fn opens(&self, name: &str, options: &str) -> String {
        self.opens_to(name, options, "a.txt", CONTENT.as_bytes())
    }

    /// The same for one with what [`Self::write_noise`] wrote.
    #[track_caller]
    pub(crate) fn opens_noise(&self, name: &str, options: &str) -> String {
        self.opens_to(name, options, "noise", &noise())
    }

    /// The container at `name` opens with `options`, by a key on a token of `tokens`.
    #[track_caller]
    pub(crate) fn opens_by_module(&self, name: &str, options: &str, tokens: &SoftHsm) {
        self.write("hsm-pin", softhsm::PIN);
        let words = format!("decrypt {name} -o out --pkcs11 {} --pin-file hsm-pin {options}", softhsm::MODULE);
        process::ends_with(0, tokens.known_to(&mut self.command(words.trim_end())));
        assert_eq!(fs::read_to_string(self.path("out/a.txt")).unwrap(), CONTENT);
        fs::remove_dir_all(self.path("out")).unwrap();
    }

    #[track_caller]
    fn opens_to(&self, name: &str, options: &str, file: &str, content: &[u8]) -> String {
        let said = self.done(&format!("decrypt {name} -o out {options}"));
        assert!(fs::read(self.path("out").join(file)).unwrap() == content, "{file} is another");
        fs::remove_dir_all(self.path("out")).unwrap();
        said
    }

    /// What `cdoc2 inspect` tells about the records of the container at `name`.
    pub(crate) fn records(&self, name: &str) -> Vec<Value> {
        let report: Value = serde_json::from_str(&self.done(&format!("inspect --json {name}"))).unwrap();
        report["records"].as_array().unwrap_or_else(|| panic!("no records in {report}")).clone()
    }

    fn listing(&self) -> BTreeSet<PathBuf> {
        fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

/// The same octets each time, none of which follows from those before.
fn noise() -> Vec<u8> {
    (0..200_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// A test bed, and a folder with a `pin` in it.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) bed: Testbed,
    folder: Folder,
}

impl Deref for Scene {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
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
        let bed = Testbed::start(options).unwrap();
        let folder = Folder { config: bed.config().into(), ..Folder::new() };
        folder.write("pin", PIN1);
        Self { bed, folder }
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

    /// Tokens with keys of [`MARI`]'s, each called by its algorithm; and the certificates' files, in the same order.
    pub(crate) fn tokens(&self, algorithms: &[Algorithm]) -> (SoftHsm, Vec<String>) {
        let tokens = SoftHsm::new();
        let certificate = |algorithm: &Algorithm| {
            let content = content::person(&holder(MARI), Document::IdCard).unwrap();
            let content = if *algorithm == Algorithm::Rsa { content::for_rsa(content) } else { content };
            let identity = self.bed.authority().identity(&content, *algorithm).unwrap();
            tokens.add(algorithm.name(), identity.key(), identity.certificate());
            let file = format!("{}.pem", algorithm.name());
            self.write(&file, identity.certificate_pem());
            file
        };
        let certificates = algorithms.iter().map(certificate).collect();
        (tokens, certificates)
    }

    /// A configuration beside the test bed's: `text`, in which `ROOT` stands for the file of the authority's certificate.
    pub(crate) fn configure(&self, name: &str, text: &str) {
        let root = self.bed.folder().join("root.pem");
        self.write(name, text.replace("ROOT", root.to_str().unwrap()));
    }
}

/// Writes a file of more recipients than a header has room for.
pub(crate) fn more_than_a_header(folder: &Folder, name: &str) {
    // Labels are the names of files, in which every letter that is not of ASCII takes six octets.
    write_recipients(folder, name, 1200, &"õ".repeat(120));
}

/// Writes a file of `count` recipients, whose labels begin with `label`.
pub(crate) fn write_recipients(folder: &Folder, name: &str, count: u32, label: &str) {
    let mut recipients = String::new();
    for index in 0..count {
        let file = format!("{label}{index}");
        let key = p384::SecretKey::from_slice(&scalar(index)).unwrap().public_key();
        folder.write(&file, p384::pkcs8::EncodePublicKey::to_public_key_pem(&key, p384::pkcs8::LineEnding::LF).unwrap());
        writeln!(recipients, "pubkey:{file}").unwrap();
    }
    folder.write(name, recipients);
}

/// A private key that nobody needs.
fn scalar(index: u32) -> [u8; 48] {
    let mut scalar = [0; 48];
    scalar[44..].copy_from_slice(&(index + 1).to_be_bytes());
    scalar
}

/// Files that are not there, have the same name or a name that lies, or are no files, cannot be encrypted with `options`, which is said.
#[track_caller]
pub(crate) fn has_unfit_files(folder: &Folder, options: &str) {
    fs::create_dir(folder.path("other")).unwrap();
    folder.write("other/a.txt", "another");
    folder.write("a\u{202E}txt.exe", "");
    for (files, says) in
        [("absent", "absent"), ("a.txt other/a.txt", "a.txt"), ("a\u{202E}txt.exe", "name"), ("/dev/null", "/dev/null")]
    {
        let words = format!("encrypt -o out.cdoc2 {options} {files}");
        let (status, said) = process::run(&mut folder.command(&words));
        assert!(matches!(status.code(), Some(2 | 7 | 9)), "{said}");
        folder.fails(status.code().unwrap(), &words, &[says]);
    }
}
