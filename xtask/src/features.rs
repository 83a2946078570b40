//! The core with no feature, with each one alone and with all. `cargo test --workspace` builds it with the union of what its
//! users ask for, which hides code that needs a feature it does not name.

use std::process::Command;

use crate::Result;
use crate::cargo::{self, CORE, FIRMWARE};

/// Lints each set on the host; a warning is a fault.
pub(crate) fn host() -> Result<()> {
    each(
        "host",
        || {
            let mut command = cargo::cargo();
            command.args(["clippy", "--quiet"]);
            command
        },
        &["--", "-D", "warnings"],
    )
}

/// Builds each set for the microcontroller, and the firmware, which has no features.
pub(crate) fn cross() -> Result<()> {
    println!("features: cross: {FIRMWARE}");
    cargo::run(cargo::cross_library().args(["--quiet", "--package", FIRMWARE]))?;
    each(
        "cross",
        || {
            let mut command = cargo::cross_library();
            command.arg("--quiet");
            command
        },
        &[],
    )
}

fn each(what: &str, command: impl Fn() -> Command, last: &[&str]) -> Result<()> {
    let sets = sets()?;
    for set in &sets {
        println!("features: {what}: {CORE} with {}", if set.is_empty() { "none" } else { set });
        let build = &mut command();
        build.args(["--package", CORE, "--no-default-features", "--features", set]).args(last);
        cargo::run(build)?;
    }
    Ok(())
}

/// None, each, all; comma-separated as cargo takes them.
fn sets() -> Result<Vec<String>> {
    let metadata = cargo::metadata()?;
    let packages = metadata.workspace_packages();
    let core = packages.iter().find(|package| package.name.as_str() == CORE).ok_or_else(|| format!("{CORE}: no such member"))?;
    let names: Vec<String> = core.features.keys().filter(|name| *name != "default").cloned().collect();
    let all = names.join(",");
    Ok([String::new()].into_iter().chain(names).chain([all]).collect())
}
