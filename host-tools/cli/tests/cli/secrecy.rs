//! Nothing that the program prints holds a secret, however much it prints and whatever goes wrong.

use cdoc2_testbed::phone::smart_id::{Behaviour, End};
use cdoc2_testbed::{Algorithm, Holder, Options, PersonalCode, Testbed, card};

use crate::support::{OLD_PASSWORD, PASSWORD, Sandbox};

const WRONG: &str = "Suvi2026tormine";
const PASSPHRASE: &str = "eluaegne-vihje";

#[test]
fn no_output_holds_a_secret() {
    let sandbox = Sandbox::with_password();
    sandbox.write("a.txt", "");
    sandbox.write("pw", PASSWORD);
    sandbox.write("old", OLD_PASSWORD);
    sandbox.write("wrong", WRONG);
    sandbox.write("weak", "Hunter2");
    sandbox.write("phrase", PASSPHRASE);
    // As text, so that a slip would show.
    let secret = "0123456789abcdefghijklmnopqrstuv";
    sandbox.write("s", secret);
    sandbox.write("t", "base64,Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm8=");
    let commands = [
        "keygen -v -o k --pubkey p --encrypt --key-password-file phrase",
        "encrypt -v -o all.cdoc2 -r password:vihje -r secret:s:s -r pubkey:p --password-file pw a.txt",
        "encrypt -v -o x.cdoc2 -r password:x --password-file weak a.txt",
        "encrypt -v -o x.cdoc2 -r secret:x:base64,Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm8= a.txt",
        "encrypt -v -o x.cdoc2 -r vihje:pw:Kevade2026tuul a.txt",
        "encrypt -v -o x.cdoc2 -r password=Kevade2026tuul a.txt",
        "decrypt -v in.cdoc2 -o 1 --password --password-file old",
        "decrypt -v in.cdoc2 -o 2 --password --password-file wrong",
        "decrypt -v all.cdoc2 -o 3 --secret s",
        "decrypt -v all.cdoc2 -o 4 --secret t",
        "decrypt -v all.cdoc2 -o 5 --secret base64,Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm8=",
        "decrypt -v all.cdoc2 -o 6 --key k --key-password-file phrase",
        "decrypt -v all.cdoc2 -o 7 --key k --key-password-file wrong",
        "decrypt -v all.cdoc2 -o 8 --key s",
        "decrypt -v all.cdoc2 -o 9 --password=Kevade2026tuul",
        "decrypt -v all.cdoc2 -o 10 --password Kevade2026tuul",
        "reencrypt -v in.cdoc2 -o new.cdoc2 --password --password-file old -r password:y --new-password-file wrong",
        "inspect -v all.cdoc2",
        "inspect -v all.cdoc2 --json",
    ];
    let secrets = [
        PASSWORD,
        OLD_PASSWORD,
        WRONG,
        PASSPHRASE,
        "Hunter2",
        secret,
        "foobarfoobar",
        "Zm9vYmFy",
        "MDEyMzQ1",
        "30313233",
        "666f6f62",
    ];
    let mut said = 0;
    for command in commands {
        let run = sandbox.cdoc2(command).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").run();
        let output = format!("{}{}", run.text(), run.stderr());
        assert!(!output.contains("panicked"), "{command}: {output}");
        said += output.len();
        for secret in secrets {
            assert!(!output.contains(secret), "{command}: {output}");
        }
    }
    assert!(said > 1000, "there was nothing to look at");
}

#[test]
fn no_trace_of_a_card_holds_a_pin_or_a_key() {
    let sandbox = Sandbox::new();
    sandbox.run("token sim new --state card --name MAASIKAS,MARI --code 60001017727 --pin1 74656374 --puk 83736353").done();
    sandbox.write("a.txt", "");
    sandbox.run("encrypt -o in.cdoc2 --token --reader sim:card a.txt").done();
    let mut said = String::new();
    for (arguments, pin) in [
        ("decrypt -v in.cdoc2 -o out --token", "74656374"),
        ("token verify-pin -v", "65748392"),
        ("token change-pin -v", "74656374"),
        ("token unblock -v", "83736353"),
    ] {
        let run = sandbox.cdoc2(&format!("{arguments} --trace --reader sim:card"));
        let run = run.env("CDOC2_PIN", pin).env("CDOC2_PUK", pin).env("CDOC2_NEW_PIN", "91827364").run();
        said += &(run.text() + &run.stderr());
    }
    for command in ["VERIFY 01", "VERIFY 02", "CHANGE REFERENCE DATA 01", "RESET RETRY COUNTER 01", "DECAPSULATE 81"] {
        crate::support::says(&said, command);
    }
    for pin in ["74656374", "83736353", "65748392", "91827364"] {
        let block: String = pin.bytes().map(|octet| format!("{octet:02X}")).collect();
        assert!(!said.contains(pin) && !said.contains(&block), "{said}");
    }
    // The answer to DECAPSULATE is the key of the content.
    crate::support::says(&said, "<- ****************************************************************9000");
}

/// The card and the key both show their certificate to the server, and decrypt.
#[test]
fn no_output_about_a_capsule_server_holds_a_secret() {
    const PIN: &str = "74656374";
    const WRONG_PIN: &str = "65748392";
    let testbed = Testbed::start(Options { ldap: false, ..Options::default() }).unwrap();
    let holder = Holder::new("MAASIKAS,MARI", PersonalCode::parse("60001017727").unwrap()).unwrap();
    let (id_card, files) = (testbed.card(&holder).unwrap(), testbed.software_key(&holder, Algorithm::P384).unwrap());
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", "");
    for (name, path) in [("card", &id_card.path), ("plain.key", &files.key), ("mari.pem", &files.certificate)] {
        sandbox.write(name, std::fs::read(path).unwrap());
    }
    sandbox.openssl(&format!("pkcs8 -topk8 -in plain.key -out mari.key -v2 aes-256-cbc -passout pass:{PASSPHRASE}"));
    sandbox.openssl(&format!("pkcs12 -export -inkey plain.key -in mari.pem -out mari.p12 -passout pass:{PASSPHRASE}"));
    // One that stands in no time and no port by chance.
    let change = sandbox.cdoc2("token change-pin pin1 --reader sim:card");
    change.env("CDOC2_PIN", card::PIN1).env("CDOC2_NEW_PIN", PIN).run().done();
    let key = "--key mari.key --cert mari.pem";
    let run = |(arguments, code): &(String, i32), passphrase: &str, pin: &str| {
        let run = sandbox.cdoc2(arguments).env("CDOC2_CONFIG", testbed.config()).env("NO_PROXY", "*");
        let run = run.env("CDOC2_READER", "sim:card").env("CDOC2_PIN", pin).env("CDOC2_KEY_PASSWORD", passphrase);
        let run = run.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").run();
        assert_eq!(run.code(), Some(*code), "{arguments}: {}", run.stderr());
        run.text() + &run.stderr()
    };
    let mut said = String::new();
    for step in [
        ("encrypt -v --trace -o card.cdoc2 --token a.txt".into(), 0),
        ("encrypt -v -o key.cdoc2 -r cert:mari.pem a.txt".into(), 0),
        ("inspect -v --json key.cdoc2".into(), 0),
        ("decrypt -v --trace card.cdoc2 -o card-out --token".into(), 0),
        (format!("decrypt -v key.cdoc2 -o key-out {key}"), 0),
        ("decrypt -v key.cdoc2 -o p12-out --p12 mari.p12".into(), 0),
        (format!("reencrypt -v key.cdoc2 -o next.cdoc2 {key} -r cert:mari.pem"), 0),
    ] {
        said += &run(&step, PASSPHRASE, PIN);
    }
    for step in [
        ("decrypt -v --trace card.cdoc2 -o wrong --token".into(), 5),
        (format!("decrypt -v key.cdoc2 -o wrong {key}"), 5),
        ("decrypt -v key.cdoc2 -o wrong --p12 mari.p12".into(), 5),
    ] {
        said += &run(&step, WRONG, WRONG_PIN);
    }
    testbed.server().stop();
    for step in [("decrypt -v --trace card.cdoc2 -o down --token".into(), 10), (format!("decrypt -v key.cdoc2 -o down {key}"), 10)]
    {
        said += &run(&step, PASSPHRASE, PIN);
    }
    crate::support::says(&said, "VERIFY 01");
    crate::support::says(&said, "the capsule server \"testbed\"");
    let block = |pin: &str| pin.bytes().map(|octet| format!("{octet:02X}")).collect::<String>();
    for secret in [PASSPHRASE, WRONG, PIN, WRONG_PIN, &block(PIN), &block(WRONG_PIN)] {
        assert!(!said.contains(secret), "{secret:?}: {said}");
    }
    assert!(!said.contains("PRIVATE KEY") && !said.contains("panicked"), "{said}");
}

/// A person signs in by whatever they have; neither what opens it nor who they are is repeated, but for what the container itself says.
#[test]
fn no_output_about_shares_holds_a_secret() {
    const PIN: &str = "74656374";
    const PHONE: &str = "+37200000766";
    let testbed = Testbed::start(Options { ldap: false, ..Options::default() }).unwrap();
    let holder = Holder::new("MAASIKAS,MARI", PersonalCode::parse("60001017727").unwrap()).unwrap();
    let (id_card, files) = (testbed.card(&holder).unwrap(), testbed.software_key(&holder, Algorithm::P256).unwrap());
    let app = testbed.smart_id_account(&holder).unwrap();
    testbed.mobile_id_account(&holder, PHONE).unwrap();
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", "");
    for (name, path) in [("card", &id_card.path), ("plain.key", &files.key), ("mari.pem", &files.certificate)] {
        sandbox.write(name, std::fs::read(path).unwrap());
    }
    sandbox.openssl(&format!("pkcs8 -topk8 -in plain.key -out mari.key -v2 aes-256-cbc -passout pass:{PASSPHRASE}"));
    let change = sandbox.cdoc2("token change-pin pin1 --reader sim:card");
    change.env("CDOC2_PIN", card::PIN1).env("CDOC2_NEW_PIN", PIN).run().done();
    let run = |arguments: &str, code: i32| {
        let run = sandbox.cdoc2(arguments).env("CDOC2_CONFIG", testbed.config()).env("NO_PROXY", "*");
        let run = run.env("CDOC2_PIN", PIN).env("CDOC2_KEY_PASSWORD", PASSPHRASE);
        let run = run.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").run();
        assert_eq!(run.code(), Some(code), "{arguments}: {}", run.stderr());
        run.text() + &run.stderr()
    };
    let mut said = run("encrypt -v -o in.cdoc2 -r share:60001017727 --expires 30d a.txt", 0);
    for (means, name) in [
        ("smart-id", "app"),
        ("mobile-id --phone +37200000766", "sim"),
        ("id-card --reader sim:card --trace", "card"),
        ("key --key mari.key --cert mari.pem", "key"),
    ] {
        said += &run(&format!("decrypt -v in.cdoc2 -o by-{name} --auth {means} --person 60001017727"), 0);
    }
    app.set_behaviour(Behaviour::Ends(End::WrongVc));
    said += &run("decrypt -v in.cdoc2 -o refused --auth smart-id", 5);
    testbed.shares_servers()[1].stop();
    said += &run("decrypt -v in.cdoc2 -o down --auth key --key mari.key --cert mari.pem", 10);
    said += &run("encrypt -v -o down.cdoc2 -r share:60001017727 a.txt", 10);
    crate::support::says(&said, "Verification code: ");
    crate::support::says(&said, "VERIFY 01");
    let json: serde_json::Value = serde_json::from_slice(sandbox.run("inspect --json in.cdoc2").done().stdout()).unwrap();
    let shares = json["records"][0]["shares"].as_array().unwrap();
    let ids: Vec<&str> = shares.iter().map(|share| share["share_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    let block: String = PIN.bytes().map(|octet| format!("{octet:02X}")).collect();
    for secret in [PASSPHRASE, PIN, &block, "60001017727", "MAASIKAS", PHONE, ids[0], ids[1], "nonce=", "eyJ"] {
        assert!(!said.contains(secret), "{secret:?}: {said}");
    }
    assert!(!said.contains("PRIVATE KEY") && !said.contains("panicked"), "{said}");
}

#[test]
fn core_dumps_are_off() {
    let sandbox = Sandbox::with_secret();
    // It waits for the rest of its standard input.
    let child = sandbox.cdoc2("encrypt --name x -r secret:s:s -").start();
    let limits = || std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap_or_default();
    let is_off = |limits: &str| {
        let line = limits.lines().find(|line| line.starts_with("Max core file size"));
        line.is_some_and(|line| line.split_whitespace().skip(4).take(2).eq(["0", "0"]))
    };
    crate::support::wait_until("limit on core dumps", || is_off(&limits()));
    child.end();
}
