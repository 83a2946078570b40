//! Cargo and `scripts/cross` as child processes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::{Artifact, Message, Metadata, MetadataCommand};

use crate::Result;

/// The target that stands for every microcontroller.
pub(crate) const TARGET: &str = "thumbv7em-none-eabi";

/// The protocol core.
pub(crate) const CORE: &str = "cdoc2-nostd";

/// The token's firmware.
pub(crate) const FIRMWARE: &str = "token-fw";

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new("."))
}

/// The cargo that started this program.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The workspace and its resolved dependencies.
pub(crate) fn metadata() -> Result<Metadata> {
    Ok(MetadataCommand::new().current_dir(root()).exec()?)
}

/// `scripts/cross`, for libraries: without link-time optimisation, so that the objects hold machine code, and in one unit, so
/// that they are the same in each gate and are compiled once.
pub(crate) fn cross_library() -> Command {
    let mut command = cross();
    command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
    command
}

/// `scripts/cross`, for a package as its own profile has it.
pub(crate) fn cross() -> Command {
    let mut command = Command::new(root().join("scripts/cross"));
    command.current_dir(root());
    command
}

/// Runs `command` and fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if !status.success() {
        return Err(format!("{command:?}: {status}").into());
    }
    Ok(())
}

/// Runs the cargo build `command` and tells what it made for [`TARGET`].
pub(crate) fn artifacts(command: &mut Command) -> Result<Vec<Artifact>> {
    command.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
    let output = command.spawn()?.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", output.status).into());
    }
    let mut artifacts = Vec::new();
    for message in Message::parse_stream(&output.stdout[..]) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.filenames.iter().any(|path| path.components().any(|part| part.as_str() == TARGET))
        {
            artifacts.push(artifact);
        }
    }
    Ok(artifacts)
}

/// Where builds go.
pub(crate) fn target_directory() -> Result<PathBuf> {
    Ok(metadata()?.target_directory.into_std_path_buf())
}
