//! kill -9 in the middle of a load.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cdoc2_tests::https::{Connection, Request};
use cdoc2_tests::postgresql::Postgresql;
use cdoc2_tests::server_process::until;
use cdoc2_tests::shares_server::{PATH, SharesServer, id, nonce, nonce_path, share};
use rustix::process::Signal;
use serde_json::Value;

use crate::site::{PERSON, Site};

/// How many shares must have been fetched before the kill.
const ENOUGH: usize = 100;

/// A share that was acknowledged, and what came of it by the time of the kill.
struct Kept {
    id: String,
    share: Value,
    /// A nonce that was given and shown to nobody.
    unused: Option<String>,
    /// A ticket that was shown, and whether the share came.
    shown: Option<(String, bool)>,
}

/// Puts a share, takes two nonces, and fetches the share with one of them; as far as the server goes along.
fn one(site: &Site, connection: &mut Connection) -> Option<Kept> {
    let mut exchange = |request: Request<'_>| connection.send(&request.octets()).and_then(|()| connection.response()).ok();
    let share = share(PERSON);
    let id = id(&exchange(Request::post(PATH, share.to_string()))?);
    let mut kept = Kept { id, share, unused: None, shown: None };
    let path = nonce_path(&kept.id);
    let mut give = || exchange(Request::post(&path, "")).map(|answer| nonce(&answer));
    kept.unused = give();
    if let Some(other) = kept.unused.as_ref().and_then(|_| give()) {
        let ticket = site.ticket(&kept.id, &other);
        let answer = site.get(connection, &kept.id, &ticket);
        if let Some(answer) = &answer {
            assert_eq!((answer.status, answer.json()), (200, kept.share.clone()));
        }
        kept.shown = Some((ticket, answer.is_some()));
    }
    Some(kept)
}

/// Several clients do that as fast as they can, until the server is killed.
fn load(site: &Site, server: &SharesServer) -> Vec<Kept> {
    let (kept, fetched) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = server.client().connect(server.address).expect("a connection");
                while let Some(one) = one(site, &mut connection) {
                    let is_over = !matches!(one.shown, Some((_, true)));
                    kept.lock().expect("no panic").push(one);
                    if is_over {
                        break;
                    }
                    fetched.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        until("shares that were fetched", || fetched.load(Ordering::SeqCst) >= ENOUGH);
        server.signal(Signal::KILL);
    });
    kept.into_inner().expect("no panic")
}

/// Every share is there; nonces that were given are good, and those that were used are not.
fn assert_kept(site: &Site, server: &SharesServer, kept: &mut [Kept]) {
    let mut connection = server.client().connect(server.address).expect("a connection");
    for one in kept {
        let mut get = |ticket: &str| site.get(&mut connection, &one.id, ticket).expect("an answer");
        if let Some((ticket, was_given)) = &one.shown {
            // Without an answer the nonce may be used or not: then it is good for one more answer.
            let first = get(ticket);
            assert!(first.status == 404 || !was_given, "{}: a nonce works twice", one.id);
            assert_eq!(get(ticket).status, 404, "{}: a nonce works twice", one.id);
        }
        let given = one.unused.take().unwrap_or_else(|| server.nonce(&one.id));
        let ticket = site.ticket(&one.id, &given);
        let answer = get(&ticket);
        assert_eq!((answer.status, answer.json()), (200, one.share.clone()), "{} was acknowledged", one.id);
        assert_eq!(get(&ticket).status, 404, "{}: a nonce works twice", one.id);
    }
}

fn kill_loses_nothing(site: &Site) {
    let mut kept = Vec::new();
    let mut server = site.installation.start();
    for _ in 0..2 {
        kept.extend(load(site, &server));
        // It finds the files as the kill left them.
        server = site.installation.start();
        assert_kept(site, &server, &mut kept);
    }
    assert!(kept.len() >= 2 * ENOUGH);
}

#[test]
fn a_kill_loses_no_acknowledged_share_and_brings_no_nonce_back_on_sqlite() {
    kill_loses_nothing(&Site::new("sqlite = \"shares.sqlite\""));
}

#[test]
fn a_kill_loses_no_acknowledged_share_and_brings_no_nonce_back_on_postgresql() {
    let database = Postgresql::start();
    kill_loses_nothing(&Site::new(&format!("postgresql = \"{}\"", database.database())));
}
