//! UC.KTS.03: delete server capsules. Each server is a process of its own, for it counts what it deletes.

use std::path::Path;

use cdoc2_tests::capsule_server::{Capsule, CapsuleServer, Installation};
use cdoc2_tests::https::Request;
use cdoc2_tests::pki::{Identity, Kind};
use cdoc2_tests::server_process::ServerProcess;
use cdoc2_tests::shares_server::{Generation, PATH, id, share};

use crate::http::seconds_from_now;
use crate::signing::{MARI_ID, Signing, Store};

/// Cleans up as often as a test can wait for.
const OFTEN: &str = "[clean_up]\ninterval = \"50ms\"";

/// How many capsules and shares a server has deleted.
const DELETED: &str = "cdoc2_expired_deleted_total";

/// Waits until something was deleted that has expired just now, twice: in between, nothing had expired, and a round has found that.
fn after_a_round(site: &Path, server: &ServerProcess, mut put: impl FnMut() -> String, kind: &str) {
    for _ in 0..2 {
        let (before, id) = (server.metric(DELETED), put());
        let database = rusqlite::Connection::open(site.join(format!("{kind}.sqlite"))).unwrap();
        assert_eq!(database.execute(&format!("UPDATE {kind} SET expiry = 1 WHERE public_id = ?1"), [id]).unwrap(), 1);
        server.until_metric(DELETED, |deleted| deleted == before + 1.0);
    }
}

/// A server that cleans up, and somebody with a capsule that is kept for an hour.
fn cleaning() -> (Installation, CapsuleServer, Identity, String) {
    let mut site = Installation::with_sqlite();
    site.set(OFTEN);
    let (server, recipient) = (site.start(), site.person(Kind::P384));
    let long = put(&server, &recipient, 3600);
    (site, server, recipient, long)
}

/// Puts a capsule that is to be kept for so many seconds.
fn put(server: &CapsuleServer, recipient: &Identity, seconds: i64) -> String {
    let until = seconds_from_now(seconds).to_string();
    let answer = server.put_until(&Capsule::new(Kind::P384, recipient), &until).unwrap();
    cdoc2_tests::capsule_server::location(&answer)
}

#[test]
fn uc_kts_03_delete_server_capsules() {
    let (site, server, recipient, long) = cleaning();
    let short = put(&server, &recipient, 2);
    server.until_metric(DELETED, |deleted| deleted > 0.0);
    let client = site.client(&recipient);
    assert_eq!(server.get(&client, &short).unwrap().status, 404);
    assert_eq!(server.get(&client, &long).unwrap().status, 200);
    assert_eq!(server.metric(DELETED), 1.0);
}

#[test]
fn uc_kts_03_1a_no_expired_capsules() {
    let (site, server, recipient, path) = cleaning();
    let other = || put(&server, &recipient, 3600).rsplit('/').next().unwrap().to_owned();
    after_a_round(site.path(), &server, other, "capsules");
    assert_eq!(server.metric(DELETED), 2.0);
    assert_eq!(server.get(&site.client(&recipient), &path).unwrap().status, 200);
}

/// The same for key shares.
#[test]
fn uc_kts_03_delete_key_shares() {
    let signing = Signing::with(Store::Sqlite, [Generation::Token], OFTEN);
    let server = signing.arms[0].server();
    let put = |seconds: i64| {
        let until = seconds_from_now(seconds).to_string();
        id(&server.request(&Request::post(PATH, share(MARI_ID).to_string()).header("x-expiry-time", until)))
    };
    let [short, long] = [put(2), put(3600)];
    server.until_metric(DELETED, |deleted| deleted > 0.0);
    assert_eq!([&short, &long].map(|id| server.post_nonce(id).status), [404, 200]);
    after_a_round(signing.arms[0].site.path(), server, || put(3600), "shares");
    assert_eq!((server.metric(DELETED), server.post_nonce(&long).status), (3.0, 200));
}
