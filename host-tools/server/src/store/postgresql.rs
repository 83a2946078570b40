//! Capsules and key shares in a PostgreSQL database, which several servers may share, or in a distributed engine that speaks its language.
//!
//! Each question is one statement, which such a database does wholly or not at all. Nothing is locked over several: no transactions that wait for
//! this program, no advisory locks. What waits to be put or taken is put or taken together, for a statement and a commit cost more than a row.

mod batch;
mod migration;
mod tls;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cdoc2_api::{Capsule, ExpiryTime, KeyShare, Nonce, Share, ShareId, TransactionId};
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType};
use rustls::RootCertStore;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls, Row, Socket};

use super::{Answer, Error, State, Store, StoredCapsule, StoredShare, statements};
use crate::random;
use batch::{PutCapsule, PutNonce, PutShare, TakeNonce};
use writer::Writer;

/// Connections that read and clean up.
const CONNECTIONS: usize = 8;
/// Connections that put and take. A server's load is of one or two kinds, each of which uses [`writer::TASKS`] at most.
const WRITING_CONNECTIONS: usize = 2 * writer::TASKS;

/// For the network, the handshakes and the log-in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one statement, by the database's clock.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// For one statement, by ours: the database may have gone without a word.
const PATIENCE: Duration = Duration::from_secs(15);
/// What is kept, each table with its primary key. Each has a column `expiry`, too, with an index.
const TABLES: [(&str, &str); 3] = [("capsules", "id"), ("shares", "id"), ("nonces", "nonce")];
/// The capsule with an id, unless it has expired.
const CAPSULE: &str = "SELECT type, recipient_id, ephemeral_key_material, expiry FROM capsules WHERE id = $1 AND expiry > $2";
/// The share with an id, unless it has expired.
const SHARE: &str = "SELECT share, recipient, expiry FROM shares WHERE id = $1 AND expiry > $2";
/// How often a statement is begun anew that the database took back because of others at the same rows.
const TRIES: u32 = 5;

/// A PostgreSQL database. Connections are made when they are needed, and made anew when they were lost.
pub struct Postgresql {
    database: Database,
    capsules: Writer<PutCapsule>,
    shares: Writer<PutShare>,
    nonces: Writer<PutNonce>,
    taken: Writer<TakeNonce>,
}

impl fmt::Debug for Postgresql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgresql").finish_non_exhaustive()
    }
}

impl Postgresql {
    /// Connects, and brings an older database up to date. `url` is `postgresql://user@host/database` or `host=... user=... dbname=...`, as in
    /// PostgreSQL 18, 32.1.1 with the keys that tokio-postgres knows; `password` goes before the one in there.
    ///
    /// With `authorities` the connection is TLS 1.2 or newer, to a server whose certificate is theirs and in its host's name. Without, it is TLS
    /// never, and `sslmode=require` is refused: what is not checked protects nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: no database there. [`Error::Unsound`]: it does not let us in, was made by a newer version, or acknowledges what is
    /// not durable; or `url` cannot be used.
    pub async fn connect(url: &str, password: Option<&str>, authorities: Option<RootCertStore>) -> Result<Self, Error> {
        let access = Access::new(url, password, authorities)?;
        let database = access.pool(CONNECTIONS)?;
        migration::migrate(&database).await?;
        database.is_durable().await?;
        let writing = Arc::new(access.pool(WRITING_CONNECTIONS)?);
        Ok(Self {
            database,
            capsules: Writer::new(&writing),
            shares: Writer::new(&writing),
            nonces: Writer::new(&writing),
            taken: Writer::new(&writing),
        })
    }

    /// What [`Postgresql::connect`] would find.
    ///
    /// # Errors
    /// Those of [`Postgresql::connect`], and [`Error::Unavailable`] if the database takes no writes.
    pub async fn inspect(url: &str, password: Option<&str>, authorities: Option<RootCertStore>) -> Result<State, Error> {
        let database = Access::new(url, password, authorities)?.pool(1)?;
        let state = migration::state(&database).await?;
        database.is_durable().await?;
        database.takes_writes().await?;
        Ok(state)
    }
}

/// How to get at a database.
struct Access {
    config: Config,
    tls: Option<tls::Connector>,
}

impl Access {
    fn new(url: &str, password: Option<&str>, authorities: Option<RootCertStore>) -> Result<Self, Error> {
        let mut config: Config = url.parse().map_err(|reason| Error::Unsound(format!("its URL: {}", text(&reason))))?;
        if let Some(password) = password {
            config.password(password);
        }
        if config.get_application_name().is_none() {
            config.application_name("cdoc2-server");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(PATIENCE);
        }
        if authorities.is_some() {
            config.ssl_mode(SslMode::Require);
        } else if config.get_ssl_mode() == SslMode::Require {
            return Err(Error::Unsound("its URL says sslmode=require: name the authorities whose certificates to trust".into()));
        } else if config.get_hosts().iter().any(is_remote) {
            tracing::warn!("the database is on another host, and the connection to it is not protected: no authorities are named");
        }
        Ok(Self { config, tls: authorities.map(tls::Connector::new).transpose()? })
    }

    /// So many connections, at most.
    fn pool(&self, size: usize) -> Result<Database, Error> {
        match &self.tls {
            Some(tls) => Database::new(&self.config, tls.clone(), size),
            None => Database::new(&self.config, NoTls, size),
        }
    }
}

/// Whether what is said to it can be heard on a network.
fn is_remote(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name != "localhost" && !name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback()),
        Host::Unix(_) => false,
    }
}

impl Postgresql {
    /// The row that `sql` gives for this id, unless it has expired at `now`.
    async fn find(&self, sql: &str, id: &str, now: ExpiryTime) -> Result<Option<Row>, Error> {
        let rows = self.database.query(sql, &[&id.as_bytes(), &now.as_unix()]).await?;
        Ok(rows.into_iter().next())
    }
}

impl Store for Postgresql {
    fn new_id(&self) -> Result<u128, Error> {
        random::octets().map(u128::from_be_bytes)
    }

    fn put_capsule<'s>(&'s self, id: &'s TransactionId, stored: &'s StoredCapsule) -> Answer<'s, ()> {
        Box::pin(self.capsules.put(PutCapsule { id: id.clone(), stored: stored.clone() }))
    }

    fn capsule<'s>(&'s self, id: &'s TransactionId, now: ExpiryTime) -> Answer<'s, Option<StoredCapsule>> {
        Box::pin(async move { self.find(CAPSULE, id.as_str(), now).await?.as_ref().map(stored_capsule).transpose() })
    }

    fn put_share<'s>(&'s self, id: &'s ShareId, stored: &'s StoredShare) -> Answer<'s, ()> {
        Box::pin(self.shares.put(PutShare { id: id.clone(), stored: stored.clone() }))
    }

    fn share<'s>(&'s self, id: &'s ShareId, now: ExpiryTime) -> Answer<'s, Option<StoredShare>> {
        Box::pin(async move { self.find(SHARE, id.as_str(), now).await?.as_ref().map(stored_share).transpose() })
    }

    fn put_nonce<'s>(&'s self, id: &'s ShareId, nonce: &'s Nonce, expiry: ExpiryTime) -> Answer<'s, ()> {
        Box::pin(self.nonces.put(PutNonce { id: id.clone(), nonce: nonce.clone(), expiry }))
    }

    fn take_nonce<'s>(&'s self, id: &'s ShareId, nonce: &'s Nonce, now: ExpiryTime) -> Answer<'s, bool> {
        Box::pin(self.taken.ask(TakeNonce { id: id.clone(), nonce: nonce.clone(), now }))
    }

    fn delete_expired(&self, now: ExpiryTime, limit: u32) -> Answer<'_, u32> {
        Box::pin(async move {
            let mut left = limit;
            for (table, id) in TABLES {
                // The array is filled once, and its rows are found by their ids, whatever a planner believes about how many there are.
                let sql = format!(
                    "DELETE FROM {table} WHERE {id} = ANY (ARRAY(
                         SELECT {id} FROM {table} WHERE expiry <= $1 ORDER BY expiry LIMIT $2 FOR UPDATE SKIP LOCKED))"
                );
                let count = self.database.execute(&sql, &[&now.as_unix(), &i64::from(left)]).await?;
                left = left.saturating_sub(u32::try_from(count).unwrap_or(left));
            }
            Ok(limit - left)
        })
    }

    fn oldest_expired(&self, now: ExpiryTime) -> Answer<'_, Option<ExpiryTime>> {
        Box::pin(async move {
            let rows = self.database.query(statements::OLDEST_EXPIRED, &[&now.as_unix()]).await?;
            let oldest: Option<i64> = rows.first().map(|row| column(row, 0)).transpose()?.flatten();
            Ok(oldest.and_then(ExpiryTime::from_unix))
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.database.query("SELECT version FROM migrations LIMIT 1", &[]).await?;
            self.database.takes_writes().await
        })
    }
}

/// What a row of [`CAPSULE`] says.
fn stored_capsule(row: &Row) -> Result<StoredCapsule, Error> {
    let capsule = Capsule {
        capsule_type: column::<&str>(row, 0)?.into(),
        recipient_id: column(row, 1)?,
        ephemeral_key_material: column(row, 2)?,
    };
    Ok(StoredCapsule { capsule, expiry: expiry(row, 3)? })
}

/// What a row of [`SHARE`] says.
fn stored_share(row: &Row) -> Result<StoredShare, Error> {
    let unsound = |reason: &dyn fmt::Display| Error::Unsound(format!("in the row of a share: {reason}"));
    let share = KeyShare {
        share: Share::new(column(row, 0)?).map_err(|reason| unsound(&reason))?,
        recipient: column::<&str>(row, 1)?.parse().map_err(|reason| unsound(&reason))?,
    };
    Ok(StoredShare { share, expiry: expiry(row, 2)? })
}

fn expiry(row: &Row, index: usize) -> Result<ExpiryTime, Error> {
    let seconds = column(row, index)?;
    ExpiryTime::from_unix(seconds).ok_or_else(|| Error::Unsound(format!("something expires at {seconds}, which is no time")))
}

fn column<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r Row, index: usize) -> Result<T, Error> {
    row.try_get(index).map_err(|reason| error(&reason))
}

/// Connections to a database.
struct Database(Pool);

impl Database {
    fn new<T>(config: &Config, tls: T, size: usize) -> Result<Self, Error>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + Sync,
        T::TlsConnect: Send + Sync,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let manager = Manager::from_config(config.clone(), tls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let time_out = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _: &_| {
            Box::pin(async move {
                let sql = format!("SET statement_timeout = {}", STATEMENT_TIMEOUT.as_millis());
                client.batch_execute(&sql).await.map_err(HookError::Backend)
            })
        });
        let pool = Pool::builder(manager)
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE))
            .post_create(time_out)
            .build();
        pool.map(Self).map_err(|reason| Error::Unavailable(reason.to_string()))
    }

    async fn connection(&self) -> Result<Object, Error> {
        self.0.get().await.map_err(|reason| match reason {
            PoolError::Backend(reason) | PoolError::PostCreateHook(HookError::Backend(reason)) => error(&reason),
            PoolError::Timeout(TimeoutType::Wait) => Error::Unavailable("too many wait for it".into()),
            other => Error::Unavailable(other.to_string()),
        })
    }

    /// The rows that a statement gives.
    async fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let connection = self.connection().await?;
            let answer = timeout(PATIENCE, async { connection.query(&connection.prepare_cached(sql).await?, values).await }).await;
            if let Some(outcome) = settle(connection, answer, tries) {
                return outcome;
            }
        }
    }

    /// How many rows a statement changes.
    async fn execute(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let connection = self.connection().await?;
            let answer =
                timeout(PATIENCE, async { connection.execute(&connection.prepare_cached(sql).await?, values).await }).await;
            if let Some(outcome) = settle(connection, answer, tries) {
                return outcome;
            }
        }
    }

    /// A setting of the database, if it has it.
    async fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        let rows = self.query("SELECT current_setting($1, true)", &[&name]).await?;
        rows.first().map(|row| column(row, 0)).transpose().map(Option::flatten)
    }

    /// Whether the database can be written.
    async fn takes_writes(&self) -> Result<(), Error> {
        match self.setting("transaction_read_only").await?.as_deref() {
            Some("on") => Err(Error::Unavailable("it takes no writes: a standby".into())),
            _ => Ok(()),
        }
    }

    /// Whether what the database acknowledges survives.
    async fn is_durable(&self) -> Result<(), Error> {
        if self.setting("synchronous_commit").await?.as_deref() == Some("off") {
            return Err(Error::Unsound("synchronous_commit is off: it would lose what it acknowledged".into()));
        }
        if self.setting("fsync").await?.as_deref() == Some("off") {
            tracing::warn!("fsync is off in the database: with the power, it loses everything");
        }
        Ok(())
    }
}

/// What came of a statement; `None` if it is to be tried again. A connection over which something went wrong is not used again: its server may be
/// going, or have become a standby.
fn settle<T>(
    connection: Object,
    answer: Result<Result<T, tokio_postgres::Error>, tokio::time::error::Elapsed>,
    tries: u32,
) -> Option<Result<T, Error>> {
    let failure = match answer {
        Ok(Ok(value)) => return Some(Ok(value)),
        Ok(Err(reason)) if is_conflict(&reason) && tries < TRIES => return None,
        Ok(Err(reason)) => error(&reason),
        Err(_) => Error::Unavailable(format!("no answer in {} s", PATIENCE.as_secs())),
    };
    drop(Object::take(connection));
    Some(Err(failure))
}

/// Whether it was taken back because of others at the same rows, which may have gone by now.
fn is_conflict(reason: &tokio_postgres::Error) -> bool {
    reason.code().is_some_and(|code| [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code))
}

/// Whose fault it is, by the class of the code (PostgreSQL 18, appendix A).
fn error(reason: &tokio_postgres::Error) -> Error {
    let text = text(reason);
    let Some(code) = reason.code() else {
        return Error::Unavailable(text);
    };
    match code.code().get(..2) {
        // connection, rolled back, resources such as the disk, not in this state, operator, input and output
        Some("08" | "40" | "53" | "55" | "57" | "58") => Error::Unavailable(text),
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Error::Unavailable(text),
        _ => Error::Unsound(text),
    }
}

/// What happened, without the values that the database may tell in its details.
fn text(reason: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    match (reason.as_db_error(), reason.source()) {
        (Some(answer), _) => format!("{} (SQLSTATE {})", answer.message(), answer.code().code()),
        (None, Some(source)) => format!("{reason}: {source}"),
        (None, None) => reason.to_string(),
    }
}

/// The certificates of a PEM file, to trust.
///
/// # Errors
/// [`Error::Unsound`]: none in there, or one that is damaged.
pub fn authorities(path: &Path, roots: &mut RootCertStore) -> Result<(), Error> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    let unsound = |reason: &dyn fmt::Display| Error::Unsound(format!("{}: {reason}", path.display()));
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|reason| unsound(&reason))? {
        let certificate = certificate.map_err(|reason| unsound(&reason))?;
        roots.add(certificate).map_err(|reason| unsound(&reason))?;
    }
    if roots.len() == before { Err(unsound(&"no certificate in it")) } else { Ok(()) }
}
