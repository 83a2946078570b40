//! UC.Client.P.01: encrypt CDOC2 container with password for long-term storage.

use crate::scene::{Folder, PASSWORD, code, has_unfit_files};
use crate::terminal::Terminal;

/// Encrypts with the password in `pw`.
const ENCRYPT: &str = "encrypt -o in.cdoc2 -r password:hint --password-file pw a.txt";

#[test]
fn uc_client_p_01_encrypt_with_password() {
    let folder = Folder::new();
    folder.done(ENCRYPT);
    // 4: the hint is the label
    assert_eq!(folder.records("in.cdoc2")[0]["label"]["name"], "hint");
    folder.opens("in.cdoc2", "--password --password-file pw");
}

#[test]
fn uc_client_p_01_5a_password_against_the_rules() {
    let folder = Folder::new();
    // Somebody at a terminal is told the rules, and types another.
    let mut terminal = Terminal::new(&folder, "encrypt -o in.cdoc2 -r password:hint a.txt");
    terminal.until("New password for \"hint\": ");
    terminal.type_line("kevad");
    let seen = terminal.until("New password for \"hint\": ");
    terminal.type_line(PASSWORD);
    terminal.until("The same once more: ");
    assert!(seen.contains("at least 12 characters, an upper-case letter (A to Z), a digit"), "{seen}");
    let seen = terminal.answer(PASSWORD);
    assert!(seen.contains("ended with 0") && !seen.contains(PASSWORD), "{seen}");
    folder.opens("in.cdoc2", "--password --password-file pw");
    // Where nobody can, it ends.
    folder.write("weak", "kevad");
    folder.fails(code::USAGE, "encrypt -o out.cdoc2 -r password:hint --password-file weak a.txt", &["at least 12 characters"]);
}

#[test]
fn uc_client_p_01_6a_container_cannot_be_created() {
    let folder = Folder::new();
    folder.fails(code::IO, &ENCRYPT.replace("in.cdoc2", "absent/in.cdoc2"), &["absent"]);
    folder.done(ENCRYPT);
    folder.fails(code::IO, ENCRYPT, &["in.cdoc2", "--force"]);
}

#[test]
fn uc_client_p_01_7a_header_too_long() {
    let folder = Folder::new();
    folder.write("recipients", format!("password:{}\n", "õ".repeat(400_000)));
    folder.fails(code::LIMIT, "encrypt -o out.cdoc2 -R recipients --password-file pw a.txt", &["header"]);
}

#[test]
fn uc_client_p_01_8a_files_not_correct() {
    has_unfit_files(&Folder::new(), "-r password:hint --password-file pw");
}

#[test]
fn uc_client_p_01_9a_container_cannot_be_saved() {
    let folder = Folder::new();
    folder.write_noise("noise");
    folder.fails_without_room(code::IO, &ENCRYPT.replace("a.txt", "noise"), &["in.cdoc2"]);
}
