//! The decoder in `python/decode.py`, written from the specification alone, on what this project writes.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cdoc2_tests::process::ended;
use cdoc2_tests::program::{cdoc2, folder, python};
use cdoc2_tests::vectors::{File, cases, hex, sha256, vectors};
use serde_json::{Value, json};

/// What the decoder prints: the records, and the files in the order of their names.
fn decode(container: &Path, unlock: &Value) -> (Value, Vec<File>) {
    let mut decoder = Command::new(python());
    decoder.arg("python/decode.py").arg(container).current_dir(folder()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut decoder = decoder.spawn().unwrap();
    decoder.stdin.take().unwrap().write_all(unlock.to_string().as_bytes()).unwrap();
    let (status, said) = ended(decoder);
    assert!(status.success(), "{} with {unlock}", container.display());
    let mut answer: Value = serde_json::from_str(&said).unwrap();
    let mut files: Vec<File> = serde_json::from_value(answer["files"].take()).unwrap();
    files.sort();
    (answer["recipients"].take(), files)
}

/// That the decoder opens what this project writes says something only if it opens what others write.
#[test]
fn it_opens_what_libcdoc_wrote() {
    let manifest: Vec<Value> = serde_json::from_slice(&fs::read(vectors().join("manifest.json")).unwrap()).unwrap();
    let mut opened = 0;
    for (case, raw) in cases().into_iter().zip(manifest) {
        let about_keys = ["pw-", "symmetric", "ec-", "rsa-", "rcpt-5", "genlabel-"].iter().any(|kind| case.kind.starts_with(kind));
        if case.origin == "libcdoc" && case.expect == "decrypts" && about_keys {
            let mut unlock = raw["unlock"].clone();
            if let Some(key_file) = unlock.get("key_file").and_then(Value::as_str) {
                unlock["key_file"] = format!("vectors/{key_file}").into();
            }
            let mut expected = case.files.clone();
            expected.sort();
            assert_eq!(decode(&case.container(), &unlock).1, expected, "{}", case.id);
            opened += 1;
        }
    }
    assert!(opened > 20, "{opened}");
}

#[test]
fn it_opens_golden_containers() {
    let mut opened = 0;
    for entry in fs::read_dir(folder().join("golden")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let unlocks: Vec<Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            for (index, mut unlock) in unlocks.into_iter().enumerate() {
                unlock["index"] = (index + 1).into();
                let (_, files) = decode(&path.with_extension("cdoc2"), &unlock);
                assert_eq!(files.len(), 1);
                assert_eq!(files[0].name, "golden õ.txt");
                opened += 1;
            }
        }
    }
    assert_eq!(opened, 18);
}

const PASSWORD: &str = "Üks pikk Parool 1";
const SECRET: &[u8; 32] = b"a symmetric key of 32 octets....";

/// Files to encrypt: empty, short, compressible and not, over 100 octets of name, not ASCII.
fn inputs(folder: &Path) -> (Vec<PathBuf>, Vec<File>) {
    let mut noise = 1_u64;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (noise >> 56) as u8
    })
    .take(3 << 20)
    .collect();
    let inputs: [(String, Vec<u8>); 5] = [
        ("empty".into(), Vec::new()),
        ("short.txt".into(), b"short\n".to_vec()),
        ("lühike õäöü 名.txt".into(), b"text ".repeat(400_000)),
        (format!("{}.bin", "long name ".repeat(14)), random),
        (format!("{}.txt", "õ".repeat(120)), vec![0; 70_000]),
    ];
    let mut files = Vec::new();
    let mut paths = Vec::new();
    for (name, content) in inputs {
        let path = folder.join(&name);
        fs::write(&path, content).unwrap();
        files.push(File { name, sha256: sha256(&path) });
        paths.push(path);
    }
    files.sort();
    (paths, files)
}

/// A recipient on the command line, and what opens its record.
fn recipients(secret_file: &Path) -> Vec<(String, Value)> {
    let key = |name: &str| json!({"kind": "private-key", "key_file": format!("vectors/keys/{name}.pem")});
    let path = |file: &str| vectors().join("keys").join(file).into_os_string().into_string().unwrap();
    vec![
        (format!("cert:{}", path("ec384a.cert.der")), key("ec384a")),
        (format!("pubkey:{}", path("ec384b.pub.pem")), key("ec384b")),
        (format!("pubkey:{}", path("ec256.pub.der")), key("ec256")),
        (format!("cert:{}", path("ec521.cert.der")), key("ec521")),
        (format!("cert:{}", path("rsa2048.cert.der")), key("rsa2048")),
        (format!("pubkey:{}", path("rsa4096.pub.pem")), key("rsa4096")),
        ("password:vihje õ".into(), json!({"kind": "password", "password": PASSWORD})),
        (format!("secret:silt:{}", secret_file.display()), json!({"kind": "symmetric", "secret_hex": hex(SECRET)})),
    ]
}

#[test]
fn it_opens_what_cdoc2_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (secret_file, password_file) = (folder.path().join("secret"), folder.path().join("password"));
    fs::write(&secret_file, SECRET).unwrap();
    fs::write(&password_file, PASSWORD).unwrap();
    let input_folder = folder.path().join("inputs");
    fs::create_dir(&input_folder).unwrap();
    let (paths, files) = inputs(&input_folder);
    let recipients = recipients(&secret_file);

    // one for all of them, then one for each of them
    let all: Vec<usize> = (0..recipients.len()).collect();
    let choices = all.iter().map(|index| vec![*index]).chain([all.clone()]);
    for (count, choice) in choices.enumerate() {
        let container = folder.path().join(format!("{count}.cdoc2"));
        let mut encrypt = Command::new(cdoc2());
        encrypt.arg("encrypt").arg("-o").arg(&container);
        for index in &choice {
            let (recipient, unlock) = &recipients[*index];
            encrypt.arg("-r").arg(recipient);
            if unlock["kind"] == "password" {
                encrypt.arg("--password-file").arg(&password_file);
            }
        }
        let output = encrypt.args(&paths).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{encrypt:?}: {}", String::from_utf8_lossy(&output.stderr));
        for (index, recipient) in choice.iter().enumerate() {
            let mut unlock = recipients[*recipient].1.clone();
            unlock["index"] = (index + 1).into();
            let (records, decoded) = decode(&container, &unlock);
            assert_eq!(decoded, files);
            assert_eq!(records.as_array().unwrap().len(), choice.len());
        }
    }
}
