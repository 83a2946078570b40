//! What a decryption of a vector comes to, judged from outside: exit code, files, and nothing left behind or elsewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::process;
use crate::vectors::{Case, sha256};

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

/// Decrypts `case` with `command`, the program with what chooses the key, but without the container and the target.
///
/// # Errors
/// Says what is not as the case wants it.
///
/// # Panics
/// The program does not run, or there is no place for its files.
pub fn check(case: &Case, mut command: Command) -> Result<(), String> {
    let sandbox = tempfile::tempdir().unwrap();
    // deep enough for every `../` of the vectors
    let out = sandbox.path().join("a/b/c/d/out");
    fs::create_dir_all(&out).unwrap();
    fs::write(sandbox.path().join("a/canary.txt"), "canary").unwrap();
    let before = listing(sandbox.path(), &out);

    command.arg(case.container()).arg("-o").arg(&out);
    let (status, said) = process::run(command.current_dir(sandbox.path()).stdin(Stdio::null()));
    let outcome = outcome(status.code()).map_err(|error| format!("{error}: {said}"))?;

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

/// Runs `check` on every one of `cases`, on all processors, and says all that is wrong.
///
/// # Panics
/// Something is wrong.
pub fn for_every(cases: &[Case], check: impl Fn(&Case) -> Result<(), String> + Sync) {
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
