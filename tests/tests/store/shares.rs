//! The promises of `cdoc2_server::store::Store` about key shares and their nonces.

use std::time::{Duration, SystemTime};

use cdoc2_api::{KeyShare, Share};
use cdoc2_server::store::{Error, StoredShare, clean_up};
use tokio::task::JoinSet;

use crate::place::{Place, capsule, id, moment, nonce, share, share_id};

/// Before everything that the tests put expires.
const EARLY: i64 = 1_000;

pub(crate) async fn a_share_is_found(place: &Place) {
    let store = place.open().await;
    let all: Vec<_> = [(32, "etsi/PNOEE-48010010101"), (33, "private/JIO/70000349"), (128, "etsi/IDCLV-010101-10006")]
        .into_iter()
        .zip(["9a7c3717d21f5cf19d18fa4fa5adee21", "9A7C3717D21F5CF19D18FA4FA5ADEE21", "123456789012345678"])
        .map(|((len, recipient), id)| {
            // With zeros and what is no text among the octets.
            let share = Share::new((0..=255).rev().cycle().take(len).collect()).unwrap();
            let share = KeyShare { share, recipient: recipient.parse().unwrap() };
            (id.parse().unwrap(), StoredShare { share, expiry: moment(4_000_000_000) })
        })
        .collect();
    for (id, stored) in &all {
        store.put_share(id, stored).await.unwrap();
    }
    // A capsule with the same id is another thing.
    store.put_capsule(&id(1), &capsule(1, 2_000)).await.unwrap();
    assert_eq!(store.share(&id(1).as_str().parse().unwrap(), moment(EARLY)).await, Ok(None));
    drop(store);
    let store = place.open().await;
    for (id, stored) in &all {
        assert_eq!(store.share(id, moment(EARLY)).await.as_ref(), Ok(&Some(stored.clone())));
    }
    assert_eq!(store.share(&share_id(0), moment(EARLY)).await, Ok(None));
}

pub(crate) async fn a_share_id_is_given_once(place: &Place) {
    let store = place.open().await;
    let mut puts = JoinSet::new();
    for number in 0..640 {
        let store = store.clone();
        puts.spawn(async move { (number, store.put_share(&share_id(number % 20), &share(number, 2_000)).await) });
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
        assert_eq!(store.share(&share_id(place), moment(EARLY)).await, Ok(Some(share(winner.expect("one wins"), 2_000))));
    }
}

pub(crate) async fn a_share_expires_to_the_second(place: &Place) {
    let store = place.open().await;
    store.put_share(&share_id(1), &share(1, 2_000)).await.unwrap();
    for later in [2_000, 2_001, 4_000_000_000] {
        assert_eq!(store.share(&share_id(1), moment(later)).await, Ok(None));
    }
    assert_eq!(store.share(&share_id(1), moment(1_999)).await, Ok(Some(share(1, 2_000))), "asking deletes nothing");
}

pub(crate) async fn a_nonce_is_taken_once(place: &Place) {
    let store = place.open().await;
    for number in 0..4 {
        store.put_nonce(&share_id(1), &nonce(number), moment(2_000)).await.unwrap();
    }
    assert_eq!(store.put_nonce(&share_id(2), &nonce(0), moment(2_000)).await, Err(Error::Taken));
    // In another order than they were given.
    for number in [2, 0] {
        assert_eq!(store.take_nonce(&share_id(1), &nonce(number), moment(1_999)).await, Ok(true));
        assert_eq!(store.take_nonce(&share_id(1), &nonce(number), moment(1_999)).await, Ok(false), "it was taken");
    }
    assert_eq!(store.take_nonce(&share_id(1), &nonce(9), moment(EARLY)).await, Ok(false), "nobody gave it");
    drop(store);
    let store = place.open().await;
    for (number, is_there) in [(0, false), (1, true), (2, false), (3, true)] {
        let taken = store.take_nonce(&share_id(1), &nonce(number), moment(EARLY)).await;
        assert_eq!(taken, Ok(is_there), "{number}, after it was opened again");
    }
}

pub(crate) async fn a_nonce_is_of_one_share_and_for_some_time(place: &Place) {
    let store = place.open().await;
    store.put_nonce(&share_id(1), &nonce(1), moment(2_000)).await.unwrap();
    store.put_nonce(&share_id(2), &nonce(2), moment(2_000)).await.unwrap();
    assert_eq!(store.take_nonce(&share_id(1), &nonce(2), moment(EARLY)).await, Ok(false));
    assert_eq!(store.take_nonce(&share_id(2), &nonce(1), moment(EARLY)).await, Ok(false));
    assert_eq!(store.take_nonce(&share_id(1), &nonce(1), moment(2_000)).await, Ok(false));
    // None of that took it.
    assert_eq!(store.take_nonce(&share_id(1), &nonce(1), moment(1_999)).await, Ok(true));
    assert_eq!(store.take_nonce(&share_id(2), &nonce(2), moment(1_999)).await, Ok(true));
}

/// Who keeps asking for nonces of a share locks nobody out.
pub(crate) async fn others_nonces_leave_a_nonce_alone(place: &Place) {
    let store = place.open().await;
    store.put_nonce(&share_id(1), &nonce(0), moment(2_000)).await.unwrap();
    let mut puts = JoinSet::new();
    for number in 1..1_000 {
        let store = store.clone();
        puts.spawn(async move { store.put_nonce(&share_id(1), &nonce(number), moment(2_000)).await });
    }
    puts.join_all().await.into_iter().collect::<Result<(), _>>().unwrap();
    assert_eq!(store.take_nonce(&share_id(1), &nonce(0), moment(EARLY)).await, Ok(true));
}

/// Of all who take a nonce, at several servers at once, one gets it; and who asks for it with another share's id does not disturb.
pub(crate) async fn of_many_takers_one_gets_it(place: &Place) {
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(place.open().await);
    }
    for number in 0..20 {
        stores[0].put_nonce(&share_id(number), &nonce(number), moment(2_000)).await.unwrap();
    }
    let mut takers = JoinSet::new();
    for taker in 0..32 {
        for number in 0..20 {
            let store = stores[taker % stores.len()].clone();
            takers.spawn(async move {
                let other = store.take_nonce(&share_id(number + 1), &nonce(number), moment(EARLY)).await;
                assert_eq!(other, Ok(false), "it is not of this share");
                (number, store.take_nonce(&share_id(number), &nonce(number), moment(EARLY)).await.unwrap())
            });
        }
    }
    let mut winners: Vec<u64> = takers.join_all().await.into_iter().filter_map(|(number, taken)| taken.then_some(number)).collect();
    winners.sort_unstable();
    assert_eq!(winners, (0..20).collect::<Vec<_>>());
}

pub(crate) async fn clean_up_drains_all_kinds(place: &Place) {
    let store = place.open().await;
    for number in 0..10 {
        let later = i64::try_from(number).unwrap();
        store.put_capsule(&id(number), &capsule(number, 2_020 + later)).await.unwrap();
        store.put_share(&share_id(number), &share(number, 2_010 + later)).await.unwrap();
        store.put_nonce(&share_id(number), &nonce(number), moment(2_000 + later)).await.unwrap();
    }
    assert_eq!(store.oldest_expired(moment(1_999)).await, Ok(None));
    // Whatever kind it is of that expired first.
    for (now, left) in [(2_005, 2_000), (2_015, 2_010), (2_025, 2_020)] {
        assert_eq!(store.oldest_expired(moment(now)).await, Ok(Some(moment(left))));
        assert_eq!(store.delete_expired(moment(now - 1), 3).await, Ok(3), "no more than that");
        assert_eq!(store.oldest_expired(moment(now)).await, Ok(Some(moment(left + 3))));
        let clock = move || SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(now).unwrap() + 4);
        assert_eq!(clean_up::drain(&*store, clock, 2).await, Ok(7), "at {now}");
        assert_eq!(store.oldest_expired(moment(now + 4)).await, Ok(None));
    }
    for number in 0..10 {
        assert_eq!(store.capsule(&id(number), moment(EARLY)).await, Ok(None));
        assert_eq!(store.share(&share_id(number), moment(EARLY)).await, Ok(None));
        assert_eq!(store.take_nonce(&share_id(number), &nonce(number), moment(EARLY)).await, Ok(false));
    }
}

/// All kinds at once, in one batch after the other, and nothing that is still good.
pub(crate) async fn clean_up_leaves_what_is_good(place: &Place) {
    let store = place.open().await;
    for number in 0..10 {
        let expiry = if number % 2 == 0 { 2_000 } else { 2_001 };
        store.put_capsule(&id(number), &capsule(number, expiry)).await.unwrap();
        store.put_share(&share_id(number), &share(number, expiry)).await.unwrap();
        store.put_nonce(&share_id(number), &nonce(number), moment(expiry)).await.unwrap();
    }
    assert_eq!(clean_up::drain(&*store, || SystemTime::UNIX_EPOCH + Duration::from_secs(2_000), 4).await, Ok(15));
    for number in 0..10 {
        let is_there = number % 2 == 1;
        assert_eq!(store.capsule(&id(number), moment(EARLY)).await.unwrap().is_some(), is_there, "{number}");
        assert_eq!(store.share(&share_id(number), moment(EARLY)).await.unwrap().is_some(), is_there, "{number}");
        assert_eq!(store.take_nonce(&share_id(number), &nonce(number), moment(EARLY)).await, Ok(is_there), "{number}");
    }
}
