//! Who may depend on whom. The table is ARCHITECTURE.md's section "Arrows"; change both together.

use std::collections::BTreeSet;

use cargo_metadata::{Dependency, DependencyKind, Metadata, Package};

use crate::Result;
use crate::cargo::{self, CORE, FIRMWARE, TARGET};

/// What a member of the workspace may depend on among the other members.
enum Arrows {
    To(&'static [&'static str]),
    ToAnything,
}

/// A member that is not here may not exist: give it a row first.
const ARROWS: &[(&str, Arrows)] = &[
    (CORE, Arrows::To(&[])),
    ("token-proto", Arrows::To(&[])),
    ("token-fw", Arrows::To(&["token-proto", CORE])),
    ("simulator", Arrows::To(&["token-fw", "token-proto"])),
    ("libusb-shim", Arrows::To(&["simulator", "token-fw", "token-proto"])),
    ("cdoc2", Arrows::To(&[CORE])),
    ("cdoc2-api", Arrows::To(&[])),
    ("cdoc2-auth-token", Arrows::To(&["cdoc2-api"])),
    // simulator, server and test bed in its tests only
    (
        "cdoc2-client",
        Arrows::To(&["cdoc2", "cdoc2-api", "cdoc2-auth-token", "token-proto", "simulator", "cdoc2-server", "cdoc2-testbed"]),
    ),
    ("revocation", Arrows::To(&[])),
    // it cannot link decryption
    ("cdoc2-server", Arrows::To(&["cdoc2-api", "cdoc2-auth-token", "revocation"])),
    ("cdoc2-testbed", Arrows::To(&["cdoc2-server", "cdoc2-api", "revocation", "simulator", "token-proto"])),
    ("cdoc2-cli", Arrows::To(&["cdoc2", "cdoc2-client", "cdoc2-testbed", "simulator"])),
    // nothing may depend on these
    ("cdoc2-tests", Arrows::ToAnything),
    ("cdoc2-benches", Arrows::ToAnything),
    ("cdoc2-load", Arrows::ToAnything),
    ("panic-probe", Arrows::To(&[CORE, FIRMWARE])),
    ("xtask", Arrows::To(&[])),
];

/// What the core may depend on outside the workspace, each with its default features off.
const CORE_MAY_USE: &[&str] = &[
    // RustCrypto
    "chacha20",
    "der",
    "elliptic-curve",
    "hkdf",
    "hmac",
    "p256",
    "p384",
    "p521",
    "pbkdf2",
    "poly1305",
    "sha2",
    // containers without a heap, constant time, wiping, randomness
    "heapless",
    "rand_core",
    "subtle",
    "zeroize",
];

/// Features that would bring a heap or an operating system into the core or the firmware.
const HOSTED_FEATURES: &[&str] = &["alloc", "std", "getrandom", "sys_rng"];

/// The gate.
pub(crate) fn check() -> Result<()> {
    let metadata = cargo::metadata()?;
    let mut faults = members(&metadata);
    faults.extend(core(&metadata)?);
    if !faults.is_empty() {
        return Err(faults.join("\n").into());
    }
    println!("arrows: {} members, and all that the core and the firmware build on", metadata.workspace_members.len());
    Ok(())
}

/// Every arrow between members, of all three kinds.
fn members(metadata: &Metadata) -> Vec<String> {
    let packages = metadata.workspace_packages();
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut faults = Vec::new();
    for package in packages {
        let from = package.name.as_str();
        let Some((_, arrows)) = ARROWS.iter().find(|(name, _)| *name == from) else {
            faults.push(format!("{from}: this member has no row in xtask/src/arrows.rs"));
            continue;
        };
        for to in package.dependencies.iter().map(|dependency| dependency.name.as_str()).filter(|to| names.contains(to)) {
            let allowed = match arrows {
                Arrows::To(targets) => targets.contains(&to),
                Arrows::ToAnything => true,
            };
            if !allowed {
                faults.push(format!("{from} -> {to}: no such arrow"));
            }
        }
    }
    faults
}

/// What the core uses: by name, without default features, and nothing hosted below it; nor below the firmware.
fn core(metadata: &Metadata) -> Result<Vec<String>> {
    let package = metadata
        .workspace_packages()
        .into_iter()
        .find(|package| package.name.as_str() == CORE)
        .ok_or_else(|| format!("{CORE}: no such member"))?;
    let mut faults = direct(package);
    for from in [CORE, FIRMWARE] {
        let mut tree = cargo::cargo();
        tree.args(["tree", "--package", from, "--all-features", "--target", TARGET, "--edges", "normal", "--prefix", "none"]);
        let output = tree.args(["--format", "{lib} {f}"]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        faults.extend(hosted(from, &String::from_utf8(output.stdout)?));
    }
    Ok(faults)
}

fn direct(package: &Package) -> Vec<String> {
    let mut faults = Vec::new();
    for Dependency { name, uses_default_features, .. } in
        package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal)
    {
        if !CORE_MAY_USE.contains(&name.as_str()) {
            faults.push(format!("{CORE} -> {name}: the core may not use this crate"));
        } else if *uses_default_features {
            faults.push(format!("{CORE} -> {name}: default features are on"));
        }
    }
    faults
}

/// Lines of `crate feature,feature,...`, below `from`, that name a hosted feature.
fn hosted(from: &str, tree: &str) -> BTreeSet<String> {
    let mut faults = BTreeSet::new();
    for line in tree.lines() {
        let Some((name, features)) = line.split_once(' ') else { continue };
        for feature in features.split(',').map(|feature| feature.trim_end_matches(" (*)")) {
            if HOSTED_FEATURES.contains(&feature) {
                faults.insert(format!("{from} -> ... -> {name}: feature {feature} is on"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Metadata with the members and dependencies of `arrows`, as cargo prints it.
    fn workspace(arrows: &[(&str, &[&str])]) -> Metadata {
        let id = |name: &str| format!("path+file:///w/{name}#0.1.0");
        let list = |items: Vec<String>| items.join(",");
        let members = list(arrows.iter().map(|(name, _)| format!("\"{}\"", id(name))).collect());
        let dependency = |name: &&str| {
            format!(
                r#"{{"name":"{name}","req":"*","kind":null,"optional":false,"uses_default_features":true,"features":[],"target":null}}"#
            )
        };
        let package = |(name, to): &(&str, &[&str])| {
            format!(
                r#"{{"name":"{name}","version":"0.1.0","id":"{}","dependencies":[{}],"targets":[],"features":{{}},"manifest_path":"/w/{name}/Cargo.toml"}}"#,
                id(name),
                list(to.iter().map(dependency).collect())
            )
        };
        let packages = list(arrows.iter().map(package).collect());
        let text = format!(
            r#"{{"packages":[{packages}],"workspace_members":[{members}],"resolve":null,"workspace_root":"/w","target_directory":"/w/target","version":1}}"#
        );
        cargo_metadata::MetadataCommand::parse(text).unwrap()
    }

    #[test]
    fn allowed_arrows_pass() {
        assert_eq!(members(&workspace(&[("cdoc2", &[CORE, "flate2"]), (CORE, &[]), ("cdoc2-tests", &["cdoc2"])])), [""; 0]);
    }

    #[test]
    fn arrow_the_wrong_way_is_found() {
        assert_eq!(members(&workspace(&[("cdoc2", &[]), (CORE, &["cdoc2"])])), ["cdoc2-nostd -> cdoc2: no such arrow"]);
    }

    #[test]
    fn nothing_may_depend_on_the_tests() {
        assert_eq!(
            members(&workspace(&[("cdoc2", &["cdoc2-tests"]), ("cdoc2-tests", &[])])),
            ["cdoc2 -> cdoc2-tests: no such arrow"]
        );
    }

    #[test]
    fn unknown_member_is_found() {
        assert_eq!(members(&workspace(&[("stranger", &[])])), ["stranger: this member has no row in xtask/src/arrows.rs"]);
    }

    #[test]
    fn core_may_not_take_default_features_or_strangers() {
        let metadata = workspace(&[(CORE, &["sha2", "serde"])]);
        let faults = direct(metadata.workspace_packages()[0]);
        assert_eq!(
            faults,
            ["cdoc2-nostd -> sha2: default features are on", "cdoc2-nostd -> serde: the core may not use this crate"]
        );
    }

    #[test]
    fn hosted_feature_far_below_is_found() {
        let faults = hosted(CORE, "cdoc2_nostd p384\nsha2 zeroize\nder alloc,oid (*)\nsubtle \n");
        assert_eq!(faults.into_iter().collect::<Vec<_>>(), ["cdoc2-nostd -> ... -> der: feature alloc is on"]);
    }
}
