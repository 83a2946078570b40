//! Questions at a terminal: a pseudo-terminal with a shell on it, as a person has.

use std::path::Path;

use cdoc2_testbed::phone::smart_id::Behaviour;
use cdoc2_testbed::{Holder, Options, PersonalCode, Testbed};
use rexpect::session::{PtySession, spawn_command};

use crate::support::{CDOC2, OLD_PASSWORD, PASSWORD, Sandbox, VARIABLES, says, wait_until};
use crate::{child, crafted, sign_in};

/// Milliseconds for what must appear.
const PATIENCE: u64 = 60_000;

/// A shell that runs `line` in the sandbox and then tells the exit code, the state of the echo and the files.
fn shell(sandbox: &Sandbox, line: &str) -> PtySession {
    // The trap keeps the shell alive when Ctrl-C ends the program.
    let script =
        format!("trap : INT; stty echo; {line}; echo \"code $?\"; stty -a | grep -o -w -e -*echo; echo files: $(ls -A); echo end");
    let mut command = child::command("bash");
    command.args(["-c", &script]).current_dir(sandbox.folder()).env("TERM", "xterm");
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    let mut path = std::ffi::OsString::from(Path::new(CDOC2).parent().unwrap());
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    command.env("PATH", path);
    spawn_command(command, Some(PATIENCE)).unwrap()
}

/// Waits for `question` and types `answer`; what came before the question.
#[track_caller]
fn answer(session: &mut PtySession, question: &str, answer: &str) -> String {
    let before = session.exp_string(question).unwrap();
    session.send_line(answer).unwrap();
    before
}

/// What came after the last answer, up to the end of the script.
#[track_caller]
fn rest(session: &mut PtySession) -> String {
    let text = session.exp_string("end\r\n").unwrap();
    // Whatever was asked, the terminal is as it was.
    says(&text, "\r\necho\r\n");
    text
}

#[test]
fn wrong_password_is_asked_again() {
    let sandbox = Sandbox::with_password();
    let mut session = shell(&sandbox, "cdoc2 decrypt in.cdoc2 -o out --password");
    answer(&mut session, "Password for \"pw\": ", "Wrong1");
    let mut seen = answer(&mut session, "Password for \"pw\": ", "Wrong2");
    seen += &answer(&mut session, "Password for \"pw\": ", OLD_PASSWORD);
    seen += &rest(&mut session);
    assert_eq!(seen.matches("Wrong password. Try again.").count(), 2, "{seen}");
    says(&seen, "code 0\r\n");
    assert!(!seen.contains("Wrong1") && !seen.contains("Wrong2") && !seen.contains(OLD_PASSWORD), "{seen}");
    assert_eq!(sandbox.names("out"), ["beta.txt"]);
}

#[test]
fn third_wrong_password_is_the_last() {
    let sandbox = Sandbox::with_password();
    // It is asked for where nothing else is said, too.
    let mut session = shell(&sandbox, "cdoc2 decrypt in.cdoc2 -o out");
    for _ in 0..3 {
        answer(&mut session, "Password for \"pw\": ", "Wrong");
    }
    let seen = rest(&mut session);
    says(&seen, "wrong password or key");
    says(&seen, "code 5\r\n");
    says(&seen, "files: in.cdoc2\r\n");
}

#[test]
fn new_password_is_asked_until_it_keeps_the_rules_and_then_twice() {
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", "");
    let question = "New password for \"vihje\": ";
    let again = "The same once more: ";
    let mut session = shell(&sandbox, "cdoc2 encrypt -o in.cdoc2 -r password:vihje a.txt");
    answer(&mut session, question, "kevad");
    let mut seen = answer(&mut session, question, PASSWORD);
    seen += &answer(&mut session, again, "Kevade2026tuuled");
    seen += &answer(&mut session, question, PASSWORD);
    seen += &answer(&mut session, again, PASSWORD);
    seen += &rest(&mut session);
    says(&seen, "The password needs at least 12 characters, an upper-case letter (A to Z), a digit. Try another.");
    says(&seen, "The two are not the same. Try again.");
    says(&seen, "code 0\r\n");
    assert!(!seen.contains("kevad") && !seen.contains(PASSWORD), "{seen}");
    sandbox.cdoc2("decrypt in.cdoc2 -o out --password").env("CDOC2_PASSWORD", PASSWORD).run().done();
}

#[test]
fn interrupt_at_the_question_brings_the_echo_back_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", "");
    let mut session = shell(&sandbox, "cdoc2 encrypt -o in.cdoc2 -r password:vihje a.txt");
    session.exp_string("New password for \"vihje\": ").unwrap();
    session.send_control('c').unwrap();
    let seen = rest(&mut session);
    says(&seen, "code 130\r\n");
    says(&seen, "files: a.txt\r\n");
}

#[test]
fn end_of_input_at_the_question_is_an_error() {
    let sandbox = Sandbox::with_password();
    let mut session = shell(&sandbox, "cdoc2 decrypt in.cdoc2 -o out --password");
    session.exp_string("Password for \"pw\": ").unwrap();
    session.send_control('d').unwrap();
    let seen = rest(&mut session);
    says(&seen, "nothing was typed");
    says(&seen, "code 9\r\n");
}

#[test]
fn wrong_passphrase_of_a_key_is_asked_again() {
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", "");
    sandbox.cdoc2("keygen -o k --pubkey p --encrypt").env("CDOC2_KEY_PASSWORD", "pikk jutt").run().done();
    sandbox.run("encrypt -o in.cdoc2 -r pubkey:p a.txt").done();
    let mut session = shell(&sandbox, "cdoc2 decrypt in.cdoc2 -o out --key k");
    answer(&mut session, "Passphrase of k: ", "vale");
    let mut seen = answer(&mut session, "Passphrase of k: ", "pikk jutt");
    seen += &rest(&mut session);
    says(&seen, "Wrong passphrase. Try again.");
    says(&seen, "code 0\r\n");
}

#[test]
fn passphrase_of_a_new_key_is_asked_twice() {
    let sandbox = Sandbox::new();
    let mut session = shell(&sandbox, "cdoc2 keygen -o k --pubkey p --encrypt");
    answer(&mut session, "New passphrase of k: ", "");
    let mut seen = answer(&mut session, "New passphrase of k: ", "pikk jutt");
    seen += &answer(&mut session, "The same once more: ", "pikk jutt");
    seen += &rest(&mut session);
    says(&seen, "The passphrase is empty. Try another.");
    says(&seen, "code 0\r\n");
}

#[test]
fn both_passwords_of_a_reencryption_are_asked_for() {
    let sandbox = Sandbox::with_password();
    let mut session = shell(&sandbox, "cdoc2 reencrypt in.cdoc2 -o new.cdoc2 --password -r password:uus");
    answer(&mut session, "Password for \"pw\": ", OLD_PASSWORD);
    answer(&mut session, "New password for \"uus\": ", "Suvi2026tormine");
    answer(&mut session, "The same once more: ", "Suvi2026tormine");
    says(&rest(&mut session), "code 0\r\n");
    sandbox.cdoc2("decrypt new.cdoc2 -o out --password").env("CDOC2_PASSWORD", "Suvi2026tormine").run().done();
}

#[test]
fn wrong_pin_is_asked_again_while_tries_are_left() {
    let sandbox = Sandbox::new();
    sandbox.run("token sim new --state card --name MAASIKAS,MARI --code 60001017727").done();
    sandbox.write("a.txt", "");
    sandbox.run("encrypt -o in.cdoc2 --token --reader sim:card a.txt").done();
    let mut session = shell(&sandbox, "cdoc2 decrypt in.cdoc2 -o out --token --reader sim:card");
    answer(&mut session, "PIN1: ", "12");
    let mut seen = answer(&mut session, "PIN1: ", "9999");
    seen += &answer(&mut session, "PIN1 (2 tries are left): ", "1234");
    seen += &rest(&mut session);
    says(&seen, "The PIN1 has 4 to 12 digits. Try again.");
    says(&seen, "Wrong PIN1. Try again.");
    says(&seen, "code 0\r\n");
    assert!(!seen.contains("9999") && !seen.contains("1234"), "{seen}");

    // The last try is not offered.
    let mut session = shell(&sandbox, "cdoc2 decrypt in.cdoc2 -o again --token --reader sim:card");
    answer(&mut session, "PIN1: ", "9999");
    answer(&mut session, "PIN1 (2 tries are left): ", "9998");
    let seen = rest(&mut session);
    says(&seen, "one try is left");
    says(&seen, "code 5\r\n");
    let mut session = shell(&sandbox, "cdoc2 decrypt in.cdoc2 -o again --token --reader sim:card --last-try");
    answer(&mut session, "PIN1 (the last try): ", "1234");
    says(&rest(&mut session), "code 0\r\n");
}

#[test]
fn new_pin_is_asked_twice() {
    let sandbox = Sandbox::new();
    sandbox.run("token sim new --state card --name MAASIKAS,MARI --code 60001017727").done();
    let mut session = shell(&sandbox, "cdoc2 token change-pin --reader sim:card");
    answer(&mut session, "PIN1: ", "9999");
    answer(&mut session, "New PIN1: ", "43210");
    answer(&mut session, "The same once more: ", "43210");
    answer(&mut session, "PIN1 (2 tries are left): ", "1234");
    let seen = rest(&mut session);
    says(&seen, "PIN1 is changed");
    says(&seen, "code 0\r\n");
    sandbox.cdoc2("token verify-pin --reader sim:card").env("CDOC2_PIN", "43210").run().done();
}

#[test]
fn binary_octets_do_not_go_to_a_terminal() {
    let sandbox = Sandbox::with_container();
    let lines = [
        "cdoc2 encrypt -r secret:s:s s",
        "cdoc2 encrypt -o - -r secret:s:s s",
        "cdoc2 encrypt -o /dev/tty -r secret:s:s s",
        "cdoc2 decrypt in.cdoc2 -o - --secret s",
        "cdoc2 reencrypt in.cdoc2 --secret s -r secret:s:s",
    ];
    for line in lines {
        let seen = rest(&mut shell(&sandbox, line));
        says(&seen, "the output is a terminal");
        says(&seen, "code 2\r\n");
    }
    says(&rest(&mut shell(&sandbox, "cdoc2 decrypt - -o out --secret s")), "standard input is a terminal");
}

#[test]
fn password_is_not_typed_into_a_descriptor() {
    let sandbox = Sandbox::with_password();
    let seen = rest(&mut shell(&sandbox, "cdoc2 decrypt in.cdoc2 -o out --password --password-fd 3 3< /dev/tty"));
    says(&seen, "file descriptor 3 is a terminal");
    says(&seen, "code 2\r\n");
}

#[test]
fn batch_asks_nothing_at_a_terminal() {
    let sandbox = Sandbox::with_password();
    let seen = rest(&mut shell(&sandbox, "cdoc2 decrypt in.cdoc2 -o out --batch --password"));
    says(&seen, "--batch forbids to ask");
    says(&seen, "code 2\r\n");
}

#[test]
fn question_names_the_labels_escaped_and_not_too_many_of_them() {
    let sandbox = Sandbox::new();
    sandbox.write("in.cdoc2", crafted::for_passwords(&["a\u{202e}b", "c"]));
    let mut session = shell(&sandbox, "cdoc2 decrypt in.cdoc2 -o out --password");
    session.exp_string(r#"Password for "a\u{202e}b" or "c": "#).unwrap();
    session.send_control('c').unwrap();
    says(&rest(&mut session), "code 130\r\n");

    sandbox.write("in.cdoc2", crafted::for_passwords(&["1", "2", "3", "4", "5", "6", "7"]));
    let mut session = shell(&sandbox, "cdoc2 decrypt in.cdoc2 -o out --password");
    session.exp_string(r#"Password for "1", "2", "3", "4", "5" or 2 others: "#).unwrap();
    session.send_control('c').unwrap();
    rest(&mut session);
    let mut session = shell(&sandbox, "cdoc2 decrypt in.cdoc2 -o out --password --index 6");
    session.exp_string(r#"Password for "6": "#).unwrap();
    session.send_control('c').unwrap();
    rest(&mut session);
}

#[test]
fn long_work_shows_a_bar_unless_nobody_wants_it() {
    let sandbox = Sandbox::with_secret();
    std::fs::File::create(sandbox.path("big")).unwrap().set_len(64 << 30).unwrap();
    let mut session = shell(&sandbox, "cdoc2 encrypt -o out.cdoc2 -r secret:s:s big");
    session.exp_string("encrypting").unwrap();
    session.send_control('c').unwrap();
    says(&rest(&mut session), "code 130\r\n");

    std::fs::File::create(sandbox.path("big")).unwrap().set_len(256 << 20).unwrap();
    for line in ["TERM=dumb cdoc2 encrypt -f -o out.cdoc2 -r secret:s:s big", "cdoc2 encrypt -q -f -o out.cdoc2 -r secret:s:s big"]
    {
        let seen = rest(&mut shell(&sandbox, line));
        assert!(seen.starts_with("code 0\r\n"), "{seen}");
    }
}

/// UC.Client.04, 8a and 12a: with new nonces, if there are any.
#[test]
fn whoever_signs_in_may_try_again() {
    let sandbox = sign_in::sandbox();
    let mut session = shell(&sandbox, &format!("cdoc2 decrypt in.cdoc2 -o out --config config.toml {}", sign_in::KEY));
    let mut seen = answer(&mut session, "Try again? [y/N]: ", "y");
    seen += &answer(&mut session, "Try again? [y/N]: ", "");
    let after = rest(&mut session);
    assert_eq!(seen.matches("cannot connect to localhost:1").count(), 2, "{seen}");
    says(&after, "cdoc2: in.cdoc2: the shares server https://localhost:1: cannot connect");
    says(&after, "code 10\r\n");

    let batch = format!("cdoc2 decrypt --batch in.cdoc2 -o out --config config.toml {}", sign_in::KEY);
    let seen = rest(&mut shell(&sandbox, &batch));
    assert!(!seen.contains("[y/N]") && seen.contains("code 10\r\n"), "{seen}");
}

#[test]
fn the_number_of_a_phone_is_asked_for_and_shown() {
    let sandbox = sign_in::sandbox();
    sandbox.write("config.toml", sign_in::with_service(&sandbox, "mobile_id"));
    let command = "cdoc2 decrypt in.cdoc2 -o out --config config.toml --auth mobile-id";
    let mut session = shell(&sandbox, command);
    let question = "Phone number, with its country (+372...): ";
    answer(&mut session, question, "00000766");
    let mut seen = answer(&mut session, question, "+372 0000 0766");
    seen += &answer(&mut session, "Try again? [y/N]: ", "n");
    says(&seen, "a phone number begins with + and the code of the country");
    says(&seen, "+372 0000 0766");
    says(&rest(&mut session), "code 10\r\n");
    let seen = rest(&mut shell(&sandbox, &format!("{command} --batch")));
    assert!(seen.contains("hint: pass --phone") && seen.contains("code 2\r\n"), "{seen}");
}

/// The phone goes on asking; whoever refused it there would be right.
#[test]
fn interrupt_while_a_phone_asks_says_what_becomes_of_it() {
    let testbed = Testbed::start(Options { ldap: false, ..Options::default() }).unwrap();
    let mari = Holder::new("MAASIKAS,MARI", PersonalCode::parse("60001017727").unwrap()).unwrap();
    let account = testbed.smart_id_account(&mari).unwrap();
    account.set_behaviour(Behaviour::Ignores);
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", "plain text\n");
    let config = format!("export CDOC2_CONFIG={} NO_PROXY='*'", testbed.config().display());
    let line = format!(
        "{config}; cdoc2 encrypt -o in.cdoc2 -r share:60001017727 a.txt; cdoc2 decrypt --quiet in.cdoc2 -o out --auth smart-id"
    );
    let mut session = shell(&sandbox, &line);
    // Though it is quiet.
    let mut seen = session.exp_string("Smart-ID asks on your phone now.").unwrap();
    wait_until("question on the phone", || !account.displayed().is_empty());
    session.send_control('c').unwrap();
    seen += &rest(&mut session);
    let code = account.displayed()[0].code.to_string();
    says(&seen, &format!("Verification code: {code}"));
    says(&seen, "cdoc2: given up; what is on the phone can be refused, or lapses by itself");
    says(&seen, "code 130\r\n");
    says(&seen, "files: a.txt in.cdoc2\r\n");
}
