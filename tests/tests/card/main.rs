//! `cdoc2` with cards in the readers of a pcscd: what it says to them, which of them it takes, and how it ends when they refuse or are gone.

mod disturbed;
mod profile_only;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use cdoc2_tests::desk::Desk;
use cdoc2_tests::pcscd::VPCD_PORT;
use cdoc2_tests::process::{ends_with, succeeds};
use cdoc2_tests::program::cdoc2;
use cdoc2_tests::token::{NAME, PIN1, PUK, Token};
use profile_only::ProfileOnly;

/// OpenSC's PKCS#11 module, as the loader finds it.
const MODULE: &str = "opensc-pkcs11.so";

/// What is in every container.
const CONTENT: &str = "plain text\n";

/// Exit codes.
const USAGE: i32 = 2;
const NO_RECORD: i32 = 4;
const REJECTED: i32 = 5;
const CARD: i32 = 11;
const BLOCKED: i32 = 12;

/// Longest that the service takes to notice anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Most commands between the last certificate that is read and the end.
const MOST_COMMANDS: usize = 10;

/// `cdoc2` at `desk` with these words and nobody to ask. PIN1, the PUK and the file to encrypt lie there.
fn at(desk: &Desk, words: &str) -> Command {
    for (name, content) in [("pin", PIN1), ("wrong", "9999"), ("new", "4321"), ("puk", PUK), ("a.txt", CONTENT)] {
        fs::write(desk.path(name), content).unwrap();
    }
    let mut command = desk.client(cdoc2());
    command.arg("--batch").args(words.split(' ')).env_remove("CDOC2_READER").env_remove("CDOC2_PIN");
    command
}

fn done(desk: &Desk, words: &str) -> String {
    succeeds(&mut at(desk, words))
}

#[track_caller]
fn ends(desk: &Desk, code: i32, words: &str) -> String {
    ends_with(code, &mut at(desk, words))
}

/// The container at `name` is opened with `options`, and nothing is different in it.
#[track_caller]
fn opens(desk: &Desk, name: &str, options: &str) -> String {
    let said = done(desk, &format!("decrypt {name} -o out --force {options}"));
    assert_eq!(fs::read_to_string(desk.path("out/a.txt")).unwrap(), CONTENT);
    fs::remove_dir_all(desk.path("out")).unwrap();
    said
}

/// Waits until the service has noticed that the card is gone.
fn wait_until_empty(desk: &Desk) {
    let deadline = Instant::now() + PATIENCE;
    while !done(desk, "token list").contains(&format!("{}: empty", desk.reader())) {
        assert!(Instant::now() < deadline, "the card is still there");
    }
}

#[track_caller]
fn has(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}

/// The commands of a trace, without what is said to find out what the card is.
#[track_caller]
fn commands_of_use(said: &str) -> Vec<&str> {
    let commands: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("-> ")).collect();
    let reads = |command: &&str| ["GET CERTIFICATE", "READ BINARY", "GET RESPONSE"].iter().any(|name| command.contains(name));
    let verify = commands.iter().position(|command| command.contains("VERIFY")).unwrap_or_else(|| panic!("no PIN:\n{said}"));
    let last = commands[..verify].iter().rposition(reads).unwrap_or_else(|| panic!("no certificate is read:\n{said}"));
    commands[last + 1..].to_vec()
}

/// To the card, by the card, and by everything else that its key can be reached through.
fn goes_there_and_back(desk: &Desk, kind: &str) {
    done(desk, "encrypt -o in.cdoc2 --token a.txt");
    let said = opens(desk, "in.cdoc2", "--token --pin-file pin --trace");
    let commands = commands_of_use(&said);
    assert!((1..=MOST_COMMANDS).contains(&commands.len()), "{commands:#?}");
    assert!(!said.contains("31323334"), "the PIN is in the trace:\n{said}");
    // Nothing names a card, and there is one that fits.
    opens(desk, "in.cdoc2", "--pin-file pin");
    has(&done(desk, "token list"), &[&format!("{}: {kind}, AS0000001, {NAME}", desk.reader())]);
    has(&done(desk, "token info"), &[desk.reader(), kind, NAME, "3 tries left"]);
}

/// From a key in a file to the card, and from the card to the key.
fn is_reencrypted(desk: &Desk) {
    done(desk, "keygen -o key.pem --pubkey key.pub");
    done(desk, "encrypt -o key.cdoc2 -r pubkey:key.pub a.txt");
    done(desk, "reencrypt key.cdoc2 -o to.cdoc2 --key key.pem -r token");
    opens(desk, "to.cdoc2", "--token --pin-file pin");
    done(desk, "reencrypt to.cdoc2 -o from.cdoc2 --token --pin-file pin -r pubkey:key.pub");
    ends(desk, NO_RECORD, "decrypt from.cdoc2 -o out --token --pin-file pin");
    opens(desk, "from.cdoc2", "--key key.pem");
}

#[test]
fn cdoc2_applet_opens_what_is_encrypted_to_it() {
    let desk = Desk::over_vpcd(&[]);
    goes_there_and_back(&desk, "CDOC2 token");
    is_reencrypted(&desk);
    opens(&desk, "in.cdoc2", &format!("--pkcs11 {MODULE} --pin-file pin"));
}

#[test]
fn token_on_usb_opens_what_is_encrypted_to_it() {
    let mut desk = Desk::over_usb(&[]);
    goes_there_and_back(&desk, "CDOC2 token");
    is_reencrypted(&desk);
    opens(&desk, "in.cdoc2", &format!("--pkcs11 {MODULE} --pin-file pin"));
    ends(&desk, REJECTED, "decrypt in.cdoc2 -o out --token --pin-file wrong");
    desk.remove();
    ends(&desk, CARD, "decrypt in.cdoc2 -o out --token --pin-file pin");
}

#[test]
fn id_cards_of_both_generations_open_what_is_encrypted_to_them() {
    for (profile, kind) in [("esteid2018", "Estonian ID-card of 2018"), ("esteid2025", "Estonian ID-card of 2025")] {
        let desk = Desk::with_empty_readers(&["--profile", profile]);
        let card = ProfileOnly::insert(&desk.token, &desk.namespace, VPCD_PORT);
        goes_there_and_back(&desk, kind);
        is_reencrypted(&desk);
        has(&ends(&desk, REJECTED, "decrypt in.cdoc2 -o out --token --pin-file wrong"), &["wrong PIN1; 2 tries are left"]);
        card.remove_at_verify();
        let said = ends(&desk, CARD, "decrypt in.cdoc2 -o out --token --pin-file pin --trace");
        has(&said, &[&format!("cdoc2: {}: the card was removed\nhint: put it back", desk.reader())]);
        assert_eq!(said.lines().filter(|line| line.starts_with("-> ") && line.contains("**")).count(), 1, "said twice:\n{said}");
        assert!(!desk.path("out").exists());
    }
}

#[test]
fn card_of_2025_has_the_applet_too() {
    let desk = Desk::over_vpcd(&["--profile", "esteid2025"]);
    goes_there_and_back(&desk, "CDOC2 token");
    is_reencrypted(&desk);
}

#[test]
fn wrong_pins_are_counted_and_the_puk_helps() {
    let desk = Desk::over_vpcd(&[]);
    done(&desk, "encrypt -o in.cdoc2 --token a.txt");
    let decrypt = "decrypt in.cdoc2 -o out --token";
    has(&ends(&desk, REJECTED, &format!("{decrypt} --pin-file wrong")), &["wrong PIN1; 2 tries are left"]);
    // OpenSC's module counts on the same card.
    ends(&desk, REJECTED, &format!("decrypt in.cdoc2 -o out --pkcs11 {MODULE} --pin-file wrong"));
    has(&ends(&desk, BLOCKED, &format!("{decrypt} --pin-file pin")), &["one try is left", "--last-try"]);
    ends(&desk, BLOCKED, &format!("decrypt in.cdoc2 -o out --pkcs11 {MODULE} --pin-file pin"));
    has(&done(&desk, "token info"), &["PIN1:        1 try left"]);
    has(&ends(&desk, BLOCKED, &format!("{decrypt} --pin-file wrong --last-try")), &["the PIN1 is blocked", "token unblock pin1"]);
    ends(&desk, BLOCKED, &format!("{decrypt} --pin-file pin --last-try"));
    ends(&desk, BLOCKED, &format!("decrypt in.cdoc2 -o out --pkcs11 {MODULE} --pin-file pin"));
    has(&done(&desk, "token info"), &["PIN1:        blocked"]);
    assert!(!desk.path("out").exists());

    done(&desk, "token unblock pin1 --puk-file puk --new-pin-file new");
    ends(&desk, REJECTED, "decrypt in.cdoc2 -o out --token --pin-file pin");
    opens(&desk, "in.cdoc2", "--token --pin-file new");
    done(&desk, "token change-pin pin1 --pin-file new --new-pin-file pin");
    done(&desk, "token verify-pin pin1 --pin-file pin");
    opens(&desk, "in.cdoc2", "--token --pin-file pin");
}

#[test]
fn container_or_person_chooses_among_cards() {
    let desk = Desk::over_vpcd(&[]);
    let other = Token::new(&desk.path("other"), &["--document-number", "AS0000002", "--pin1", "4321"]);
    let _inserted = other.insert(&desk.namespace, VPCD_PORT + 1);
    has(&done(&desk, "token list"), &["Virtual PCD 00 00: CDOC2 token, AS0000001", "Virtual PCD 00 01: CDOC2 token, AS0000002"]);
    has(&ends(&desk, USAGE, "encrypt -o in.cdoc2 --token a.txt"), &["there are several cards", "--reader NAME"]);
    has(&ends(&desk, USAGE, "token info --reader PCD"), &["several readers have \"PCD\" in their names"]);
    has(&done(&desk, "token info --reader 01"), &["AS0000002"]);

    succeeds(at(&desk, "encrypt -o first.cdoc2 --token a.txt").args(["--reader", "Virtual PCD 00 00"]));
    succeeds(at(&desk, "encrypt -o second.cdoc2 --token a.txt").env("CDOC2_READER", "PCD 00 01"));
    for (container, pin) in [("first.cdoc2", "pin"), ("second.cdoc2", "new")] {
        opens(&desk, container, &format!("--pin-file {pin}"));
        opens(&desk, container, &format!("--token --pin-file {pin}"));
        opens(&desk, container, &format!("--pkcs11 {MODULE} --pin-file {pin}"));
    }
    opens(&desk, "second.cdoc2", "--token --pin-file new --reader 01");
    // No PIN goes to a card that has no record.
    ends(&desk, NO_RECORD, "decrypt first.cdoc2 -o out --token --pin-file wrong --reader 01");
    has(&done(&desk, "token info --reader 01"), &["PIN1:        3 tries left"]);
    done(&desk, "reencrypt first.cdoc2 -o moved.cdoc2 --token --pin-file pin -r token:01");
    opens(&desk, "moved.cdoc2", "--token --pin-file new");
}

#[test]
fn no_card_and_no_service_are_told_apart() {
    let mut desk = Desk::over_vpcd(&[]);
    done(&desk, "encrypt -o in.cdoc2 --token a.txt");
    desk.remove();
    ends(&desk, CARD, "decrypt in.cdoc2 -o out --token --pin-file pin");
    ends(&desk, CARD, "encrypt -o other.cdoc2 --token a.txt");
    ends(&desk, CARD, "token info");
    has(&ends(&desk, CARD, "decrypt in.cdoc2 --token --reader other --pin-file pin"), &["no card reader is called \"other\""]);
    assert!(!desk.path("other.cdoc2").exists() && !desk.path("out").exists());
    for words in ["decrypt in.cdoc2 -o out --token --pin-file pin", "decrypt in.cdoc2 -o out"] {
        let mut command = at(&desk, words);
        has(&ends_with(CARD, command.env("PCSCLITE_CSOCK_NAME", desk.path("nothing"))), &["the PC/SC service does not answer"]);
    }
}

/// Nothing is said of how to open it, and no card does: why not, for every reader.
#[test]
fn cards_that_do_not_open_it_are_named_where_nothing_is_given() {
    let mut desk = Desk::over_vpcd(&[]);
    done(&desk, "keygen -o key.pem --pubkey key.pub");
    done(&desk, "encrypt -o key.cdoc2 -r pubkey:key.pub a.txt");
    done(&desk, "encrypt -o in.cdoc2 --token a.txt");
    let nothing = "cdoc2: nothing is given to open the container with";
    let said = ends(&desk, NO_RECORD, "decrypt key.cdoc2 -o out");
    has(
        &said,
        &[nothing, "Virtual PCD 00 00: the container is not for this card; Virtual PCD 00 01: there is no card in the reader"],
    );
    desk.remove();
    wait_until_empty(&desk);
    has(&ends(&desk, CARD, "decrypt in.cdoc2 -o out"), &[nothing, "Virtual PCD 00 00: there is no card in the reader; "]);
    // No card can open these.
    fs::write(desk.path("secret"), [7; 32]).unwrap();
    done(&desk, "encrypt -o secret.cdoc2 -r secret:s:secret a.txt");
    let said = ends(&desk, USAGE, "decrypt secret.cdoc2 -o out");
    assert!(said.starts_with(&format!("{nothing}\nhint: give one of --key PATH")), "{said}");
}
