//! Files that appear wholly or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use tempfile::Builder;

/// Writes `octets` to a file at `path` that only its owner reads, and makes sure that it stays there. With `replace` it takes the place of another.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] without `replace`; or the file cannot be written. None names the temporary file, which nobody knows of.
pub(crate) fn write(path: &Path, octets: &[u8], replace: bool) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let file =
        Builder::new().make_in(folder, |temporary| OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary))?;
    let mut handle = file.as_file();
    handle.write_all(octets)?;
    handle.sync_all()?;
    if replace { file.persist(path) } else { file.persist_noclobber(path) }.map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_the_systems_own() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("absent/file"), b"", false).unwrap_err();
        assert_eq!(error.to_string(), "No such file or directory (os error 2)");
    }
}
