//! What was acknowledged stays: through a kill, a full disk, and a database that goes away.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cdoc2_tests::capsule_server::{Capsule, CapsuleServer, Installation, PATH, location, until};
use cdoc2_tests::https::Request;
use cdoc2_tests::pki::{Identity, Kind};
use cdoc2_tests::postgresql::Postgresql;
use cdoc2_tests::program::cdoc2_server;

use crate::alone;

/// Each of these is there, as it was put. One connection asks for all.
fn assert_kept(site: &Installation, server: &CapsuleServer, recipient: &Identity, kept: &[(String, Capsule)]) {
    let mut connection = site.client(recipient).connect(server.addresses.recipient).expect("a connection");
    for (at, capsule) in kept {
        connection.send(&Request::get(at).octets()).expect("it takes requests");
        assert_eq!(&Capsule::read(&connection.response().expect("an answer")), capsule, "{at}");
    }
}

/// Several senders put capsules as fast as they can; after `acknowledged` of them `end` is called. What was acknowledged by then and after.
fn load(server: &CapsuleServer, recipient: &Identity, acknowledged: usize, end: impl FnOnce()) -> Vec<(String, Capsule)> {
    let kept = Mutex::new(Vec::new());
    let count = AtomicUsize::new(0);
    let (address, sender) = (server.addresses.sender, server.sender());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = sender.connect(address).expect("a connection");
                loop {
                    let capsule = Capsule::new(Kind::P384, recipient);
                    if connection.send(&Request::post(PATH, capsule.json()).octets()).is_err() {
                        break;
                    }
                    // Without an answer it may be there or not.
                    let Ok(response) = connection.response() else { break };
                    kept.lock().expect("no panic").push((location(&response), capsule));
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        until("acknowledged capsules", || count.load(Ordering::SeqCst) >= acknowledged);
        end();
    });
    kept.into_inner().expect("no panic")
}

fn kill_loses_nothing(site: &Installation) {
    let _alone = alone();
    let recipient = site.person(Kind::P384);
    let mut kept = Vec::new();
    let mut server = site.start();
    for _ in 0..3 {
        let id = server.id();
        kept.extend(load(&server, &recipient, 300, || {
            assert!(Command::new("kill").args(["-KILL", &id.to_string()]).status().expect("kill runs").success());
        }));
        // It finds the files as the kill left them.
        server = site.start();
        assert_kept(site, &server, &recipient, &kept);
    }
    assert!(kept.len() >= 900);
}

#[test]
fn a_kill_loses_no_acknowledged_capsule_from_sqlite() {
    kill_loses_nothing(&Installation::with_sqlite());
}

#[test]
fn a_kill_loses_no_acknowledged_capsule_from_postgresql() {
    let database = Postgresql::start();
    kill_loses_nothing(&Installation::with_postgresql(&database.database()));
}

#[test]
fn a_kill_of_postgresql_loses_no_acknowledged_capsule() {
    let _alone = alone();
    let mut database = Postgresql::start();
    let site = Installation::with_postgresql(&database.database());
    let server = site.start();
    let recipient = site.person(Kind::P384);
    let kept = {
        let kept = Mutex::new(Vec::new());
        let (address, sender) = (server.addresses.sender, server.sender());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut connection = sender.connect(address).expect("a connection");
                    loop {
                        let capsule = Capsule::new(Kind::P384, &recipient);
                        connection.send(&Request::post(PATH, capsule.json()).octets()).expect("the server stays");
                        let response = connection.response().expect("the server stays");
                        if response.status == 503 {
                            break;
                        }
                        kept.lock().expect("no panic").push((location(&response), capsule));
                    }
                });
            }
            until("acknowledged capsules", || kept.lock().expect("no panic").len() >= 200);
            database.kill();
        });
        kept.into_inner().expect("no panic")
    };
    database.start_again();
    server.until_readyz(200);
    assert_kept(&site, &server, &recipient, &kept);
}

#[test]
fn a_database_that_stops_is_waited_for() {
    let mut database = Postgresql::start();
    let site = Installation::with_postgresql(&database.database());
    let server = site.start();
    let recipient = site.person(Kind::P384);
    let capsule = Capsule::new(Kind::P384, &recipient);
    let at = server.keep(&capsule);

    database.stop();
    let put = server.put(&capsule).expect("an answer");
    assert_eq!(put.status, 503, "{put:?}");
    assert!(put.header("retry-after").is_some() && put.header("location").is_none(), "{put:?}");
    assert_eq!(server.get(&site.client(&recipient), &at).expect("an answer").status, 503);
    server.until_readyz(503);
    // It lives, and nobody should restart it.
    assert_eq!(server.operations("/healthz").0, 200);

    database.start_again();
    server.until_readyz(200);
    assert_kept(&site, &server, &recipient, &[(at, capsule.clone())]);
    let _ = server.keep(&capsule);
}

#[test]
fn a_full_disk_is_survived() {
    let mut site = Installation::with_sqlite();
    site.set("[store]\nsqlite = \"disk/capsules.sqlite\"");
    let disk = site.path().join("disk");
    fs::create_dir(&disk).expect("a folder");
    // A disk that only this server sees.
    let inner = site.command();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "unshare", "--mount"]);
    if fs::metadata("/proc/self").expect("proc").uid() != 0 {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["sh", "-c", "mount -t tmpfs -o size=8m tmpfs \"$0\" && exec \"$@\""]).arg(&disk).arg(cdoc2_server());
    command.args(inner.get_args().skip_while(|argument| *argument != "capsule"));
    let server = site.start_as(&mut command);

    let recipient = site.person(Kind::P384);
    let put = || {
        let capsule = Capsule::new(Kind::P384, &recipient);
        server.put(&capsule).map(|response| (response, capsule)).expect("an answer")
    };
    let mut kept: Vec<_> = (0..5).map(|_| put()).map(|(response, capsule)| (location(&response), capsule)).collect();

    let filler = format!("/proc/{}/root{}/filler", server.id(), disk.display());
    let mut file = File::create(&filler).expect("the server's disk");
    // What is left, to the last page.
    for len in [1 << 16, 1 << 12] {
        while file.write_all(&vec![0; len]).is_ok() {}
    }
    // A page that was already the database's may take some.
    let refused = loop {
        let (response, capsule) = put();
        if response.status != 201 {
            break response;
        }
        kept.push((location(&response), capsule));
        assert!(kept.len() < 10_000, "the disk is not full");
    };
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_kept(&site, &server, &recipient, &kept);
    assert_eq!(server.operations("/healthz").0, 200);

    drop(file);
    fs::remove_file(&filler).expect("the file is there");
    let (response, capsule) = put();
    kept.push((location(&response), capsule));
    assert_kept(&site, &server, &recipient, &kept);
}
