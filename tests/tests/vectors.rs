//! The vectors through the real program: the right outcome by exit code, the right files, and nothing left behind or elsewhere.

use std::fs;
use std::process::{Command, Stdio};

use cdoc2_tests::outcome::{self, for_every};
use cdoc2_tests::process;
use cdoc2_tests::program::cdoc2;
use cdoc2_tests::vectors::{Case, Unlock, cases, unhex, vectors};

fn all() -> Vec<Case> {
    let cases = cases();
    assert!(cases.len() > 500, "{} cases", cases.len());
    cases
}

fn check(case: &Case) -> Result<(), String> {
    let lent = tempfile::tempdir().unwrap();
    let mut command = Command::new(cdoc2());
    command.arg("decrypt");
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
    outcome::check(case, command)
}

/// `inspect` takes no key: whatever the container, it prints JSON or refuses the format.
fn check_inspect(case: &Case) -> Result<(), String> {
    let mut inspect = Command::new(cdoc2());
    let (status, said) = process::run(inspect.arg("inspect").arg(case.container()).arg("--json").stdin(Stdio::null()));
    match status.code() {
        Some(0) => serde_json::from_str::<serde_json::Value>(&said).map(|_| ()).map_err(|error| format!("inspect: {error}")),
        Some(3) => Ok(()),
        other => Err(format!("inspect: exit code {other:?}: {said}")),
    }
}

#[test]
fn every_vector_has_its_outcome() {
    for_every(&all(), check);
}

#[test]
fn every_vector_can_be_inspected() {
    for_every(&all(), check_inspect);
}
