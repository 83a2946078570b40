//! What clients and operators see of the database: that it works, and that it does not.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use cdoc2_api::{CapsuleType, ExpiryTime, TransactionId};
use cdoc2_server::store::{Sqlite, Store as _, StoredCapsule};
use rcgen::PKCS_ECDSA_P384_SHA384;
use rusqlite::Connection;

use super::support::{Bed, PATIENCE};

/// The database's file, opened by somebody else.
fn database(bed: &Bed) -> Connection {
    Connection::open(bed.files.path("capsules.sqlite")).unwrap()
}

#[test]
fn broken_database_is_503_and_told_to_operators() {
    let bed = Bed::new();
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let capsule = mari.capsule(CapsuleType::EccSecp384r1);
    let path = bed.put(&capsule);
    let database = database(&bed);
    let tables: Vec<String> = database
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .and_then(|mut names| names.query_map([], |row| row.get(0))?.collect())
        .unwrap();
    for table in tables {
        database.execute_batch(&format!("DROP TABLE \"{table}\"")).unwrap();
    }
    for response in [bed.sender().post(&capsule, &[]), bed.recipient(Some(&mari)).get(&path)] {
        assert_eq!(response.status, 503, "{response:?}");
        assert!(response.header("retry-after").is_some());
        // What is wrong is for the log.
        assert_eq!(response.error(), "not available at the moment; try again later");
    }
    // The metrics answer all the same.
    let metrics = bed.metrics();
    assert!(metrics.contains(r#"cdoc2_store_errors_total{operation="put_capsule""#), "{metrics}");
}

#[test]
fn database_that_does_not_answer_in_time_is_503() {
    let bed = Bed::with("[limits]\nstore_timeout = \"200ms\"");
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let capsule = mari.capsule(CapsuleType::EccSecp384r1);
    let database = database(&bed);
    database.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(bed.sender().post(&capsule, &[]).status, 503);
    database.execute_batch("ROLLBACK").unwrap();
    assert_eq!(bed.sender().post(&capsule, &[]).status, 201);
}

#[test]
fn what_expired_is_deleted() {
    let bed = Bed::with("[clean_up]\ninterval = \"20ms\"\nbatch = 2");
    let mari = bed.files.authority.person(&PKCS_ECDSA_P384_SHA384);
    let kept = bed.put(&mari.capsule(CapsuleType::EccSecp384r1));
    let past = ExpiryTime::try_from(SystemTime::now() - Duration::from_secs(60)).unwrap();
    let store = Sqlite::open(&bed.files.path("capsules.sqlite")).unwrap();
    let stored = StoredCapsule { capsule: mari.capsule(CapsuleType::EccSecp384r1), expiry: past };
    bed.runtime.block_on(async {
        for number in 0..5 {
            let id: TransactionId = format!("KC{number:032x}").parse().unwrap();
            store.put_capsule(&id, &stored).await.unwrap();
        }
    });
    let now = ExpiryTime::try_from(SystemTime::now()).unwrap();
    let begin = Instant::now();
    while bed.runtime.block_on(store.oldest_expired(now)).unwrap().is_some() {
        assert!(begin.elapsed() < PATIENCE, "it is still there");
        thread::yield_now();
    }
    assert_eq!(bed.recipient(Some(&mari)).get(&kept).status, 200, "the rest is left alone");
}
