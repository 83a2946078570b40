//! The promises of `cdoc2_server::store::Store`, one by one.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use cdoc2_api::capsule::MAX_FIELD_LEN;
use cdoc2_api::{Capsule, CapsuleType, TransactionId};
use cdoc2_server::store::{self, Error, StoredCapsule, clean_up};
use tokio::task::JoinSet;

use crate::place::{Place, capsule, id, moment, server};

/// Before everything that the tests put expires.
const EARLY: i64 = 1_000;

pub(crate) async fn what_is_put_is_found(place: &Place) {
    let store = place.open().await;
    store.check().await.unwrap();
    let kinds = [CapsuleType::EccSecp256r1, CapsuleType::EccSecp384r1, CapsuleType::EccSecp521r1, CapsuleType::Rsa];
    let ids = ["KC0123456789abcdef", "KC0123456789ABCDEF", "KC0123456789abcdef0123456789ABCDEF", "123456789012345678"];
    let all: Vec<(TransactionId, StoredCapsule)> = (1..)
        .zip(kinds.into_iter().zip(ids))
        .map(|(number, (capsule_type, id))| {
            // With zeros and what is no text among the octets.
            let recipient_id = (0..=255).cycle().take(number).collect();
            let ephemeral_key_material = (0..=255).rev().cycle().take(MAX_FIELD_LEN).collect();
            let stored = StoredCapsule {
                capsule: Capsule { recipient_id, ephemeral_key_material, capsule_type },
                expiry: moment(4_000_000_000),
            };
            (id.parse().unwrap(), stored)
        })
        .collect();
    for (id, stored) in &all {
        store.put_capsule(id, stored).await.unwrap();
    }
    for (id, stored) in &all {
        assert_eq!(store.capsule(id, moment(EARLY)).await.as_ref(), Ok(&Some(stored.clone())));
    }
    assert_eq!(store.capsule(&id(0), moment(EARLY)).await, Ok(None));
    drop(store);
    let store = place.open().await;
    for (id, stored) in &all {
        assert_eq!(store.capsule(id, moment(EARLY)).await.as_ref(), Ok(&Some(stored.clone())), "after it was opened again");
    }
}

pub(crate) async fn an_id_is_given_once(place: &Place) {
    let store = place.open().await;
    store.put_capsule(&id(1), &capsule(1, 2_000)).await.unwrap();
    assert_eq!(store.put_capsule(&id(1), &capsule(2, 3_000)).await, Err(Error::Taken));
    assert_eq!(store.capsule(&id(1), moment(EARLY)).await, Ok(Some(capsule(1, 2_000))));
    // An expired one keeps its id until it is deleted.
    assert_eq!(store.capsule(&id(1), moment(2_500)).await, Ok(None));
    assert_eq!(store.put_capsule(&id(1), &capsule(2, 3_000)).await, Err(Error::Taken));
    assert_eq!(store.delete_expired(moment(2_500), 10).await, Ok(1));
    store.put_capsule(&id(1), &capsule(2, 3_000)).await.unwrap();
    assert_eq!(store.capsule(&id(1), moment(2_500)).await, Ok(Some(capsule(2, 3_000))));
}

pub(crate) async fn expired_is_never_found(place: &Place) {
    let store = place.open().await;
    store.put_capsule(&id(1), &capsule(1, 2_000)).await.unwrap();
    assert_eq!(store.capsule(&id(1), moment(1_999)).await, Ok(Some(capsule(1, 2_000))));
    for later in [2_000, 2_001, 4_000_000_000] {
        assert_eq!(store.capsule(&id(1), moment(later)).await, Ok(None));
    }
    assert_eq!(store.capsule(&id(1), moment(1_999)).await, Ok(Some(capsule(1, 2_000))), "asking deletes nothing");
}

pub(crate) async fn expired_is_deleted_oldest_first(place: &Place) {
    let store = place.open().await;
    assert_eq!(store.oldest_expired(moment(3_000)).await, Ok(None));
    for number in 0..10 {
        store.put_capsule(&id(number), &capsule(number, 2_000 + i64::try_from(number).unwrap())).await.unwrap();
    }
    assert_eq!(store.oldest_expired(moment(1_999)).await, Ok(None));
    assert_eq!(store.delete_expired(moment(1_999), 100).await, Ok(0));
    assert_eq!(store.oldest_expired(moment(2_007)).await, Ok(Some(moment(2_000))));
    assert_eq!(store.delete_expired(moment(2_007), 0).await, Ok(0));
    for (count, oldest) in [(3, Some(2_003)), (3, Some(2_006)), (2, None), (0, None)] {
        assert_eq!(store.delete_expired(moment(2_007), 3).await, Ok(count));
        assert_eq!(store.oldest_expired(moment(2_007)).await, Ok(oldest.map(moment)));
    }
    for number in 0..10 {
        assert_eq!(store.capsule(&id(number), moment(EARLY)).await.unwrap().is_some(), number >= 8, "{number}");
    }
}

pub(crate) async fn clean_up_drains_beside_puts(place: &Place) {
    let store = place.open().await;
    let mut puts = JoinSet::new();
    for number in 0..2_500 {
        let store = store.clone();
        puts.spawn(async move { store.put_capsule(&id(number), &capsule(number, 2_000)).await });
    }
    puts.join_all().await.into_iter().collect::<Result<(), _>>().unwrap();
    let mut puts = JoinSet::new();
    for number in 2_500..3_000 {
        let store = store.clone();
        puts.spawn(async move { store.put_capsule(&id(number), &capsule(number, 4_000)).await });
    }
    let clock = || SystemTime::UNIX_EPOCH + Duration::from_secs(3_000);
    let (deleted, put) = tokio::join!(clean_up::drain(&*store, clock, 100), puts.join_all());
    assert_eq!(deleted, Ok(2_500));
    put.into_iter().collect::<Result<(), _>>().unwrap();
    assert_eq!(store.oldest_expired(moment(3_000)).await, Ok(None));
    for number in 0..3_000 {
        assert_eq!(store.capsule(&id(number), moment(EARLY)).await.unwrap().is_some(), number >= 2_500, "{number}");
    }
}

pub(crate) async fn clean_up_runs_until_it_is_dropped(place: &Place) {
    let store = place.open().await;
    let clock = std::sync::Arc::new(AtomicI64::new(1_000));
    let clean_up = tokio::spawn({
        let (store, clock) = (store.clone(), clock.clone());
        let now = move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed).unsigned_abs());
        async move { clean_up::run(&*store, now, Duration::from_millis(1), 2).await }
    });
    for round in 0..3 {
        let expiry = 2_000 + 100 * round;
        for number in 0..5 {
            store.put_capsule(&id(number), &capsule(number, expiry)).await.unwrap();
        }
        assert!(store.capsule(&id(0), moment(EARLY)).await.unwrap().is_some(), "deleted before its time");
        clock.store(expiry, Ordering::Relaxed);
        while store.oldest_expired(moment(expiry)).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    }
    clean_up.abort();
    assert!(clean_up.await.unwrap_err().is_cancelled());
}

pub(crate) async fn of_many_with_one_id_one_wins(place: &Place) {
    let store = place.open().await;
    let mut puts = JoinSet::new();
    for number in 0..640 {
        let store = store.clone();
        puts.spawn(async move { (number, store.put_capsule(&id(number % 20), &capsule(number, 2_000)).await) });
    }
    let mut winners = vec![None; 20];
    for (number, outcome) in puts.join_all().await {
        match outcome {
            Ok(()) => {
                let place = usize::try_from(number % 20).unwrap();
                assert_eq!(winners[place].replace(number), None, "two were told that they have the id");
            }
            Err(reason) => assert_eq!(reason, Error::Taken),
        }
    }
    for (place, winner) in (0..).zip(winners) {
        assert_eq!(store.capsule(&id(place), moment(EARLY)).await, Ok(Some(capsule(winner.expect("one wins"), 2_000))));
    }
}

pub(crate) async fn several_servers_share_it(place: &Place) {
    // All begin with an empty database at once.
    let mut opening = JoinSet::new();
    for _ in 0..6 {
        let config = place.config();
        opening.spawn(async move { store::open(&config).await });
    }
    let stores: Vec<_> = opening.join_all().await.into_iter().collect::<Result<_, _>>().unwrap();
    let mut puts = JoinSet::new();
    for number in 0..600 {
        let store = stores[usize::try_from(number).unwrap() % stores.len()].clone();
        puts.spawn(async move { store.put_capsule(&id(number), &capsule(number, 2_000)).await });
    }
    puts.join_all().await.into_iter().collect::<Result<(), _>>().unwrap();
    for number in 0..600 {
        let other = &stores[usize::try_from(number + 1).unwrap() % stores.len()];
        assert_eq!(other.capsule(&id(number), moment(EARLY)).await, Ok(Some(capsule(number, 2_000))));
    }
    let mut clean_ups = JoinSet::new();
    for store in stores {
        let clock = || SystemTime::UNIX_EPOCH + Duration::from_secs(3_000);
        clean_ups.spawn(async move { clean_up::drain(&*store, clock, 7).await.unwrap() });
    }
    assert_eq!(clean_ups.join_all().await.into_iter().sum::<u64>(), 600, "each is deleted and counted once");
}

pub(crate) async fn newer_is_refused(place: &Place) {
    drop(place.open().await);
    let sql = "INSERT INTO migrations (version) VALUES (99)";
    match place {
        Place::Sqlite(folder) => {
            rusqlite::Connection::open(folder.path().join("capsules.db")).unwrap().execute_batch(sql).unwrap();
        }
        Place::Postgresql { url } => {
            server().sql(url, sql);
        }
    }
    let Err(Error::Unsound(reason)) = store::open(&place.config()).await else { panic!("it was opened") };
    assert!(reason.contains("version is 99") && reason.contains("newer"), "{reason}");
}
