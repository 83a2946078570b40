//! kill -9 in the middle of a load.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;

use cdoc2_server::store::Store;

use crate::place::{Place, capsule, id, moment, postgresql, sqlite};

/// Set in the process that is to be killed: where its store is.
const LOAD: &str = "CDOC2_TESTS_STORE_LOAD";

/// How many must have been acknowledged before the kill.
const ENOUGH: usize = 500;

/// Another process of this program puts capsules and tells which were acknowledged, until it is killed. They are all there afterwards.
pub(crate) async fn what_was_acknowledged_survives_the_server(place: &Place) {
    let (name, load) = match place {
        Place::Sqlite(folder) => ("on_sqlite", folder.path().join("capsules.db").display().to_string()),
        Place::Postgresql { url } => ("on_postgresql", url.clone()),
    };
    if let Ok(load) = env::var(LOAD) {
        return put_for_ever(&load).await;
    }
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", &format!("{name}::what_was_acknowledged_survives_the_server"), "--nocapture"]).env(LOAD, load);
    let mut child = child.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        acknowledged.extend(line.unwrap().strip_prefix("kept ").and_then(|line| line.strip_suffix('.')?.parse::<u64>().ok()));
        if acknowledged.len() == ENOUGH {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(acknowledged.len() >= ENOUGH, "it ended by itself");
    let store = place.open().await;
    for number in acknowledged {
        assert_eq!(store.capsule(&id(number), moment(1_000)).await, Ok(Some(capsule(number, 2_000))), "{number} was acknowledged");
    }
    // What the child left does not stand in the way.
    store.put_capsule(&id(u64::MAX - 1), &capsule(0, 2_000)).await.unwrap();
}

async fn put_for_ever(load: &str) {
    let config = if load.contains("://") { postgresql(load) } else { sqlite(load.into()) };
    let store: Arc<dyn Store> = cdoc2_server::store::open(&config).await.unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..32_u64 {
        let store = store.clone();
        callers.spawn(async move {
            for number in (caller..).step_by(32) {
                store.put_capsule(&id(number), &capsule(number, 2_000)).await.unwrap();
                // Nobody reads when the test is over.
                if writeln!(std::io::stdout(), "kept {number}.").is_err() {
                    return;
                }
            }
        });
    }
    callers.join_all().await;
}
