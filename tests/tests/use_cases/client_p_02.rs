//! UC.Client.P.02: decrypt CDOC2 container with password.

use std::fs;

use crate::scene::{Folder, PASSWORD, code};
use crate::terminal::Terminal;

/// A container for a password, with `file` in it.
fn with_container(file: &str) -> Folder {
    let folder = Folder::new();
    folder.write_noise("noise");
    folder.done(&format!("encrypt -o in.cdoc2 -r password:hint --password-file pw {file}"));
    folder
}

#[test]
fn uc_client_p_02_decrypt_with_password() {
    let folder = with_container("a.txt");
    // 3: the hint is shown where the password is asked for
    let mut terminal = Terminal::new(&folder, "decrypt in.cdoc2 -o out");
    terminal.until("Password for \"hint\": ");
    let seen = terminal.answer(PASSWORD);
    assert!(seen.contains("ended with 0") && !seen.contains(PASSWORD), "{seen}");
    assert!(folder.path("out/a.txt").exists());
}

#[test]
fn uc_client_p_02_2a_header_too_long() {
    let folder = with_container("a.txt");
    let mut octets = fs::read(folder.path("in.cdoc2")).unwrap();
    octets[5..9].copy_from_slice(&((1_u32 << 20) + 1).to_be_bytes());
    octets.resize(2 << 20, 0);
    folder.write("long.cdoc2", octets);
    folder.fails(code::FORMAT, "decrypt long.cdoc2 -o out --password --password-file pw", &["long.cdoc2", "header"]);
}

#[test]
fn uc_client_p_02_5a_password_is_not_correct() {
    let folder = with_container("a.txt");
    folder.write("wrong", "Suvi2026tormine");
    folder.fails(code::REJECTED, "decrypt in.cdoc2 -o out --password --password-file wrong", &["wrong password"]);
    // At a terminal it is asked for again.
    let mut terminal = Terminal::new(&folder, "decrypt in.cdoc2 -o out --password");
    for typed in ["Suvi2026tormine", PASSWORD] {
        terminal.until("Password for \"hint\": ");
        terminal.type_line(typed);
    }
    let seen = terminal.end();
    assert!(seen.contains("ended with 0"), "{seen}");
}

#[test]
fn uc_client_p_02_8a_files_cannot_be_saved() {
    let folder = with_container("noise");
    folder.fails_without_room(code::IO, "decrypt in.cdoc2 -o out --password --password-file pw", &["out"]);
    folder.write("out", "a file");
    folder.fails(code::IO, "decrypt in.cdoc2 -o out --password --password-file pw", &["out"]);
    fs::remove_file(folder.path("out")).unwrap();
    // What is there already stays.
    fs::create_dir(folder.path("out")).unwrap();
    folder.write("out/noise", "mine");
    folder.fails(code::IO, "decrypt in.cdoc2 -o out --password --password-file pw", &["noise"]);
    assert_eq!(fs::read(folder.path("out/noise")).unwrap(), b"mine");
}
