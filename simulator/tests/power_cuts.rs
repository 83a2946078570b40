//! The whole firmware on flash whose power goes off: at every step of a command, between words and within them.

use std::time::{Duration, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use simulator::ca::Ca;
use simulator::holder::{Holder, PersonalCode};
use simulator::hw::{Board, Flash, ManualClock, PowerCut, Rng, Tear};
use simulator::personalise::{Cdoc2Key, Cdoc2KeySource, DocumentNumber, Pins, Request, personalise};
use simulator::reader::InProcess;
use token_fw::card::Card;
use token_fw::{Platform as _, Token};
use token_proto::{KeyRef, Profile, Reader as _, aid, cdoc2};
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

/// A person's card, as an image of its flash and its keys. It has a key for CDOC2 on P-256.
struct Original {
    image: Vec<u8>,
    root_key: Zeroizing<[u8; 32]>,
    administrator_key: Zeroizing<[u8; 32]>,
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
            cdoc2_key: Some(Cdoc2Key { source: Cdoc2KeySource::Generate(cdoc2::Curve::Secp256r1), touch: false }),
            now,
        };
        let ca = Ca::generate(now, &mut rng).unwrap();
        let state = personalise(&request, &ca, &mut rng).unwrap();
        Self { image: state.flash.image(), root_key: state.fuses.root_key, administrator_key: state.fuses.administrator_key }
    }

    /// `command`, after all that makes the host the administrator. Random numbers come from a seed, and so does the challenge.
    fn as_administrator(&self, command: Vec<u8>) -> Vec<Vec<u8>> {
        let challenge = b"\x00\x84\x00\x00\x20".to_vec();
        let given = answer(&self.board(), &[select_cdoc2(), challenge.clone()]);
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.administrator_key).unwrap();
        mac.update(&given[..32]);
        let authenticate = [&b"\x00\x82\x00\x00\x20"[..], &mac.finalize().into_bytes()].concat();
        vec![select_cdoc2(), challenge, authenticate, command]
    }

    fn board(&self) -> Board {
        Board::new(Flash::with_image(self.image.clone()), Rng::seeded(2), self.root_key.clone())
    }
}

fn select_cdoc2() -> Vec<u8> {
    [&[0x00, 0xA4, 0x04, 0x0C, aid::CDOC2.len() as u8], aid::CDOC2].concat()
}

/// Sends `commands` to the card on `board`, each after the other, and gives the responses; none once the power is off.
fn responses(board: &Board, commands: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let flash = board.flash_handle();
    let token = Token::new(Card::new(board.clone()).expect("the card starts"));
    let mut reader = InProcess::new(token, ManualClock::default());
    reader.reset().unwrap();
    let mut responses = Vec::new();
    for command in commands {
        let mut response = [0; token_proto::MAX_RESPONSE_LEN];
        let len = reader.transmit(command, &mut response).unwrap();
        if !flash.has_power() {
            break;
        }
        responses.push(response[..len].to_vec());
    }
    responses
}

/// The same, status words only.
fn send(board: &Board, commands: &[Vec<u8>]) -> Vec<u16> {
    responses(board, commands).iter().map(|response| u16::from_be_bytes(*response.last_chunk().unwrap())).collect()
}

/// What the last of `commands`, which all have power, is answered.
fn answer(board: &Board, commands: &[Vec<u8>]) -> Vec<u8> {
    responses(board, commands).pop().unwrap()
}

/// What the CDOC2 application answers to a command without data.
fn asked(board: &Board, instruction: u8, key: u8) -> Vec<u8> {
    answer(board, &[select_cdoc2(), vec![0x80, instruction, 0x00, key, 0x00, 0x00, 0x00]])
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
    let root_key = Zeroizing::new(*board.root_key());
    let original = Original { image: board.flash_handle().image(), root_key, ..original };
    cut_everywhere(&original, &[verify("2222")], |board, answers| {
        assert!(answers.is_empty());
        let answer = send(board, &[verify("3333")]);
        assert!(matches!(answer[..], [0x63C0 | 0x6983]), "{answer:04X?}");
        assert_eq!(send(board, &[verify("1234")]), [0x6983]);
    });
}

#[test]
fn unblocking_is_done_or_not_done() {
    let original = Original::new();
    let verify_puk = [&b"\x00\x20\x00\x02\x0C12345678"[..], &[0xFF; 4]].concat();
    let reset = [&b"\x00\x2C\x02\x01\x0C9876"[..], &[0xFF; 8]].concat();
    let steps = cut_everywhere(&original, &[verify_puk.clone(), reset], |board, answers| {
        assert!(answers.iter().all(|answer| *answer == 0x9000) && answers.len() <= 1, "{answers:04X?}");
        let answers = send(board, &[verify("9876"), verify("1234"), verify_puk.clone()]);
        assert!(matches!(answers[..], [0x9000, 0x63C2, 0x9000] | [0x63C2, 0x9000, 0x9000]), "{answers:04X?}");
    });
    assert!(steps > 20, "{steps}");
}

/// What an administrator does to the CDOC2 key is done or not done: the key is the old one with its certificate, or a new one without.
#[test]
fn key_is_generated_or_not() {
    let original = Original::new();
    let key = KeyRef::Cdoc2.reference();
    let state =
        |board: &Board| [cdoc2::instruction::GET_PUBLIC_KEY, cdoc2::instruction::GET_CERTIFICATE].map(|of| asked(board, of, key));
    let before = state(&original.board());
    assert!(before.iter().all(|answer| answer.ends_with(b"\x90\x00")));
    let generate = vec![0x00, 0x47, 0x80, key, 0x02, cdoc2::Curve::Secp256r1.octet(), 0x00, 0x00];
    let steps = cut_everywhere(&original, &original.as_administrator(generate), |board, answers| {
        assert_eq!(answers, [0x9000; 3], "it was acknowledged before it was written");
        let [point, certificate] = state(board);
        let is_new = point != before[0] && point.ends_with(b"\x90\x00") && certificate == b"\x6A\x82";
        assert!([&point, &certificate].into_iter().eq(&before) || is_new, "{point:02X?} {certificate:02X?}");
    });
    assert!(steps > 20, "{steps}");
}

#[test]
fn certificate_is_put_or_not() {
    let original = Original::new();
    let key = KeyRef::Cdoc2.reference();
    let certificate = |board: &Board| asked(board, cdoc2::instruction::GET_CERTIFICATE, key);
    let before = certificate(&original.board());
    let point = asked(&original.board(), cdoc2::instruction::GET_PUBLIC_KEY, key);
    // A DER object that holds the point of the key, behind its curve's octet, is all that the card asks for.
    let new = [&[0x30, 0x41][..], &point[1..66]].concat();
    let put = [&[0x80, cdoc2::instruction::PUT_CERTIFICATE, 0x00, key, 0x43][..], &new].concat();
    let done = [&new[..], b"\x90\x00"].concat();
    let steps = cut_everywhere(&original, &original.as_administrator(put), |board, answers| {
        assert_eq!(answers, [0x9000; 3], "it was acknowledged before it was written");
        let after = certificate(board);
        assert!(after == before || after == done, "{after:02X?}");
    });
    assert!(steps > 20, "{steps}");
}

#[test]
fn factory_reset_leaves_a_blank_card_or_the_old_one() {
    let original = Original::new();
    let info = |board: &Board| asked(board, cdoc2::instruction::GET_INFO, 0x00);
    let before = info(&original.board());
    let reset = vec![0x80, cdoc2::instruction::FACTORY_RESET, 0x00, 0x00];
    let steps = cut_everywhere(&original, &original.as_administrator(reset), |board, answers| {
        assert_eq!(answers, [0x9000; 3], "it was acknowledged before it was done");
        let after = info(board);
        if after == before {
            assert_eq!(send(board, &[verify("1234")]), [0x9000]);
        } else {
            let is_blank = |info: cdoc2::Info<'_>| info.state == cdoc2::State::Blank;
            assert!(cdoc2::Info::parse(&after[..after.len() - 2]).is_ok_and(is_blank), "{after:02X?}");
        }
    });
    assert!(steps > 2, "{steps}");
}
