//! Where a test's capsules and shares are, and the capsules and shares.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use cdoc2_api::{Capsule, CapsuleType, ExpiryTime, KeyShare, Nonce, Share, ShareId, TransactionId};
use cdoc2_server::config;
use cdoc2_server::store::{self, Error, Store, StoredCapsule, StoredShare};
use cdoc2_tests::postgresql::Postgresql;
use tempfile::TempDir;
use tokio::task::JoinSet;

/// A database of a test's own, with nothing in it yet.
#[derive(Debug)]
pub(crate) enum Place {
    Sqlite(TempDir),
    Postgresql { url: String },
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().unwrap())
    }

    /// In a server that all tests of this process share.
    pub(crate) fn postgresql() -> Self {
        Self::Postgresql { url: server().database() }
    }

    pub(crate) fn config(&self) -> config::Store {
        match self {
            Self::Sqlite(folder) => sqlite(folder.path().join("capsules.db")),
            Self::Postgresql { url } => postgresql(url),
        }
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        store::open(&self.config()).await.unwrap()
    }
}

pub(crate) fn sqlite(path: PathBuf) -> config::Store {
    config::Store::Sqlite { path }
}

pub(crate) fn postgresql(url: &str) -> config::Store {
    config::Store::Postgresql { url: url.to_owned(), password_file: None, authorities: Vec::new() }
}

pub(crate) fn server() -> &'static Postgresql {
    // Never dropped: it ends with the process.
    static SERVER: OnceLock<Postgresql> = OnceLock::new();
    SERVER.get_or_init(|| Postgresql::with(&["max_connections=500"]))
}

pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

pub(crate) fn moment(seconds: i64) -> ExpiryTime {
    ExpiryTime::from_unix(seconds).unwrap()
}

/// Ids that are spread as random ones are, but the same in each run.
pub(crate) fn id(number: u64) -> TransactionId {
    format!("KC{:016x}{number:016x}", spread(number)).parse().unwrap()
}

/// The same for shares.
pub(crate) fn share_id(number: u64) -> ShareId {
    format!("{:016x}{number:016x}", spread(number)).parse().unwrap()
}

/// The same for nonces.
pub(crate) fn nonce(number: u64) -> Nonce {
    format!("{:08x}{number:08x}", spread(number) >> 32).parse().unwrap()
}

fn spread(number: u64) -> u64 {
    number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A capsule whose octets tell its `number`.
pub(crate) fn capsule(number: u64, expiry: i64) -> StoredCapsule {
    let octets = number.to_be_bytes().repeat(12);
    let capsule = Capsule { recipient_id: octets.clone(), ephemeral_key_material: octets, capsule_type: CapsuleType::EccSecp384r1 };
    StoredCapsule { capsule, expiry: moment(expiry) }
}

/// A share whose octets tell its `number`.
pub(crate) fn share(number: u64, expiry: i64) -> StoredShare {
    let share = Share::new(number.to_be_bytes().repeat(4)).unwrap();
    let share = KeyShare { share, recipient: "etsi/PNOEE-48010010101".parse().unwrap() };
    StoredShare { share, expiry: moment(expiry) }
}

/// 32 callers who put capsules 0, 1, 2 and so on, each until it is refused one.
#[derive(Debug)]
pub(crate) struct Load {
    acknowledged: Arc<Mutex<Vec<u64>>>,
    callers: JoinSet<Error>,
}

impl Load {
    pub(crate) fn start(store: &Arc<dyn Store>) -> Self {
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let next = Arc::new(AtomicU64::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..32 {
            let (store, acknowledged, next) = (store.clone(), acknowledged.clone(), next.clone());
            callers.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    match store.put_capsule(&id(number), &capsule(number, 2_000)).await {
                        Ok(()) => acknowledged.lock().unwrap().push(number),
                        Err(reason) => return reason,
                    }
                }
            });
        }
        Self { acknowledged, callers }
    }

    /// Until `count` are acknowledged.
    pub(crate) async fn wait_for(&self, count: usize) {
        while self.acknowledged.lock().unwrap().len() < count {
            tokio::task::yield_now().await;
        }
    }

    /// What was acknowledged until all callers were refused, and why they were.
    pub(crate) async fn until_refused(self) -> (Vec<u64>, Vec<Error>) {
        let reasons = self.callers.join_all().await;
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        (acknowledged, reasons)
    }
}
