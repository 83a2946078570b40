//! Programs that the tests run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of this crate.
#[must_use]
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program `cdoc2`: `$CDOC2` if that is set, otherwise built now, in the profile of the tests.
///
/// # Panics
/// It cannot be built.
pub fn cdoc2() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| env::var_os("CDOC2").map_or_else(|| build("cdoc2-cli").join("cdoc2"), PathBuf::from))
}

/// The program `cdoc2-server`: `$CDOC2_SERVER` if that is set, otherwise built now, in the profile of the tests.
///
/// # Panics
/// It cannot be built.
pub fn cdoc2_server() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| env::var_os("CDOC2_SERVER").map_or_else(|| build("cdoc2-server").join("cdoc2-server"), PathBuf::from))
}

/// The program `token-sim`, built now.
///
/// # Panics
/// It cannot be built.
pub fn token_sim() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| build("simulator").join("token-sim"))
}

/// The library that stands in for libusb, built now.
///
/// # Panics
/// It cannot be built.
pub fn libusb_shim() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| build("libusb-shim").join("liblibusb_shim.so"))
}

/// The folder where the programs and libraries of `package` are: `$CDOC2_PROGRAMS` if that is set, otherwise they are built now.
///
/// `scripts/test` builds all of them before the first test runs, and with the features of the whole workspace: cargo would build much of
/// what is below a second time for one package alone.
fn build(package: &str) -> PathBuf {
    if let Some(folder) = env::var_os("CDOC2_PROGRAMS") {
        return folder.into();
    }
    let test = env::current_exe().expect("the test has a path");
    let profile_folder = test.ancestors().nth(2).expect("a test lies in <target>/<profile>/deps");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", package]).current_dir(folder());
    cargo.arg("--target-dir").arg(profile_folder.parent().expect("a profile lies in the target folder"));
    if profile_folder.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo runs").success(), "{package} cannot be built");
    profile_folder.to_owned()
}

/// Python with the packages of `scripts/requirements.txt`: `$PYTHON` if that is set, otherwise that of `.venv`.
///
/// # Panics
/// There is none.
pub fn python() -> PathBuf {
    env::var_os("PYTHON").map_or_else(
        || {
            let python = folder().join("../.venv/bin/python");
            assert!(python.exists(), "no {}: run scripts/bootstrap, or set PYTHON", python.display());
            python
        },
        PathBuf::from,
    )
}
