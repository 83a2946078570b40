//! The folder that everything is in.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Error;

/// A folder, perhaps one that vanishes.
#[derive(Debug)]
pub(crate) enum Folder {
    Temporary(TempDir),
    Named(PathBuf),
}

impl Folder {
    pub(crate) fn new(named: Option<PathBuf>) -> Result<Self, Error> {
        let Some(path) = named else {
            let folder = tempfile::Builder::new().prefix("cdoc2-testbed-").tempdir();
            return folder.map(Self::Temporary).map_err(|cause| Error::System { what: "no temporary folder", cause });
        };
        let failed = |cause| Error::File { path: path.clone(), cause };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(failed)?;
        if fs::read_dir(&path).map_err(failed)?.next().is_some() {
            return Err(Error::NotEmpty(path));
        }
        // slapd and the client's configuration want whole paths.
        fs::canonicalize(&path).map(Self::Named).map_err(failed)
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Named(path) => path,
        }
    }

    /// Writes a new file that only its owner reads.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<PathBuf, Error> {
        let path = self.path().join(name);
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        written
            .and_then(|mut file: fs::File| -> io::Result<()> { file.write_all(content.as_bytes()) })
            .map_err(|cause| Error::File { path: path.clone(), cause })?;
        Ok(path)
    }
}
