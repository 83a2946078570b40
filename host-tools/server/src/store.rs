//! What the server keeps, and where.
//!
//! Two stores: [`Sqlite`], one file on the server's own machine, and [`Postgresql`], a database that several servers share. Both keep capsules and
//! key shares, acknowledge them only when they are durable, and serve none that expired, deleted or not.

pub mod clean_up;
pub mod migrations;
pub mod postgresql;
pub mod sqlite;
mod statements;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::{fmt, fs};

use cdoc2_api::{Capsule, ExpiryTime, KeyShare, Nonce, ShareId, TransactionId};
use rustls::RootCertStore;

pub use migrations::State;
pub use postgresql::Postgresql;
pub use sqlite::Sqlite;

use crate::config;

/// Opens the store that the configuration names, and brings it up to date.
///
/// # Errors
/// Those of [`Sqlite::open`] and [`Postgresql::connect`]; a file that the configuration names and that cannot be read.
pub async fn open(config: &config::Store) -> Result<Arc<dyn Store>, Error> {
    match config {
        config::Store::Sqlite { path } => {
            let path = path.clone();
            let store = tokio::task::spawn_blocking(move || Sqlite::open(&path)).await;
            Ok(Arc::new(store.map_err(|reason| Error::Unavailable(reason.to_string()))??))
        }
        config::Store::Postgresql { url, password_file, authorities } => {
            let (password, roots) = credentials(password_file.as_deref(), authorities)?;
            Ok(Arc::new(Postgresql::connect(url, password.as_deref(), roots).await?))
        }
    }
}

/// What [`open`] would find, and bring up to date. Nothing is made or changed.
///
/// # Errors
/// As far as that can be told without writing, those of [`open`].
pub async fn inspect(config: &config::Store) -> Result<State, Error> {
    match config {
        config::Store::Sqlite { path } => {
            let path = path.clone();
            let state = tokio::task::spawn_blocking(move || Sqlite::inspect(&path)).await;
            state.map_err(|reason| Error::Unavailable(reason.to_string()))?
        }
        config::Store::Postgresql { url, password_file, authorities } => {
            let (password, roots) = credentials(password_file.as_deref(), authorities)?;
            Postgresql::inspect(url, password.as_deref(), roots).await
        }
    }
}

/// The password for a PostgreSQL database, and whom its certificate must come from.
fn credentials(password_file: Option<&Path>, authorities: &[PathBuf]) -> Result<(Option<String>, Option<RootCertStore>), Error> {
    let password = password_file.map(|path| {
        let text = fs::read_to_string(path).map_err(|reason| Error::Unsound(format!("{}: {reason}", path.display())))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    });
    let mut roots = RootCertStore::empty();
    for path in authorities {
        postgresql::authorities(path, &mut roots)?;
    }
    Ok((password.transpose()?, (!roots.is_empty()).then_some(roots)))
}

/// What a store answers, in time.
pub type Answer<'s, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 's>>;

/// A capsule and until when it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCapsule {
    /// The capsule.
    pub capsule: Capsule,
    /// The first second in which it is served no more, and from which on it may be deleted.
    pub expiry: ExpiryTime,
}

/// A key share and until when it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredShare {
    /// The share, and whose it is.
    pub share: KeyShare,
    /// The first second in which it is served no more, and from which on it may be deleted.
    pub expiry: ExpiryTime,
}

/// Why a store could not do it. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, or is busy or full: trying again may help. What was being put may have been kept all the same, and
    /// a nonce taken.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// There is something under this id, or where it would be, already.
    #[error("the id is taken")]
    Taken,
    /// The database answers what it should not, or was made by a newer version.
    #[error("the database is not as it should be: {0}")]
    Unsound(String),
}

/// What the server keeps. What is asked for is done even if nobody waits for the answer any more.
pub trait Store: fmt::Debug + Send + Sync {
    /// 128 bits for the id of something new, from a CSPRNG as far as anybody can see who has not the database. What is put under an id
    /// [of such bits](TransactionId::from_bits) may be put faster than under others.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: there are no random numbers.
    fn new_id(&self) -> Result<u128, Error>;

    /// Keeps `stored` under `id`. Done means durable: it survives the loss of power.
    fn put_capsule<'s>(&'s self, id: &'s TransactionId, stored: &'s StoredCapsule) -> Answer<'s, ()>;

    /// The capsule that is kept under `id`, unless it has expired at `now`.
    fn capsule<'s>(&'s self, id: &'s TransactionId, now: ExpiryTime) -> Answer<'s, Option<StoredCapsule>>;

    /// Keeps `stored` under `id`. Done means durable.
    fn put_share<'s>(&'s self, id: &'s ShareId, stored: &'s StoredShare) -> Answer<'s, ()>;

    /// The share that is kept under `id`, unless it has expired at `now`.
    fn share<'s>(&'s self, id: &'s ShareId, now: ExpiryTime) -> Answer<'s, Option<StoredShare>>;

    /// Keeps `nonce`, which is good for the share `id` until `expiry`. Whether there is such a share is for the caller to know.
    ///
    /// A share may have any number of nonces. Anybody who has seen its id gets them, so that with a bound, whether the oldest had to make room or the
    /// next was refused, a stranger who keeps asking would lock its recipient out. How many there are is bounded by their lifetime and by the
    /// server's limits of rate.
    fn put_nonce<'s>(&'s self, id: &'s ShareId, nonce: &'s Nonce, expiry: ExpiryTime) -> Answer<'s, ()>;

    /// Takes `nonce` away, if it is one of the share `id` and has not expired at `now`; whether it was there. Of all who ask for one, in whichever
    /// process, one is told that it was, and then it is gone durably.
    fn take_nonce<'s>(&'s self, id: &'s ShareId, nonce: &'s Nonce, now: ExpiryTime) -> Answer<'s, bool>;

    /// Deletes at most `limit` capsules, shares and nonces that have expired at `now`, of each kind those before all else that expired first; how
    /// many it were.
    fn delete_expired(&self, now: ExpiryTime, limit: u32) -> Answer<'_, u32>;

    /// The expiry of what should have been deleted first, if it has come at `now`.
    fn oldest_expired(&self, now: ExpiryTime) -> Answer<'_, Option<ExpiryTime>>;

    /// Whether the database can be read and written, as far as that can be tried without a right to more than the tables.
    fn check(&self) -> Answer<'_, ()>;
}
