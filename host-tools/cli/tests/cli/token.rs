//! Smart cards, as the simulator has them in this very process: no reader, no service.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use rustix::process::Signal;

use crate::support::{PASSWORD, Run, Sandbox, says};

/// Commands of the trace in `stderr`, the answers left out.
fn commands(stderr: &str) -> Vec<&str> {
    stderr.lines().filter_map(|line| line.strip_prefix("-> ")).collect()
}

/// With a token in `card`, and `a.txt` encrypted to it in `in.cdoc2`.
fn sandbox(options: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&format!("token sim new --state card --name MAASIKAS,MARI --code 60001017727 {options}")).done();
    sandbox.write("a.txt", "plain text\n");
    sandbox.run("encrypt -o in.cdoc2 --token --reader sim:card a.txt").done();
    sandbox
}

/// The program with that token and this PIN.
fn with_pin(sandbox: &Sandbox, arguments: &str, pin: &str) -> Run {
    sandbox.cdoc2(&format!("{arguments} --reader sim:card")).env("CDOC2_PIN", pin).run()
}

#[test]
fn what_is_encrypted_to_a_token_is_decrypted_by_it() {
    for options in ["", "--profile esteid2025", "--cdoc2-key p256 --require-touch"] {
        let sandbox = sandbox(options);
        let run = with_pin(&sandbox, "decrypt in.cdoc2 -o out --token --trace", "1234").done();
        assert_eq!(sandbox.read("out/a.txt"), b"plain text\n");
        let said = run.stderr();
        let commands = commands(&said);
        let first = commands.iter().rposition(|command| command.contains("GET CERTIFICATE")).expect("a certificate that is read");
        assert!(commands.len() - first <= 11, "{commands:#?}");
        assert!(!said.contains("31323334"), "{said}");
    }
}

#[test]
fn label_is_that_of_an_id_card() {
    let sandbox = sandbox("");
    let text = sandbox.run("inspect in.cdoc2").done().text();
    says(&text, "Record 1: MAASIKAS,MARI,60001017727");
    says(&text, "v=1 | type=ID-card | cn=MAASIKAS,MARI,60001017727 | serial_number=PNOEE-60001017727");
}

#[test]
fn token_is_meant_where_nothing_else_is_said() {
    let sandbox = sandbox("");
    with_pin(&sandbox, "decrypt in.cdoc2 -o out", "1234").done();
    let run = sandbox.cdoc2("decrypt in.cdoc2 -o again").env("CDOC2_READER", "sim:card").env("CDOC2_PIN", "1234").run();
    run.done();
    // Not where something else is.
    let both = "encrypt -o both.cdoc2 --token --reader sim:card -r password:pw a.txt";
    sandbox.cdoc2(both).env("CDOC2_PASSWORD", PASSWORD).run().done();
    let run = sandbox.cdoc2("decrypt both.cdoc2 -o both -v").env("CDOC2_READER", "sim:card").env("CDOC2_PASSWORD", PASSWORD).run();
    says(&run.done().stderr(), "record 2 opens the container");
    sandbox.write("s", [7; 32]);
    sandbox.run("encrypt -o s.cdoc2 -r secret:s:s a.txt").done();
    sandbox.cdoc2("decrypt s.cdoc2 -o other --secret s").env("CDOC2_READER", "sim:card").run().done();
}

#[test]
fn key_for_cdoc2_alone_opens_after_a_touch() {
    let sandbox = sandbox("--cdoc2-key p384 --require-touch");
    let certificate = sandbox.run("token sim cert --state card cdoc2").done().text();
    sandbox.write("cdoc2.cer", certificate);
    sandbox.run("encrypt -o key.cdoc2 -r cert:cdoc2.cer a.txt").done();
    let said = with_pin(&sandbox, "decrypt key.cdoc2 -o out --token", "1234").done().stderr();
    says(&said, "Touch the token.");
    assert_eq!(sandbox.read("out/a.txt"), b"plain text\n");
}

#[test]
fn long_header_is_streamed() {
    let sandbox = sandbox("");
    let mut recipients = String::from("token:sim:card\n");
    for number in 0..60 {
        recipients += &format!("secret:{number}:s\n");
    }
    sandbox.write("s", [7; 32]);
    sandbox.write("recipients", recipients);
    sandbox.run("encrypt -o many.cdoc2 -R recipients a.txt").done();
    let said = with_pin(&sandbox, "decrypt many.cdoc2 -o out --token --trace", "1234").done().stderr();
    let chain = commands(&said).into_iter().filter(|command| command.contains("DECAPSULATE")).count();
    assert!(chain > 1, "{said}");
}

#[test]
fn pin_is_not_asked_for_when_no_record_fits() {
    let sandbox = sandbox("");
    sandbox.write("s", [7; 32]);
    sandbox.run("encrypt -o s.cdoc2 -r secret:s:s a.txt").done();
    // There is no terminal to ask at, and it does not come to that.
    let said = sandbox.run("decrypt s.cdoc2 -o out --token --reader sim:card --trace").failed(4);
    assert!(!commands(&said).iter().any(|command| command.contains("VERIFY")), "{said}");
    says(
        &sandbox.run("decrypt in.cdoc2 -o out --token --reader sim:card").failed(2),
        "pass --pin-file PATH, --pin-fd N or CDOC2_PIN",
    );
}

#[test]
fn wrong_pin_is_counted_and_the_last_try_is_kept() {
    let sandbox = sandbox("");
    let decrypt = |options: &str, pin: &str| with_pin(&sandbox, &format!("decrypt in.cdoc2 -o out --token {options}"), pin);
    // What can be no PIN costs nothing.
    says(&decrypt("", "123").failed(2), "the PIN1 has 4 to 12 digits");
    says(&decrypt("", "12345x").failed(2), "the PIN1 consists of digits only");
    says(&decrypt("", "9999").failed(5), "wrong PIN1; 2 tries are left");
    let said = decrypt("", "9998").failed(5);
    says(&said, "wrong PIN1; one try is left");
    says(&said, "hint: --last-try");
    says(&decrypt("", "1234").failed(12), "one try is left for the PIN1");
    says(&sandbox.run("token info --reader sim:card").done().text(), "PIN1:        1 try left");
    let said = decrypt("--last-try", "9997").failed(12);
    says(&said, "the PIN1 is blocked");
    says(&said, "hint: cdoc2 token unblock pin1");
    says(&decrypt("--last-try", "1234").failed(12), "the PIN1 is blocked");
    assert!(!sandbox.path("out").exists());

    let unblock = sandbox.cdoc2("token unblock pin1 --reader sim:card");
    unblock.env("CDOC2_PUK", "12345678").env("CDOC2_NEW_PIN", "4321").run().done();
    decrypt("", "1234").failed(5);
    decrypt("", "4321").done();
    // The right one gives all tries back.
    says(&sandbox.run("token info --reader sim:card").done().text(), "PIN1:        3 tries left");
}

#[test]
fn pins_are_changed() {
    for profile in ["esteid2018", "esteid2025"] {
        let sandbox = sandbox(&format!("--profile {profile}"));
        for (name, old, new) in [("pin1", "1234", "432100"), ("pin2", "12345", "54321"), ("puk", "12345678", "87654321")] {
            let change = |old: &str| {
                let change = sandbox.cdoc2(&format!("token change-pin {name} --reader sim:card"));
                change.env("CDOC2_PIN", old).env("CDOC2_NEW_PIN", new).run()
            };
            change("999999999").failed(5);
            says(&change(old).done().stderr(), "is changed");
            with_pin(&sandbox, &format!("token verify-pin {name}"), old).failed(5);
            says(&with_pin(&sandbox, &format!("token verify-pin {name}"), new).done().stderr(), "is right");
        }
        let unblock = sandbox.cdoc2("token unblock pin2 --reader sim:card");
        unblock.env("CDOC2_PUK", "87654321").env("CDOC2_NEW_PIN", "55555").run().done();
        with_pin(&sandbox, "token verify-pin pin2", "55555").done();
        let wrong = sandbox.cdoc2("token unblock pin1 --reader sim:card");
        let wrong = wrong.env("CDOC2_PUK", "11111111").env("CDOC2_NEW_PIN", "5555").run();
        says(&wrong.failed(5), "wrong PUK; 2 tries are left");
    }
}

#[test]
fn container_goes_from_one_token_to_another() {
    let sandbox = sandbox("");
    sandbox.run("token sim new --state other --name TAMM,JAAN --code 38001085718 --pin1 9876").done();
    with_pin(&sandbox, "reencrypt in.cdoc2 -o new.cdoc2 --token -r token:sim:other", "1234").done();
    with_pin(&sandbox, "decrypt new.cdoc2 -o out --token", "1234").failed(4);
    sandbox.cdoc2("decrypt new.cdoc2 -o out --token --reader sim:other").env("CDOC2_PIN", "9876").run().done();
    assert_eq!(sandbox.read("out/a.txt"), b"plain text\n");
    // To the same one its certificate is read once.
    let said = with_pin(&sandbox, "reencrypt in.cdoc2 -o same.cdoc2 --token -r token --trace", "1234").done().stderr();
    assert_eq!(commands(&said).iter().filter(|command| command.contains("GET CERTIFICATE")).count(), 1, "{said}");
}

#[test]
fn pins_come_from_files_and_descriptors() {
    let sandbox = sandbox("");
    sandbox.write("pin", "1234\n");
    sandbox.run("decrypt in.cdoc2 -o 1 --token --reader sim:card --pin-file pin").done();
    sandbox.shell("cdoc2 decrypt in.cdoc2 -o 2 --token --reader sim:card --pin-fd 3 3< pin").done();
    let said = sandbox.run("decrypt in.cdoc2 -o 3 --token --reader sim:card --pin 1234").failed(2);
    says(&said, "PINs do not belong on the command line");
}

#[test]
fn what_is_no_token_is_refused() {
    let sandbox = sandbox("");
    says(&sandbox.run("token info --reader sim:absent").failed(11), "absent");
    says(&sandbox.run("token info --reader sim:a.txt").failed(11), "not the state file of a simulated token");
    says(&sandbox.run("token info --reader sim:").failed(2), "sim: is to be followed by the file");
    // The same damage, here to the mark at the start of the flash, is called the same, whoever meets it.
    let mut octets = sandbox.read("card");
    octets[4096] ^= 1;
    sandbox.write("damaged", octets);
    let said = sandbox.run("token info --reader sim:damaged").failed(11);
    says(&said, "damaged: the token does not start: what is in its flash was not written by this token");
    assert_eq!(sandbox.run("token sim info --state damaged").failed(11), said);
    says(&sandbox.run("decrypt in.cdoc2 --token --secret s").failed(2), "one thing opens a container");
    says(&sandbox.run("decrypt in.cdoc2 --pkcs11 a.txt").failed(2), "not a PKCS#11 module");
}

/// As `token-sim run` itself: the card loses its power, and the program did what it was asked.
#[test]
fn signal_pulls_a_simulated_token_out_in_order() {
    let sandbox = sandbox("");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let child = sandbox.cdoc2(&format!("token sim run --state card --trace --vpcd {address}")).start();
        let (mut reader, _) = listener.accept().unwrap();
        // Power, and the question for the answer to reset: messages of one octet each.
        reader.write_all(b"\x00\x01\x01\x00\x01\x04").unwrap();
        reader.read_exact(&mut [0; 2]).unwrap();
        child.signal(signal);
        let output = child.end();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.ends_with("   power off\n"), "{said}");
    }
}

#[test]
fn what_is_not_asked_for_is_called_by_its_name() {
    let sandbox = sandbox("");
    for (arguments, message) in [
        ("token verify-pin --batch", "cdoc2: PIN1: --batch forbids to ask for it"),
        ("token unblock pin1 --batch", "cdoc2: PUK: --batch forbids to ask for it"),
    ] {
        says(&sandbox.run(&format!("{arguments} --reader sim:card")).failed(2), message);
    }
}
