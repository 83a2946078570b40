//! `cdoc2 decrypt`: what opens, what is written, what is left alone.

use crate::support::{Sandbox, says};

#[test]
fn names_of_files_are_told_and_modes_are_private() {
    let sandbox = Sandbox::with_container();
    let run = sandbox.run("decrypt in.cdoc2 -o new/folder --secret s").done();
    assert_eq!(run.stderr(), "new/folder/a.txt (11 B)\n");
    assert_eq!(run.stdout(), b"");
    assert_eq!(sandbox.read("new/folder/a.txt"), b"plain text\n");
    assert_eq!(sandbox.mode("new/folder/a.txt"), 0o600);
    assert_eq!(sandbox.run("decrypt in.cdoc2 -q -o quiet --secret s").done().stderr(), "");
}

#[test]
fn current_folder_is_the_default() {
    let sandbox = Sandbox::with_container();
    sandbox.run("decrypt in.cdoc2 --secret s").done();
    assert_eq!(sandbox.names("."), ["a.txt", "in.cdoc2", "s"]);
}

#[test]
fn existing_files_are_kept_unless_forced() {
    let sandbox = Sandbox::with_container();
    sandbox.write("a.txt", "mine");
    let said = sandbox.run("decrypt in.cdoc2 --secret s").failed(9);
    says(&said, "a.txt exists already");
    says(&said, "--force");
    assert_eq!(sandbox.read("a.txt"), b"mine");
    sandbox.run("decrypt in.cdoc2 --secret s --force").done();
    assert_eq!(sandbox.read("a.txt"), b"plain text\n");
}

#[test]
fn exactly_one_thing_opens_a_container() {
    let sandbox = Sandbox::with_container();
    let none = sandbox.run("decrypt in.cdoc2 -o out").failed(2);
    says(&none, "--key PATH, --p12 PATH, --password, --secret PATH, --token or --pkcs11 MODULE");
    let two = sandbox.run("decrypt in.cdoc2 -o out --secret s --password").failed(2);
    says(&two, "--key, --p12, --password, --secret, --token, --pkcs11 or --auth");
    says(&sandbox.run("decrypt in.cdoc2 -o out --secret s --password-file s").failed(2), "something else opens the container");
    assert!(!sandbox.path("out").exists());
}

#[test]
fn record_is_chosen_by_label_or_number() {
    let sandbox = Sandbox::with_secret();
    sandbox.write("t", [1; 32]);
    sandbox.write("a.txt", "");
    sandbox.run("encrypt -o in.cdoc2 -r secret:first:s -r secret:second:t a.txt").done();
    for choice in ["--label second", "--index 2", ""] {
        says(&sandbox.run(&format!("decrypt in.cdoc2 -v -f --secret t {choice}")).done().stderr(), "record 2 opens the container");
    }
    sandbox.run("decrypt in.cdoc2 -o x --secret t --label first").failed(5);
    sandbox.run("decrypt in.cdoc2 -o x --secret t --index 1").failed(5);
    says(&sandbox.run("decrypt in.cdoc2 -o x --secret t --index 3").failed(4), "2 records, none of them number 3");
    says(&sandbox.run("decrypt in.cdoc2 -o x --secret t --label third").failed(4), "third");
    sandbox.run("decrypt in.cdoc2 -o x --secret t --index 0").failed(2);
    sandbox.run("decrypt in.cdoc2 -o x --secret t --index 1 --label first").failed(2);
}

#[test]
fn right_key_of_several_in_a_pkcs12_file_is_found() {
    let sandbox = Sandbox::new();
    sandbox.certificate("mari", 100, "");
    sandbox.certificate("jaan", 100, "");
    sandbox.openssl("pkcs12 -export -inkey mari.key -in mari.cer -out mari.p12 -passout pass:");
    sandbox.write("a.txt", "");
    sandbox.run("encrypt -o mari.cdoc2 -r cert:mari.cer a.txt").done();
    sandbox.run("encrypt -o jaan.cdoc2 -r cert:jaan.cer a.txt").done();
    sandbox.cdoc2("decrypt mari.cdoc2 -o opened --p12 mari.p12").env("CDOC2_KEY_PASSWORD", "").run().done();
    let said = sandbox.cdoc2("decrypt jaan.cdoc2 -o x --p12 mari.p12").env("CDOC2_KEY_PASSWORD", "").run().failed(4);
    says(&said, "no record for this key");
    says(&said, "cdoc2 inspect jaan.cdoc2");
}

#[test]
fn limits_name_the_option_that_raises_them() {
    let sandbox = Sandbox::with_secret();
    sandbox.write("a", "0123456789");
    sandbox.write("b", "0123456789");
    sandbox.run("encrypt -o in.cdoc2 -r secret:s:s a b").done();
    says(&sandbox.run("decrypt in.cdoc2 -o x --secret s --max-size 15").failed(8), "--max-size");
    says(&sandbox.run("decrypt in.cdoc2 -o x --secret s --max-files 1").failed(8), "--max-files");
    says(&sandbox.run("decrypt in.cdoc2 -o x --secret s --min-free 1000000T").failed(8), "--min-free");
    assert!(!sandbox.path("x").exists());
    sandbox.write("zeros", vec![0; 40 << 20]);
    sandbox.run("encrypt -o zeros.cdoc2 -r secret:s:s zeros").done();
    says(&sandbox.run("decrypt zeros.cdoc2 -o x --secret s").failed(8), "--max-ratio");
    assert!(!sandbox.path("x").exists());
    sandbox.run("decrypt zeros.cdoc2 -o x --secret s --max-ratio 5000").done();
}

#[test]
fn single_file_goes_to_standard_output() {
    let sandbox = Sandbox::with_container();
    let run = sandbox.run("decrypt in.cdoc2 -o - --secret s").done();
    assert_eq!(run.stdout(), b"plain text\n");
    assert_eq!(run.stderr(), "");
    sandbox.write("a", "");
    sandbox.write("b", "");
    sandbox.run("encrypt -o two.cdoc2 -r secret:s:s a b").done();
    let run = sandbox.run("decrypt two.cdoc2 -o - --secret s");
    assert_eq!(run.stdout(), b"");
    says(&run.failed(2), "name a folder with -o");
}

#[test]
fn labels_are_escaped_wherever_they_are_shown() {
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", "");
    sandbox.write("s", [1; 32]);
    let arguments = ["encrypt", "-o", "in.cdoc2", "-r", "secret:\u{202e}gnitirw:s", "a.txt"];
    sandbox.cdoc2_with(arguments).run().done();
    let text = sandbox.run("inspect in.cdoc2").done().text();
    says(&text, r"Record 1: \u{202e}gnitirw");
    assert!(!text.contains('\u{202e}'));
    let said = sandbox.cdoc2_with(["decrypt", "in.cdoc2", "--secret", "s", "--label", "\u{1b}[2J"]).run().failed(4);
    assert!(!said.contains('\u{1b}'), "{said:?}");
}
