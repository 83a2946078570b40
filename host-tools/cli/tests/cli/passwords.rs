//! Passwords without a terminal: their sources, their rules, and what --batch says.

use crate::support::{OLD_PASSWORD, PASSWORD, Sandbox, says};

/// With the right password in `pw`.
fn encrypted() -> Sandbox {
    let sandbox = Sandbox::with_password();
    sandbox.write("pw", format!("{OLD_PASSWORD}\r\n"));
    sandbox
}

#[test]
fn right_password_from_every_source() {
    let sandbox = encrypted();
    sandbox.run("decrypt in.cdoc2 -o file --password --password-file pw").done();
    sandbox.shell("cdoc2 decrypt in.cdoc2 -o fd --password --password-fd 3 3< pw").done();
    sandbox.shell("cdoc2 decrypt in.cdoc2 -o pipe --password --password-file <(cat pw)").done();
    sandbox.cdoc2("decrypt in.cdoc2 -o stdin --password --password-fd 0").input(OLD_PASSWORD).run().done();
    sandbox.cdoc2("decrypt in.cdoc2 -o env -p").env("CDOC2_PASSWORD", OLD_PASSWORD).run().done();
    // It opens nothing else, so it need not be said.
    sandbox.run("decrypt in.cdoc2 -o unsaid --password-file pw").done();
}

#[test]
fn wrong_password_from_every_source_is_5_at_once() {
    let sandbox = encrypted();
    sandbox.write("wrong", "Suvi2026tormine");
    sandbox.run("decrypt in.cdoc2 -o out --password --password-file wrong").failed(5);
    sandbox.shell("cdoc2 decrypt in.cdoc2 -o out --password --password-fd 3 3< wrong").failed(5);
    sandbox.cdoc2("decrypt in.cdoc2 -o out --password").env("CDOC2_PASSWORD", format!("{OLD_PASSWORD}\n")).run().failed(5);
    assert!(!sandbox.path("out").exists());
}

#[test]
fn file_comes_before_the_environment() {
    let sandbox = encrypted();
    sandbox.cdoc2("decrypt in.cdoc2 -o out --password --password-file pw").env("CDOC2_PASSWORD", "wrong").run().done();
    sandbox.run("decrypt in.cdoc2 -o x --password --password-file pw --password-fd 3").failed(2);
}

#[test]
fn nobody_is_asked_without_a_terminal_or_in_a_batch() {
    let sandbox = encrypted();
    let said = sandbox.run("decrypt in.cdoc2 -o out --password").failed(2);
    says(&said, "password for \"pw\": there is no terminal to ask for it");
    says(&said, "hint: pass --password-file PATH, --password-fd N or CDOC2_PASSWORD");
    says(&sandbox.run("decrypt in.cdoc2 -o out --batch --password").failed(2), "--batch forbids");
    says(&sandbox.run("encrypt -o x.cdoc2 --batch -r password:x pw").failed(2), "new password for \"x\": --batch forbids");
    says(&sandbox.run("decrypt in.cdoc2 -o out --password --password-fd 77").failed(9), "file descriptor 77");
    assert_eq!(sandbox.names("."), ["in.cdoc2", "pw"]);
}

#[test]
fn rules_hold_for_every_source() {
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", "");
    for (password, wrong) in [
        ("Kevade2026a", "at least 12 characters"),
        ("kevade2026tuul", "an upper-case letter"),
        ("KEVADE2026TUUL", "a lower-case letter"),
        ("KevadeneTuulehoog", "a digit"),
        ("kevad", "at least 12 characters, an upper-case letter (A to Z), a digit"),
    ] {
        sandbox.write("pw", password);
        says(&sandbox.run("encrypt -o out.cdoc2 -r password:x --password-file pw a.txt").failed(2), wrong);
        let run = sandbox.cdoc2("encrypt -o out.cdoc2 -r password:x a.txt").env("CDOC2_PASSWORD", password).run();
        let said = run.failed(2);
        says(&said, wrong);
        assert!(!said.contains(password), "{said}");
    }
    sandbox.write("latin1", b"Kevade2026t\xf5\xf5l");
    says(&sandbox.run("encrypt -o out.cdoc2 -r password:x --password-file latin1 a.txt").failed(2), "not UTF-8");
    assert!(!sandbox.path("out.cdoc2").exists());
}

#[test]
fn one_password_is_for_one_recipient() {
    let sandbox = Sandbox::with_secret();
    sandbox.write("a.txt", "");
    sandbox.write("pw", PASSWORD);
    let said = sandbox.run("encrypt -o out.cdoc2 -r password:x -r password:y --password-file pw a.txt").failed(2);
    says(&said, "2 recipients need a password, and one is given");
    says(&sandbox.run("encrypt -o out.cdoc2 -r secret:s:s --password-file pw a.txt").failed(2), "no recipient needs one");
}

#[test]
fn label_is_the_hint() {
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", "");
    let encrypt = |arguments: &str| sandbox.cdoc2(arguments).env("CDOC2_PASSWORD", PASSWORD).run();
    encrypt("encrypt -o one.cdoc2 -r password --label vihje a.txt").done();
    says(&sandbox.run("inspect one.cdoc2").done().text(), "Record 1: vihje\n");
    encrypt("encrypt -o two.cdoc2 -r password a.txt").done();
    says(&sandbox.run("inspect two.cdoc2").done().text(), "Record 1: 20");
    // The warning comes before anything else is done.
    let said = encrypt("encrypt -o three.cdoc2 -r password:Suvi2026tormine absent").failed(9);
    says(&said, "is the label, which everybody can read, and not the password");
    assert!(!said.contains("tormine"), "{said}");
}
