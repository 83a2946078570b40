//! No way from the own code of core and firmware into `core::panicking`.
//!
//! Core, firmware and `xtask/probe`, which gives their generic functions types to be compiled with, are built for the microcontroller
//! with every function kept and inlined as far as it goes. Each function of ours, private ones included, is a start. From
//! there every call and every function pointer is followed: through generic code of libraries that was compiled for us,
//! through the libraries, through `core` and `compiler_builtins`. What this build cannot do, no build of the same source can:
//! a check that an optimiser removes here is one that cannot fail.
//!
//! Not covered: some libraries ([`EXCEPTED`]), where a walk ends; how values are shown (`Debug`, `Display`), which only a
//! log calls; overflow of integers, which wraps in release and which lints keep out; overflow of the stack; endless loops.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::graph::{Arrival, Graph, Location, Node, Symbol};
use crate::{Result, cargo, sources};

/// Crates whose functions are starts.
const OWN: &[&str] = &["cdoc2_nostd", "token_proto", "token_fw", "panic_probe"];

/// Where the sources of these lie, each function of which must be found.
const SOURCES: &[&str] = &["cdoc2-nostd/src", "token-fw/proto/src", "token-fw/src"];

/// Libraries with checks that cannot fail, for reasons that an optimiser cannot see.
const EXCEPTED: &[&str] = &[
    // Curve arithmetic: its own mathematics.
    "crypto_bigint",
    "elliptic_curve",
    "ff",
    "group",
    "p256",
    "p384",
    "p521",
    "primefield",
    "primeorder",
    "sec1",
    "wnaf",
    // ECDSA on top of it, and its nonces.
    "ecdsa",
    "rfc6979",
    // Slices of constant length of constant arrays.
    "aes",
    // Its own state, and counts from the bus, which a board answers for.
    "usb_device",
];

/// The compiler as this gate calls it.
const COMPILER: &str = "xtask/rustc-every-function";

/// The gate.
pub(crate) fn check() -> Result<()> {
    let mut build = cargo::cross_library();
    build.args(["--quiet", "--package", "panic-probe"]);
    build.env("RUSTC_WORKSPACE_WRAPPER", cargo::root().join(COMPILER));
    let mut graph = Graph::default();
    let mut crates = BTreeSet::new();
    for artifact in cargo::artifacts(&mut build)? {
        let name = artifact.target.name.replace('-', "_");
        for path in artifact.filenames.iter().filter(|path| path.extension() == Some("rlib")) {
            graph.add_rlib(&name, path.as_std_path())?;
            crates.insert(name.clone());
        }
    }
    if !crates.contains("core") {
        for (name, path) in installed_core(&["--target", cargo::TARGET])? {
            graph.add_rlib(&name, &path)?;
            crates.insert(name);
        }
    }
    if let Some(missing) = OWN.iter().chain(&["core", "compiler_builtins"]).find(|name| !crates.contains(**name)) {
        return Err(format!("panics: {missing} was not built").into());
    }
    let mut functions = BTreeSet::new();
    for sources in SOURCES {
        functions.extend(sources::functions(&cargo::root().join(sources))?);
    }
    let report = Report::of(&graph, &functions);
    print!("{report}");
    if report.passes() { Ok(()) } else { Err("panics: see above".into()) }
}

/// `core` and `compiler_builtins` as they are installed, where cargo does not build them.
fn installed_core(target: &[&str]) -> Result<Vec<(String, PathBuf)>> {
    let output = Command::new("rustc").args(["--print", "target-libdir"]).args(target).output()?;
    core_in(Path::new(String::from_utf8(output.stdout)?.trim()))
}

fn core_in(directory: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for krate in ["core", "compiler_builtins"] {
            if name.starts_with(&format!("lib{krate}-")) && name.ends_with(".rlib") {
                found.push((krate.to_owned(), path.clone()));
            }
        }
    }
    Ok(found)
}

/// What the gate saw.
#[derive(Debug, Default)]
struct Report {
    /// Functions that were started from, by the crate that they come from.
    starts: BTreeMap<String, usize>,
    /// Functions of ours that show values.
    shown: usize,
    /// Functions of excepted libraries in our objects.
    excepted: usize,
    /// How many of these reach a panic.
    excepted_that_panic: usize,
    /// Lines of excepted libraries that can panic, compiled into functions that a start reaches.
    inlined: BTreeSet<Location>,
    /// Shortest ways from a start to a panic.
    panics: Vec<String>,
    /// Symbols that a start reaches and that no object holds.
    unknown: BTreeSet<String>,
    /// Functions that the sources name and that no object holds.
    not_compiled: BTreeSet<String>,
}

impl Report {
    /// `functions` are the names that must be found among the starts.
    fn of(graph: &Graph, functions: &BTreeSet<String>) -> Self {
        let mut report = Self { not_compiled: functions.clone(), ..Self::default() };
        for (start, node) in graph.nodes().filter(|(_, node)| node.code && OWN.contains(&node.krate.as_str())) {
            // Functions with the same machine code share one section.
            let own: Vec<(&Symbol, &str)> = node
                .symbols
                .iter()
                .filter_map(|symbol| Some((symbol, symbol.crates().find(|krate| OWN.contains(krate))?)))
                .collect();
            for (symbol, _) in &own {
                report.not_compiled.remove(symbol.function());
            }
            match own.iter().find(|(symbol, _)| !shows(symbol)) {
                Some((_, krate)) => {
                    *report.starts.entry((*krate).to_owned()).or_default() += 1;
                    report.start(graph, start);
                }
                None if !own.is_empty() => report.shown += 1,
                None if is_excepted(node) => {
                    report.excepted += 1;
                    let panics = graph.walk(start, |_| true, |_, arrival| panic_at(graph, arrival)).is_some();
                    report.excepted_that_panic += usize::from(panics);
                }
                // Generic code of another library counts where a start reaches it.
                None => {}
            }
        }
        report
    }

    /// Follows everything that the function `start` reaches.
    fn start(&mut self, graph: &Graph, start: usize) {
        let pass = |node: &Node| !is_excepted(node) && !node.symbols.iter().any(|symbol| shows(symbol) || is_panic(symbol));
        let found = graph.walk(start, pass, |from, arrival| {
            let Some(symbol) = panic_at(graph, arrival) else {
                if let Arrival::Undefined(name) = arrival {
                    self.unknown.insert(Symbol::demangle(name).to_string());
                }
                return None;
            };
            let locations = graph.locations(from);
            if !locations.is_empty() && locations.iter().all(is_excepted_source) {
                self.inlined.extend(locations);
                return None;
            }
            Some((symbol, locations))
        });
        let Some((path, (symbol, locations))) = found else { return };
        let mut steps: Vec<String> = path.into_iter().map(|node| describe(graph.node(node))).collect();
        steps.push(symbol.to_string());
        let places = locations.iter().filter(|location| !is_excepted_source(location));
        let places: Vec<String> = places.map(|Location { file, line }| format!("\n      at {file}:{line}")).collect();
        self.panics.push(steps.join("\n      -> ") + &places.concat());
    }

    fn passes(&self) -> bool {
        self.panics.is_empty() && self.unknown.is_empty() && self.not_compiled.is_empty() && !self.starts.is_empty()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let starts: Vec<String> = self.starts.iter().map(|(krate, count)| format!("{krate} {count}")).collect();
        writeln!(f, "panics: started from {} functions: {}", self.starts.values().sum::<usize>(), starts.join(", "))?;
        writeln!(
            f,
            "panics: not covered: {} functions of excepted libraries in our objects ({} of them reach a panic), {} of their lines compiled \
             into other functions, {} functions that show a value",
            self.excepted,
            self.excepted_that_panic,
            self.inlined.len(),
            self.shown
        )?;
        for Location { file, line } in &self.inlined {
            writeln!(f, "  not covered: {file}:{line}")?;
        }
        for path in &self.panics {
            writeln!(f, "  {path}")?;
        }
        for symbol in &self.unknown {
            writeln!(f, "  reached, but in no object: {symbol}")?;
        }
        for name in &self.not_compiled {
            writeln!(f, "  in the sources, but not compiled: fn {name}; call it in xtask/probe/src/lib.rs")?;
        }
        Ok(())
    }
}

/// The panic that `arrival` is, if it is one.
fn panic_at(graph: &Graph, arrival: &Arrival<'_>) -> Option<Symbol> {
    match arrival {
        Arrival::Node(node) => graph.node(*node).symbols.iter().find(|symbol| is_panic(symbol)).cloned(),
        Arrival::Undefined(name) => Some(Symbol::demangle(name)).filter(is_panic),
    }
}

/// Whether this is `core::panicking`, the handler behind it, or one of the functions of `core` that call it in the name of
/// their caller, such as `core::result::unwrap_failed` and `core::slice::index::slice_index_fail`. Others of `core` that can
/// panic need no name here: the walk goes through them.
fn is_panic(symbol: &Symbol) -> bool {
    let path = symbol.as_str();
    path.starts_with("core::panicking::")
        || path.starts_with("core::") && (path.ends_with("_failed") || path.ends_with("_fail"))
        || path.starts_with("core::cell::panic_already_")
        || path.contains("rust_begin_unwind")
}

/// Whether this is a function of an excepted library, with no type of ours.
fn is_excepted(node: &Node) -> bool {
    node.symbols
        .iter()
        .any(|symbol| symbol.crates().any(|krate| EXCEPTED.contains(&krate)) && !symbol.crates().any(|krate| OWN.contains(&krate)))
}

/// Whether this lies in the sources of an excepted library, such as `.../crypto-bigint-0.7.11/src/uint.rs`.
fn is_excepted_source(location: &Location) -> bool {
    location.file.split('/').any(|folder| {
        folder.rsplit_once('-').is_some_and(|(name, version)| {
            version.starts_with(|c: char| c.is_ascii_digit()) && EXCEPTED.contains(&name.replace('-', "_").as_str())
        })
    })
}

/// Whether this formats a value for a person.
fn shows(symbol: &Symbol) -> bool {
    let name = symbol.as_str();
    name.starts_with("core::fmt::")
        || [" as core::fmt::Debug>::", " as core::fmt::Display>::"].iter().any(|part| name.contains(part))
}

fn describe(node: &Node) -> String {
    node.symbols.first().map_or_else(|| format!("data of {}", node.krate), Symbol::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with the crates of a test, compiled for this machine as the gate compiles the core.
    struct Crates {
        folder: tempfile::TempDir,
        graph: Graph,
    }

    impl Crates {
        fn new() -> Self {
            let mut graph = Graph::default();
            for (name, path) in installed_core(&[]).unwrap() {
                graph.add_rlib(&name, &path).unwrap();
            }
            Self { folder: tempfile::tempdir().unwrap(), graph }
        }

        /// Compiles `source` as the crate `name`, which may use those added before it.
        fn with(mut self, name: &str, source: &str) -> Self {
            let version = self.folder.path().join(format!("{name}-0.1.0"));
            std::fs::create_dir(&version).unwrap();
            std::fs::write(version.join("lib.rs"), format!("#![no_std]\n{source}")).unwrap();
            let rlib = self.folder.path().join(format!("lib{name}.rlib"));
            let mut compiler = Command::new(cargo::root().join(COMPILER));
            compiler.args([
                "rustc",
                "--edition=2024",
                "--crate-type=rlib",
                "--crate-name",
                name,
                "-Copt-level=3",
                "-Ccodegen-units=1",
            ]);
            compiler.args(["-Cpanic=abort", "-L"]).arg(self.folder.path()).arg("-o").arg(&rlib).arg(version.join("lib.rs"));
            assert!(compiler.status().unwrap().success());
            self.graph.add_rlib(name, &rlib).unwrap();
            self
        }

        fn report(&self) -> Report {
            Report::of(&self.graph, &BTreeSet::new())
        }
    }

    #[test]
    fn code_that_cannot_panic_passes() {
        let report = Crates::new()
            .with("cdoc2_nostd", "pub fn at(octets: &[u8], i: usize) -> Option<u8> { octets.get(i).copied() }")
            .report();
        assert!(report.passes(), "{report}");
        assert_eq!(report.starts["cdoc2_nostd"], 1);
    }

    #[test]
    fn a_check_that_cannot_fail_is_none() {
        let report = Crates::new().with("cdoc2_nostd", "pub fn low(octets: &[u8; 16], i: usize) -> u8 { octets[i & 15] }").report();
        assert!(report.passes(), "{report}");
    }

    #[test]
    fn index_is_found_with_its_line() {
        let report = Crates::new().with("cdoc2_nostd", "\npub fn at(octets: &[u8], i: usize) -> u8 { octets[i] }").report();
        let [panic] = &report.panics[..] else { panic!("{report}") };
        assert!(panic.starts_with("cdoc2_nostd::at\n      -> core::panicking::panic_bounds_check\n"), "{panic}");
        assert!(panic.ends_with("cdoc2_nostd-0.1.0/lib.rs:3"), "{panic}");
    }

    #[test]
    fn unwrap_in_a_private_function_that_nothing_calls_is_found() {
        let report =
            Crates::new().with("cdoc2_nostd", "#[allow(dead_code)] fn idle(value: Option<u8>) -> u8 { value.unwrap() }").report();
        assert_eq!(report.panics.len(), 1, "{report}");
    }

    #[test]
    fn lengths_that_may_differ_are_found() {
        let report =
            Crates::new().with("cdoc2_nostd", "pub fn copy(to: &mut [u8], from: &[u8]) { to.copy_from_slice(from) }").report();
        assert_eq!(report.panics.len(), 1, "{report}");
    }

    #[test]
    fn panic_of_a_library_is_found_through_a_call_and_through_a_pointer() {
        let library = "#[inline(never)] pub fn half(of: u8, parts: u8) -> u8 { of / parts }";
        let source = "pub fn call(a: u8, b: u8) -> u8 { library::half(a, b) }
            pub static TABLE: [fn(u8, u8) -> u8; 1] = [library::half];
            pub fn pointer() -> &'static [fn(u8, u8) -> u8] { &TABLE }";
        let source = format!("extern crate library;\n{source}");
        let report = Crates::new().with("library", library).with("cdoc2_nostd", &source).report();
        assert_eq!(report.panics.len(), 2, "{report}");
        assert!(report.panics.iter().all(|panic| panic.contains("-> library::half")), "{report}");
    }

    #[test]
    fn panic_in_generic_code_compiled_for_the_core_is_found() {
        let library = "pub fn nth<T: Copy>(items: &[T], n: usize) -> T { items[n] }";
        let source = "extern crate library; pub struct Own(pub u8); impl Clone for Own { fn clone(&self) -> Self { *self } }
            impl Copy for Own {} pub fn third(items: &[Own]) -> Own { library::nth(items, 3) }";
        let report = Crates::new().with("library", library).with("cdoc2_nostd", source).report();
        assert_eq!(report.panics.len(), 1, "{report}");
    }

    #[test]
    fn curve_arithmetic_is_told_apart_even_when_inlined() {
        let p384 = "#[inline(never)] pub fn far(n: &[u8], i: usize) -> u8 { n[i] } #[inline(always)] pub fn near(n: &[u8], i: usize) -> u8 { n[i] }";
        let source = "extern crate p384; pub fn far(n: &[u8], i: usize) -> u8 { p384::far(n, i) }
            pub fn near(n: &[u8], i: usize) -> u8 { p384::near(n, i) }";
        let report = Crates::new().with("p384", p384).with("cdoc2_nostd", source).report();
        assert!(report.passes(), "{report}");
        assert_eq!(report.inlined.len(), 1, "{report}");
    }

    #[test]
    fn own_panic_beside_an_inlined_one_is_found() {
        let p384 = "#[inline(always)] pub fn near(n: &[u8], i: usize) -> u8 { n[i] }";
        let source = "extern crate p384; pub fn near(n: &[u8], i: usize) -> u8 { p384::near(n, i) ^ n[i / 2 + 1] }";
        let report = Crates::new().with("p384", p384).with("cdoc2_nostd", source).report();
        assert_eq!(report.panics.len(), 1, "{report}");
    }

    #[test]
    fn a_call_into_nowhere_does_not_pass() {
        let source = "unsafe extern \"C\" { fn elsewhere(); } pub fn call() { unsafe { elsewhere() } }";
        let report = Crates::new().with("cdoc2_nostd", source).report();
        assert_eq!(report.unknown.iter().collect::<Vec<_>>(), ["elsewhere"]);
        assert!(!report.passes());
    }

    #[test]
    fn a_generic_function_that_nothing_instantiates_does_not_pass() {
        let source = "pub fn first<T: Copy>(items: &[T]) -> T { items[0] } pub fn second() {}";
        let crates = Crates::new().with("cdoc2_nostd", source);
        let report = Report::of(&crates.graph, &["first", "second"].map(str::to_owned).into());
        assert_eq!(report.not_compiled.iter().collect::<Vec<_>>(), ["first"]);
        assert!(!report.passes());
    }

    #[test]
    fn no_function_at_all_does_not_pass() {
        assert!(!Crates::new().report().passes());
    }
}
