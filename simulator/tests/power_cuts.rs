//! The whole firmware on flash whose power goes off: at every step of a command, between words and within them.

use std::time::{Duration, UNIX_EPOCH};

use simulator::ca::Ca;
use simulator::holder::{Holder, PersonalCode};
use simulator::hw::{Board, Flash, ManualClock, PowerCut, Rng, Tear};
use simulator::personalise::{DocumentNumber, Pins, Request, personalise};
use simulator::reader::InProcess;
use token_fw::card::Card;
use token_fw::{Platform as _, Token};
use token_proto::{Profile, Reader as _};
use zeroize::Zeroizing;

/// VERIFY of PIN1, or CHANGE REFERENCE DATA.
fn command(instruction: u8, pins: &[&str]) -> Vec<u8> {
    let mut command = vec![0x00, instruction, 0x00, 0x01, u8::try_from(12 * pins.len()).unwrap()];
    for (number, pin) in (1..).zip(pins) {
        command.extend(pin.as_bytes());
        command.resize(5 + 12 * number, 0xFF);
    }
    command
}

fn verify(pin: &str) -> Vec<u8> {
    command(0x20, &[pin])
}

/// A person's card, as an image of its flash and its root key.
struct Original {
    image: Vec<u8>,
    root_key: Zeroizing<[u8; 32]>,
}

impl Original {
    fn new() -> Self {
        let mut rng = Rng::seeded(1);
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let request = Request {
            holder: Holder::new("JÕEORG,JAAK-KRISTJAN", PersonalCode::parse("38001085718").unwrap()).unwrap(),
            profile: Profile::Esteid2018V1,
            pins: Pins::new("1234", "12345", "12345678").unwrap(),
            document_number: DocumentNumber::parse(DocumentNumber::DEFAULT).unwrap(),
            authentication_key: None,
            cdoc2_key: None,
            now,
        };
        let ca = Ca::generate(now, &mut rng).unwrap();
        let state = personalise(&request, &ca, &mut rng).unwrap();
        Self { image: state.flash.image(), root_key: state.fuses.root_key }
    }

    fn board(&self) -> Board {
        Board::new(Flash::with_image(self.image.clone()), Rng::seeded(2), self.root_key.clone())
    }
}

/// Sends `commands` to the card on `board`, each after the other, and gives the status words; none once the power is off.
fn send(board: &Board, commands: &[Vec<u8>]) -> Vec<u16> {
    let flash = board.flash_handle();
    let token = Token::new(Card::new(board.clone()).expect("the card starts"));
    let mut reader = InProcess::new(token, ManualClock::default());
    reader.reset().unwrap();
    let mut status_words = Vec::new();
    for command in commands {
        let mut response = [0; 256];
        let len = reader.transmit(command, &mut response).unwrap();
        if !flash.has_power() {
            break;
        }
        status_words.push(u16::from_be_bytes(*response[..len].last_chunk().unwrap()));
    }
    status_words
}

/// Lets `commands` run into a power cut at every step in turn, and hands the board, with power again, and the answers that came before the cut
/// to `check`. How many steps there were.
fn cut_everywhere(original: &Original, commands: &[Vec<u8>], check: impl Fn(&Board, &[u16])) -> u64 {
    let tears = [Tear::Clean, Tear::Torn(1), Tear::Torn(2), Tear::Torn(3)];
    for after in 0.. {
        for tear in tears {
            let board = original.board();
            let flash = board.flash_handle();
            flash.cut_power(PowerCut { after, tear });
            let answers = send(&board, commands);
            if flash.has_power() {
                assert_eq!(answers.len(), commands.len());
                return after;
            }
            flash.restore_power();
            check(&board, &answers);
        }
    }
    unreachable!("commands end")
}

#[test]
fn change_of_a_pin_is_made_or_not_made() {
    let original = Original::new();
    let steps = cut_everywhere(&original, &[command(0x24, &["1234", "9876"])], |board, answers| {
        assert!(answers.is_empty(), "it was acknowledged before it was written");
        let answers = send(board, &[verify("9876"), verify("1234")]);
        assert!(matches!(answers[..], [0x9000, 0x63C2] | [0x63C1 | 0x63C2, 0x9000]), "{answers:04X?}");
    });
    assert!(steps > 10, "{steps}");
}

#[test]
fn wrong_pin_is_never_free() {
    let original = Original::new();
    let wrong = [verify("0000"), verify("1111")];
    let steps = cut_everywhere(&original, &wrong, |board, answers| {
        assert!(answers.iter().zip([0x63C2, 0x63C1]).all(|(answer, expected)| *answer == expected), "{answers:04X?}");
        let [status] = send(board, &[b"\x00\x20\x00\x01".to_vec()])[..] else { panic!("no answer") };
        let left = usize::from(status & 0x0F);
        assert!(status & 0xFFF0 == 0x63C0 && left + answers.len() <= 3, "{left} tries left after {answers:04X?}");
        assert!(left >= 1, "two tries took all three");
        assert_eq!(send(board, &[verify("1234")]), [0x9000]);
    });
    assert!(steps > 10, "{steps}");
}

#[test]
fn last_try_is_the_last() {
    let original = Original::new();
    let board = original.board();
    assert_eq!(send(&board, &[verify("0000"), verify("1111")]), [0x63C2, 0x63C1]);
    let original = Original { image: board.flash_handle().image(), root_key: Zeroizing::new(*board.root_key()) };
    cut_everywhere(&original, &[verify("2222")], |board, answers| {
        assert!(answers.is_empty());
        let answer = send(board, &[verify("3333")]);
        assert!(matches!(answer[..], [0x63C0 | 0x6983]), "{answer:04X?}");
        assert_eq!(send(board, &[verify("1234")]), [0x6983]);
    });
}
