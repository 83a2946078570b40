//! Flash and static RAM of the programs for microcontrollers, peak stack and instructions of the one that an emulator runs, each against the table
//! that is committed beside it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::semver::Version;
use cargo_metadata::{MetadataCommand, Package};
use object::{File, Object, ObjectSection, SectionFlags, elf};

use crate::{Result, cargo};

/// A program that is measured: a package with a workspace of its own.
struct Program {
    folder: &'static str,
    /// Whether QEMU has its machine.
    runs: bool,
}

const PROGRAMS: [Program; 2] =
    [Program { folder: "benches/thumb", runs: true }, Program { folder: "token-fw/boards/nrf52840-dongle", runs: false }];

/// Growth that passes, in per cent: what another release of the compiler may cost.
const TOLERANCE: u64 = 5;

/// Below this, growth passes whatever its share.
const SMALL: u64 = 64;

/// Where RAM begins; what lies below is flash.
const RAM: u64 = 0x2000_0000;

/// The gate: prints the tables, and fails if a figure grew.
pub(crate) fn check() -> Result<()> {
    let mut faults = Vec::new();
    for program in &PROGRAMS {
        let table = program.table();
        let committed = std::fs::read_to_string(&table).map_err(|error| format!("{}: {error}", table.display()))?;
        let measured = program.measure()?;
        println!("{:<46} {:>12} {:>12}", program.folder, "measured", "committed");
        let committed = parse(&committed)?;
        for (name, value) in &measured.figures {
            let before =
                committed.iter().find(|(known, _)| known == name).map_or_else(|| "none".into(), |(_, value)| value.to_string());
            println!("{name:<46} {value:>12} {before:>12}");
        }
        faults.extend(compare(&committed, &measured.figures).into_iter().map(|fault| format!("{}: {fault}", program.folder)));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

/// Measures and writes the tables.
pub(crate) fn write() -> Result<()> {
    for program in &PROGRAMS {
        let measured = program.measure()?;
        let table = measured.figures.iter().fold(format!("# {}\n", measured.tools), |mut table, (name, value)| {
            let _ = writeln!(table, "{name},{value}");
            table
        });
        print!("{}\n{table}", program.folder);
        std::fs::write(program.table(), table)?;
    }
    Ok(())
}

/// Names and values, in the order of the table.
type Figures = Vec<(String, u64)>;

struct Measured {
    figures: Figures,
    /// What compiled and linked the program.
    tools: String,
}

impl Program {
    fn table(&self) -> PathBuf {
        cargo::root().join(self.folder).join("sizes.csv")
    }

    fn measure(&self) -> Result<Measured> {
        let manifest = cargo::root().join(self.folder).join("Cargo.toml");
        same_versions(self.folder, &manifest)?;
        let mut build = cargo::cross();
        build.args(["--quiet", "--locked", "--manifest-path"]).arg(&manifest);
        build.arg("--target-dir").arg(cargo::target_directory()?.join("thumb"));
        let program = cargo::artifacts(&mut build)?.into_iter().find_map(|artifact| artifact.executable);
        let program = program.ok_or("sizes: cargo built no program")?.into_std_path_buf();
        let octets = std::fs::read(&program)?;
        let file = File::parse(&*octets)?;
        let mut figures = memory(&file);
        if self.runs {
            figures.extend(steps(&run(&program)?)?);
        }
        let comment = file.section_by_name(".comment").ok_or("sizes: the program does not say what made it")?;
        let tools: Vec<&str> = str::from_utf8(comment.data()?)?.split('\0').filter(|tool| !tool.is_empty()).collect();
        Ok(Measured { figures, tools: tools.join("; ") })
    }
}

/// The program has a lock file of its own: what it shares with the workspace must be the same there.
fn same_versions(folder: &str, manifest: &Path) -> Result<()> {
    let program = MetadataCommand::new().manifest_path(manifest).exec()?;
    let workspace = cargo::metadata()?;
    let known = || workspace.packages.iter();
    for package in &program.packages {
        let replaces = |other: &&Package| other.name == package.name && compatible(&other.version, &package.version);
        if known().any(|other| replaces(&other))
            && !known().any(|other| other.name == package.name && other.version == package.version)
        {
            return Err(format!("{folder}/Cargo.lock has {} {}, Cargo.lock another version", package.name, package.version).into());
        }
    }
    Ok(())
}

/// Whether a lock file holds at most one of the two.
fn compatible(one: &Version, other: &Version) -> bool {
    one.major == other.major && (one.major > 0 || one.minor == other.minor)
}

/// Flash and static RAM: the sections that the program occupies, initial values of variables in both.
fn memory(file: &File<'_>) -> Figures {
    let (mut flash, mut ram) = (0, 0);
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        if sh_flags.0 & elf::SHF_ALLOC.0 == 0 {
            continue;
        }
        let in_file = section.file_range().is_some_and(|(_, len)| len > 0);
        ram += if section.address() >= RAM { section.size() } else { 0 };
        flash += if in_file { section.size() } else { 0 };
    }
    vec![("flash (octets)".into(), flash), ("static RAM (octets)".into(), ram)]
}

/// What the program prints in QEMU.
fn run(program: &Path) -> Result<String> {
    let mut qemu = Command::new("timeout");
    qemu.args(["120", "qemu-system-arm", "-M", "mps2-an386", "-nographic", "-icount", "shift=0"]);
    qemu.args(["-semihosting-config", "enable=on,target=native", "-kernel"]).arg(program);
    let output = qemu.stdin(std::process::Stdio::null()).output()?;
    if !output.status.success() {
        return Err(format!("{qemu:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Lines of `step,instructions,stack`: the highest stack, and the instructions of each step.
fn steps(output: &str) -> Result<Figures> {
    let mut peak = 0;
    let mut steps = Figures::new();
    for line in output.lines().filter(|line| !line.trim().is_empty()) {
        let [name, instructions, stack] = line.split(',').collect::<Vec<_>>()[..] else {
            return Err(format!("sizes: unexpected line: {line}").into());
        };
        peak = peak.max(stack.trim().parse::<u64>()?);
        steps.push((format!("{name} (instructions)"), instructions.parse()?));
    }
    if steps.is_empty() {
        return Err("sizes: the program printed nothing".into());
    }
    steps.insert(0, ("peak stack (octets)".into(), peak));
    Ok(steps)
}

fn parse(table: &str) -> Result<Figures> {
    let figure = |line: &str| {
        let (name, value) = line.rsplit_once(',').ok_or_else(|| format!("sizes: not a figure: {line}"))?;
        Ok((name.to_owned(), value.parse()?))
    };
    table.lines().filter(|line| !line.starts_with('#')).map(figure).collect()
}

fn compare(committed: &Figures, measured: &Figures) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, value) in measured {
        match committed.iter().find(|(known, _)| known == name) {
            None => faults.push(format!("sizes: {name} is not in the table: cargo xtask sizes --write")),
            Some((_, before)) if *value > before + (before * TOLERANCE / 100).max(SMALL) => {
                faults.push(format!("sizes: {name} grew from {before} to {value}; if it must: cargo xtask sizes --write"));
            }
            Some(_) => {}
        }
    }
    for (name, _) in committed.iter().filter(|(name, _)| !measured.iter().any(|(known, _)| known == name)) {
        faults.push(format!("sizes: {name} was not measured: cargo xtask sizes --write"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(figures: &[(&str, u64)]) -> Figures {
        figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn growth_within_the_tolerance_passes() {
        let committed = figures(&[("flash (octets)", 40_000), ("static RAM (octets)", 4)]);
        assert_eq!(compare(&committed, &figures(&[("flash (octets)", 42_000), ("static RAM (octets)", 68)])), [""; 0]);
        assert_eq!(compare(&committed, &figures(&[("flash (octets)", 10), ("static RAM (octets)", 0)])), [""; 0]);
    }

    #[test]
    fn more_growth_does_not() {
        let faults = compare(&figures(&[("flash (octets)", 40_000)]), &figures(&[("flash (octets)", 42_001)]));
        assert_eq!(faults, ["sizes: flash (octets) grew from 40000 to 42001; if it must: cargo xtask sizes --write"]);
    }

    #[test]
    fn every_figure_is_in_both() {
        assert_eq!(compare(&figures(&[("a", 1)]), &figures(&[("b", 1)])).len(), 2);
    }

    #[test]
    fn steps_give_the_highest_stack() {
        let read = steps("\nparse,120,400\nagree,5000,90\n").unwrap();
        assert_eq!(read, figures(&[("peak stack (octets)", 400), ("parse (instructions)", 120), ("agree (instructions)", 5000)]));
        assert!(steps("").is_err());
        assert!(steps("Lockup\n").is_err());
    }

    #[test]
    fn table_is_read_back() {
        assert_eq!(parse("# tools\nflash (octets),12\n").unwrap(), figures(&[("flash (octets)", 12)]));
    }
}
