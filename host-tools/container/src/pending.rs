//! Files and folders that exist only until they are released.
//!
//! Whatever is written stays under a temporary name until all of it is known to be good. One registry knows all such
//! names. Its lock is held while one is created, released or removed, so that [`abandon_all`], called from a signal
//! thread, never meets a half-done step: what it finds it removes, and nothing can be created or released after it.
//!
//! Everything is done through handles of the folders, so that a folder that is renamed or replaced by a link meanwhile
//! leads nowhere else.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{self as sys, Advice, AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// Why a file or folder could not be created, written or released.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It exists and must not be replaced.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file that is in the way.
        path: PathBuf,
    },
    /// Something that is no regular file has this name; it is never replaced.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The folder, device or link that is in the way.
        path: PathBuf,
    },
    /// The disk, or the user's share of it, is full.
    #[error("no space left for {}", path.display())]
    NoSpace {
        /// What was being written.
        path: PathBuf,
    },
    /// Any other failure.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// A verb: create, open, write ...
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn new(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let (source, path) = (source.into(), path.to_owned());
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { path },
            io::ErrorKind::AlreadyExists => Self::Exists { path },
            _ => Self::Io { action, path, source },
        }
    }
}

/// What to do when a file of the wanted name exists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refuse, and leave it alone.
    #[default]
    Refuse,
    /// Replace it at release, not before. Only regular files are ever replaced: no folder, no device, no symbolic link.
    Replace,
}

/// Removes everything that is pending. Creating and releasing block from then on, for good: call it only on the way out,
/// for instance when a signal asks the program to end.
pub fn abandon_all() {
    let mut registry = registry();
    registry.remove_all();
    std::mem::forget(registry);
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry::new());

/// Takes the lock of the registry. While it is held, [`abandon_all`] waits.
pub(crate) fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is pending, in the order of creation.
#[derive(Debug)]
pub(crate) struct Registry {
    next: u64,
    items: BTreeMap<u64, Item>,
}

#[derive(Debug)]
enum Item {
    /// A file in an open folder.
    File { parent: Arc<OwnedFd>, name: OsString },
    /// A private folder of files.
    Folder { parent: Arc<OwnedFd>, name: OsString, handle: Arc<OwnedFd> },
    /// A folder that was made for others to be in. It goes only when it is empty.
    Made { path: PathBuf },
}

impl Item {
    /// There is nobody to tell when this fails.
    fn remove(&self) {
        let _ = match self {
            Self::File { parent, name } => sys::unlinkat(parent, name, AtFlags::empty()),
            Self::Folder { parent, name, handle } => {
                empty_folder(handle).and_then(|()| sys::unlinkat(parent, name, AtFlags::REMOVEDIR))
            }
            Self::Made { path } => sys::rmdir(path),
        };
    }
}

/// Removes all files of a folder. Folders in it make it fail: there are none in ours.
fn empty_folder(folder: &OwnedFd) -> Result<(), Errno> {
    for file in sys::Dir::read_from(folder)? {
        let file = file?;
        if !matches!(file.file_name().to_bytes(), b"." | b"..") {
            sys::unlinkat(folder, file.file_name(), AtFlags::empty())?;
        }
    }
    Ok(())
}

impl Registry {
    const fn new() -> Self {
        Self { next: 0, items: BTreeMap::new() }
    }

    fn add(&mut self, item: Item) -> Pending {
        let id = self.next;
        self.next += 1;
        self.items.insert(id, item);
        Pending { id }
    }

    /// Creates a file with a random name in `parent`, with the permissions of any new file.
    fn create_file(&mut self, parent: &Arc<OwnedFd>) -> Result<(File, OsString, Pending), Errno> {
        let name = random_name()?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = sys::openat(parent, &name, flags, Mode::from_raw_mode(0o666))?;
        let pending = self.add(Item::File { parent: Arc::clone(parent), name: name.clone() });
        Ok((file.into(), name, pending))
    }

    /// Creates a private folder with a random name in `parent`.
    pub(crate) fn create_folder(&mut self, parent: &Arc<OwnedFd>) -> Result<(Arc<OwnedFd>, Pending), Errno> {
        let name = random_name()?;
        sys::mkdirat(parent, &name, Mode::RWXU)?;
        let handle = Arc::new(open_folder_at(parent, &name).inspect_err(|_| {
            let _ = sys::unlinkat(parent, &name, AtFlags::REMOVEDIR);
        })?);
        let item = Item::Folder { parent: Arc::clone(parent), name, handle: Arc::clone(&handle) };
        Ok((handle, self.add(item)))
    }

    /// Forgets what was released.
    pub(crate) fn release(&mut self, pending: &Pending) {
        self.items.remove(&pending.id);
    }

    /// Forgets a folder that must not go, and says what it is called.
    pub(crate) fn keep(&mut self, pending: &Pending) -> Option<OsString> {
        match self.items.remove(&pending.id)? {
            Item::File { name, .. } | Item::Folder { name, .. } => Some(name),
            Item::Made { path } => Some(path.into()),
        }
    }

    fn remove(&mut self, id: u64) {
        if let Some(item) = self.items.remove(&id) {
            item.remove();
        }
    }

    /// Last created, first removed: files before their folders.
    fn remove_all(&mut self) {
        while let Some((_, item)) = self.items.pop_last() {
            item.remove();
        }
    }
}

/// Something in the registry. It is removed on drop, unless it was released.
#[derive(Debug)]
pub(crate) struct Pending {
    id: u64,
}

impl Drop for Pending {
    fn drop(&mut self) {
        registry().remove(self.id);
    }
}

/// A name that nobody can guess and plant something under.
fn random_name() -> Result<OsString, Errno> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).map_err(|_| Errno::IO)?;
    Ok(format!(".cdoc2-{:032x}", u128::from_le_bytes(octets)).into())
}

/// Opens a folder that the user named; links are followed.
pub(crate) fn open_folder(path: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    sys::open(path, flags, Mode::empty()).map_err(|error| Error::new("open the folder", path, error))
}

fn open_folder_at(parent: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    sys::openat(parent, name, flags, Mode::empty())
}

/// Makes a folder and those above it, as far as they are missing. What was made is pending.
pub(crate) fn make_folders(path: &Path) -> Result<Vec<Pending>, Error> {
    let path = &std::path::absolute(path).map_err(|error| Error::new("find", path, error))?;
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| folder.symlink_metadata().is_err()).collect();
    let mut made = Vec::new();
    for folder in missing.into_iter().rev() {
        let mut registry = registry();
        match sys::mkdir(folder, Mode::from_raw_mode(0o777)) {
            Ok(()) => made.push(registry.add(Item::Made { path: folder.to_owned() })),
            // Somebody else was quicker, and keeps it.
            Err(Errno::EXIST) => {}
            Err(error) => {
                drop(registry);
                return Err(Error::new("create the folder", folder, error));
            }
        }
    }
    // The last one made is the first to be dropped.
    made.reverse();
    Ok(made)
}

/// What there is where a file is going to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Free {
    /// Nothing.
    Nothing,
    /// A file that may be replaced.
    Replaceable,
}

/// Looks whether a file may be created as `name` in `folder`; `path` is for the error.
pub(crate) fn check_free(folder: &OwnedFd, name: &OsStr, existing: Existing, path: &Path) -> Result<Free, Error> {
    let found = match sys::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(Free::Nothing),
        Err(error) => return Err(Error::new("look at", path, error)),
        Ok(stat) => FileType::from_raw_mode(stat.st_mode),
    };
    match (found, existing) {
        (FileType::RegularFile, Existing::Replace) => Ok(Free::Replaceable),
        (FileType::RegularFile | FileType::Symlink, Existing::Refuse) => Err(Error::Exists { path: path.to_owned() }),
        _ => Err(Error::NotAFile { path: path.to_owned() }),
    }
}

/// Renames a file and never replaces another.
pub(crate) fn rename_new(from: &OwnedFd, old: &OsStr, to: &OwnedFd, new: &OsStr) -> Result<(), Errno> {
    match sys::renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename_new_in_two_steps(from, old, to, new),
        done => done,
    }
}

/// For file systems that cannot do it in one step. What gets replaced is the empty file of the first step.
fn rename_new_in_two_steps(from: &OwnedFd, old: &OsStr, to: &OwnedFd, new: &OsStr) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
    sys::openat(to, new, flags, Mode::RUSR | Mode::WUSR)?;
    sys::renameat(from, old, to, new).inspect_err(|_| {
        let _ = sys::unlinkat(to, new, AtFlags::empty());
    })
}

/// A file that gets its name when it is complete: the output of an encryption.
///
/// It is written beside the destination, readable by its owner only. [`Self::release`] gives it the permissions of any
/// new file: a container needs no secrecy, and a program that replaces `gzip` or `age` should not surprise by hiding its
/// output. Dropped, it is removed.
#[derive(Debug)]
pub struct PendingFile {
    file: File,
    folder: Arc<OwnedFd>,
    temporary: OsString,
    name: OsString,
    path: PathBuf,
    mode: Mode,
    existing: Existing,
    written_len: u64,
    /// Octets that the system was asked to put on the disk.
    started_len: u64,
    pending: Pending,
}

impl PendingFile {
    /// Octets after which the system is asked to start writing to the disk, so that the end has less to wait for.
    const START_EVERY: u64 = 8 << 20;

    /// Creates the file that will become `path`. Its folder must exist.
    ///
    /// # Errors
    /// [`Error::Exists`] and [`Error::NotAFile`] early, before any work is done; [`Error::Io`].
    pub fn create(path: &Path, existing: Existing) -> Result<Self, Error> {
        let name = path.file_name().ok_or_else(|| Error::NotAFile { path: path.to_owned() })?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = Arc::new(open_folder(parent)?);
        check_free(&folder, name, existing, path)?;
        let created = registry().create_file(&folder);
        let fail = |error| Error::new("create", path, error);
        let (file, temporary, pending) = created.map_err(fail)?;
        // What the umask, or a default access list of the folder, has left of 0666.
        let mode = Mode::from_raw_mode(sys::fstat(&file).map_err(fail)?.st_mode);
        sys::fchmod(&file, Mode::RUSR | Mode::WUSR).map_err(fail)?;
        let (name, path) = (name.to_owned(), path.to_owned());
        Ok(Self { file, folder, temporary, name, path, mode, existing, written_len: 0, started_len: 0, pending })
    }

    /// The name that the file will get.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the file on the disk and gives it its name.
    ///
    /// # Errors
    /// [`Error::Exists`] if that name was taken meanwhile and must not be replaced; [`Error::NoSpace`], [`Error::Io`].
    /// The file is removed then.
    pub fn release(self) -> Result<(), Error> {
        let path = &self.path;
        let fail = |action| move |error: Errno| Error::new(action, path, error);
        sys::fchmod(&self.file, self.mode).map_err(fail("set the permissions of"))?;
        sys::fsync(&self.file).map_err(fail("write"))?;
        check_free(&self.folder, &self.name, self.existing, path)?;
        let mut registry = registry();
        let renamed = match self.existing {
            Existing::Refuse => rename_new(&self.folder, &self.temporary, &self.folder, &self.name),
            Existing::Replace => sys::renameat(&self.folder, &self.temporary, &self.folder, &self.name),
        };
        if renamed.is_ok() {
            registry.release(&self.pending);
        }
        drop(registry);
        renamed.map_err(fail("create"))?;
        match sys::fsync(&self.folder) {
            // Some file systems cannot do that to a folder; the file is complete and has its name.
            Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            done => done.map_err(fail("write the folder of")),
        }
    }

    /// Asks the system to put on the disk what was written since the last time. It may also forget what is there
    /// already; nobody here reads it again.
    fn start_writing(&mut self) {
        let len = NonZeroU64::new(self.written_len - self.started_len);
        // Advice: nothing is lost without it.
        let _ = sys::fadvise(&self.file, self.started_len, len, Advice::DontNeed);
        self.started_len = self.written_len;
    }
}

impl Write for PendingFile {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let len = self.file.write(octets).map_err(|error| {
            // The kind stays, for those who retry or look for a full disk.
            io::Error::new(error.kind(), Error::new("write", &self.path, error))
        })?;
        self.written_len += len as u64;
        if self.written_len - self.started_len >= Self::START_EVERY {
            self.start_writing();
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Arc<OwnedFd>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let handle = open_folder(folder.path()).expect("it was just made");
        (folder, Arc::new(handle))
    }

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn everything_pending_goes_at_once() {
        let (folder, handle) = folder();
        std::fs::write(folder.path().join("other"), "stays").expect("write");
        let mut registry = Registry::new();
        let (_, _, file) = registry.create_file(&handle).expect("create");
        let (inner, outer) = registry.create_folder(&handle).expect("create");
        let (_, _, inner_file) = registry.create_file(&inner).expect("create");
        assert_eq!(names(folder.path()).len(), 3);
        registry.remove_all();
        assert_eq!(names(folder.path()), ["other"]);
        // They belong to this registry, not to the one that drop knows.
        [file, outer, inner_file].into_iter().for_each(std::mem::forget);
    }

    #[test]
    fn a_released_file_stays() {
        let (folder, handle) = folder();
        let mut registry = Registry::new();
        let (_, name, pending) = registry.create_file(&handle).expect("create");
        registry.release(&pending);
        registry.remove_all();
        assert_eq!(names(folder.path()), [name]);
        std::mem::forget(pending);
    }

    #[test]
    fn renaming_never_replaces() {
        for rename in [rename_new, rename_new_in_two_steps] {
            let (folder, handle) = folder();
            for name in ["new", "old"] {
                std::fs::write(folder.path().join(name), name).expect("write");
            }
            assert_eq!(rename(&handle, "new".as_ref(), &handle, "old".as_ref()), Err(Errno::EXIST));
            assert_eq!(std::fs::read(folder.path().join("old")).expect("still there"), b"old");
            assert_eq!(rename(&handle, "new".as_ref(), &handle, "free".as_ref()), Ok(()));
            assert_eq!(std::fs::read(folder.path().join("free")).expect("renamed"), b"new");
            assert_eq!(rename(&handle, "missing".as_ref(), &handle, "free2".as_ref()), Err(Errno::NOENT));
            assert_eq!(names(folder.path()), ["free", "old"]);
        }
    }
}
