//! Bringing a database up to date while other servers may do the same.

use deadpool_postgres::Client;
use tokio_postgres::error::SqlState;

use super::{Database, error, is_conflict};
use crate::store::{Error, State, migrations};

/// How often it is looked anew at what others did.
const ROUNDS: u32 = 50;

/// Does the steps that are missing.
///
/// Of several servers that begin the same step one gets its number into the table. The others wait for its transaction, find the number taken, and
/// look again. A role that may not create tables is enough once they are there.
pub(super) async fn migrate(database: &Database) -> Result<(), Error> {
    let mut connection = database.connection().await?;
    for _ in 0..ROUNDS {
        match step(&mut connection).await {
            Ok(true) => return Ok(()),
            Ok(false) | Err(Failure::LostRace) => {}
            Err(Failure::Final(reason)) => return Err(reason),
        }
    }
    Err(Error::Unavailable("other servers keep changing its tables".into()))
}

/// How far the database is.
pub(super) async fn state(database: &Database) -> Result<State, Error> {
    match version(&database.connection().await?).await.map_err(|reason| error(&reason))? {
        Some(version) => State::of(migrations::POSTGRESQL, version),
        None => Ok(State::Absent),
    }
}

/// The last step that was done; `None` if there is no table of them.
async fn version(connection: &Client) -> Result<Option<i64>, tokio_postgres::Error> {
    match connection.query_one("SELECT coalesce(max(version), 0) FROM migrations", &[]).await {
        Err(reason) if reason.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        row => row?.try_get(0).map(Some),
    }
}

/// Why a step was not done.
enum Failure {
    /// Another server did it, or is doing it.
    LostRace,
    Final(Error),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(reason: tokio_postgres::Error) -> Self {
        // CREATE TABLE IF NOT EXISTS may meet the rows that another one is just writing into the catalogue.
        let taken = [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE, SqlState::DUPLICATE_OBJECT];
        if is_conflict(&reason) || reason.code().is_some_and(|code| taken.contains(code)) {
            Self::LostRace
        } else {
            Self::Final(error(&reason))
        }
    }
}

/// Does one step; true if none was missing.
async fn step(connection: &mut Client) -> Result<bool, Failure> {
    let Some(version) = version(connection).await? else {
        let table = "CREATE TABLE IF NOT EXISTS migrations (version bigint PRIMARY KEY, done timestamptz NOT NULL DEFAULT now())";
        connection.batch_execute(table).await?;
        return Ok(false);
    };
    let Some((version, sql)) = migrations::after(migrations::POSTGRESQL, version).map_err(Failure::Final)?.next() else {
        return Ok(true);
    };
    let transaction = connection.transaction().await?;
    transaction.execute("INSERT INTO migrations (version) VALUES ($1)", &[&version]).await?;
    transaction.batch_execute(sql).await?;
    transaction.commit().await?;
    tracing::info!(version, "the database was brought to this version");
    Ok(false)
}
