//! Capsules and key shares in one SQLite file, on a disk of the server's own machine.
//!
//! The file is in WAL mode with `synchronous = FULL`: who reads does not wait for who writes, and a transaction is durable when it is committed.
//! What waits to be written is written together, so that one wait for the disk serves many. Several processes on one machine may have the file
//! open; over a network file system it does not work (SQLite, "Write-Ahead Logging").
//!
//! Deleted rows are overwritten (`secure_delete`), for what has expired should be gone; the log beside the file holds copies until it is
//! overwritten in its turn.

mod checkpoint;
mod crew;
mod ids;
mod inspection;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use cdoc2_api::{Capsule, ExpiryTime, KeyShare, Nonce, Share, ShareId, TransactionId};
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row, TransactionBehavior};

use super::{Answer, Error, Store, StoredCapsule, StoredShare, migrations, statements};
use checkpoint::Checkpointer;
use crew::Crew;
use ids::Ids;

/// "CDC2": tells our files from those of other programs.
const APPLICATION_ID: i32 = 0x4344_4332;

/// Threads that read. Reading is short, and mostly from memory.
const READERS: usize = 4;

/// Rows that one transaction deletes. What is put meanwhile waits for it.
const MAX_DELETED: u32 = 256;

/// What is kept. Each table has a column `expiry`, with an index.
const TABLES: [&str; 3] = ["capsules", "shares", "nonces"];

/// How long a lock of another process is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A capsule, unless there is one with this number.
const PUT_CAPSULE: &str = "
    INSERT INTO capsules (number, public_id, type, recipient_id, ephemeral_key_material, expiry)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";

/// The capsule with a number and an id, unless it has expired.
const CAPSULE: &str = "
    SELECT type, recipient_id, ephemeral_key_material, expiry FROM capsules WHERE number = ?1 AND public_id = ?2 AND expiry > ?3";

/// The share with a number and an id, unless it has expired.
const SHARE: &str = "SELECT share, recipient, expiry FROM shares WHERE number = ?1 AND public_id = ?2 AND expiry > ?3";

/// A SQLite file. Dropping it waits for what was asked for, and closes the file.
#[derive(Debug)]
pub struct Sqlite {
    // In the order in which they are dropped: the checkpointer ends after the writer, and the last connection to be closed, which cleans up the
    // log, must be one that writes.
    readers: Crew,
    writer: Crew,
    _checkpointer: Checkpointer,
    ids: Ids,
}

impl Sqlite {
    /// Opens the file at `path`, or makes one there, readable by its owner alone. Blocks while it brings an older file up to date.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the file cannot be made, opened or written.
    /// [`Error::Unsound`]: it is no file of this server's, is damaged, or was made by a newer version.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |reason: &rusqlite::Error| at(path, error(reason));
        // SQLite would make it for others to read. The log and its index get the mode of the file. An existing file is not opened here: closing it
        // again would end the locks that this process may have on it.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Err(reason) if reason.kind() != io::ErrorKind::AlreadyExists => {
                return Err(at(path, Error::Unavailable(reason.to_string())));
            }
            _ => {}
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut writer = Connection::open_with_flags(path, flags).map_err(|reason| failed(&reason))?;
        prepare(&mut writer).map_err(|reason| at(path, reason))?;
        let ids = Ids::read(&writer).map_err(|reason| failed(&reason))?;
        let readers: rusqlite::Result<Vec<Connection>> = (0..READERS).map(|_| reader(path)).collect();
        let readers = readers.map_err(|reason| failed(&reason))?;
        let moving = Connection::open_with_flags(path, flags).map_err(|reason| failed(&reason))?;
        configure(&moving).map_err(|reason| failed(&reason))?;
        let no_thread = |reason: io::Error| Error::Unavailable(format!("no thread for it: {reason}"));
        let (checkpointer, written) = Checkpointer::start(moving).map_err(no_thread)?;
        Ok(Self {
            readers: Crew::readers(readers).map_err(no_thread)?,
            writer: Crew::writer(writer, move |connection| written.after_a_transaction(connection)).map_err(no_thread)?,
            _checkpointer: checkpointer,
            ids,
        })
    }
}

impl Sqlite {
    /// Does `insert`, which inserts one row unless its id is taken.
    async fn insert(&self, insert: impl FnMut(&Connection) -> rusqlite::Result<usize> + Send + 'static) -> Result<(), Error> {
        if self.writer.ask(insert).await? == 1 { Ok(()) } else { Err(Error::Taken) }
    }

    /// What `read` makes of the row that `sql` gives for this id, unless it has expired at `now`.
    async fn find<T: Send + 'static>(
        &self,
        sql: &'static str,
        id: String,
        now: ExpiryTime,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        let number = self.ids.number(&id);
        let find =
            move |connection: &Connection| connection.prepare_cached(sql)?.query_row((number, &id, now.as_unix()), read).optional();
        self.readers.ask(find).await
    }
}

impl Store for Sqlite {
    fn new_id(&self) -> Result<u128, Error> {
        self.ids.next(SystemTime::now())
    }

    fn put_capsule<'s>(&'s self, id: &'s TransactionId, stored: &'s StoredCapsule) -> Answer<'s, ()> {
        let number = self.ids.number(id.as_str());
        let (id, StoredCapsule { capsule, expiry }) = (id.clone(), stored.clone());
        Box::pin(self.insert(move |connection| {
            let kind = capsule.capsule_type.name();
            let row = (number, id.as_str(), kind, &capsule.recipient_id, &capsule.ephemeral_key_material, expiry.as_unix());
            connection.prepare_cached(PUT_CAPSULE)?.execute(row)
        }))
    }

    fn capsule<'s>(&'s self, id: &'s TransactionId, now: ExpiryTime) -> Answer<'s, Option<StoredCapsule>> {
        Box::pin(self.find(CAPSULE, id.to_string(), now, stored_capsule))
    }

    fn put_share<'s>(&'s self, id: &'s ShareId, stored: &'s StoredShare) -> Answer<'s, ()> {
        let number = self.ids.number(id.as_str());
        let (id, StoredShare { share, expiry }) = (id.clone(), stored.clone());
        Box::pin(self.insert(move |connection| {
            let sql = "INSERT INTO shares (number, public_id, share, recipient, expiry)
                       VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
            let row = (number, id.as_str(), share.share.expose(), share.recipient.as_str(), expiry.as_unix());
            connection.prepare_cached(sql)?.execute(row)
        }))
    }

    fn share<'s>(&'s self, id: &'s ShareId, now: ExpiryTime) -> Answer<'s, Option<StoredShare>> {
        Box::pin(self.find(SHARE, id.to_string(), now, stored_share))
    }

    fn put_nonce<'s>(&'s self, id: &'s ShareId, nonce: &'s Nonce, expiry: ExpiryTime) -> Answer<'s, ()> {
        let (id, nonce) = (id.clone(), nonce.clone());
        Box::pin(self.insert(move |connection| {
            let sql = "INSERT INTO nonces (nonce, share_id, expiry) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            connection.prepare_cached(sql)?.execute((nonce.as_str(), id.as_str(), expiry.as_unix()))
        }))
    }

    fn take_nonce<'s>(&'s self, id: &'s ShareId, nonce: &'s Nonce, now: ExpiryTime) -> Answer<'s, bool> {
        let (id, nonce) = (id.clone(), nonce.clone());
        Box::pin(async move {
            let take = move |connection: &Connection| {
                let sql = "DELETE FROM nonces WHERE nonce = ?1 AND share_id = ?2 AND expiry > ?3";
                connection.prepare_cached(sql)?.execute((nonce.as_str(), id.as_str(), now.as_unix()))
            };
            Ok(self.writer.ask(take).await? == 1)
        })
    }

    fn delete_expired(&self, now: ExpiryTime, limit: u32) -> Answer<'_, u32> {
        Box::pin(async move {
            let mut left = limit;
            for table in TABLES {
                let sql = format!(
                    "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE expiry <= ?1 ORDER BY expiry LIMIT ?2)"
                );
                loop {
                    let part = left.min(MAX_DELETED);
                    let sql = sql.clone();
                    let delete = move |connection: &Connection| connection.prepare_cached(&sql)?.execute((now.as_unix(), part));
                    let count = u32::try_from(self.writer.ask(delete).await?).unwrap_or(part);
                    left = left.saturating_sub(count);
                    if count < part || left == 0 {
                        break;
                    }
                }
            }
            Ok(limit - left)
        })
    }

    fn oldest_expired(&self, now: ExpiryTime) -> Answer<'_, Option<ExpiryTime>> {
        Box::pin(async move {
            let oldest = move |connection: &Connection| {
                let mut statement = connection.prepare_cached(statements::OLDEST_EXPIRED)?;
                statement.query_row([now.as_unix()], |row| row.get::<_, Option<i64>>(0))
            };
            Ok(self.readers.ask(oldest).await?.and_then(ExpiryTime::from_unix))
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        let look = |connection: &Connection| connection.query_row("SELECT max(version) FROM migrations", [], |_| Ok(()));
        // The header has a number for whatever a program likes. A row that is written as it was would not be written.
        let write = |connection: &Connection| {
            let number: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            connection.pragma_update(None, "user_version", number.wrapping_add(1))
        };
        Box::pin(async move {
            self.readers.ask(look).await?;
            self.writer.ask(write).await
        })
    }
}

/// What a row of [`CAPSULE`] says.
fn stored_capsule(row: &Row<'_>) -> rusqlite::Result<StoredCapsule> {
    let capsule =
        Capsule { capsule_type: row.get_ref(0)?.as_str()?.into(), recipient_id: row.get(1)?, ephemeral_key_material: row.get(2)? };
    Ok(StoredCapsule { capsule, expiry: expiry(row, 3)? })
}

/// What a row of [`SHARE`] says.
fn stored_share(row: &Row<'_>) -> rusqlite::Result<StoredShare> {
    let unsound = |index, kind, reason| rusqlite::Error::FromSqlConversionFailure(index, kind, reason);
    let share = KeyShare {
        share: Share::new(row.get(0)?).map_err(|reason| unsound(0, Type::Blob, reason.into()))?,
        recipient: row.get_ref(1)?.as_str()?.parse().map_err(|reason| unsound(1, Type::Text, Box::new(reason)))?,
    };
    Ok(StoredShare { share, expiry: expiry(row, 2)? })
}

fn expiry(row: &Row<'_>, index: usize) -> rusqlite::Result<ExpiryTime> {
    let seconds = row.get(index)?;
    ExpiryTime::from_unix(seconds).ok_or(rusqlite::Error::IntegralValueOutOfRange(index, seconds))
}

/// Makes a connection fit for writing, and the database one of this version.
fn prepare(connection: &mut Connection) -> Result<(), Error> {
    configure(connection).map_err(|reason| error(&reason))?;
    connection.pragma_update(None, "cache_size", -32 * 1024).map_err(|reason| error(&reason))?;
    ids::add_functions(connection).map_err(|reason| error(&reason))?;
    migrate(connection)
}

/// Makes a connection fit for writing what must last. Moving the log into the file is the [`Checkpointer`]'s: a commit would wait for it.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)
}

fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let sql = |reason: rusqlite::Error| error(&reason);

    // Several processes may come here at once: what the first of them did, the others find done.
    let start = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
    if !is_ours(&start)? {
        start.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql)?;
        start
            .execute_batch(
                "CREATE TABLE migrations (version INTEGER PRIMARY KEY, done INTEGER NOT NULL DEFAULT (unixepoch())) STRICT",
            )
            .map_err(sql)?;
    }
    start.commit().map_err(sql)?;

    // Nothing is changed, not even the mode of the file, before it is known to be of a version that this program knows.
    migrations::after(migrations::SQLITE, version(connection)?).map(drop)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(sql)?;
    if mode != "wal" {
        return Err(Error::Unsound(format!("its journal mode is {mode:?} and cannot be made \"wal\"")));
    }
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        let Some((version, step)) = migrations::after(migrations::SQLITE, version(&transaction)?)?.next() else { return Ok(()) };
        transaction.execute_batch(step).map_err(sql)?;
        transaction.execute("INSERT INTO migrations (version) VALUES (?1)", [version]).map_err(sql)?;
        transaction.commit().map_err(sql)?;
        tracing::info!(version, "the database was brought to this version");
    }
}

/// Whether the file is one of this server's; if not, there is nothing in it.
fn is_ours(connection: &Connection) -> Result<bool, Error> {
    match number(connection, "PRAGMA application_id")? {
        owner if owner == i64::from(APPLICATION_ID) => Ok(true),
        0 if number(connection, "SELECT count(*) FROM sqlite_schema")? == 0 => Ok(false),
        _ => Err(Error::Unsound("it is the file of another program".into())),
    }
}

/// The last step that was done.
fn version(connection: &Connection) -> Result<i64, Error> {
    number(connection, "SELECT coalesce(max(version), 0) FROM migrations")
}

fn number(connection: &Connection, query: &str) -> Result<i64, Error> {
    connection.query_row(query, [], |row| row.get(0)).map_err(|reason| error(&reason))
}

/// One more connection to the file, to read.
fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // What is read is read once, and the system remembers it, too.
    connection.pragma_update(None, "cache_size", -2 * 1024)?;
    Ok(connection)
}

/// Whose fault it is.
fn error(reason: &rusqlite::Error) -> Error {
    let text = reason.to_string();
    match reason.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OperationAborted
            | ErrorCode::OperationInterrupted,
        ) => Error::Unavailable(text),
        _ => Error::Unsound(text),
    }
}

/// `reason`, with the file in its text.
fn at(path: &Path, reason: Error) -> Error {
    let path = path.display();
    match reason {
        Error::Unavailable(text) => Error::Unavailable(format!("{path}: {text}")),
        Error::Unsound(text) => Error::Unsound(format!("{path}: {text}")),
        Error::Taken => Error::Taken,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use cdoc2_api::CapsuleType;
    use rusqlite::types::Value;
    use tempfile::TempDir;

    use super::*;

    fn moment(seconds: i64) -> ExpiryTime {
        ExpiryTime::from_unix(seconds).unwrap()
    }

    fn stored(expiry: i64) -> StoredCapsule {
        let capsule =
            Capsule { recipient_id: vec![4; 97], ephemeral_key_material: vec![4; 97], capsule_type: CapsuleType::EccSecp384r1 };
        StoredCapsule { capsule, expiry: moment(expiry) }
    }

    #[tokio::test]
    async fn what_is_put_is_there_after_it_was_closed() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("capsules.db");
        let id: TransactionId = "KC0123456789ABCDEF".parse().unwrap();
        let store = Sqlite::open(&path).unwrap();
        store.put_capsule(&id, &stored(100)).await.unwrap();
        assert_eq!(store.put_capsule(&id, &stored(200)).await, Err(Error::Taken));
        for entry in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        }
        drop(store);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the log was left behind");
        let store = Sqlite::open(&path).unwrap();
        assert_eq!(store.capsule(&id, moment(99)).await, Ok(Some(stored(100))));
    }

    /// Whether the disk was waited for, only a loss of power would tell; but SQLite does wait if it is set so on the very connection that writes, and an
    /// answer is given only after the commit (SQLite, "PRAGMA synchronous").
    #[tokio::test]
    async fn what_is_acknowledged_is_committed_by_a_connection_that_waits_for_the_disk() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("capsules.db");
        let store = Sqlite::open(&path).unwrap();
        let read = |pragma: &'static str| {
            store.writer.ask(move |connection| connection.query_row(pragma, [], |row| row.get::<_, Value>(0)))
        };
        for number in 0..100 {
            // Again after each put, for nothing that writes may set it otherwise. 2 is FULL.
            assert_eq!(read("PRAGMA synchronous").await, Ok(Value::Integer(2)));
            assert_eq!(read("PRAGMA journal_mode").await, Ok(Value::Text("wal".into())));
            let id: TransactionId = format!("KC{number:032}").parse().unwrap();
            store.put_capsule(&id, &stored(100)).await.unwrap();
            // Whoever opens the file sees what is committed, and nothing else.
            let other = reader(&path).unwrap();
            let count = other.query_row("SELECT count(*) FROM capsules", [], |row| row.get::<_, i64>(0));
            assert_eq!(count, Ok(number + 1), "it was acknowledged before it was committed");
        }
    }

    /// A file of version 2, with a capsule and a share in it.
    fn of_version_2(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        connection.execute_batch("CREATE TABLE migrations (version INTEGER PRIMARY KEY, done INTEGER DEFAULT 0) STRICT").unwrap();
        for (version, step) in (1..=2).zip(migrations::SQLITE) {
            connection.execute_batch(step).unwrap();
            connection.execute("INSERT INTO migrations (version) VALUES (?1)", [version]).unwrap();
        }
        connection.execute(PUT_BY_VERSION_2, ["KC0123456789abcdef0123456789abcdef"]).unwrap();
        let share = "INSERT INTO shares VALUES ('0123456789abcdef0123456789abcdef', zeroblob(32), 'etsi/PNOEE-48010010101', 100)";
        connection.execute(share, []).unwrap();
        connection
    }

    const PUT_BY_VERSION_2: &str = "
        INSERT INTO capsules (id, type, recipient_id, ephemeral_key_material, expiry)
        VALUES (?1, 'ecc_secp384r1', zeroblob(97), zeroblob(97), 100)";

    #[tokio::test]
    async fn what_an_older_version_kept_is_still_there() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("capsules.db");
        let older = of_version_2(&path);
        let store = Sqlite::open(&path).unwrap();
        let id: TransactionId = "KC0123456789abcdef0123456789abcdef".parse().unwrap();
        let found = store.capsule(&id, moment(99)).await.unwrap().unwrap();
        assert_eq!((found.expiry, found.capsule.recipient_id), (moment(100), vec![0; 97]));
        assert_eq!(store.capsule(&id, moment(100)).await, Ok(None));
        assert_eq!(store.put_capsule(&id, &stored(200)).await, Err(Error::Taken));
        let share: ShareId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        assert_eq!(store.share(&share, moment(99)).await.unwrap().unwrap().expiry, moment(100));

        // What nobody would find, the older one is not to put.
        let refusal = older.execute(PUT_BY_VERSION_2, ["KC00000000000000000000000000000000"]).unwrap_err().to_string();
        assert!(refusal.contains("no column named id"), "{refusal}");

        assert_eq!(store.delete_expired(moment(100), 10).await, Ok(2));
        assert_eq!(store.oldest_expired(moment(1000)).await, Ok(None));
    }

    #[test]
    fn rows_of_new_ids_share_pages() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("capsules.db");
        let mut connection = Connection::open(&path).unwrap();
        prepare(&mut connection).unwrap();
        let ids = Ids::read(&connection).unwrap();
        // How much longer it makes the log to put as many at once.
        let mut put = |count: u32, id: &dyn Fn(u32) -> u128| {
            let log_len = || fs::metadata(folder.path().join("capsules.db-wal")).unwrap().len();
            let before = log_len();
            let transaction = connection.transaction().unwrap();
            for number in 0..count {
                let id = format!("KC{:032x}", id(number));
                let row = (ids.number(&id), id, "ecc_secp384r1", [4; 97], [4; 97], 100);
                transaction.execute(PUT_CAPSULE, row).unwrap();
            }
            transaction.commit().unwrap();
            log_len() - before
        };
        let random = |_| u128::from_be_bytes(crate::random::octets().unwrap());
        put(10_000, &random);
        let scattered = put(100, &random);
        let now = SystemTime::now();
        let together = put(100, &|number| ids.next(now + Duration::from_millis(number.into())).unwrap());
        assert!(together * 5 < scattered, "{together} octets for new ids, {scattered} for random ones");
    }

    #[test]
    fn what_is_not_a_store_is_refused_and_left_alone() {
        let folder = TempDir::new().unwrap();
        let refused = |name: &str, text: &str| {
            let path = folder.path().join(name);
            let before = fs::read(&path).unwrap();
            let Err(Error::Unsound(reason)) = Sqlite::open(&path) else { panic!("{name} was opened") };
            assert!(reason.contains(name) && reason.contains(text), "{reason}");
            assert_eq!(fs::read(&path).unwrap(), before, "{name} was changed");
        };

        fs::write(folder.path().join("text"), "no database ".repeat(1000)).unwrap();
        refused("text", "not a database");

        Connection::open(folder.path().join("foreign")).unwrap().execute_batch("CREATE TABLE birds (name TEXT)").unwrap();
        refused("foreign", "another program");

        let newer = folder.path().join("newer");
        drop(Sqlite::open(&newer).unwrap());
        Connection::open(&newer).unwrap().execute_batch("INSERT INTO migrations (version) VALUES (99)").unwrap();
        refused("newer", "newer");

        let cut = folder.path().join("cut");
        drop(Sqlite::open(&cut).unwrap());
        OpenOptions::new().write(true).open(&cut).unwrap().set_len(5000).unwrap();
        refused("cut", "malformed");
    }

    #[tokio::test]
    async fn damage_is_told_when_it_is_met() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("capsules.db");
        let store = Sqlite::open(&path).unwrap();
        let ids: Vec<TransactionId> = (0..200).map(|number| format!("KC{number:032}").parse().unwrap()).collect();
        for id in &ids {
            store.put_capsule(id, &stored(100)).await.unwrap();
        }
        drop(store);
        // All but the first pages, which hold the schema and the roots of the tables.
        let mut octets = fs::read(&path).unwrap();
        octets[12 * 4096..].fill(0xFF);
        fs::write(&path, octets).unwrap();
        let store = Sqlite::open(&path).unwrap();
        let mut damaged = 0;
        for id in &ids {
            match store.capsule(id, moment(99)).await {
                Err(Error::Unsound(reason)) if reason.contains("malformed") => damaged += 1,
                other => assert_eq!(other, Ok(Some(stored(100)))),
            }
        }
        assert!(damaged > 50, "{damaged} of {}", ids.len());
    }

    #[tokio::test]
    async fn a_check_writes() {
        let folder = TempDir::new().unwrap();
        let store = Sqlite::open(&folder.path().join("capsules.db")).unwrap();
        let log = || fs::read(folder.path().join("capsules.db-wal")).unwrap();
        let before = log();
        store.check().await.unwrap();
        assert!(log() != before, "nothing was written");
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let Err(Error::Unavailable(reason)) = Sqlite::open(Path::new("/nowhere/capsules.db")) else { panic!("it was made") };
        assert!(reason.contains("/nowhere/capsules.db"), "{reason}");
    }
}
