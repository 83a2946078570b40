//! A disk that is full, and then is not.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use cdoc2_server::config;
use cdoc2_server::store::{self, Error};
use cdoc2_tests::pcscd::Namespace;
use cdoc2_tests::postgresql::{Postgresql, give};
use cdoc2_tests::process::succeeds;

use crate::place::{Load, capsule, id, moment, postgresql, run, sqlite};

/// Puts until the disk in `folder` is full, takes away what fills it, and goes on.
async fn full_and_then_not(config: &config::Store, folder: &Path, text: &str) {
    let store = store::open(config).await.unwrap();
    fill_but(folder, 1 << 20);
    let (acknowledged, reasons) = Load::start(&store).until_refused().await;
    assert!(!acknowledged.is_empty());
    for reason in reasons {
        assert!(matches!(&reason, Error::Unavailable(reason) if reason.contains(text)), "{reason:?}");
    }
    store.capsule(&id(0), moment(1_000)).await.unwrap().expect("reading goes on");
    fs::remove_file(folder.join("filler")).unwrap();
    store.put_capsule(&id(u64::MAX - 1), &capsule(0, 2_000)).await.unwrap();
    drop(store);
    let store = store::open(config).await.unwrap();
    for number in acknowledged {
        assert_eq!(store.capsule(&id(number), moment(1_000)).await, Ok(Some(capsule(number, 2_000))), "{number} was acknowledged");
    }
}

/// Leaves `rest` octets of the disk free.
fn fill_but(folder: &Path, rest: u64) {
    let mut filler = File::create(folder.join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    let len = filler.metadata().unwrap().len();
    filler.set_len(len - rest).unwrap();
}

/// A small disk, which only this test sees.
fn disk(namespace: &Namespace) -> std::path::PathBuf {
    let folder = namespace.folder().join("disk");
    fs::create_dir(&folder).unwrap();
    succeeds(Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(&folder));
    folder
}

#[test]
fn sqlite_goes_on_when_there_is_room_again() {
    Namespace::with_test_inside("full::sqlite_goes_on_when_there_is_room_again", |namespace| {
        let folder = disk(namespace);
        run(full_and_then_not(&sqlite(folder.join("capsules.db")), &folder, "full"));
    });
}

#[test]
fn postgresql_goes_on_when_there_is_room_again() {
    Namespace::with_test_inside("full::postgresql_goes_on_when_there_is_room_again", |namespace| {
        let server = Postgresql::start();
        let folder = disk(namespace);
        let rows = folder.join("rows");
        fs::create_dir(&rows).unwrap();
        give(&rows);
        // The server's user must be able to come to it.
        give(namespace.folder());
        server.sql(&server.url(), &format!("CREATE TABLESPACE small LOCATION '{}'", rows.display()));
        let url = server.database_with("TABLESPACE small");
        run(full_and_then_not(&postgresql(&url), &folder, "No space left"));
    });
}
