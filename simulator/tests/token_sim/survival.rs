//! What is left of a token whose program is killed.

use std::process::Command;

use crate::support::{Sandbox, verify};

/// CHANGE REFERENCE DATA of PIN1.
fn change(old: &str, new: &str) -> Vec<u8> {
    let mut command = vec![0x00, 0x24, 0x00, 0x01, 0x18];
    for pin in [old, new] {
        command.extend(verify(0x01, pin).split_off(5));
    }
    command
}

#[test]
fn killed_program_loses_nothing_that_was_acknowledged() {
    let sandbox = Sandbox::with_token(&[]);
    let mut pin = "1234".to_owned();
    for round in 0..12 {
        let mut token = sandbox.insert(&[]);
        for number in 0..4 {
            let next = format!("{round:02}{number:02}");
            assert_eq!(token.ask(&change(&pin, &next)), [0x90, 0x00]);
            pin = next;
        }
        // The last change is under way, or done, or has not begun.
        let next = format!("{round:02}99");
        token.send(&change(&pin, &next));
        let pid = token.program.id().to_string();
        assert!(Command::new("sh").args(["-c", &format!("kill -KILL {pid}")]).status().unwrap().success());
        token.program.wait().unwrap();

        let mut token = sandbox.insert(&[]);
        let tries = token.ask(b"\x00\x20\x00\x01");
        assert!(tries == [0x63, 0xC3] || tries == [0x63, 0xC2], "{tries:02X?}");
        if token.ask(&verify(0x01, &pin)) != [0x90, 0x00] {
            assert_eq!(token.ask(&verify(0x01, &next)), [0x90, 0x00], "neither the old PIN nor the new one");
            pin = next;
        }
        token.program.kill().unwrap();
        token.program.wait().unwrap();
    }
    assert_eq!(sandbox.files(), ["t"]);
}
