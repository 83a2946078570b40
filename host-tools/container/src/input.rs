//! What goes into a container: files, whole folders, standard input.
//!
//! A container holds files and no folders, so a folder is flattened: `photos/2024/a.jpg` becomes `photos_2024_a.jpg`, the path below and with the
//! folder that was named. Whatever has no safe name, or the same name as another, is refused before anything is written.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::Error;
use crate::archive::name::{self, NameSet, Rules};
use crate::spool::Spool;

/// A file that is to go into a container.
#[derive(Debug)]
pub struct InputFile {
    name: String,
    size: u64,
    /// Seconds after 1970.
    mtime: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Path(PathBuf),
    Spool(Spool),
}

impl InputFile {
    /// The file at `path`, under the last part of its path. A symbolic link counts as what it points at.
    ///
    /// # Errors
    /// [`Error::Input`]: it cannot be looked at. [`Error::UnfitInput`]: not a regular file, or no safe name.
    pub fn from_path(path: &Path) -> Result<Self, Error> {
        let metadata = fs::metadata(path).map_err(|source| Error::Input { path: path.into(), source })?;
        if !metadata.is_file() {
            return Err(unfit(path, "is not a regular file; to take in what a pipe gives, use - and a name for it"));
        }
        let name = path.file_name().ok_or_else(|| unfit(path, "has no file name"))?;
        Self::new(safe_name(path, name.as_encoded_bytes())?, path, &metadata)
    }

    /// Everything that `source` gives, under `name`. Its length must be known before the first octet is archived, so it is spooled to a
    /// temporary file that has no name, encrypted with a key that exists in this value alone.
    ///
    /// # Errors
    /// [`Error::Input`]: `source` or the temporary file failed. [`Error::UnfitInput`]: `name` is not safe.
    pub fn from_reader(name: &str, source: &mut dyn Read) -> Result<Self, Error> {
        let name = safe_name(Path::new(name), name.as_bytes())?;
        let spool = Spool::fill(source).map_err(|source| Error::Input { path: PathBuf::from(&name), source })?;
        Ok(Self { name, size: spool.len(), mtime: 0, content: Content::Spool(spool) })
    }

    fn new(name: String, path: &Path, metadata: &Metadata) -> Result<Self, Error> {
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let mtime = modified.map_or(0, |since| since.as_secs());
        Ok(Self { name, size: metadata.len(), mtime, content: Content::Path(path.into()) })
    }

    /// The name that it gets in the container.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its octets.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Seconds after 1970 at which it was changed last; 0 if that is not known.
    pub(crate) fn mtime(&self) -> u64 {
        self.mtime
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Read + '_>, Error> {
        match &self.content {
            Content::Path(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(source) => Err(Error::Input { path: path.clone(), source }),
            },
            Content::Spool(spool) => match spool.open() {
                Ok(reader) => Ok(Box::new(reader)),
                Err(source) => Err(Error::Input { path: PathBuf::from(&self.name), source }),
            },
        }
    }
}

/// Collects files, and the files of folders in the order of their names.
///
/// # Errors
/// As [`InputFile::from_path`]; [`Error::UnfitInput`] also for a folder that holds something other than files and folders, for two files with
/// the same name, and for folders without a file.
pub fn collect(paths: &[PathBuf]) -> Result<Vec<InputFile>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            let before = files.len();
            // "." and ".." have no name of their own.
            let folder = fs::canonicalize(path).map_err(|source| Error::Input { path: path.clone(), source })?;
            let prefix = folder.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
            walk(path, &prefix, &mut files)?;
            if files.len() == before {
                return Err(unfit(path, "holds no files"));
            }
        } else {
            files.push(InputFile::from_path(path)?);
        }
    }
    Ok(files)
}

/// Refuses two files with the same name, also where they differ only in letter case.
///
/// # Errors
/// [`Error::UnfitInput`] names the second of them.
pub fn check_distinct(files: &[InputFile]) -> Result<(), Error> {
    let mut names = NameSet::default();
    for file in files {
        if !names.insert(&file.name) {
            let reason = "would be the second file of this name in the container; rename it, or put it into another container";
            return Err(unfit(Path::new(&file.name), reason));
        }
    }
    Ok(())
}

fn walk(folder: &Path, prefix: &[u8], files: &mut Vec<InputFile>) -> Result<(), Error> {
    let failed = |source| Error::Input { path: folder.into(), source };
    let mut entries = fs::read_dir(folder).map_err(failed)?.collect::<io::Result<Vec<_>>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let metadata = entry.metadata().map_err(|source| Error::Input { path: path.clone(), source })?;
        let name = [prefix, entry.file_name().as_encoded_bytes()].join(&b"_"[..]);
        if metadata.is_dir() {
            walk(&path, &name, files)?;
        } else if metadata.is_file() {
            files.push(InputFile::new(safe_name(&path, &name)?, &path, &metadata)?);
        } else {
            return Err(unfit(&path, "is neither a file nor a folder; name what a symbolic link points at, or leave it out"));
        }
    }
    Ok(())
}

fn safe_name(path: &Path, name: &[u8]) -> Result<String, Error> {
    match name::check(name, Rules::Writing) {
        Ok(name) => Ok(name.to_owned()),
        Err(problem) => {
            Err(unfit(path, &format!("cannot be called \"{}\" in a container: {problem}; rename it", name::escaped(name))))
        }
    }
}

fn unfit(path: &Path, reason: &str) -> Error {
    Error::UnfitInput { path: path.into(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[InputFile]) -> Vec<&str> {
        files.iter().map(InputFile::name).collect()
    }

    #[test]
    fn folders_are_flattened_in_the_order_of_names() {
        let folder = tempfile::tempdir().unwrap();
        let photos = folder.path().join("photos");
        fs::create_dir_all(photos.join("2024")).unwrap();
        fs::create_dir_all(photos.join("empty")).unwrap();
        for name in ["b.jpg", "2024/a.jpg", "2024/õ.jpg"] {
            fs::write(photos.join(name), name).unwrap();
        }
        let files = collect(std::slice::from_ref(&photos)).unwrap();
        assert_eq!(names(&files), ["photos_2024_a.jpg", "photos_2024_õ.jpg", "photos_b.jpg"]);
        assert_eq!(files[0].size(), 10);
        let dotted = collect(&[photos.join("2024/..")]).unwrap();
        assert_eq!(names(&dotted), names(&files));
    }

    #[test]
    fn what_is_no_file_is_refused_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link")).unwrap();
        let refused = collect(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(refused.contains("link: is neither a file nor a folder"), "{refused}");
        let refused = collect(&["/dev/null".into()]).unwrap_err().to_string();
        assert!(refused.contains("/dev/null: is not a regular file"), "{refused}");
        let refused = collect(&[folder.path().join("absent")]).unwrap_err().to_string();
        assert!(refused.contains("absent"), "{refused}");
        let empty = tempfile::tempdir().unwrap();
        assert!(collect(&[empty.path().to_owned()]).unwrap_err().to_string().contains("holds no files"));
    }

    #[test]
    fn unsafe_names_and_second_names_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["-rf", "CON", "trailing.", "a\nb"] {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            assert!(matches!(InputFile::from_path(&path), Err(Error::UnfitInput { .. })), "{name:?}");
        }
        let a = InputFile::from_reader("same.txt", &mut &b"1"[..]).unwrap();
        let b = InputFile::from_reader("SAME.txt", &mut &b"2"[..]).unwrap();
        assert!(check_distinct(&[a, b]).is_err());
    }
}
