//! Unpacking an archive into a folder: staged first, then released all at once or not at all.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;

use rustix::fs::{self as sys, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::archive::check::{Entry, Limits, PIECE_LEN, Policy, Summary, Unpacker};
use crate::archive::error::{Exceeded, Limit};
use crate::archive::{Error, name};
use crate::pending::{self, Existing, Free, Pending, Registry};

/// Pieces of files between the thread that inflates and the one that writes.
const PIECES: usize = 4;
/// Octets after which the free space on the disk is looked at again.
const SPACE_EVERY: u64 = 32 << 20;

/// A private folder inside the target folder, where files wait until everything about them was verified.
///
/// Its name is random, only its owner may enter, and it is worked on through its handle; so whoever can write to the
/// target folder can neither see the files nor lead writes elsewhere. Dropped, it takes all files with it, and the
/// target folder too if it was made for them.
#[derive(Debug)]
pub struct Staging {
    target: PathBuf,
    target_folder: Arc<OwnedFd>,
    existing: Existing,
    folder: Arc<OwnedFd>,
    names: Vec<String>,
    /// Removes the private folder on drop, always: after a release it is empty.
    _private: Pending,
    /// The target folder and those above it, as far as they were made here. Dropped after what is in them.
    made: Vec<Pending>,
}

impl Staging {
    /// Prepares to unpack into `target`, which is made if it does not exist.
    ///
    /// # Errors
    /// [`pending::Error::Io`], as [`Error::File`].
    pub fn create(target: &Path, existing: Existing) -> Result<Self, Error> {
        let made = pending::make_folders(target)?;
        let target_folder = Arc::new(pending::open_folder(target)?);
        let created = pending::registry().create_folder(&target_folder);
        let (folder, private) = created.map_err(|error| pending::Error::new("create a folder in", target, error))?;
        let target = target.to_owned();
        Ok(Self { target, target_folder, existing, folder, names: Vec::new(), _private: private, made })
    }

    /// Unpacks `archive`, a zlib-compressed tar, and verifies all of it. Nothing shows in the target folder yet.
    ///
    /// Files are created 0600, whatever the archive says. To show progress, count what is read from `archive`.
    ///
    /// # Errors
    /// Every [`Error`] about the archive, those of the disk, and [`pending::Error::Exists`] for a file that is in the
    /// target folder already and must not be replaced. This value is good for nothing but dropping then.
    pub fn unpack(&mut self, archive: impl Read, policy: &Policy) -> Result<Summary, Error> {
        let mut unpacker = Unpacker::new(archive, policy);
        thread::scope(|scope| {
            let (full, to_write) = mpsc::sync_channel(PIECES);
            let (empty, to_fill) = mpsc::channel();
            for _ in 0..PIECES {
                // The receiver is right here.
                let _ = empty.send(vec![0; PIECE_LEN]);
            }
            let writer = thread::Builder::new().name("unpack".into());
            let writer = writer.spawn_scoped(scope, move || write_pieces(&to_write, &empty)).map_err(Error::Sink)?;
            let outcome = self.read_pieces(&mut unpacker, &policy.limits, &full, &to_fill);
            drop(full);
            match writer.join() {
                // The writer's error made the reader stop.
                Ok(written) => written.and(outcome),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Moves all files into the target folder. They are not forced onto the disk: the container is still there.
    ///
    /// # Errors
    /// [`Error::File`]; everything is then as it was before: the files are gone, and no existing file has changed.
    pub fn release(self) -> Result<(), Error> {
        let mut registry = pending::registry();
        let mut moves = Moves { staging: &self, steps: Vec::new(), aside: None };
        let moved = self.names.iter().try_for_each(|name| moves.release(&mut registry, name));
        let outcome = match moved {
            Ok(()) => {
                self.made.iter().for_each(|folder| registry.release(folder));
                Ok(())
            }
            Err(error) => Err(moves.undo(&mut registry).err().unwrap_or(error)),
        };
        // What is dropped after it (files set aside, the private folder) takes the lock again.
        drop(registry);
        Ok(outcome?)
    }

    /// Runs in the caller's thread: inflates, checks, and passes on.
    fn read_pieces<R: Read>(
        &mut self,
        unpacker: &mut Unpacker<R>,
        limits: &Limits,
        full: &SyncSender<Piece>,
        to_fill: &Receiver<Vec<u8>>,
    ) -> Result<Summary, Error> {
        let mut summary = Summary::default();
        while let Some(entry) = unpacker.next_entry()? {
            self.check_space(limits, entry.size)?;
            let file = Arc::new(self.create_file(&entry)?);
            let mut len_since_check = 0;
            loop {
                // The channels break only with the writer, and then its error counts.
                let Ok(mut octets) = to_fill.recv() else { return Ok(summary) };
                let len = unpacker.read_data(&mut octets)?;
                len_since_check += len as u64;
                if len_since_check >= SPACE_EVERY {
                    len_since_check = 0;
                    self.check_space(limits, 0)?;
                }
                let Ok(()) = full.send(Piece { file: Arc::clone(&file), octets, len }) else { return Ok(summary) };
                if len == 0 {
                    break;
                }
            }
            summary.files.push(entry);
        }
        summary.compressed_len = unpacker.compressed_len();
        Ok(summary)
    }

    fn create_file(&mut self, entry: &Entry) -> Result<StagedFile, Error> {
        let path = self.target.join(&entry.name);
        pending::check_free(&self.target_folder, OsStr::new(&entry.name), self.existing, &path)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
        // Under the lock, so that the folder cannot be removed at the same time.
        let registry = pending::registry();
        let file = sys::openat(&self.folder, entry.name.as_str(), flags, Mode::RUSR | Mode::WUSR);
        drop(registry);
        let file = file.map_err(|error| match error {
            // The file system takes more names for the same than we do.
            Errno::EXIST => Error::Duplicate { name: name::escaped(entry.name.as_bytes()) },
            error => pending::Error::new("create", &path, error).into(),
        })?;
        self.names.push(entry.name.clone());
        Ok(StagedFile { file: file.into(), path })
    }

    /// Whether `wanted` more octets leave enough free.
    fn check_space(&self, limits: &Limits, wanted: u64) -> Result<(), Error> {
        let disk =
            sys::fstatvfs(&self.target_folder).map_err(|error| pending::Error::new("look at the disk of", &self.target, error))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize).saturating_sub(wanted);
        if free < limits.keep_free {
            return Err(Exceeded { limit: Limit::FreeSpace, actual: free, allowed: limits.keep_free }.into());
        }
        Ok(())
    }
}

#[derive(Debug)]
struct StagedFile {
    file: File,
    path: PathBuf,
}

/// Some octets of a file, in a buffer that goes round.
#[derive(Debug)]
struct Piece {
    file: Arc<StagedFile>,
    octets: Vec<u8>,
    len: usize,
}

/// Runs in a thread of its own: writes what comes, gives the buffers back.
fn write_pieces(to_write: &Receiver<Piece>, empty: &Sender<Vec<u8>>) -> Result<(), Error> {
    for Piece { file, octets, len } in to_write {
        (&file.file).write_all(&octets[..len]).map_err(|error| pending::Error::new("write", &file.path, error))?;
        // At the end nobody needs it any more.
        let _ = empty.send(octets);
    }
    Ok(())
}

/// A release under way, with what it takes to undo it. The lock of the registry is held all the time.
#[derive(Debug)]
struct Moves<'s> {
    staging: &'s Staging,
    steps: Vec<Step<'s>>,
    /// Another private folder, for the files that are replaced; made when the first one is.
    aside: Option<(Arc<OwnedFd>, Pending)>,
}

#[derive(Debug)]
enum Step<'s> {
    /// A file that was there went to the folder aside.
    SetAside(&'s str),
    /// A new file went to the target folder.
    Released(&'s str),
}

impl<'s> Moves<'s> {
    fn release(&mut self, registry: &mut Registry, name: &'s str) -> Result<(), pending::Error> {
        let Staging { target, target_folder, existing, folder, .. } = self.staging;
        let (file, path) = (OsStr::new(name), target.join(name));
        if pending::check_free(target_folder, file, *existing, &path)? == Free::Replaceable {
            let aside = self.aside(registry)?;
            let moved = pending::rename_new(target_folder, file, &aside, file);
            moved.map_err(|error| pending::Error::new("replace", &path, error))?;
            self.steps.push(Step::SetAside(name));
        }
        let moved = pending::rename_new(folder, file, target_folder, file);
        moved.map_err(|error| pending::Error::new("create", &path, error))?;
        self.steps.push(Step::Released(name));
        Ok(())
    }

    fn aside(&mut self, registry: &mut Registry) -> Result<Arc<OwnedFd>, pending::Error> {
        if let Some((folder, _)) = &self.aside {
            return Ok(Arc::clone(folder));
        }
        let Staging { target, target_folder, .. } = self.staging;
        let created = registry.create_folder(target_folder);
        let (folder, pending) = created.map_err(|error| pending::Error::new("create a folder in", target, error))?;
        self.aside = Some((Arc::clone(&folder), pending));
        Ok(folder)
    }

    /// Takes all steps back, last first. An old file that cannot go back to its place is kept where it is.
    fn undo(&mut self, registry: &mut Registry) -> Result<(), pending::Error> {
        let Staging { target, target_folder, folder, .. } = self.staging;
        let mut outcome = Ok(());
        for step in self.steps.drain(..).rev() {
            match step {
                Step::Released(name) => {
                    let file = OsStr::new(name);
                    if pending::rename_new(target_folder, file, folder, file).is_err() {
                        // Then it goes right here. It is ours, or somebody else has removed it.
                        let _ = sys::unlinkat(target_folder, file, AtFlags::empty());
                    }
                }
                Step::SetAside(name) => {
                    let Some((aside, pending)) = &self.aside else { continue };
                    if pending::rename_new(aside, OsStr::new(name), target_folder, OsStr::new(name)).is_err() {
                        let kept = target.join(registry.keep(pending).unwrap_or_default()).join(name);
                        let source = io::Error::other(format!("it is kept as {}", kept.display()));
                        outcome = Err(pending::Error::Io { action: "put back", path: target.join(name), source });
                    }
                }
            }
        }
        outcome
    }
}
