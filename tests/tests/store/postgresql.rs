//! What happens to a PostgreSQL server, and to those who depend on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use cdoc2_server::config;
use cdoc2_server::store::{self, Error, State};
use cdoc2_tests::postgresql::{Postgresql, give};
use cdoc2_tests::process::succeeds;

use crate::place::{Load, capsule, id, moment, postgresql, run, server};

/// `end` ends the server under load, it is started again, and the same store goes on with all that it had.
fn comes_back_after(end: fn(&mut Postgresql)) {
    run(async {
        let mut server = Postgresql::start();
        let url = server.database();
        let store = store::open(&postgresql(&url)).await.unwrap();
        let load = Load::start(&store);
        load.wait_for(500).await;
        end(&mut server);
        let (acknowledged, reasons) = load.until_refused().await;
        for reason in reasons {
            assert!(matches!(reason, Error::Unavailable(_)), "{reason:?}");
        }
        assert!(matches!(store.check().await, Err(Error::Unavailable(_))));
        assert!(matches!(store.capsule(&id(0), moment(1_000)).await, Err(Error::Unavailable(_))));
        server.start_again();
        for number in acknowledged {
            assert_eq!(
                store.capsule(&id(number), moment(1_000)).await,
                Ok(Some(capsule(number, 2_000))),
                "{number} was acknowledged"
            );
        }
        store.check().await.unwrap();
        store.put_capsule(&id(u64::MAX - 1), &capsule(0, 2_000)).await.unwrap();
    });
}

#[test]
fn comes_back_after_the_database_was_restarted() {
    comes_back_after(Postgresql::stop);
}

#[test]
fn what_was_acknowledged_survives_kill_9_of_the_database() {
    comes_back_after(Postgresql::kill);
}

#[test]
fn a_database_that_acknowledges_too_early_is_refused() {
    let url = server().database();
    let name = url.rsplit_once('/').unwrap().1;
    server().sql(&url, &format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    let Err(Error::Unsound(reason)) = run(store::open(&postgresql(&url))) else { panic!("it was opened") };
    assert!(reason.contains("synchronous_commit"), "{reason}");
}

#[test]
fn a_standby_is_told() {
    let url = server().database();
    run(async {
        let store = store::open(&postgresql(&url)).await.unwrap();
        let name = url.rsplit_once('/').unwrap().1;
        server().sql(&url, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
        server().sql(&server().url(), &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"));
        // The connections were cut, which the first callers may see.
        let reason = loop {
            match store.check().await {
                Err(Error::Unavailable(reason)) if reason.contains("standby") => break reason,
                Err(Error::Unavailable(_)) => {}
                other => panic!("{other:?}"),
            }
        };
        assert!(reason.contains("no writes"), "{reason}");
        assert!(matches!(store.put_capsule(&id(0), &capsule(0, 2_000)).await, Err(Error::Unavailable(_))));
    });
}

#[test]
fn a_role_that_may_not_make_tables_is_enough_once_they_are_there() {
    let url = server().database();
    drop(run(store::open(&postgresql(&url))).unwrap());
    server().sql(
        &url,
        "CREATE ROLE clerk LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
         GRANT SELECT, INSERT, UPDATE, DELETE ON capsules, shares, nonces TO clerk; GRANT SELECT ON migrations TO clerk",
    );
    run(async {
        let store = store::open(&postgresql(&url.replace("cdoc2@", "clerk@"))).await.unwrap();
        store.put_capsule(&id(0), &capsule(0, 2_000)).await.unwrap();
        assert_eq!(store.delete_expired(moment(2_000), 10).await, Ok(1));
        store.check().await.unwrap();
    });
}

#[test]
fn a_database_is_looked_at_and_not_changed() {
    let url = server().database();
    let inspect = || run(store::inspect(&postgresql(&url)));
    let tables = || server().sql(&url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
    let before = tables();
    assert_eq!(inspect(), Ok(State::Absent));
    assert_eq!(tables(), before);
    drop(run(store::open(&postgresql(&url))).unwrap());
    assert_eq!(inspect(), Ok(State::UpToDate));
    server().sql(&url, "DELETE FROM migrations WHERE version > 1");
    assert_eq!(inspect(), Ok(State::Older { version: 1, newest: 2 }));
    assert_eq!(inspect(), Ok(State::Older { version: 1, newest: 2 }), "it was brought up to date");
    server().sql(&url, "INSERT INTO migrations (version) VALUES (99)");
    assert!(matches!(inspect(), Err(Error::Unsound(reason)) if reason.contains("newer")));
}

#[test]
fn what_cannot_be_connected_to_is_told_without_the_password() {
    for (url, is_unavailable, text) in [
        ("postgresql://cdoc2:hunter2@127.0.0.1:1/x", true, "refused"),
        ("postgresql://cdoc2:hunter2@[", false, "URL"),
        ("postgresql://cdoc2:hunter2@127.0.0.1:1/x?sslmode=require", false, "authorities"),
    ] {
        let reason = run(store::open(&postgresql(url))).unwrap_err();
        assert_eq!(matches!(reason, Error::Unavailable(_)), is_unavailable, "{url}: {reason:?}");
        let reason = reason.to_string();
        assert!(reason.contains(text) && !reason.contains("hunter2"), "{url}: {reason}");
    }
    let unknown = server().url().replace("/postgres", "/nothing");
    let Err(Error::Unsound(reason)) = run(store::open(&postgresql(&unknown))) else { panic!("it was opened") };
    assert!(reason.contains("does not exist"), "{reason}");
}

/// An authority in `folder`: `name.pem` and `name.key`.
fn authority(folder: &Path, name: &str) -> PathBuf {
    let certificate = folder.join(name).with_extension("pem");
    succeeds(
        certificate_request(folder, name)
            .arg("-subj")
            .arg(format!("/CN={name}"))
            .args(["-addext", "keyUsage=critical,keyCertSign"]),
    );
    certificate
}

/// A self-signed certificate, if nothing is added.
fn certificate_request(folder: &Path, name: &str) -> Command {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-out"]);
    openssl.arg(folder.join(name).with_extension("pem")).arg("-keyout").arg(folder.join(name).with_extension("key"));
    openssl
}

#[test]
fn a_connection_is_to_whom_the_authorities_know() {
    let mut server = Postgresql::start();
    let folder = server.folder().to_owned();
    let [ours, other] = ["ours", "other"].map(|name| authority(&folder, name));
    let mut request = certificate_request(&folder, "server");
    request.arg("-CA").arg(&ours).arg("-CAkey").arg(ours.with_extension("key")).args(["-subj", "/CN=Database"]);
    succeeds(request.args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]));
    give(&folder);
    for (setting, value) in
        [("ssl", PathBuf::from("on")), ("ssl_cert_file", folder.join("server.pem")), ("ssl_key_file", folder.join("server.key"))]
    {
        server.sql(&server.url(), &format!("ALTER SYSTEM SET {setting} = '{}'", value.display()));
    }
    server.stop();
    server.start_again();

    let url = server.database();
    let config = |url: &str, authority: &PathBuf| config::Store::Postgresql {
        url: url.to_owned(),
        password_file: None,
        authorities: vec![authority.clone()],
    };
    run(async {
        let store = store::open(&config(&url, &ours)).await.unwrap();
        store.put_capsule(&id(0), &capsule(0, 2_000)).await.unwrap();
        let connections = "FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'cdoc2-server'";
        assert_eq!(server.sql(&url, &format!("SELECT count(*) > 0, bool_and(ssl) {connections}")), "t|t");
        for (url, authority, text) in [
            (&url, &other, "UnknownIssuer"),
            (&url.replace("127.0.0.1", "localhost"), &ours, "not valid for name"),
            (&url, &folder.join("server.key"), "no certificate"),
        ] {
            let reason = store::open(&config(url, authority)).await.unwrap_err().to_string();
            assert!(reason.contains(text), "{reason}");
        }
    });
}
