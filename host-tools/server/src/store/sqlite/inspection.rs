//! Looking at a file without changing it, or making another beside it.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, access};

use super::{BUSY_TIMEOUT, Sqlite, at, error, is_ours, version};
use crate::store::{Error, State, migrations};

impl Sqlite {
    /// What [`Sqlite::open`] would find at `path`.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the file cannot be read or written, or not be made in its folder.
    /// [`Error::Unsound`]: it is no file of this server's, is damaged, or was made by a newer version.
    pub fn inspect(path: &Path) -> Result<State, Error> {
        state(path).map_err(|reason| at(path, reason))
    }
}

fn state(path: &Path) -> Result<State, Error> {
    let unavailable = |what: &'static str| move |reason: rustix::io::Errno| Error::Unavailable(format!("{what}: {reason}"));
    // SQLite makes files beside it, too.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(unavailable("no file can be made in its folder"))?;
    if !path.exists() {
        return Ok(State::Absent);
    }
    access(path, Access::READ_OK | Access::WRITE_OK).map_err(unavailable("it cannot be read and written"))?;
    let connection = open(path).map_err(|reason| error(&reason))?;
    if is_ours(&connection)? { State::of(migrations::SQLITE, version(&connection)?) } else { Ok(State::Absent) }
}

/// Reading a file in WAL mode makes the log and its index, unless they are there, because somebody has it open or ended badly. If they are not, all is
/// in the file, and nobody writes it: then SQLite is told so (SQLite, "Uniform Resource Identifiers", 3.3, "immutable").
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if PathBuf::from(log).exists() {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        return Ok(connection);
    }
    let mut uri = String::from("file:");
    for octet in path.as_os_str().as_bytes() {
        match octet {
            b'/' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => uri.push(char::from(*octet)),
            _ => uri += &format!("%{octet:02X}"),
        }
    }
    Connection::open_with_flags(uri + "?immutable=1", flags | OpenFlags::SQLITE_OPEN_URI)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// Every file in a folder, with its octets; but for the log's index, in which whoever reads leaves a mark.
    fn files(folder: &TempDir) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.as_os_str().as_bytes().ends_with(b"-shm"))
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }

    /// What is told of a file; nothing is changed or made.
    fn inspect(folder: &TempDir, path: &Path) -> Result<State, Error> {
        let before = files(folder);
        let state = Sqlite::inspect(path);
        assert!(files(folder) == before, "{state:?}: something was written");
        state
    }

    #[test]
    fn a_file_is_looked_at_and_not_changed() {
        let folder = TempDir::new().unwrap();
        // What has a meaning in a URI.
        let path = folder.path().join("100% of?capsules#1.db");
        assert_eq!(inspect(&folder, &path), Ok(State::Absent));
        fs::write(&path, "").unwrap();
        assert_eq!(inspect(&folder, &path), Ok(State::Absent));
        let store = Sqlite::open(&path).unwrap();
        assert_eq!(inspect(&folder, &path), Ok(State::UpToDate), "while a server has it open");
        drop(store);
        assert_eq!(files(&folder).len(), 1);
        assert_eq!(inspect(&folder, &path), Ok(State::UpToDate));
        for (step, expected) in [
            ("DELETE FROM migrations WHERE version > 1", Ok(State::Older { version: 1, newest: 3 })),
            ("INSERT INTO migrations (version) VALUES (99)", Err("newer")),
            ("PRAGMA application_id = 7", Err("another program")),
        ] {
            Connection::open(&path).unwrap().execute_batch(step).unwrap();
            match (inspect(&folder, &path), expected) {
                (Err(Error::Unsound(reason)), Err(text)) => {
                    assert!(reason.contains(text) && reason.contains("100% of"), "{reason}")
                }
                (state, expected) => assert_eq!(state.map_err(|reason| reason.to_string()), expected.map_err(str::to_owned)),
            }
        }
        fs::write(&path, "no database ".repeat(1000)).unwrap();
        assert!(matches!(inspect(&folder, &path), Err(Error::Unsound(reason)) if reason.contains("not a database")));
    }

    #[test]
    fn what_is_only_in_the_log_counts() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("capsules.db");
        drop(Sqlite::open(&path).unwrap());
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT INTO migrations (version) VALUES (99)").unwrap();
        assert!(matches!(inspect(&folder, &path), Err(Error::Unsound(reason)) if reason.contains("newer")));
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let Err(Error::Unavailable(reason)) = Sqlite::inspect(Path::new("/nowhere/capsules.db")) else { panic!("it is there") };
        assert!(reason.contains("/nowhere/capsules.db"), "{reason}");
    }
}
