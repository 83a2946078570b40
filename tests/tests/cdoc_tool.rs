//! Containers to and from libcdoc's `cdoc-tool`, which `CDOC_TOOL` names. Ignored where nobody asks for it: `scripts/test peers` does, and says
//! "skipped" where the tool is absent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cdoc2_tests::desk::Desk;
use cdoc2_tests::program::cdoc2;
use cdoc2_tests::token::PIN1;
use cdoc2_tests::vectors::{hex, vectors};
use tempfile::TempDir;

const PASSWORD: &str = "Ainult-testiks-1";
const SECRET: &[u8; 32] = b"a symmetric key of 32 octets....";

/// OpenSC's PKCS#11 module, as the loader finds it.
const MODULE: &str = "opensc-pkcs11.so";

fn cdoc_tool_path() -> PathBuf {
    std::env::var_os("CDOC_TOOL").expect("CDOC_TOOL names the program cdoc-tool").into()
}

fn cdoc_tool() -> Command {
    Command::new(cdoc_tool_path())
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

fn key(file: &str) -> PathBuf {
    vectors().join("keys").join(file)
}

/// What a test works on, in a folder that is gone with it.
struct Bench {
    folder: TempDir,
    source: PathBuf,
    inputs: Vec<PathBuf>,
    secret: PathBuf,
    password: PathBuf,
    container: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (source, secret, password, container) = (path("source"), path("secret"), path("password"), path("out.cdoc2"));
        fs::create_dir(&source).unwrap();
        fs::write(&secret, SECRET).unwrap();
        fs::write(&password, PASSWORD).unwrap();
        Self { inputs: inputs(&source), folder, source, secret, password, container }
    }
}

/// Empty, short and long files; long and non-ASCII names.
fn inputs(folder: &Path) -> Vec<PathBuf> {
    let files: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("short.txt", b"short\n".to_vec()),
        ("õäöü № 文書.txt", b"text ".repeat(50_000)),
        ("PaxHeaders.X=1 name=a", b"pax".to_vec()),
        (
            concat!("long name ", "long name long name long name long name long name long name long name long name long name.bin"),
            vec![7; 4096],
        ),
    ];
    let write = |(name, content): (&str, Vec<u8>)| {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        path
    };
    files.into_iter().map(write).collect()
}

fn assert_same(inputs: &[PathBuf], unpacked: &Path) {
    assert_eq!(fs::read_dir(unpacked).unwrap().count(), inputs.len());
    for input in inputs {
        let output = unpacked.join(input.file_name().unwrap());
        assert!(fs::read(input).unwrap() == fs::read(&output).unwrap(), "{}", output.display());
    }
}

#[test]
#[ignore = "needs libcdoc's cdoc-tool: scripts/test peers"]
fn libcdoc_opens_every_recipient_written_here() {
    let Bench { folder, inputs, secret, password, container, .. } = Bench::new();

    let keys = ["ec384a", "ec256", "ec521", "rsa2048", "rsa4096"];
    let mut encrypt = Command::new(cdoc2());
    encrypt.args(["--batch", "encrypt", "-q", "-o"]).arg(&container).arg("--password-file").arg(&password).arg("--allow-expired");
    for name in keys {
        encrypt.arg("-r").arg(format!("cert:{}", key(&format!("{name}.cert.der")).display()));
    }
    encrypt.args(["-r", "password:vihje", "-r"]).arg(format!("secret:silt:{}", secret.display())).args(&inputs);
    succeeds(&mut encrypt);

    let mut unlocks: Vec<Vec<String>> =
        keys.iter().map(|name| vec!["--pfkey".into(), key(&format!("{name}.der")).display().to_string()]).collect();
    unlocks.push(vec!["--password".into(), PASSWORD.into()]);
    unlocks.push(vec!["--secret".into(), hex(SECRET)]);
    for (index, unlock) in (1..).zip(unlocks) {
        let unpacked = folder.path().join(format!("unpacked{index}"));
        fs::create_dir(&unpacked).unwrap();
        succeeds(cdoc_tool().args(["decrypt", "--label_idx", &index.to_string()]).args(unlock).arg(&container).arg(&unpacked));
        assert_same(&inputs, &unpacked);
    }
}

#[test]
#[ignore = "needs libcdoc's cdoc-tool: scripts/test peers"]
fn every_recipient_written_by_libcdoc_opens_here() {
    let Bench { folder, source, inputs, secret, password, container } = Bench::new();

    let keys = ["ec384a", "ec256", "ec521", "rsa2048"];
    let mut encrypt = cdoc_tool();
    encrypt.arg("encrypt").arg("--genlabel");
    for name in keys {
        encrypt.arg("--rcpt").arg(format!(":cert:{}", key(&format!("{name}.cert.der")).display()));
    }
    encrypt.args(["--rcpt", &format!("vihje:pw:{PASSWORD}"), "--rcpt", &format!("silt:skey:{}", hex(SECRET)), "--out"]);
    // It stores names as they are typed.
    let names = inputs.iter().map(|input| input.file_name().unwrap());
    succeeds(encrypt.arg(&container).args(names).current_dir(&source));

    let mut unlocks: Vec<Vec<PathBuf>> = keys.iter().map(|name| vec!["--key".into(), key(&format!("{name}.pem"))]).collect();
    unlocks.push(vec!["--password".into(), "--password-file".into(), password]);
    unlocks.push(vec!["--secret".into(), secret]);
    for (index, unlock) in unlocks.into_iter().enumerate() {
        let unpacked = folder.path().join(format!("unpacked{index}"));
        succeeds(Command::new(cdoc2()).args(["--batch", "decrypt"]).arg(&container).arg("-o").arg(&unpacked).args(unlock));
        assert_same(&inputs, &unpacked);
    }
}

#[test]
#[ignore = "needs libcdoc's cdoc-tool: scripts/test peers"]
fn libcdoc_opens_with_the_simulated_card() {
    let Bench { folder, source, inputs, .. } = Bench::new();
    for desk in [Desk::over_vpcd(&[]), Desk::over_usb(&[])] {
        let (pem, der, pin) = (desk.token.certificate("auth"), desk.path("auth.der"), desk.path("pin"));
        succeeds(Command::new("openssl").args(["x509", "-outform", "DER", "-in"]).arg(pem).arg("-out").arg(&der));
        fs::write(&pin, PIN1).unwrap();

        let (theirs, ours) = (desk.path("theirs.cdoc2"), desk.path("ours.cdoc2"));
        let names = inputs.iter().map(|input| input.file_name().unwrap());
        let recipient = format!("Jaak-Kristjan:cert:{}", der.display());
        succeeds(cdoc_tool().args(["encrypt", "--rcpt", &recipient, "--out"]).arg(&theirs).args(names).current_dir(&source));
        succeeds(desk.client(cdoc2()).args(["--batch", "encrypt", "--token", "-o"]).arg(&ours).args(&inputs));

        for (number, container) in [theirs, ours].iter().enumerate() {
            let unpacked = folder.path().join(format!("{}, {number}", desk.reader()));
            fs::create_dir(&unpacked).unwrap();
            let mut decrypt = desk.client(cdoc_tool_path());
            decrypt.args(["decrypt", "--label_idx", "1", "--slot", "0", "--pin", PIN1, "--key-label", "Isikutuvastus"]);
            succeeds(decrypt.args(["--library", MODULE]).arg(container).arg(&unpacked));
            assert_same(&inputs, &unpacked);

            // What it wrote opens here as well, by the same module and by the card itself.
            for (by, how) in [(0, &["--pkcs11", MODULE][..]), (1, &["--token"])] {
                let unpacked = folder.path().join(format!("{}, {number} here, {by}", desk.reader()));
                let mut decrypt = desk.client(cdoc2());
                decrypt.args(["--batch", "decrypt"]).args(how).arg("--pin-file").arg(&pin).arg(container);
                succeeds(decrypt.arg("-o").arg(&unpacked));
                assert_same(&inputs, &unpacked);
            }
        }
    }
}
