//! `new` and `info`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{HOLDER, Sandbox, verify};

/// `new` for the file `t` and this holder.
fn new(name: &str, code: &str) -> crate::support::Ended {
    Sandbox::new().token_sim(&["new", "--state", "t", "--name", name, "--code", code])
}

#[test]
fn token_is_made_in_silence_and_described() {
    let sandbox = Sandbox::with_token(&["--cdoc2-key", "p521", "--require-touch", "--document-number", "PP1234567"]);
    assert_eq!(sandbox.files(), ["t"]);
    let info = sandbox.token_sim(&["info", "--state", "t"]).succeeded();
    let lines: Vec<&str> = info.lines().filter(|line| !line.starts_with("expiry")).collect();
    let expected = [
        "profile             esteid2018",
        "document number     PP1234567",
        "surname             JÕEORG",
        "given names         JAAK-KRISTJAN",
        "sex                 M",
        "citizenship         EST",
        "birth               08 01 1980 EST",
        "personal code       38001085718",
        "authentication key  secp384r1",
        "signature key       secp384r1",
        "CDOC2 key           secp521r1, wants a touch",
        "PIN1                tries left: 3",
        "PIN2                tries left: 3",
        "PUK                 tries left: 3",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn profile_of_2025() {
    let sandbox = Sandbox::with_token(&["--profile", "esteid2025"]);
    let info = sandbox.token_sim(&["info", "--state", "t"]).succeeded();
    assert!(info.starts_with("profile             esteid2025\n") && !info.contains("CDOC2"), "{info}");
}

#[test]
fn errors_name_what_was_typed() {
    let sandbox = Sandbox::new();
    let new = |state, options: &[&str]| sandbox.token_sim(&[&["new", "--state", state], &HOLDER[..], options].concat()).failed(1);
    assert_eq!(new("absent/t", &[]), "token-sim: absent/t: No such file or directory (os error 2)\n");
    fs::write(sandbox.path("file"), "").unwrap();
    assert_eq!(new("t", &["--ca", "file"]), "token-sim: file: is no folder\n");
}

#[test]
fn odd_names_come_back_as_they_were_typed() {
    for name in ["O'CONNOR-ŽUŽUL,ŠIIRI MARI", "Ло,И", "+\"\\<>;#=,#=1", "-a,-b"] {
        let sandbox = Sandbox::new();
        let argument = format!("--name={name}");
        sandbox.token_sim(&["new", "--state", "t", &argument, "--code", "38001085718"]).succeeded();
        let info = sandbox.token_sim(&["info", "--state", "t"]).succeeded();
        let (surname, given) = name.split_once(',').unwrap();
        assert!(info.contains(&format!("surname             {surname}\ngiven names         {given}\n")), "{info}");
        sandbox.token_sim(&["cert", "--state", "t", "auth"]).succeeded();
    }
}

#[test]
fn wrong_holder_is_refused_with_the_reason() {
    for (name, code, reason) in [
        ("JÕEORG", "38001085718", "--name: write the surname, one comma and the given names: \"JÕEORG,JAAK-KRISTJAN\""),
        ("A,", "38001085718", "--name: a name is empty, or has a space at its beginning or end"),
        ("A,B\nC", "38001085718", "--name: a name has a control character in it"),
        ("A,B", "38001085719", "--code: the last digit of the personal code does not fit the others"),
        ("A,B", "3800108571", "--code: a personal code has 11 digits"),
        ("A,B", "38013085718", "--code: the first seven digits of the personal code are no date of birth"),
    ] {
        assert_eq!(new(name, code).failed(2), format!("token-sim: {reason}\n"));
    }
    let long = format!("{},B", "Õ".repeat(51));
    assert!(new(&long, "38001085718").failed(2).contains("51 characters together"));
    let one_long = format!("{},B", "Õ".repeat(50));
    assert!(new(&one_long, "38001085718").failed(1).contains("a file holds 96 octets"));
}

#[test]
fn wrong_pins_are_refused_without_being_repeated() {
    let sandbox = Sandbox::new();
    for (option, pin, reason) in [
        ("--pin1", "987", "PIN1 must have 4 to 12 digits and nothing else"),
        ("--pin1", "98765a", "PIN1 must have 4 to 12 digits and nothing else"),
        ("--pin2", "9876", "PIN2 must have 5 to 12 digits and nothing else"),
        ("--puk", "9876543219876", "PUK must have 8 to 12 digits and nothing else"),
    ] {
        let said = sandbox.token_sim(&[&["new", "--state", "t", option, pin], &HOLDER[..]].concat()).failed(2);
        assert_eq!(said, format!("token-sim: {reason}\n"));
    }
    assert!(sandbox.files().is_empty());
}

#[test]
fn pins_come_from_options_or_from_a_file() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("pins"), "# of a test\n\npin1=998877\n puk = 99887766 \n").unwrap();
    sandbox.token_sim(&[&["new", "--state", "t", "--pins-file", "pins"], &HOLDER[..]].concat()).succeeded();
    let mut token = sandbox.insert(&[]);
    assert_eq!(token.ask(&verify(0x01, "998877")), [0x90, 0x00]);
    assert_eq!(token.ask(&verify(0x02, "99887766")), [0x90, 0x00]);
    drop(token.close_reader());

    let said =
        sandbox.token_sim(&[&["new", "--state", "u", "--pins-file", "pins", "--pin1", "1234"], &HOLDER[..]].concat()).failed(2);
    assert!(said.contains("cannot be used with"), "{said}");
    for (text, fault) in [
        ("pin1", "line 1 is not of the form pin1=1234"),
        ("pin1=4321\npin3=4321", "line 2 is about something other than pin1, pin2 or puk"),
        ("pin1=4321\npin1=4321", "line 2 is about a PIN that an earlier line gave"),
        ("puk=4321", "PUK must have 8 to 12 digits and nothing else"),
    ] {
        fs::write(sandbox.path("pins"), text).unwrap();
        let said = sandbox.token_sim(&[&["new", "--state", "u", "--pins-file", "pins"], &HOLDER[..]].concat()).failed(2);
        assert_eq!(said, format!("token-sim: pins: {fault}\n"));
    }
    let said = sandbox.token_sim(&[&["new", "--state", "u", "--pins-file", "gone"], &HOLDER[..]].concat()).failed(1);
    assert!(said.starts_with("token-sim: gone: No such file"), "{said}");
}

#[test]
fn existing_token_stays_unless_forced() {
    let sandbox = Sandbox::with_token(&[]);
    let before = fs::read(sandbox.path("t")).unwrap();
    let again = [&["new", "--state", "t", "--ca", "ca"], &HOLDER[..]].concat();
    let said = sandbox.token_sim(&again).failed(1);
    assert_eq!(said, "token-sim: t: exists already; use --force to throw the token in it away\n");
    assert_eq!(fs::read(sandbox.path("t")).unwrap(), before);
    assert_eq!(sandbox.files(), ["t"]);
    sandbox.token_sim(&[&again[..], &["--force"]].concat()).succeeded();
    assert_ne!(fs::read(sandbox.path("t")).unwrap(), before);

    fs::write(sandbox.path("t"), "a letter").unwrap();
    let said = sandbox.token_sim(&[&again[..], &["--force"]].concat()).failed(1);
    assert_eq!(said, "token-sim: t: not the state file of a simulated token\n");
    assert_eq!(fs::read(sandbox.path("t")).unwrap(), b"a letter");
}

#[test]
fn places_that_do_not_exist_are_told() {
    let sandbox = Sandbox::new();
    let said = sandbox.token_sim(&[&["new", "--state", "no/such/t"], &HOLDER[..]].concat()).failed(1);
    assert!(said.starts_with("token-sim: no/such/t: No such file"), "{said}");
    for command in [&["info"][..], &["cert", "auth"], &["run", "--vpcd"]] {
        let said = sandbox.token_sim(&[command, &["--state", "t"]].concat()).failed(1);
        assert!(said.starts_with("token-sim: t: No such file"), "{said}");
    }
}

#[test]
fn damaged_tokens_are_told() {
    let sandbox = Sandbox::with_token(&[]);
    let good = fs::read(sandbox.path("t")).unwrap();
    let other = fs::read(Sandbox::with_token(&[]).path("t")).unwrap();
    let other_fuses = [&other[..4096], &good[4096..]].concat();
    for (octets, fault) in [
        (&good[..100_000], "damaged state file: it is cut short"),
        (&other_fuses, "the token does not start: what is in its flash was not written by this token"),
    ] {
        fs::write(sandbox.path("t"), octets).unwrap();
        for command in [&["info"][..], &["cert", "auth"], &["run", "--vpcd"]] {
            assert_eq!(sandbox.token_sim(&[command, &["--state", "t"]].concat()).failed(1), format!("token-sim: t: {fault}\n"));
        }
    }
}

#[test]
fn keys_are_for_their_owner_only() {
    let sandbox = Sandbox::with_token(&["--ca", "ca"]);
    for file in ["t", "ca/ca.key"] {
        assert_eq!(fs::metadata(sandbox.path(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    assert_eq!(fs::metadata(sandbox.path("ca")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn help_and_usage() {
    let sandbox = Sandbox::new();
    for command in ["new", "run", "info", "cert"] {
        let help = sandbox.token_sim(&[command, "--help"]).succeeded();
        assert!(help.contains("--state <FILE>") && help.contains("Usage: token-sim"), "{help}");
    }
    assert!(sandbox.token_sim(&["--version"]).succeeded().starts_with("token-sim 0."));
    for wrong in
        [&["new", "--state", "t", "--require-touch"][..], &["run", "--state", "t"], &["cert", "--state", "t", "other"], &[]]
    {
        assert_eq!(sandbox.token_sim(wrong).code, Some(2));
    }
    let both = sandbox.token_sim(&["run", "--state", "t", "--vpcd", "a:1", "--usbip", "b:1"]).failed(2);
    assert!(both.contains("cannot be used with"), "{both}");
}
