//! What compiled objects refer to: a node for every section of every object, an edge for every relocation.
//!
//! The compiler gives each function and each constant a section of its own, so a section stands for a function, or for the data
//! (a vtable, a table of strings) through which one function finds another. An edge therefore also follows a function pointer.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::Path;

use object::read::archive::ArchiveFile;
use object::{File, Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionKind, SymbolSection};

use crate::Result;

/// The name of a function or of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    /// Without the compiler's hash, such as `<cdoc2_nostd::wire::Header>::parse`.
    path: String,
    /// Whether this is `<Type as Trait>::method` with the body that the trait provides.
    provided: bool,
}

impl Symbol {
    pub(crate) fn demangle(mangled: &str) -> Self {
        let path = format!("{:#}", rustc_demangle::demangle(mangled));
        // Version 0 of the mangling: generic arguments (I), then nested names (N and a letter), then a trait definition (Y). The
        // older one gives such a method the path of the trait alone.
        let mut rest = mangled.strip_prefix("_R").unwrap_or_default().trim_start_matches('I');
        while let Some(nested) = rest.strip_prefix('N') {
            rest = nested.get(1..).unwrap_or_default();
        }
        Self { path, provided: rest.starts_with('Y') }
    }

    /// The crates whose code this may be: the one that a path begins with, or those of the type and the trait of
    /// `<Type as Trait>`, or that of the trait alone if the trait provides the body.
    pub(crate) fn crates(&self) -> impl Iterator<Item = &str> {
        let (head, implemented) = match split_impl(&self.path) {
            Some((head, implemented)) => (Some(head).filter(|_| !self.provided), Some(implemented)),
            None => (Some(self.path.trim_start_matches('<')), None),
        };
        [head, implemented].into_iter().flatten().filter_map(krate)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.path
    }

    /// The name of the function, without the path, generic arguments and closures inside of it.
    pub(crate) fn function(&self) -> &str {
        let mut path = self.path.as_str();
        loop {
            if let Some(open) = path.ends_with('>').then(|| opening(path)).flatten() {
                path = path[..open].trim_end_matches("::");
            } else if let Some((outer, _)) = path.strip_suffix('}').and_then(|path| path.rsplit_once("::")) {
                path = outer;
            } else {
                return path.rsplit_once("::").map_or(path, |(_, name)| name);
            }
        }
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// `Type` and `Trait` of `<Type as Trait>`.
fn split_impl(path: &str) -> Option<(&str, &str)> {
    let inside = path.strip_prefix('<')?;
    let mut depth = 0_i32;
    for (at, c) in inside.char_indices() {
        match c {
            '<' => depth += 1,
            // the arrow of a function type is no bracket
            '>' if !inside[..at].ends_with('-') => depth -= 1,
            ' ' if depth == 0 && inside[at..].starts_with(" as ") => return Some((&inside[..at], &inside[at + " as ".len()..])),
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    None
}

/// Where the `<` stands that belongs to the `>` at the end of `path`.
fn opening(path: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, c) in path.char_indices().rev() {
        match c {
            '>' if !path[..at].ends_with('-') => depth += 1,
            '<' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The crate that the path of a type begins with, behind references, slices and tuples.
fn krate(path: &str) -> Option<&str> {
    let path = path.trim_start_matches("&mut ").trim_start_matches(['<', '&', '[', '(']);
    path.split_once("::").map(|(name, _)| name).filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// A section of an object.
#[derive(Debug)]
pub(crate) struct Node {
    /// The crate whose object it lies in.
    pub(crate) krate: String,
    /// Whether it is a function; else it is data.
    pub(crate) code: bool,
    /// Every name of it; none for anonymous data.
    pub(crate) symbols: Vec<Symbol>,
    edges: Vec<Edge>,
    octets: Vec<u8>,
    /// Octets of an address.
    address_len: usize,
}

impl Node {
    fn number(&self, at: usize, len: usize) -> Option<u64> {
        let octets = self.octets.get(at..at.checked_add(len)?)?;
        Some(octets.iter().rev().fold(0, |number, octet| number << 8 | u64::from(*octet)))
    }
}

#[derive(Debug)]
enum Edge {
    /// An octet of another section of the same object.
    Here { node: usize, offset: u64 },
    /// A symbol of another object, as it is mangled.
    Elsewhere(String),
}

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location {
    pub(crate) file: String,
    pub(crate) line: u64,
}

/// Objects that were or would be linked together.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    /// Mangled name to node.
    definitions: HashMap<String, usize>,
}

/// Where a walk arrives from a node.
pub(crate) enum Arrival<'g> {
    Node(usize),
    /// No object holds this symbol.
    Undefined(&'g str),
}

impl Graph {
    /// Adds every object of the library at `path` as objects of the crate `krate`.
    pub(crate) fn add_rlib(&mut self, krate: &str, path: &Path) -> Result<()> {
        let octets = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        for member in ArchiveFile::parse(&*octets)?.members() {
            let member = member?;
            if member.name().ends_with(b".o") {
                self.add_object(krate, &File::parse(member.data(&*octets)?)?)?;
            }
        }
        Ok(())
    }

    fn add_object(&mut self, krate: &str, object: &File<'_>) -> Result<()> {
        let mut nodes = HashMap::new();
        for section in object.sections() {
            let code = section.kind() == SectionKind::Text;
            let data = matches!(
                section.kind(),
                SectionKind::Data | SectionKind::ReadOnlyData | SectionKind::ReadOnlyDataWithRel | SectionKind::ReadOnlyString
            );
            if code || data {
                nodes.insert(section.index(), self.nodes.len());
                self.nodes.push(Node {
                    krate: krate.to_owned(),
                    code,
                    symbols: Vec::new(),
                    edges: Vec::new(),
                    octets: if code { Vec::new() } else { section.data()?.to_vec() },
                    address_len: if object.is_64() { 8 } else { 4 },
                });
            }
        }
        for symbol in object.symbols() {
            let (SymbolSection::Section(section), Ok(name)) = (symbol.section(), symbol.name()) else { continue };
            // `$t` and `$d` tell a disassembler code from data.
            if name.is_empty() || name.starts_with('$') {
                continue;
            }
            if let Some(&node) = nodes.get(&section) {
                self.nodes[node].symbols.push(Symbol::demangle(name));
                if symbol.is_global() {
                    self.definitions.insert(name.to_owned(), node);
                }
            }
        }
        for section in object.sections() {
            let Some(&node) = nodes.get(&section.index()) else { continue };
            for (at, relocation) in section.relocations() {
                // Where the relocation has no addend of its own, the octets that it changes hold it.
                let in_place = usize::try_from(at).ok().filter(|_| relocation.has_implicit_addend());
                let in_place = in_place.and_then(|at| self.nodes[node].number(at, self.nodes[node].address_len));
                let addend = in_place.unwrap_or_else(|| relocation.addend().cast_unsigned());
                let edge = match relocation.target() {
                    RelocationTarget::Symbol(index) => {
                        let symbol = object.symbol_by_index(index)?;
                        match symbol.section() {
                            SymbolSection::Section(section) => Some((section, symbol.address().wrapping_add(addend))),
                            SymbolSection::Undefined => {
                                self.nodes[node].edges.push(Edge::Elsewhere(symbol.name()?.to_owned()));
                                None
                            }
                            _ => None,
                        }
                    }
                    RelocationTarget::Section(section) => Some((section, addend)),
                    _ => None,
                };
                let edge = edge.and_then(|(section, offset)| Some(Edge::Here { node: *nodes.get(&section)?, offset }));
                self.nodes[node].edges.extend(edge);
            }
        }
        Ok(())
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate()
    }

    pub(crate) fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    fn arrivals(&self, node: usize) -> impl Iterator<Item = Arrival<'_>> {
        self.nodes[node].edges.iter().map(|edge| match edge {
            Edge::Here { node, .. } => Arrival::Node(*node),
            Edge::Elsewhere(name) => self.definitions.get(name).map_or(Arrival::Undefined(name), |node| Arrival::Node(*node)),
        })
    }

    /// The places in source files that the function `node` holds: those that its panics would name.
    pub(crate) fn locations(&self, node: usize) -> Vec<Location> {
        let held = self.arrivals(node).filter_map(|arrival| match arrival {
            Arrival::Node(data) => self.location(&self.nodes[data]),
            Arrival::Undefined(_) => None,
        });
        let mut locations: Vec<Location> = held.collect();
        locations.sort();
        locations.dedup();
        locations
    }

    /// `data` as a `core::panic::Location`: address and length of the file's name, line, column.
    fn location(&self, data: &Node) -> Option<Location> {
        let [Edge::Here { node: name, offset }] = data.edges[..] else { return None };
        if data.code || data.octets.len() != 2 * data.address_len + 8 {
            return None;
        }
        let len = usize::try_from(data.number(data.address_len, data.address_len)?).ok()?;
        let name = self.nodes[name].octets.get(usize::try_from(offset).ok()?..)?.get(..len)?;
        let line = data.number(2 * data.address_len, 4)?;
        Some(Location { file: String::from_utf8(name.to_vec()).ok()?, line })
    }

    /// The shortest walk from `start` to something that `end` accepts, given the node before it and itself, and what stands
    /// there; `pass` says which nodes the walk may go on from.
    pub(crate) fn walk<'g, T>(
        &'g self,
        start: usize,
        pass: impl Fn(&Node) -> bool,
        mut end: impl FnMut(usize, &Arrival<'g>) -> Option<T>,
    ) -> Option<(Vec<usize>, T)> {
        let mut came_from = HashMap::from([(start, start)]);
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for arrival in self.arrivals(node) {
                if let Some(found) = end(node, &arrival) {
                    let mut path = vec![node];
                    while let Some(&last) = path.last()
                        && last != start
                    {
                        path.push(came_from[&last]);
                    }
                    path.reverse();
                    return Some((path, found));
                }
                if let Arrival::Node(next) = arrival
                    && !came_from.contains_key(&next)
                    && pass(&self.nodes[next])
                {
                    came_from.insert(next, node);
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crates(name: &str) -> Vec<String> {
        Symbol { path: name.to_owned(), provided: false }.crates().map(str::to_owned).collect()
    }

    #[test]
    fn crates_of_a_path() {
        assert_eq!(crates("cdoc2_nostd::derive::hhk"), ["cdoc2_nostd"]);
        assert_eq!(crates("<cdoc2_nostd::wire::Header>::parse"), ["cdoc2_nostd"]);
        assert_eq!(crates("<p384::Scalar as core::ops::Mul>::mul"), ["p384", "core"]);
        assert_eq!(crates("<&mut cdoc2_nostd::Tables as core::iter::Iterator>::next"), ["cdoc2_nostd", "core"]);
        assert_eq!(crates("<[cdoc2_nostd::Value; 4] as zeroize::Zeroize>::zeroize"), ["cdoc2_nostd", "zeroize"]);
        assert_eq!(crates("<u8 as cdoc2_nostd::T>::f::<p384::Scalar>"), ["cdoc2_nostd"]);
        assert_eq!(
            crates("<core::iter::Map<<cdoc2_nostd::A as core::B>::C, fn(u8) -> u8> as heapless::D>::e"),
            ["core", "heapless"]
        );
        assert_eq!(crates("memcpy"), [""; 0]);
    }

    #[test]
    fn functions_of_a_path() {
        let function = |path: &str| Symbol { path: path.to_owned(), provided: false }.function().to_owned();
        assert_eq!(function("cdoc2_nostd::derive::hhk"), "hhk");
        assert_eq!(function("cdoc2_nostd::decrypt::unlock::<a::B<c::D>, e::{closure#0}>::{closure#0}"), "unlock");
        assert_eq!(function("<a::B<fn(u8) -> u8> as c::D>::e::<fn(u8) -> u8>"), "e");
        assert_eq!(function("memcpy"), "memcpy");
    }

    #[test]
    fn a_provided_method_is_of_the_crate_of_its_trait() {
        // <cdoc2_nostd::Curve as core::cmp::Ord>::clamp and ::cmp
        let clamp = Symbol::demangle("_RNvYNtCs1234_11cdoc2_nostd5CurveNtNtCs5678_4core3cmp3Ord5clamp");
        let cmp = Symbol::demangle("_RNvXCs1234_11cdoc2_nostdNtB2_5CurveNtNtCs5678_4core3cmp3Ord3cmp");
        assert_eq!(clamp.crates().collect::<Vec<_>>(), ["core"]);
        assert_eq!(cmp.crates().collect::<Vec<_>>(), ["cdoc2_nostd", "core"]);
    }

    #[test]
    fn both_manglings_are_read() {
        assert_eq!(Symbol::demangle("_ZN4core9panicking5panic17h0123456789abcdefE").as_str(), "core::panicking::panic");
        assert_eq!(Symbol::demangle("_RNvNtCs1234_4core9panicking5panic").as_str(), "core::panicking::panic");
    }
}
