//! Signals in the middle of work leave nothing behind.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;

use rustix::process::Signal;

use crate::child::{self, Running};
use crate::support::{Sandbox, wait_until};

/// Octets of a file that takes long enough to be interrupted, and no space on the disk.
const SPARSE_LEN: u64 = 64 << 30;

/// What the program works on under a temporary name.
fn is_at_work(sandbox: &Sandbox) -> bool {
    sandbox.names(".").iter().any(|name| name.starts_with(".cdoc2-"))
}

#[track_caller]
fn dies_of(child: Running, signal: Signal) {
    child.signal(signal);
    assert_eq!(child.end().status.signal(), Some(signal.as_raw()));
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

/// As nohup(1) has it, and a shell of what it starts in the background.
#[test]
fn ignored_signals_stay_ignored() {
    let sandbox = Sandbox::with_secret();
    let arguments = [crate::support::CDOC2, "encrypt", "--name", "x", "-o", "out.cdoc2", "-r", "secret:s:s", "-"];
    let mut command = child::command("env");
    command.arg("--ignore-signal=HUP,INT").args(arguments).current_dir(sandbox.folder());
    let child = Running::start(&mut command);
    let status = || std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    // The signals that it catches show that it has begun.
    wait_until("signal handlers", || {
        status().lines().any(|line| line.starts_with("SigCgt:") && !line.ends_with("0000000000000000"))
    });
    for signal in [Signal::HUP, Signal::INT] {
        child.signal(signal);
    }
    let output = child.end();
    assert!(output.status.success(), "{output:?}");
    assert!(sandbox.path("out.cdoc2").exists());
}
