//! Every exit code, and that a refusal leaves nothing behind.

use crate::crafted;
use crate::support::{OLD_PASSWORD, Sandbox, says};

#[test]
fn done_is_0() {
    let sandbox = Sandbox::with_container();
    sandbox.run("decrypt in.cdoc2 -o out --secret s").done();
}

#[test]
fn usage_is_2() {
    let sandbox = Sandbox::with_container();
    for arguments in ["", "frobnicate", "encrypt", "decrypt", "decrypt in.cdoc2 --frobnicate", "decrypt in.cdoc2", "keygen", "help"]
    {
        sandbox.run(arguments).failed(2);
    }
}

#[test]
fn no_sound_container_is_3() {
    let sandbox = Sandbox::with_container();
    let container = sandbox.read("in.cdoc2");
    sandbox.write("text", "once upon a time\n");
    sandbox.write("empty", "");
    sandbox.write("cut", &container[..50]);
    sandbox.write("version", [b"CDOC\x03", &container[5..]].concat());
    sandbox.write("damaged", [&container[..9], &[0xFF; 8], &container[17..]].concat());
    for name in ["text", "empty", "cut", "version", "damaged"] {
        let said = sandbox.run(&format!("decrypt {name} -o out --secret s")).failed(3);
        says(&said, &format!("cdoc2: {name}: "));
        sandbox.run(&format!("inspect {name}")).failed(3);
    }
    says(&sandbox.run("inspect text").failed(3), "hint: only CDOC2 containers");
    assert!(!sandbox.path("out").exists());
}

#[test]
fn password_hashing_without_end_is_3_and_names_the_option() {
    let sandbox = Sandbox::with_password();
    let decrypt = |arguments: &str| sandbox.cdoc2(arguments).env("CDOC2_PASSWORD", OLD_PASSWORD).run();
    says(&decrypt("decrypt in.cdoc2 -o out --password --max-kdf-iterations 999").failed(3), "--max-kdf-iterations 1000 allows it");
    decrypt("decrypt in.cdoc2 -o out --password --max-kdf-iterations 1000").done();
}

#[test]
fn no_record_is_4() {
    let sandbox = Sandbox::with_container();
    sandbox.run("keygen -o k --pubkey p").done();
    says(&sandbox.run("decrypt in.cdoc2 -o out --key k").failed(4), "hint: cdoc2 inspect in.cdoc2");
    // Not asked for a password that cannot be of use, either.
    sandbox.run("decrypt in.cdoc2 -o out --password").failed(4);
    assert!(!sandbox.path("out").exists());
}

#[test]
fn wrong_key_or_altered_header_is_5() {
    let sandbox = Sandbox::with_container();
    sandbox.write("t", [1; 32]);
    sandbox.run("decrypt in.cdoc2 -o out --secret t").failed(5);
    let mut container = sandbox.read("in.cdoc2");
    let mac = 9 + usize::from(container[8]) + (usize::from(container[7]) << 8);
    container[mac] ^= 1;
    sandbox.write("altered", &container);
    sandbox.run("decrypt altered -o out --secret s").failed(5);
    sandbox.run("keygen -o k --pubkey p --encrypt --key-password-file s").done();
    sandbox.run("decrypt in.cdoc2 -o out --key k --key-password-file t").failed(5);
    assert!(!sandbox.path("out").exists());
}

#[test]
fn altered_or_cut_payload_is_6() {
    let sandbox = Sandbox::with_container();
    let container = sandbox.read("in.cdoc2");
    let mut altered = container.clone();
    altered[container.len() - 20] ^= 1;
    sandbox.write("altered", altered);
    sandbox.write("cut", &container[..container.len() - 1]);
    sandbox.write("longer", [&container[..], b"x"].concat());
    for name in ["altered", "cut", "longer"] {
        sandbox.run(&format!("decrypt {name} -o out --secret s")).failed(6);
        let run = sandbox.run(&format!("decrypt {name} -o - --secret s"));
        assert_eq!(run.stdout(), b"");
        run.failed(6);
        sandbox.run(&format!("reencrypt {name} -o new.cdoc2 --secret s -r secret:s:s")).failed(6);
    }
    assert_eq!(sandbox.names("."), ["altered", "cut", "in.cdoc2", "longer", "s"]);
}

#[test]
fn unsafe_archive_is_7() {
    let sandbox = Sandbox::with_secret();
    sandbox.write("in.cdoc2", crafted::container(b"no zlib stream"));
    sandbox.run("decrypt in.cdoc2 -o out --secret s").failed(7);
    sandbox.write("up.cdoc2", crafted::with_file_named("../up\u{1b}[2J"));
    let said = sandbox.run("decrypt up.cdoc2 -o out --secret s").failed(7);
    says(&said, "unsafe file name");
    says(&said, "--rename-unsafe");
    assert!(!said.contains('\u{1b}'), "{said:?}");
    assert!(!sandbox.path("out").exists());
    let said = sandbox.run("decrypt up.cdoc2 -o out --secret s --rename-unsafe").done().stderr();
    says(&said, "warning: out/.._up_[2J: was \"../up");
    assert!(!said.contains('\u{1b}'), "{said:?}");
    assert_eq!(sandbox.names("out").len(), 1);
}

#[test]
fn exceeded_limit_is_8() {
    let sandbox = Sandbox::with_container();
    sandbox.run("decrypt in.cdoc2 -o out --secret s --max-size 1").failed(8);
    assert!(!sandbox.path("out").exists());
}

#[test]
fn input_and_output_is_9() {
    let sandbox = Sandbox::with_container();
    sandbox.write("a.txt", "");
    sandbox.run("decrypt absent -o out --secret s").failed(9);
    sandbox.run("decrypt in.cdoc2 -o out --secret absent").failed(9);
    sandbox.run("decrypt in.cdoc2 -o out --password --password-file absent").failed(9);
    sandbox.run("encrypt -o absent/out.cdoc2 -r secret:s:s a.txt").failed(9);
    says(&sandbox.run("encrypt -o /dev/full -r secret:s:s a.txt").failed(9), "/dev/full: ");
    sandbox.run("decrypt in.cdoc2 -o a.txt --secret s").failed(9);
    for line in ["inspect in.cdoc2", "man", "completions bash", "keygen -o k", "decrypt in.cdoc2 -o - --secret s"] {
        says(&sandbox.shell(&format!("cdoc2 {line} > /dev/full")).failed(9), "standard output");
    }
}

#[test]
fn file_that_may_not_grow_is_9_and_goes() {
    let sandbox = Sandbox::with_secret();
    sandbox.write("noise", (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<_>>());
    sandbox.run("encrypt -o in.cdoc2 -r secret:s:s noise").done();
    let limited = |line: &str| sandbox.shell(&format!("ulimit -f 100; cdoc2 {line}"));
    limited("encrypt -o out.cdoc2 -r secret:s:s noise").failed(9);
    limited("decrypt in.cdoc2 -o out --secret s").failed(9);
    limited("reencrypt in.cdoc2 -o out.cdoc2 --secret s -r secret:s:s").failed(9);
    assert_eq!(sandbox.names("."), ["in.cdoc2", "noise", "s"]);
}
