//! A capsule server's stores: durable puts, gets among many rows, and clean-up, by many callers at once. Not by criterion, for it measures one caller.
//!
//! `cargo bench -p cdoc2-benches --bench store` measures both on the disk of the temporary folder; `-- sqlite` or `-- postgresql` one of them,
//! `-- --rows 100000` among fewer rows. A line of CSV for each figure. Run by `cargo test`, it does a little of everything, and measures nothing.

use std::env;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use cdoc2_api::{Capsule, CapsuleType, ExpiryTime, TransactionId};
use cdoc2_server::config;
use cdoc2_server::store::{self, Store, StoredCapsule, clean_up};
use cdoc2_tests::postgresql::Postgresql;
use tempfile::TempDir;
use tokio::task::JoinSet;

/// How much is done.
#[derive(Clone, Copy)]
struct Schedule {
    /// For each load.
    time: Duration,
    /// Capsules among which one is got.
    rows: u64,
    /// Writes to the bare disk.
    writes: u32,
}

impl Schedule {
    const WHOLE: Self = Self { time: Duration::from_secs(8), rows: 1_000_000, writes: 500 };
    const ONCE: Self = Self { time: Duration::from_millis(50), rows: 500, writes: 5 };
}

/// The expiry of the many rows.
const EXPIRY: i64 = 2_000_000;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // What cargo says to a benchmark, but not when it tests it.
    let is_measured = arguments.iter().any(|argument| argument == "--bench");
    let mut schedule = if is_measured { Schedule::WHOLE } else { Schedule::ONCE };
    if let Some(at) = arguments.iter().position(|argument| argument == "--rows") {
        schedule.rows = arguments[at + 1].parse().expect("a number");
    }
    let wanted = |name: &str| {
        arguments.iter().all(|argument| argument.starts_with("--") || argument.parse::<u64>().is_ok() || argument == name)
    };
    println!("store,load,callers,rate_per_s,p50_ms,p99_ms,p999_ms");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    disk(schedule);
    if wanted("sqlite") {
        let folder = TempDir::new().expect("a temporary folder");
        runtime.block_on(measure("sqlite", &config::Store::Sqlite { path: folder.path().join("capsules.db") }, schedule));
    }
    if wanted("postgresql") {
        let server = Postgresql::start();
        let url = server.database();
        let config = config::Store::Postgresql { url, password_file: None, authorities: Vec::new() };
        runtime.block_on(measure("postgresql", &config, schedule));
    }
}

/// What the disk does: 4096 octets written and made durable, one after the other.
fn disk(schedule: Schedule) {
    let folder = TempDir::new().expect("a temporary folder");
    let mut file = File::create(folder.path().join("file")).expect("a file");
    let mut times = Vec::new();
    let start = Instant::now();
    for _ in 0..schedule.writes {
        let begun = Instant::now();
        file.rewind().and_then(|()| file.write_all(&[0; 4096])).and_then(|()| file.sync_data()).expect("the disk works");
        times.push(begun.elapsed());
    }
    report("disk", "fdatasync", 1, start.elapsed(), times);
}

async fn measure(name: &str, config: &config::Store, schedule: Schedule) {
    let Schedule { time: lasting, rows, .. } = schedule;
    let store = store::open(config).await.expect("a store");
    let kept = Kept::default();
    for callers in [1, 64, 256] {
        let (time, times) = load(lasting, callers, put(&store, &kept)).await;
        report(name, "put", callers, time, times);
    }

    while kept.count() < rows {
        load(lasting, 256, put(&store, &kept)).await;
    }
    let count = kept.count();
    for callers in [1, 64] {
        let (time, times) = load(lasting, callers, get(&store, &kept)).await;
        report(name, &format!("get among {count}"), callers, time, times);
    }
    let (gets, puts) = tokio::join!(load(lasting, 64, get(&store, &kept)), load(lasting, 64, put(&store, &kept)));
    report(name, "get beside put", 64, gets.0, gets.1);
    report(name, "put beside get", 64, puts.0, puts.1);

    let count = kept.count();
    let start = Instant::now();
    let deleted = clean_up::drain(&*store, late, 1000).await.expect("the store works");
    assert_eq!(deleted, count);
    rate(name, "clean-up of all", deleted, start.elapsed());

    let callers = 64;
    let start = Instant::now();
    let (deleted, puts) = tokio::join!(
        async {
            let mut sum = 0;
            while start.elapsed() < lasting {
                sum += clean_up::drain(&*store, late, 1000).await.expect("the store works");
            }
            sum
        },
        load(lasting, callers, put(&store, &kept))
    );
    rate(name, "clean-up beside put", deleted, start.elapsed());
    report(name, "put beside clean-up", callers, puts.0, puts.1);
    let now = ExpiryTime::try_from(late()).expect("a time");
    let start = Instant::now();
    let left = clean_up::drain(&*store, late, 1000).await.expect("the store works");
    rate(name, "clean-up of what was left", left, start.elapsed());
    assert_eq!(store.oldest_expired(now).await, Ok(None));
}

/// When all has expired.
fn late() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(2 * EXPIRY.unsigned_abs())
}

/// Ids of all that was put.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<TransactionId>>>);

impl Kept {
    fn count(&self) -> u64 {
        self.0.lock().expect("nobody panics").len() as u64
    }

    fn add(&self, id: TransactionId) {
        self.0.lock().expect("nobody panics").push(id);
    }

    /// One of them, for each number: spread as random ones are, but the same in each run.
    fn any(&self, number: u64) -> TransactionId {
        let ids = self.0.lock().expect("nobody panics");
        ids[(scatter(number) % ids.len() as u64) as usize].clone()
    }
}

fn put(store: &Arc<dyn Store>, kept: &Kept) -> impl Fn() -> Work + Clone + Send + 'static {
    let (store, kept) = (store.clone(), kept.clone());
    move || {
        let (store, kept) = (store.clone(), kept.clone());
        Box::pin(async move {
            let bits = store.new_id().expect("there are random numbers");
            let id = TransactionId::from_bits(bits);
            store.put_capsule(&id, &capsule(bits as u64)).await.expect("the store works");
            kept.add(id);
        })
    }
}

fn get(store: &Arc<dyn Store>, kept: &Kept) -> impl Fn() -> Work + Clone + Send + 'static {
    let (store, kept) = (store.clone(), kept.clone());
    let next = Arc::new(AtomicU64::new(0));
    move || {
        let (store, id) = (store.clone(), kept.any(next.fetch_add(1, Ordering::Relaxed)));
        Box::pin(async move {
            let now = ExpiryTime::from_unix(1).expect("a time");
            store.capsule(&id, now).await.expect("the store works").expect("it was put");
        })
    }
}

/// What callers do once and again.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// `callers` do `work` for so long; how long they did, and how long each took.
async fn load(lasting: Duration, callers: usize, work: impl Fn() -> Work + Clone + Send + 'static) -> (Duration, Vec<Duration>) {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let work = work.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            while start.elapsed() < lasting {
                let begun = Instant::now();
                work().await;
                times.push(begun.elapsed());
            }
            times
        });
    }
    let times = tasks.join_all().await.concat();
    (start.elapsed(), times)
}

fn report(store: &str, load: &str, callers: usize, time: Duration, mut times: Vec<Duration>) {
    times.sort_unstable();
    let quantile = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000].as_secs_f64() * 1e3;
    let rate = times.len() as f64 / time.as_secs_f64();
    println!("{store},{load},{callers},{rate:.0},{:.2},{:.2},{:.2}", quantile(500), quantile(990), quantile(999));
}

fn rate(store: &str, load: &str, count: u64, time: Duration) {
    println!("{store},{load},1,{:.0},,,", count as f64 / time.as_secs_f64());
}

/// Spreads numbers as random ones are, but the same in each run.
fn scatter(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ (mixed >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB) ^ (mixed >> 17)
}

/// Of the size of one for a card's P-384 key; expiries are spread over a month.
fn capsule(number: u64) -> StoredCapsule {
    let octets = number.to_be_bytes().repeat(13)[..97].to_vec();
    let capsule = Capsule { recipient_id: octets.clone(), ephemeral_key_material: octets, capsule_type: CapsuleType::EccSecp384r1 };
    let expiry = EXPIRY + i64::try_from(scatter(number) % 2_592_000).expect("it is small") / 2;
    StoredCapsule { capsule, expiry: ExpiryTime::from_unix(expiry).expect("a time") }
}
