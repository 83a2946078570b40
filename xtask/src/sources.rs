//! The functions that sources name, so that a gate on compiled code can tell whether it saw all of them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::Result;

/// Every function that the sources in `folder` define outside of their tests.
pub(crate) fn functions(folder: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default();
        if path.is_dir() {
            found.extend(functions(&path)?);
        } else if stem != "tests" && stem != "testing" {
            found.extend(defined(&std::fs::read_to_string(&path)?));
        }
    }
    Ok(found)
}

/// Names after `fn` at the start of a line, up to the tests at the end of a file. A trait's declaration without a body defines nothing.
fn defined(source: &str) -> BTreeSet<String> {
    const BEFORE_FN: &[&str] = &["pub", "pub(crate)", "pub(super)", "const", "unsafe", "extern", "async"];
    let mut found = BTreeSet::new();
    let lines = source.lines().take_while(|line| !line.starts_with("mod tests"));
    for line in lines.filter(|line| !line.ends_with(';')) {
        let mut words = line.split_whitespace().skip_while(|word| BEFORE_FN.contains(word));
        if words.next() == Some("fn")
            && let Some(name) = words.next().and_then(|word| word.split(['(', '<']).next())
            // a macro's own parameter is no name
            && !name.starts_with('$')
        {
            found.insert(name.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_found_and_tests_are_not() {
        let source = "fn a() {}\n    pub(crate) const fn b<T>(t: T) {}\n// fn c()\nfn $name() {}\nuse fn_like;\n    fn e(&self) -> u8;\n\
            #[cfg(test)]\nmod tests {\n    fn d() {}\n}\n";
        assert_eq!(defined(source).into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }
}
