//! What other programs do to a card that is in use, and people who pull it out or end the program at a bad moment.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use cdoc2_tests::desk::{Desk, Reader};
use cdoc2_tests::pcscd::Namespace;
use cdoc2_tests::process::{self, succeeds};
use cdoc2_tests::token::PIN1;
use pcsc::{Card, Context, Disposition, Protocols, Scope, ShareMode};
use token_proto::{PinRef, Profile, aid, esteid};

use super::{CARD, CONTENT, at, done, ends, has, opens};

/// Options of a token with a key for CDOC2 that wants a touch.
const TOUCH: [&str; 3] = ["--cdoc2-key", "p384", "--require-touch"];

/// Another program's way to the card at `desk`, in whose namespace the test is.
fn connect(desk: &Desk, mode: ShareMode) -> Card {
    let context = Context::establish(Scope::User).unwrap();
    context.connect(&CString::new(desk.reader()).unwrap(), mode, Protocols::ANY).unwrap()
}

fn transmit(card: &Card, command: &token_proto::Command<'_>) -> Vec<u8> {
    let (mut octets, mut response) = ([0; 300], [0; 300]);
    card.transmit(command.emit(&mut octets).unwrap(), &mut response).unwrap().to_vec()
}

/// `in.cdoc2` at `desk` is for the token's key that wants a touch.
fn encrypt_to_be_touched(desk: &Desk) {
    let certificate = desk.token.certificate("cdoc2");
    done(desk, &format!("encrypt -o in.cdoc2 -r cert:{} a.txt", certificate.display()));
}

fn started(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a program that must end with `code` said.
#[track_caller]
fn ended(program: Child, code: i32) -> String {
    let (status, said) = process::ended(program);
    assert_eq!(status.code(), Some(code), "{said}");
    said
}

#[test]
fn card_pulled_out_while_it_waits_for_a_touch_is_removed() {
    for reader in [Reader::Vpcd, Reader::Usb] {
        let mut desk = Desk::to_be_touched(reader, &TOUCH);
        encrypt_to_be_touched(&desk);
        let program = started(at(&desk, "decrypt in.cdoc2 -o out --token --pin-file pin"));
        desk.inserted().wait_for_question();
        desk.remove();
        let said = ended(program, CARD);
        has(&said, &[&format!("cdoc2: {}: the card was removed\nhint: put it back", desk.reader())]);
        assert!(!desk.path("out").exists());
    }
}

/// `cdoc2` at `desk`, which asks a pipe for the PIN; `meanwhile` is what happens before it gets one.
fn while_it_asks_for_the_pin(desk: &mut Desk, meanwhile: impl FnOnce(&mut Desk)) -> Child {
    succeeds(Command::new("mkfifo").arg(desk.path("asked")));
    let program = started(at(desk, "decrypt in.cdoc2 -o out --token --pin-file asked"));
    // Comes back when the program opens the other end.
    let mut asked = OpenOptions::new().write(true).open(desk.path("asked")).unwrap();
    meanwhile(desk);
    asked.write_all(PIN1.as_bytes()).unwrap();
    program
}

#[test]
fn card_pulled_out_while_the_pin_is_typed_is_removed() {
    let mut desk = Desk::over_vpcd(&[]);
    done(&desk, "encrypt -o in.cdoc2 --token a.txt");
    let program = while_it_asks_for_the_pin(&mut desk, Desk::remove);
    has(&ended(program, CARD), &["the card was removed"]);
    assert!(!desk.path("out").exists());
}

#[test]
fn reset_by_another_program_while_the_pin_is_typed_does_no_harm() {
    let name = "disturbed::reset_by_another_program_while_the_pin_is_typed_does_no_harm";
    Namespace::with_test_inside(name, |namespace| {
        let mut desk = Desk::to_be_touched_inside(namespace, Reader::Vpcd, &[]);
        done(&desk, "encrypt -o in.cdoc2 --token a.txt");
        let program = while_it_asks_for_the_pin(&mut desk, |desk| {
            let mut other = connect(desk, ShareMode::Shared);
            other.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::ResetCard).unwrap();
            let _ = other.disconnect(Disposition::LeaveCard);
        });
        ended(program, 0);
        assert_eq!(fs::read_to_string(desk.path("out/a.txt")).unwrap(), CONTENT);
    });
}

#[test]
fn card_that_another_program_keeps_to_itself_is_said_to_be_in_use() {
    let name = "disturbed::card_that_another_program_keeps_to_itself_is_said_to_be_in_use";
    Namespace::with_test_inside(name, |namespace| {
        let desk = Desk::to_be_touched_inside(namespace, Reader::Vpcd, &[]);
        done(&desk, "encrypt -o in.cdoc2 --token a.txt");
        let other = connect(&desk, ShareMode::Exclusive);
        let in_use = "Virtual PCD 00 00: another program keeps the card to itself";
        has(&done(&desk, "token list"), &[in_use]);
        has(&ends(&desk, CARD, "decrypt in.cdoc2 -o out --token --pin-file pin"), &[in_use, "hint: end the program"]);
        let said = ends(&desk, CARD, "decrypt in.cdoc2 -o out --pin-file pin");
        has(
            &said,
            &["nothing is given", in_use, "hint: end the program that uses the card, and try again; or say what else opens it"],
        );
        let _ = other.disconnect(Disposition::LeaveCard);
        opens(&desk, "in.cdoc2", "--pin-file pin");
    });
}

/// The PIN is verified and the card waits for a touch when the program is killed: whoever comes next finds no PIN verified.
#[test]
fn killed_program_leaves_no_pin_verified() {
    Namespace::with_test_inside("disturbed::killed_program_leaves_no_pin_verified", |namespace| {
        let mut desk = Desk::to_be_touched_inside(namespace, Reader::Vpcd, &TOUCH);
        encrypt_to_be_touched(&desk);
        let (profile, verified) = (Profile::Esteid2018V1, b"\x90\x00");
        let question = token_proto::Command::new(0x00, token_proto::ins::VERIFY, 0x00, PinRef::Pin1.reference(profile));

        // Who leaves in peace leaves the PIN behind: so this is what the question finds.
        let peaceful = connect(&desk, ShareMode::Shared);
        let mut block = [0; PinRef::BLOCK_LEN];
        token_proto::PinBlock::new(PIN1.as_bytes()).unwrap().emit(&mut block, profile);
        assert_eq!(transmit(&peaceful, &esteid::select_application(aid::CDOC2)), verified);
        assert_eq!(transmit(&peaceful, &esteid::verify(PinRef::Pin1, &block, profile)), verified);
        let _ = peaceful.disconnect(Disposition::LeaveCard);
        let next = connect(&desk, ShareMode::Shared);
        assert_eq!(transmit(&next, &question), verified);
        let _ = next.disconnect(Disposition::ResetCard);

        let mut program = started(at(&desk, "decrypt in.cdoc2 -o out --token --pin-file pin"));
        desk.inserted().wait_for_question();
        program.kill().unwrap();
        program.wait().unwrap();
        // The card goes on with what it was told, and the service waits for it.
        desk.inserted().touch();
        let next = connect(&desk, ShareMode::Shared);
        assert_ne!(transmit(&next, &question), verified);
        assert!(!desk.path("out").exists());
    });
}
