//! The vectors through the real program: the right outcome by exit code, the right files, and nothing left behind or elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use cdoc2_tests::program::cdoc2;
use cdoc2_tests::vectors::{Case, Unlock, cases, sha256, unhex, vectors};

/// The outcome that an exit code says. Manual page, "Exit status".
fn outcome(code: Option<i32>) -> Result<&'static str, String> {
    match code {
        Some(0) => Ok("decrypts"),
        Some(3) => Ok("reject-format"),
        Some(4) => Ok("reject-nokey"),
        Some(5) => Ok("reject-hmac"),
        Some(6) => Ok("reject-auth"),
        Some(7 | 8) => Ok("reject-archive"),
        other => Err(format!("exit code {other:?}")),
    }
}

/// Everything below `folder` but what is below `except`.
fn listing(folder: &Path, except: &Path) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() && path != except {
            paths.extend(listing(&path, except));
        }
        paths.insert(path);
    }
    paths
}

fn check(case: &Case) -> Result<(), String> {
    let sandbox = tempfile::tempdir().unwrap();
    let lent = tempfile::tempdir().unwrap();
    // deep enough for every `../` of the vectors
    let out = sandbox.path().join("a/b/c/d/out");
    fs::create_dir_all(&out).unwrap();
    fs::write(sandbox.path().join("a/canary.txt"), "canary").unwrap();
    let before = listing(sandbox.path(), &out);

    let mut command = Command::new(cdoc2());
    command.arg("decrypt").arg(case.container()).arg("-o").arg(&out);
    let file = lent.path().join("secret");
    match &case.unlock {
        Unlock::Password { password, index } => {
            fs::write(&file, password).unwrap();
            command.args(["--password", "--password-file"]).arg(&file).args(["--index", &index.to_string()]);
        }
        Unlock::Symmetric { secret_hex, index } => {
            fs::write(&file, unhex(secret_hex)).unwrap();
            command.arg("--secret").arg(&file).args(["--index", &index.to_string()]);
        }
        Unlock::PrivateKey { key_file } => {
            command.arg("--key").arg(vectors().join(key_file));
        }
    }
    let output = command.current_dir(sandbox.path()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let outcome = outcome(output.status.code()).map_err(|error| format!("{error}: {said}"))?;

    let canary_changed = fs::read(sandbox.path().join("a/canary.txt")).unwrap() != b"canary";
    let wrote_absolute = case.files.iter().any(|file| file.name.starts_with('/') && Path::new(&file.name).exists());
    if canary_changed || wrote_absolute || listing(sandbox.path(), &out) != before {
        return Err("wrote elsewhere".into());
    }
    let found = found(&out)?;
    match outcome {
        "decrypts" => check_files(case, found),
        _ if !found.is_empty() => Err(format!("{outcome}, and left {found:?} behind")),
        _ if case.allows(outcome) || case.allows("safe") => Ok(()),
        _ => Err(format!("{outcome}: {said}")),
    }
}

/// Name and digest of every file in `out`, which holds nothing but plain files that nobody may execute.
fn found(out: &Path) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(out).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        let name = entry.file_name().into_string().map_err(|name| format!("{name:?} is not UTF-8"))?;
        if !metadata.is_file() {
            return Err(format!("{name} is not a plain file"));
        }
        #[cfg(unix)]
        if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7111 != 0 {
            return Err(format!("{name} has permission bits of the archive"));
        }
        found.push((name, sha256(&entry.path())));
    }
    found.sort();
    Ok(found)
}

fn check_files(case: &Case, found: Vec<(String, String)>) -> Result<(), String> {
    let mut expected: Vec<_> = case.files.iter().map(|file| (file.name.clone(), file.sha256.clone())).collect();
    expected.sort();
    let contents = |files: &[(String, String)]| files.iter().map(|(_, sha256)| sha256.clone()).collect::<BTreeSet<_>>();
    let same = case.allows("decrypts") && found == expected;
    let sanitised = case.allows("sanitised") && found.len() == expected.len() && contents(&found) == contents(&expected);
    if same || sanitised || case.allows("safe") { Ok(()) } else { Err(format!("wrote {found:?}, not {expected:?}")) }
}

/// `inspect` takes no key: whatever the container, it prints JSON or refuses the format.
fn check_inspect(case: &Case) -> Result<(), String> {
    let output = Command::new(cdoc2()).arg("inspect").arg(case.container()).arg("--json").stdin(Stdio::null()).output().unwrap();
    match output.status.code() {
        Some(0) => {
            serde_json::from_slice::<serde_json::Value>(&output.stdout).map(|_| ()).map_err(|error| format!("inspect: {error}"))
        }
        Some(3) => Ok(()),
        other => Err(format!("inspect: exit code {other:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// Runs `check` on every case, on all processors, and says all that is wrong.
fn for_every_case(check: impl Fn(&Case) -> Result<(), String> + Sync) {
    let cases = cases();
    assert!(cases.len() > 500, "{} cases", cases.len());
    let next = AtomicUsize::new(0);
    let (wrong, all_wrong) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let wrong = wrong.clone();
            scope.spawn(|| {
                let wrong = wrong;
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = check(case) {
                        wrong.send(format!("{} {} [{}]: {error}", case.id, case.kind, case.expect)).unwrap();
                    }
                }
            });
        }
    });
    drop(wrong);
    let all_wrong: Vec<String> = all_wrong.iter().collect();
    assert!(all_wrong.is_empty(), "{} of {} cases:\n{}", all_wrong.len(), cases.len(), all_wrong.join("\n"));
}

#[test]
fn every_vector_has_its_outcome() {
    for_every_case(check);
}

#[test]
fn every_vector_can_be_inspected() {
    for_every_case(check_inspect);
}
