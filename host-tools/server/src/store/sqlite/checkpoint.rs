//! Moving the log into the file, on a thread of its own, so that nobody who writes waits for it (SQLite, "Write-Ahead Logging", 2.3).
//!
//! A log is begun anew only when all of it was moved, and while the next pages are already being written it never is. So from a certain length on the
//! writer is asked to see to that between two transactions: what is left to be moved by then is little.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use rusqlite::Connection;

/// Pages of the log from which on the writer begins it anew: 64 MiB.
const MAX_LOG_PAGES: i64 = 16 * 1024;

/// From one move to the next: a page that is written several times meanwhile is moved once.
const INTERVAL: Duration = Duration::from_millis(50);

/// After a failure, which is most likely a full disk.
const BACK_OFF: Duration = Duration::from_secs(1);

/// A thread that owns a connection. It ends when its [`Written`] is dropped; dropping it waits for that, and closes the connection.
pub(super) struct Checkpointer(Option<JoinHandle<()>>);

/// The writer's end.
pub(super) struct Written {
    told: SyncSender<()>,
    is_long: Arc<AtomicBool>,
}

impl Checkpointer {
    /// Moves the log by `connection` from now on, as often as it is told that something was written.
    pub(super) fn start(connection: Connection) -> io::Result<(Self, Written)> {
        let (told, waiting) = mpsc::sync_channel(1);
        let written = Written { told, is_long: Arc::default() };
        let is_long = Arc::clone(&written.is_long);
        let thread =
            thread::Builder::new().name("sqlite-checkpointer".into()).spawn(move || run(&connection, &waiting, &is_long))?;
        Ok((Self(Some(thread)), written))
    }
}

impl Written {
    /// For the writer to call with its connection, between two transactions.
    pub(super) fn after_a_transaction(&self, connection: &Connection) {
        if self.is_long.swap(false, Ordering::Relaxed)
            && let Err(reason) = checkpoint(connection, "RESTART")
        {
            tracing::warn!(%reason, "the database's log cannot be begun anew");
        }
        // A word that waits already stands for this one, too; one that nobody hears any more is for nobody.
        let _ = self.told.try_send(());
    }
}

fn run(connection: &Connection, written: &Receiver<()>, is_long: &AtomicBool) {
    while written.recv().is_ok() {
        match checkpoint(connection, "PASSIVE") {
            Ok(pages) => {
                is_long.store(pages >= MAX_LOG_PAGES, Ordering::Relaxed);
                thread::sleep(INTERVAL);
            }
            Err(reason) => {
                tracing::warn!(%reason, "the database's log cannot be moved into its file");
                thread::sleep(BACK_OFF);
            }
        }
    }
}

/// Moves as much as the mode says; how many pages the log has.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<i64> {
    // Whether somebody else was at it, pages of the log, how many of them are in the file: the last two are -1 where that is not known.
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(1))
}

impl fmt::Debug for Checkpointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpointer").finish_non_exhaustive()
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        // One that panicked has said so.
        let _ = self.0.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;

    fn open(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        connection
    }

    fn write(connection: &Connection) {
        connection.execute("INSERT INTO rows VALUES (randomblob(100))", []).unwrap();
    }

    /// What changes when a log is begun anew (SQLite, "Database File Format", 4.1).
    fn salt(folder: &TempDir) -> Vec<u8> {
        fs::read(folder.path().join("db-wal")).unwrap()[16..24].to_vec()
    }

    #[test]
    fn a_long_log_is_begun_anew_though_not_all_of_it_was_moved() {
        let folder = TempDir::new().unwrap();
        let writer = open(&folder.path().join("db"));
        writer.execute("CREATE TABLE rows (octets BLOB)", []).unwrap();
        let (told, waiting) = mpsc::sync_channel(1);
        let written = Written { told, is_long: Arc::default() };
        let first = salt(&folder);
        for is_long in [false, true] {
            written.is_long.store(is_long, Ordering::Relaxed);
            write(&writer);
            written.after_a_transaction(&writer);
            waiting.try_recv().unwrap();
            write(&writer);
            assert_eq!(salt(&folder) != first, is_long);
        }
    }

    #[test]
    fn what_is_written_is_moved_beside_the_writer() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("db");
        let writer = open(&path);
        writer.execute("CREATE TABLE rows (octets BLOB)", []).unwrap();
        let empty = fs::metadata(&path).unwrap().len();
        let (checkpointer, written) = Checkpointer::start(open(&path)).unwrap();
        (0..100).for_each(|_| write(&writer));
        written.after_a_transaction(&writer);
        drop((written, checkpointer));
        assert!(fs::metadata(&path).unwrap().len() > empty);
    }
}
