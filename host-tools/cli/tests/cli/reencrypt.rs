//! `cdoc2 reencrypt`: the same content for others.

use std::fs;

use crate::support::{OLD_PASSWORD, PASSWORD, Sandbox, says};

#[test]
fn content_stays_and_recipients_change() {
    let sandbox = Sandbox::with_container();
    sandbox.run("keygen -o k --pubkey p").done();
    let said = sandbox.run("reencrypt in.cdoc2 -v -o new.cdoc2 --secret s -r pubkey:p").done().stderr();
    says(&said, "new.cdoc2: 1 file of 11 B for 1 recipient");
    sandbox.run("decrypt new.cdoc2 -o out --key k").done();
    assert_eq!(sandbox.read("out/a.txt"), b"plain text\n");
    sandbox.run("decrypt new.cdoc2 -o x --secret s").failed(4);
}

#[test]
fn password_of_the_new_container_comes_from_where_it_should() {
    let sandbox = Sandbox::with_container();
    sandbox.write("new", PASSWORD);
    // Nothing but the new recipient needs a password, so there is one source.
    sandbox.run("reencrypt in.cdoc2 -o one.cdoc2 --secret s -r password:x --password-file new").done();
    sandbox.run("decrypt one.cdoc2 -o one --password --password-file new").done();
    let sandbox = Sandbox::with_password();
    sandbox.write("pw", OLD_PASSWORD);
    sandbox.write("new", PASSWORD);
    sandbox.run("reencrypt in.cdoc2 -o two.cdoc2 --password --password-file pw -r password:y --new-password-file new").done();
    sandbox.run("decrypt two.cdoc2 -o out --password --password-file new").done();
    let said = sandbox.run("reencrypt in.cdoc2 -o three.cdoc2 --batch --password --password-file pw -r password:y").failed(2);
    says(&said, "--new-password-file");
    let run = sandbox.cdoc2("reencrypt in.cdoc2 -o three.cdoc2 --password -r password:y");
    run.env("CDOC2_PASSWORD", OLD_PASSWORD).env("CDOC2_NEW_PASSWORD", "tooshort").run().failed(2);
    assert!(!sandbox.path("three.cdoc2").exists());
}

#[test]
fn input_is_not_overwritten() {
    let sandbox = Sandbox::with_container();
    let before = sandbox.read("in.cdoc2");
    fs::hard_link(sandbox.path("in.cdoc2"), sandbox.path("link.cdoc2")).unwrap();
    for output in ["in.cdoc2", "./in.cdoc2", "link.cdoc2"] {
        let said = sandbox.run(&format!("reencrypt in.cdoc2 -f -o {output} --secret s -r secret:s:s")).failed(2);
        says(&said, "the input and the output at once");
    }
    assert_eq!(sandbox.read("in.cdoc2"), before);
}

#[test]
fn wrong_key_asks_nothing_more_and_leaves_nothing() {
    let sandbox = Sandbox::with_container();
    sandbox.write("t", [1; 32]);
    sandbox.run("reencrypt in.cdoc2 -o new.cdoc2 --secret t -r secret:s:s").failed(5);
    says(&sandbox.run("reencrypt in.cdoc2 -o new.cdoc2 --secret s").failed(2), "there is no recipient");
    assert_eq!(sandbox.names("."), ["in.cdoc2", "s", "t"]);
}
