//! UC.KTS.03: delete server capsules.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use cdoc2_testbed::Options;

use crate::http::{capsule, get, location, put, recipient, seconds_from_now};
use crate::scene::Scene;

/// How long is waited for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A scene whose server cleans up every tenth of a second.
fn cleaning() -> Scene {
    let often = Duration::from_millis(100);
    Scene::with(Options {
        ldap: false,
        configure_server: Box::new(move |config| config.clean_up.interval = often),
        ..Options::default()
    })
}

/// How many capsules the server says it has deleted.
fn deleted(scene: &Scene) -> u64 {
    let mut stream = TcpStream::connect(scene.bed.server().addresses().operations).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let line = answer.lines().find_map(|line| line.strip_prefix("cdoc2_expired_deleted_total "));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

#[test]
fn uc_kts_03_delete_server_capsules() {
    let scene = cleaning();
    let identity = recipient(&scene.bed);
    let sent = capsule(&identity);
    let short = location(&put(&scene.bed, &sent, Some(seconds_from_now(2))));
    let long = location(&put(&scene.bed, &sent, Some(seconds_from_now(3600))));
    let start = Instant::now();
    while deleted(&scene) == 0 {
        assert!(start.elapsed() < PATIENCE, "nothing is deleted");
        thread::yield_now();
    }
    assert_eq!(get(&scene.bed, Some(&identity), &short).unwrap().status(), 404);
    assert_eq!(get(&scene.bed, Some(&identity), &long).unwrap().status(), 200);
    assert_eq!(deleted(&scene), 1);
}

#[test]
fn uc_kts_03_1a_no_expired_capsules() {
    let scene = cleaning();
    let identity = recipient(&scene.bed);
    let path = location(&put(&scene.bed, &capsule(&identity), Some(seconds_from_now(3600))));
    scene.bed.server().stop();
    scene.bed.server().start().unwrap();
    assert_eq!(get(&scene.bed, Some(&identity), &path).unwrap().status(), 200);
    assert_eq!(deleted(&scene), 0);
}
