//! Standard input and output instead of files.

use crate::support::{Sandbox, says};

#[test]
fn everything_works_through_pipes() {
    let sandbox = Sandbox::with_secret();
    let container = sandbox.cdoc2("encrypt --name notes.txt -r secret:s:s -").input("from a pipe").run().done();
    assert!(container.stdout().starts_with(b"CDOC\x02"));
    let again = sandbox.cdoc2("reencrypt - --secret s -r secret:t:s").input(container.stdout()).run().done();
    let text = sandbox.cdoc2("inspect -").input(again.stdout()).run().done().text();
    says(&text, "File:        -\n");
    says(&text, "Record 1: t\n");
    let plain = sandbox.cdoc2("decrypt - -o - --secret s").input(again.stdout()).run().done();
    assert_eq!(plain.stdout(), b"from a pipe");
    sandbox.cdoc2("decrypt - -o out --secret s").input(again.stdout()).run().done();
    assert_eq!(sandbox.read("out/notes.txt"), b"from a pipe");
    assert_eq!(sandbox.names("."), ["out", "s"]);
}

#[test]
fn keys_come_through_pipes_too() {
    let sandbox = Sandbox::with_container();
    sandbox.cdoc2("decrypt in.cdoc2 -o one --secret -").input([0x5A; 32]).run().done();
    sandbox.shell("cdoc2 decrypt in.cdoc2 -o two --secret <(cat s)").done();
    sandbox.cdoc2("encrypt -o b.cdoc2 -R - in.cdoc2").input("secret:s:s\n").run().done();
}

#[test]
fn standard_input_is_one_thing() {
    let sandbox = Sandbox::with_container();
    let said = sandbox.cdoc2("decrypt - -o out --secret -").input(sandbox.read("in.cdoc2")).run().failed(2);
    says(&said, "standard input cannot be both the container and the secret");
    sandbox.run("encrypt -o out.cdoc2 --name a -r secret:s:- -").failed(2);
}

#[test]
fn standard_input_needs_a_name() {
    let sandbox = Sandbox::with_secret();
    says(&sandbox.run("encrypt -r secret:s:s -").failed(2), "--name NAME");
    says(&sandbox.run("encrypt -o x.cdoc2 -r secret:s:s --name a s").failed(2), "- is not among the files");
    says(&sandbox.run("encrypt -o x.cdoc2 -r secret:s:s --name a - -").failed(2), "more than once");
    says(&sandbox.run("encrypt -o x.cdoc2 -r secret:s:s --name a/b -").failed(2), "path separator");
}

#[test]
fn closed_pipe_is_a_quiet_end() {
    let sandbox = Sandbox::with_secret();
    sandbox.write("noise", (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<_>>());
    sandbox.run("encrypt -o in.cdoc2 -r secret:s:s noise").done();
    for line in ["encrypt -r secret:s:s noise", "decrypt in.cdoc2 -o - --secret s", "reencrypt in.cdoc2 --secret s -r secret:s:s"] {
        let run = sandbox.shell(&format!("cdoc2 {line} | true; echo ${{PIPESTATUS[0]}}"));
        assert_eq!((run.text().as_str(), run.stderr().as_str()), ("141\n", ""), "{line}");
    }
    for line in ["--help", "encrypt --help", "man", "completions zsh", "inspect in.cdoc2"] {
        // Whether the pipe is closed in time is a matter of luck; noise and panics are not allowed either way.
        let run = sandbox.shell(&format!("cdoc2 {line} | true"));
        assert_eq!(run.stderr(), "", "{line}");
    }
}

#[test]
fn devices_and_named_pipes_are_written_to_and_not_replaced() {
    let sandbox = Sandbox::with_container();
    sandbox.write("a.txt", "");
    sandbox.run("encrypt -o /dev/null -r secret:s:s a.txt").done();
    sandbox.shell("cdoc2 encrypt -o >(cat > /dev/null) -r secret:s:s a.txt").done();
    sandbox.shell("mkfifo pipe; cat pipe > read.cdoc2 & cdoc2 encrypt -o pipe -r secret:s:s a.txt; wait").done();
    assert!(sandbox.read("read.cdoc2").starts_with(b"CDOC\x02"));
}
