//! Signals in the middle of work leave nothing behind.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Sandbox, wait_until};

/// Octets of a file that takes long enough to be interrupted, and no space on the disk.
const SPARSE_LEN: u64 = 64 << 30;

/// What the program works on under a temporary name.
fn is_at_work(sandbox: &Sandbox) -> bool {
    sandbox.names(".").iter().any(|name| name.starts_with(".cdoc2-"))
}

#[track_caller]
fn dies_of(mut child: Child, signal: Signal) {
    kill_process(Pid::from_child(&child), signal).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()));
}

#[test]
fn interrupted_encryption_leaves_nothing() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let sandbox = Sandbox::with_secret();
        File::create(sandbox.path("big")).unwrap().set_len(SPARSE_LEN).unwrap();
        let child = sandbox.cdoc2("encrypt -o out.cdoc2 -r secret:s:s big").start();
        wait_until("temporary file", || is_at_work(&sandbox));
        dies_of(child, signal);
        assert_eq!(sandbox.names("."), ["big", "s"]);
    }
}

#[test]
fn interrupted_decryption_leaves_nothing() {
    let sandbox = Sandbox::with_secret();
    File::create(sandbox.path("big")).unwrap().set_len(256 << 20).unwrap();
    sandbox.run("encrypt -o in.cdoc2 -r secret:s:s big").done();
    for line in [
        "decrypt in.cdoc2 -o . -f --secret s --max-ratio 5000",
        "reencrypt in.cdoc2 -o new.cdoc2 --secret s -r secret:s:s --max-ratio 5000",
    ] {
        let child = sandbox.cdoc2(line).start();
        wait_until("temporary name", || is_at_work(&sandbox));
        dies_of(child, Signal::INT);
        assert_eq!(sandbox.names("."), ["big", "in.cdoc2", "s"]);
    }
}

#[test]
fn ignored_signals_stay_ignored() {
    let sandbox = Sandbox::with_secret();
    let child = std::process::Command::new("nohup")
        .args([crate::support::CDOC2, "encrypt", "--name", "x", "-o", "out.cdoc2", "-r", "secret:s:s", "-"])
        .current_dir(sandbox.folder())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    let mut child = child.unwrap();
    let status = || std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    // The signals that it catches show that it has begun.
    wait_until("signal handlers", || {
        status().lines().any(|line| line.starts_with("SigCgt:") && !line.ends_with("0000000000000000"))
    });
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(sandbox.path("out.cdoc2").exists());
}
