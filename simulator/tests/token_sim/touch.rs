//! A key that wants to be touched for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::time::{Duration, UNIX_EPOCH};

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use p384::elliptic_curve::Generate as _;
use p384::elliptic_curve::sec1::ToSec1Point as _;
use p384::{PublicKey, SecretKey, ecdh};
use sha2::Sha256;
use simulator::ca::Ca;
use simulator::holder::{Holder, PersonalCode};
use simulator::hw::{Board, Button, Clock as _, Led, ManualClock, Person, Rng};
use simulator::personalise::{Cdoc2Key, Cdoc2KeySource, DocumentNumber, Pins, Request, personalise};
use simulator::reader::InProcess;
use token_fw::Token;
use token_fw::card::Card;
use token_proto::cdoc2::{Curve, TOUCH_SECONDS};
use token_proto::{Profile, Reader as _, aid};

use crate::support::{Sandbox, verify};

const GET_PUBLIC_KEY: &[u8] = b"\x80\x12\x00\x83\x00";
const HEADER: &[u8] = b"a header";

/// Derives as the sender of a container does (CDOC2 specification, "ECCPublicKeyCapsule"), and answers the DECAPSULATE command for the
/// recipient with this public key, and the CEK.
fn sender(recipient: &[u8]) -> (Vec<u8>, [u8; 32]) {
    let expand = |key: &[u8], info: &[&[u8]]| {
        let mut out = [0; 32];
        Hkdf::<Sha256>::from_prk(key).unwrap().expand_multi_info(info, &mut out).unwrap();
        out
    };
    let key = SecretKey::try_generate_from_rng(&mut Rng::seeded(3)).unwrap();
    let sender = key.public_key().to_sec1_point(false);
    let recipient_key = PublicKey::from_sec1_bytes(recipient).unwrap();
    let shared = ecdh::diffie_hellman(key.to_nonzero_scalar(), recipient_key.as_affine());
    let (premaster, _) = Hkdf::<Sha256>::extract(Some(b"CDOC20kekpremaster"), shared.raw_secret_bytes());
    let kek = expand(&premaster, &[b"CDOC20kek", b"XOR", recipient, sender.as_bytes()]);
    let fmk = [0x5A; 32];
    let encrypted_fmk: Vec<u8> = fmk.iter().zip(kek).map(|(fmk, kek)| fmk ^ kek).collect();
    let header_mac = Hmac::<Sha256>::new_from_slice(&expand(&fmk, &[b"CDOC20hmac"])).unwrap().chain_update(HEADER).finalize();
    let data = [sender.as_bytes(), &encrypted_fmk, &header_mac.into_bytes(), HEADER].concat();
    let mut command = b"\x80\x2A\x00\x83".to_vec();
    command.push(u8::try_from(data.len()).unwrap());
    command.extend(data);
    command.push(0);
    (command, expand(&fmk, &[b"CDOC20cek"]))
}

fn select() -> Vec<u8> {
    [&b"\x00\xA4\x04\x0C\x07"[..], aid::CDOC2].concat()
}

/// A token in a reader in this process, and its button, light and clock.
struct Bench {
    reader: InProcess<Token<Board>, ManualClock>,
    button: Button,
    led: Led,
    clock: ManualClock,
}

impl Bench {
    fn new() -> Self {
        let mut rng = Rng::seeded(1);
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let request = Request {
            holder: Holder::new("JÕEORG,JAAK-KRISTJAN", PersonalCode::parse("38001085718").unwrap()).unwrap(),
            profile: Profile::Esteid2018V1,
            pins: Pins::new("1234", "12345", "12345678").unwrap(),
            document_number: DocumentNumber::parse(DocumentNumber::DEFAULT).unwrap(),
            authentication_key: None,
            cdoc2_key: Some(Cdoc2Key { source: Cdoc2KeySource::Generate(Curve::Secp384r1), touch: true }),
            now,
        };
        let ca = Ca::generate(now, &mut rng).unwrap();
        let board = personalise(&request, &ca, &mut rng).unwrap().board(rng);
        let (button, led, clock) = (board.button_handle(), board.led_handle(), ManualClock::default());
        let token = Token::new(Card::new(board).unwrap());
        let mut bench = Self { reader: InProcess::new(token, clock.clone()), button, led, clock };
        bench.reader.reset().unwrap();
        assert_eq!(bench.send(&select()), [0x90, 0x00]);
        assert_eq!(bench.send(&verify(0x01, "1234")), [0x90, 0x00]);
        bench
    }

    fn send(&mut self, command: &[u8]) -> Vec<u8> {
        let mut response = [0; 256];
        let len = self.reader.transmit(command, &mut response).unwrap();
        response[..len].to_vec()
    }

    fn decapsulate(&mut self) -> (Vec<u8>, [u8; 32]) {
        let public_key = self.send(GET_PUBLIC_KEY);
        let (command, cek) = sender(&public_key[1..98]);
        (self.send(&command), cek)
    }
}

#[test]
fn key_is_given_to_whoever_touches() {
    let mut bench = Bench::new();
    let (response, cek) = bench.decapsulate();
    assert_eq!(response, [&cek[..], &[0x90, 0x00]].concat());
    assert_eq!((bench.led.times_lit(), bench.led.is_on()), (1, false));
    assert!(bench.clock.now().as_ms() < 1000);
}

#[test]
fn nobody_touches_and_nothing_is_given() {
    let mut bench = Bench::new();
    bench.button.set_person(Person::Absent);
    assert_eq!(bench.decapsulate().0, [0x69, 0x85]);
    assert_eq!((bench.led.times_lit(), bench.led.is_on()), (1, false));
    let waited = bench.clock.now().as_ms();
    let limit = u64::from(TOUCH_SECONDS) * 1000;
    assert!((limit..limit + 100).contains(&waited), "{waited}");
}

#[test]
fn each_time_is_a_touch_of_its_own() {
    let mut bench = Bench::new();
    bench.button.set_person(Person::scripted([false, true]));
    assert_eq!(bench.decapsulate().0, [0x69, 0x85]);
    assert_eq!(bench.decapsulate().0.len(), 34);
    assert_eq!(bench.decapsulate().0, [0x69, 0x85]);
}

#[test]
fn person_at_the_terminal_is_asked() {
    let sandbox = Sandbox::with_token(&["--cdoc2-key", "p384", "--require-touch"]);
    let mut token = sandbox.insert(&["--touch", "ask"]);
    assert_eq!(token.ask(&select()), [0x90, 0x00]);
    assert_eq!(token.ask(&verify(0x01, "1234")), [0x90, 0x00]);
    let public_key = token.ask(GET_PUBLIC_KEY);
    let (command, cek) = sender(&public_key[1..98]);
    token.send(&command);
    let mut line = String::new();
    BufReader::new(&mut token.stderr).read_line(&mut line).unwrap();
    assert_eq!(line, "The token asks for a touch: press Enter.\n");
    token.program.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(token.receive(), [&cek[..], &[0x90, 0x00]].concat());
}

#[test]
fn same_seed_makes_the_same_card() {
    assert_eq!(Bench::new().send(GET_PUBLIC_KEY), Bench::new().send(GET_PUBLIC_KEY));
}
