//! `cdoc2 testbed up`, from its start to the signal that ends it.

use std::fs;
use std::path::{Path, PathBuf};

use cdoc2_testbed::card::PIN1;
use rustix::process::Signal;

use crate::child::{self, Running};
use crate::support::{CDOC2, Sandbox, wait_until};

/// Starts it in `parent`, where its temporary folders are too; what it printed, up to "ready".
pub(crate) fn up(parent: &Path, arguments: &[&str]) -> (Running, String) {
    let mut command = child::command(CDOC2);
    command.args(["testbed", "up"]).args(arguments).current_dir(parent).env("TMPDIR", parent);
    let mut running = Running::start(&mut command);
    let text = running.until_line("ready");
    (running, text)
}

pub(crate) fn end(running: Running, signal: Signal) -> Option<i32> {
    running.signal(signal);
    running.end().status.code()
}

/// Processes whose command line names `folder`.
fn processes(folder: &Path) -> Vec<String> {
    let lines = fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).filter(|line| line.contains(folder.to_str().unwrap())).collect()
}

#[test]
fn signal_ends_it_and_nothing_is_left() {
    for signal in [Signal::INT, Signal::TERM] {
        let parent = tempfile::tempdir().unwrap();
        let (running, text) = up(parent.path(), &[]);
        let config = text.lines().find_map(|line| line.strip_prefix("configuration")).unwrap().trim().to_owned();
        let config = PathBuf::from(config);
        assert!(config.starts_with(parent.path()) && config.exists(), "{text}");
        assert!(text.contains("ldaps://127.0.0.1:") && text.contains("60001017727"), "{text}");
        for said in [
            "shares server   https://localhost:",
            "Smart-ID        https://localhost:",
            "Mobile-ID       https://localhost:",
            "+37200000766 ",
            "WRONG_VC",
            "has no account",
        ] {
            assert!(text.contains(said), "{said} is not in: {text}");
        }
        assert_eq!(end(running, signal), Some(0));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        assert_eq!(processes(parent.path()), [""; 0]);
    }
}

/// As where a script has started the tests in the background: a child that ignored the signal, too, would never end.
#[test]
fn signal_ends_it_where_the_tests_ignore_it() {
    let mut command = child::command("env");
    command.args(["--ignore-signal=HUP,INT,QUIT,TERM"]).arg(std::env::current_exe().unwrap());
    let output = Running::start(command.args(["--exact", "testbed::signal_ends_it_and_nothing_is_left"])).end();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// By what the line about each of them says. The organisation's key is for encryption alone, and so no server can know it by TLS.
#[test]
fn everybody_that_is_printed_decrypts() {
    let sandbox = Sandbox::new();
    let (running, text) = up(sandbox.folder(), &[]);
    let config = text.lines().find_map(|line| line.strip_prefix("configuration")).unwrap().trim();
    sandbox.write("a.txt", "plain text\n");
    let run = |arguments: &str| {
        let run = sandbox.cdoc2(arguments).env("CDOC2_CONFIG", config).env("NO_PROXY", "*").env("CDOC2_PIN", PIN1);
        run.run().done();
    };
    for (code, where_to) in [
        ("60001017727", "--server testbed"),
        ("38001085718", "--server testbed"),
        ("60001019906", "--server testbed"),
        ("38001080079", "--server testbed"),
        ("12345678", "--no-server"),
    ] {
        let line = text.lines().find(|line| line.trim_start().starts_with(code)).unwrap();
        let options = &line[line.find(" --").unwrap()..];
        let options = options.split("   ").next().unwrap();
        run(&format!("encrypt -o {code}.cdoc2 {where_to} -r id:{code} a.txt"));
        run(&format!("decrypt {code}.cdoc2 -o {code} {options}"));
        assert_eq!(sandbox.read(format!("{code}/a.txt")), b"plain text\n", "{line}");
    }
    assert_eq!(end(running, Signal::INT), Some(0));
}

#[test]
fn everything_that_is_suggested_works() {
    for arguments in [&[][..], &["--no-ldap"]] {
        let sandbox = Sandbox::new();
        let (running, text) = up(sandbox.folder(), arguments);
        sandbox.write("a.txt", "plain text\n");
        let lines = text.split_once("\nnext, in another terminal\n").unwrap().1.trim();
        let (export, commands) = lines.split_once('\n').unwrap();
        let mut opened = 0;
        for command in commands.lines() {
            let command = command.trim().replace("FILE", "a.txt");
            let run = sandbox.shell(&format!("{export}; export NO_PROXY='*' CDOC2_PIN={PIN1}; {command}"));
            assert_eq!(run.code(), Some(0), "{command}: {}", run.stderr());
            if let Some((_, rest)) = command.split_once(" -o ").filter(|_| command.starts_with("cdoc2 decrypt")) {
                let folder = rest.split(' ').next().unwrap();
                assert_eq!(sandbox.read(format!("{folder}/a.txt")), b"plain text\n", "{command}");
                opened += 1;
            }
        }
        assert_eq!(opened, 4, "{text}");
        assert_eq!(end(running, Signal::INT), Some(0));
    }
}

/// As a person does it, in another terminal.
#[test]
fn certificates_are_revoked_and_the_responder_fails_on_request() {
    let sandbox = Sandbox::new();
    let (running, text) = up(sandbox.folder(), &["--no-ldap"]);
    let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let (config, control) = (of("configuration"), of("control").split(": ").next().unwrap().to_owned());
    let card = format!("sim:{}/60001017727.token", Path::new(&config).parent().unwrap().display());
    sandbox.write("a.txt", "plain text\n");
    let run =
        |arguments: &str| sandbox.cdoc2(arguments).env("CDOC2_CONFIG", &config).env("NO_PROXY", "*").env("CDOC2_PIN", PIN1).run();
    run(&format!("encrypt -o in.cdoc2 -r token:{card} a.txt")).done();
    let decrypted = || run(&format!("decrypt in.cdoc2 -o out --force --reader {card}"));
    decrypted().done();
    for (told, code, said) in [
        ("60001017727/revoked", 10, "it has been revoked or suspended"),
        ("60001017727/good", 0, ""),
        ("wrong-signer", 10, "the server refuses your certificate"),
        ("normal", 0, ""),
        ("down", 10, "the server refuses your certificate"),
    ] {
        sandbox.shell(&format!("curl -q --fail --silent --show-error --noproxy '*' -X POST {control}/ocsp/{told}")).done();
        // The server believes an answer for a second.
        wait_until(told, || {
            let run = decrypted();
            run.code() == Some(code) && run.stderr().contains(said)
        });
    }
    assert_eq!(end(running, Signal::INT), Some(0));
}

#[test]
fn named_folder_stays_and_is_not_taken_again() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("bed");
    let name = folder.to_str().unwrap();
    let (running, text) = up(parent.path(), &["--folder", name, "--no-ldap"]);
    assert!(text.contains("none: the test bed was started without"), "{text}");
    assert_eq!(end(running, Signal::INT), Some(0));
    assert!(folder.join("config.toml").exists() && folder.join("60001017727.token").exists());
    let output = Running::start(child::command(CDOC2).args(["testbed", "up", "--folder", name])).end();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the folder is not empty"));
}

/// Nothing in the program runs any more then; the kernel ends slapd.
#[test]
fn directory_dies_with_a_killed_test_bed() {
    let parent = tempfile::tempdir().unwrap();
    let (running, _) = up(parent.path(), &[]);
    let slapd = processes(parent.path());
    assert_eq!(slapd.len(), 1, "{slapd:?}");
    assert_eq!(end(running, Signal::KILL), None);
    // The signal is on its way when the process is gone.
    let begin = std::time::Instant::now();
    while !processes(parent.path()).is_empty() {
        assert!(begin.elapsed().as_secs() < 20, "slapd lives on");
        std::thread::yield_now();
    }
}
