//! Where the configuration is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A path, and whether somebody named it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Where the file is, or would be.
    pub path: PathBuf,
    /// Whether it was named, so that it must be there.
    pub is_named: bool,
}

impl Place {
    /// A file that was named.
    #[must_use]
    pub fn named(path: &Path) -> Self {
        Self { path: path.to_owned(), is_named: true }
    }

    /// The file that `option` names, or the variable `CDOC2_CONFIG`, or else the usual one.
    #[must_use]
    pub fn find(option: Option<&Path>) -> Self {
        Self::find_in(option, |name| std::env::var_os(name))
    }

    fn find_in(option: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(path) = option {
            return Self::named(path);
        }
        if let Some(path) = variable("CDOC2_CONFIG") {
            return Self { path, is_named: true };
        }
        // XDG Base Directory Specification: a path that is not absolute is to be ignored.
        let folder = variable("XDG_CONFIG_HOME").filter(|folder| folder.is_absolute());
        let folder = folder.or_else(|| Some(variable("HOME")?.join(".config")));
        // A service has no home.
        let folder = folder.unwrap_or_else(|| PathBuf::from("/etc"));
        Self { path: folder.join("cdoc2").join("config.toml"), is_named: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(option: Option<&str>, variables: &[(&str, &str)]) -> (String, bool) {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        let place = Place::find_in(option.map(Path::new), variable);
        (place.path.display().to_string(), place.is_named)
    }

    #[test]
    fn what_is_nearest_wins() {
        let all = [("CDOC2_CONFIG", "/v.toml"), ("XDG_CONFIG_HOME", "/xdg"), ("HOME", "/home/mari")];
        assert_eq!(found(Some("o.toml"), &all), ("o.toml".into(), true));
        assert_eq!(found(None, &all), ("/v.toml".into(), true));
        assert_eq!(found(None, &all[1..]), ("/xdg/cdoc2/config.toml".into(), false));
        assert_eq!(found(None, &all[2..]), ("/home/mari/.config/cdoc2/config.toml".into(), false));
        assert_eq!(found(None, &[("XDG_CONFIG_HOME", "xdg"), ("HOME", "/h")]), ("/h/.config/cdoc2/config.toml".into(), false));
        assert_eq!(found(None, &[("CDOC2_CONFIG", "")]), ("/etc/cdoc2/config.toml".into(), false));
    }
}
