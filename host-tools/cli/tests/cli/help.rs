//! Help, manual pages and completions: they come out, and what they say is true.

use std::fs;

use cdoc2_testbed::{Algorithm, Holder, Options, PersonalCode, Testbed};
use rustix::process::Signal;

use crate::support::{PASSWORD, Sandbox, says};
use crate::testbed;

/// Those whose examples need nothing but files and a card.
const ALONE: [&str; 8] = ["encrypt", "decrypt", "reencrypt", "inspect", "keygen", "token", "completions", "man"];
/// Those whose examples need a directory and a capsule server.
const CONNECTED: [&str; 2] = ["recipients", "servers"];
/// The one whose examples run until they are interrupted.
const ENDLESS: &str = "testbed";

/// Whether an example needs shares servers, and somebody who signs in.
fn signs_in(example: &str) -> bool {
    example.contains("share:") || example.contains("--auth")
}

/// The examples in the help of a command.
fn examples(sandbox: &Sandbox, command: &str) -> Vec<String> {
    let help = sandbox.run(&format!("{command} --help")).done().text();
    help.lines().filter_map(|line| line.trim().strip_prefix("$ ")).map(str::to_owned).collect()
}

/// Everything that the examples name.
fn sandbox_for_examples() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.certificate("mari", 100, "");
    sandbox.certificate("jaan", 100, "");
    sandbox.openssl("pkey -in jaan.key -pubout -out jaan.pub");
    sandbox.openssl("pkcs12 -export -inkey jaan.key -in jaan.cer -out jaan.p12 -passout pass:eluaegne");
    sandbox.run("token sim new --state mari.token --name MAASIKAS,MARI --code 60001017727").done();
    sandbox.write("jaan.txt", "eluaegne\n");
    sandbox.write("backup.secret", [7; 32]);
    sandbox.write("report.pdf", "report");
    sandbox.write("photos/a.jpg", "photo");
    sandbox.write("photos/b.jpg", "photo");
    sandbox
}

#[test]
fn examples_work_in_their_order() {
    let sandbox = sandbox_for_examples();
    let mut count = 0;
    for command in ALONE {
        for example in examples(&sandbox, command).into_iter().filter(|example| !signs_in(example)) {
            let secrets = format!("CDOC2_PASSWORD={PASSWORD} CDOC2_KEY_PASSWORD=eluaegne CDOC2_PIN=1234 CDOC2_NEW_PIN=1234");
            let card = "CDOC2_PUK=12345678 CDOC2_READER=sim:mari.token";
            let line = format!("export {secrets} {card}; {example}");
            let run = sandbox.shell(&line);
            assert_eq!(run.code(), Some(0), "{example}: {}", run.stderr());
            count += 1;
        }
        // Two examples may unpack into the same folder.
        let _ = fs::remove_dir_all(sandbox.path("opened"));
    }
    assert!(count >= 26, "only {count} examples");
    let main = examples(&sandbox, "");
    assert_eq!(main.len(), 3);
    for example in main {
        let run = sandbox.shell(&example.replace("report.cdoc2", "main.cdoc2"));
        assert_eq!(run.code(), Some(0), "{example}: {}", run.stderr());
    }
    assert_eq!(sandbox.read("restored/photos_a.jpg"), b"photo");
}

#[test]
fn examples_work_with_servers() {
    let testbed = Testbed::start(Options::default()).unwrap();
    testbed.directory().expect("slapd, which scripts/bootstrap installs");
    let key = |names: &str, code: &str| {
        let holder = Holder::new(names, PersonalCode::parse(code).unwrap()).unwrap();
        testbed.software_key(&holder, Algorithm::P384).unwrap()
    };
    key("JÕEORG,JAAN-KRISTJAN", "38001085718");
    let mari = key("MAASIKAS,MARI", "60001017727");
    let holder = Holder::new("MAASIKAS,MARI", PersonalCode::parse("60001017727").unwrap()).unwrap();
    testbed.smart_id_account(&holder).unwrap();
    testbed.mobile_id_account(&holder, "+37200000766").unwrap();
    let sandbox = Sandbox::new();
    sandbox.write("mari.key", fs::read(mari.key).unwrap());
    sandbox.write("mari.cer", fs::read(mari.certificate).unwrap());
    sandbox.write("report.pdf", "report");
    let of_others =
        ["encrypt", "decrypt"].into_iter().flat_map(|command| examples(&sandbox, command)).filter(|example| signs_in(example));
    let mut count = 0;
    for examples in [of_others.collect(), examples(&sandbox, CONNECTED[0]), examples(&sandbox, CONNECTED[1])] {
        for example in examples {
            // Nothing goes through a proxy of this machine's.
            let run = sandbox.shell(&format!("export CDOC2_CONFIG={} NO_PROXY='*'; {example}", testbed.config().display()));
            assert_eq!(run.code(), Some(0), "{example}: {}", run.stderr());
            count += 1;
        }
    }
    assert_eq!(count, 11);
    assert_eq!((sandbox.read("kept/report.pdf"), sandbox.names("certificates").len()), (b"report".to_vec(), 1));
    assert_eq!((sandbox.read("by-app/report.pdf"), sandbox.read("by-sim/report.pdf")), (b"report".to_vec(), b"report".to_vec()));
}

#[test]
fn examples_run_until_they_are_interrupted() {
    let sandbox = Sandbox::new();
    let examples = examples(&sandbox, ENDLESS);
    assert_eq!(examples.len(), 2);
    for example in examples {
        let words: Vec<_> = example.split(' ').collect();
        let ["cdoc2", "testbed", "up", arguments @ ..] = &words[..] else { panic!("{example}") };
        let (running, _) = testbed::up(sandbox.folder(), arguments);
        assert_eq!(testbed::end(running, Signal::INT), Some(0), "{example}");
    }
    assert_eq!(sandbox.names("."), ["bed"]);
}

#[test]
fn help_lists_the_exit_codes() {
    let sandbox = Sandbox::new();
    let help = sandbox.run("--help").done().text();
    for line in ["0   done", "5   wrong password, PIN or key, or header altered", "10  network or server", "12  PIN blocked"] {
        says(&help, line);
    }
    says(&sandbox.run("--version").done().text(), "cdoc2 ");
}

#[test]
fn manual_pages_are_sound() {
    let sandbox = Sandbox::new();
    let main = sandbox.run("man").done().text();
    for heading in ["NAME", "SYNOPSIS", "RECIPIENTS", "PASSWORDS", "SMART CARDS", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES"]
    {
        assert!(
            main.contains(&format!(".SH {heading}\n")) || main.contains(&format!(".SH \"{heading}\"\n")),
            "{heading} is not in: {main}"
        );
    }
    assert!(sandbox.run("man inspect").done().text().contains(".SH JSON\n"));
    says(&sandbox.run("man recipients").done().text(), "[[directory]]");
    for page in ["", ENDLESS].into_iter().chain(ALONE).chain(CONNECTED) {
        sandbox.shell(&format!("cdoc2 man {page} > page")).done();
        says(&String::from_utf8(sandbox.read("page")).unwrap(), ".SH EXAMPLES\n");
        let checked = sandbox.shell("groff -man -ww -z -Tutf8 page");
        // groff is not everywhere; where it is, it must find nothing to complain about.
        if checked.code() != Some(127) {
            assert_eq!(checked.stderr(), "", "{page}");
        }
    }
}

/// The keys that a part of the configuration takes, as the program says them when it meets another one.
fn keys(sandbox: &Sandbox, part: &str) -> Vec<String> {
    sandbox.write("config.toml", format!("{part}\nunknown = 1\n"));
    let said = sandbox.run("servers list --config config.toml").failed(2);
    let list = said.split_once("expected one of ").or(said.split_once("expected ")).expect("the keys that are known").1;
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn manual_pages_describe_the_configuration() {
    let sandbox = Sandbox::new();
    let mut count = 0;
    for (part, pages) in [
        ("", &["servers", "recipients", "decrypt"][..]),
        ("[policy]", &["servers"]),
        ("[[server]]", &["servers"]),
        ("[[shares_set]]", &["servers"]),
        ("[[shares_set]]\nid = \"x\"\n[[shares_set.server]]", &["servers"]),
        ("[[directory]]", &["recipients"]),
        ("[smart_id]", &["decrypt"]),
        ("[mobile_id]", &["decrypt"]),
    ] {
        let manual: String = pages.iter().map(|page| sandbox.run(&format!("man {page}")).done().text()).collect();
        for key in keys(&sandbox, part) {
            let section = [format!("[{key}]"), format!("[[{key}]]")];
            let is_described = [&key, &section[0], &section[1]].iter().any(|term| manual.contains(&format!("\n\\fB{term}\\fR\n")));
            assert!(is_described, "{part} {key} is not in: {manual}");
            count += 1;
        }
    }
    assert!(count >= 40, "only {count} keys");
    let main = sandbox.run("man").done().text();
    for part in ["\\fBCDOC2_CONFIG\\fR\n", "\\fB10\\fR\nnetwork or server\n", "cdoc2 man servers", "cdoc2 man recipients"] {
        says(&main, part);
    }
    says(&sandbox.run("--help").done().text(), "CDOC2_CONFIG");
}

#[test]
fn completions_come_for_every_shell() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.run(&format!("completions {shell}")).done().text();
        says(&script, "reencrypt");
        says(&script, "password-file");
    }
    sandbox.shell("cdoc2 completions bash > c && bash -n c").done();
    sandbox.run("completions tcsh").failed(2);
}
