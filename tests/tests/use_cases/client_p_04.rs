//! UC.Client.P.04: re-encrypt existing CDOC2 container for long-term storage.

use cdoc2_testbed::card::PIN1;

use crate::scene::{Folder, JAAN, PASSWORD, Scene, code};
use crate::terminal::Terminal;

/// A container that a secret opens.
fn with_container(file: &str) -> Folder {
    let folder = Folder::new();
    folder.write("secret", [0x5A; 32]);
    folder.write_noise("noise");
    folder.done(&format!("encrypt -o in.cdoc2 -r secret:s:secret {file}"));
    folder
}

#[test]
fn uc_client_p_04_reencrypt_with_password() {
    let (scene, reader) = Scene::with_container();
    scene.write("pw", PASSWORD);
    scene.done(&format!(
        "reencrypt in.cdoc2 -o kept.cdoc2 --reader {reader} --pin-file pin -r password:hint --new-password-file pw"
    ));
    // Neither the card nor the server is needed any more.
    scene.bed.server().stop();
    scene.opens("kept.cdoc2", "--password --password-file pw");
}

#[test]
fn uc_client_p_04_2a_reencrypt_for_a_security_token() {
    let (scene, reader) = Scene::with_container();
    let jaan = scene.card(JAAN);
    scene.done(&format!("reencrypt in.cdoc2 -o kept.cdoc2 --reader {reader} --pin-file pin --no-server -r token:{jaan}"));
    scene.opens("kept.cdoc2", &format!("--reader {jaan} --pin-file pin"));
    // 1: a token that is not connected
    scene.fails(
        code::CARD,
        &format!("reencrypt in.cdoc2 -o out.cdoc2 --reader {reader} --pin-file pin -r token:sim:absent"),
        &["absent"],
    );
    // 3: a wrong PIN is typed again
    let mut terminal =
        Terminal::new(&scene, &format!("reencrypt in.cdoc2 -o other.cdoc2 --reader {reader} --no-server -r token:{jaan}"));
    for typed in ["9999", PIN1] {
        terminal.until("PIN1");
        terminal.until(": ");
        terminal.type_line(typed);
    }
    let seen = terminal.end();
    assert!(seen.contains("ended with 0"), "{seen}");
    scene.opens("other.cdoc2", &format!("--reader {jaan} --pin-file pin"));
}

#[test]
fn uc_client_p_04_5a_password_against_the_rules() {
    let folder = with_container("a.txt");
    folder.write("weak", "kevad");
    let words = "reencrypt in.cdoc2 -o kept.cdoc2 --secret secret -r password:hint";
    folder.fails(code::USAGE, &format!("{words} --new-password-file weak"), &["at least 12 characters"]);
    let mut terminal = Terminal::new(&folder, words);
    for typed in ["kevad", PASSWORD] {
        terminal.until("New password for \"hint\": ");
        terminal.type_line(typed);
    }
    terminal.until("The same once more: ");
    let seen = terminal.answer(PASSWORD);
    assert!(seen.contains("ended with 0"), "{seen}");
    folder.opens("kept.cdoc2", "--password --password-file pw");
}

#[test]
fn uc_client_p_04_7a_container_cannot_be_created_or_saved() {
    let folder = with_container("noise");
    let words = "reencrypt in.cdoc2 -o kept.cdoc2 --secret secret -r password:hint --new-password-file pw";
    folder.fails(code::IO, &words.replace("kept.cdoc2", "absent/kept.cdoc2"), &["absent"]);
    folder.fails_without_room(code::IO, words, &["kept.cdoc2"]);
    // The old container is not written over.
    folder.fails(code::USAGE, &words.replace("kept.cdoc2", "in.cdoc2 --force"), &["in.cdoc2"]);
    folder.opens_noise("in.cdoc2", "--secret secret");
}
