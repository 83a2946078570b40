//! Help, manual pages and completions: they come out, and what they say is true.

use std::process::Command;

use crate::support::{PASSWORD, Sandbox, says};

/// Those whose examples need nothing but files and a card.
const COMMANDS: [&str; 8] = ["encrypt", "decrypt", "reencrypt", "inspect", "keygen", "token", "completions", "man"];

/// The lines of a help text that begin with a prompt.
pub(crate) fn examples(help: &str) -> Vec<String> {
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
    for command in COMMANDS {
        for example in examples(&sandbox.run(&format!("{command} --help")).done().text()) {
            let secrets = format!("CDOC2_PASSWORD={PASSWORD} CDOC2_KEY_PASSWORD=eluaegne CDOC2_PIN=1234 CDOC2_NEW_PIN=1234");
            let card = "CDOC2_PUK=12345678 CDOC2_READER=sim:mari.token";
            let line = format!("export {secrets} {card}; {example}");
            let run = sandbox.shell(&line);
            assert_eq!(run.code(), Some(0), "{example}: {}", run.stderr());
            count += 1;
        }
        // Two examples may unpack into the same folder.
        let _ = std::fs::remove_dir_all(sandbox.path("opened"));
    }
    assert!(count >= 26, "only {count} examples");
    let main = examples(&sandbox.run("--help").done().text());
    assert_eq!(main.len(), 3);
    for example in main {
        let run = sandbox.shell(&example.replace("report.cdoc2", "main.cdoc2"));
        assert_eq!(run.code(), Some(0), "{example}: {}", run.stderr());
    }
    assert_eq!(sandbox.read("restored/photos_a.jpg"), b"photo");
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
    for page in ["", "recipients"].into_iter().chain(COMMANDS) {
        sandbox.shell(&format!("cdoc2 man {page} > page")).done();
        // groff is not everywhere; where it is, it must find nothing to complain about.
        if let Ok(output) =
            Command::new("groff").args(["-man", "-ww", "-z", "-Tutf8", "page"]).current_dir(sandbox.folder()).output()
        {
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{page}");
        }
    }
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
