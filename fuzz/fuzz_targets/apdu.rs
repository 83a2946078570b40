//! Whatever a host sends to a card and whatever the holder does meanwhile, there is a response; and the card keeps the rules of its PINs, which are told
//! here in other words than the firmware's.
#![no_main]

use std::sync::LazyLock;

use cdoc2_nostd::Curve;
use libfuzzer_sys::fuzz_target;
use token_fw::card::Card;
use token_fw::{Icc as _, Instant, Progress, Token};
use token_proto::cdoc2::TOUCH_SECONDS;
use token_proto::esteid::{AGREE_LEN, Environment, get_tries};
use token_proto::{Command, KeyRef, MAX_COMMAND_LEN, MAX_RESPONSE_LEN, PinRef, Profile, aid};

#[path = "apdu/model.rs"]
mod model;

#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../../token-fw/tests/token/client.rs"]
mod client;
#[path = "../../token-fw/tests/common/mod.rs"]
mod common;
#[path = "../../token-fw/tests/token/sealed.rs"]
mod sealed;

use client::{ADMINISTRATOR_KEY, AUTHENTICATION_SCALAR, PIN1, PIN2, PUK, hmac, padded, peer, point};
use common::{Board, Wire};
use model::{Exchange, Model, Tries};
use sealed::Sealed;

const ESTEID_2018: &[u8] = include_bytes!("../../token-fw/tests/persistence/0.1.0/esteid2018.bin");
const ESTEID_2025: &[u8] = include_bytes!("../../token-fw/tests/persistence/0.1.0/esteid2025.bin");
/// Octets of the flash in these.
const FLASH_LEN: usize = 32 * 1024;

/// For the keys of both images, which are one and the same.
static SEALED: LazyLock<Sealed> =
    LazyLock::new(|| Sealed::new(Curve::Secp384r1, &point(&AUTHENTICATION_SCALAR), b"what the fuzzer seals"));
static PEER: LazyLock<Vec<u8>> = LazyLock::new(|| peer().1);

/// Most steps of an input, and most uses of a key, which are slow.
const MAX_STEPS: usize = 300;
const MAX_KEY_USES: usize = 6;

const AIDS: [&[u8]; 6] =
    [aid::ESTEID_MAIN, aid::ESTEID_AUTHENTICATION, aid::ESTEID_SIGNATURE, aid::ESTEID_2025, aid::CDOC2, b"\xA0\x00\x00\x00\x99"];
const FILES: [u16; 14] =
    [0x3F00, 0xADF1, 0xADF2, 0x5000, 0xDFDD, 0xD003, 0x3401, 0x341F, 0x3411, 0x3421, 0x5001, 0x5007, 0x500F, 0x5010];
const PIN_REFERENCES: [u8; 6] = [0x01, 0x85, 0x02, 0x81, 0x82, 0x83];
const DIGITS: [&str; 6] = [PIN1, PIN2, PUK, "87654321", "123", "000000000000"];
const KEYS: [u8; 4] = [0x81, 0x83, 0x9F, 0x84];

/// Steps, each a tag and what it needs. Octets that are missing count as 0.
struct Steps<'a>(&'a [u8]);

impl<'a> Steps<'a> {
    fn octets(&mut self, len: usize) -> &'a [u8] {
        let (octets, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        octets
    }

    fn octet(&mut self) -> u8 {
        self.octets(1).first().copied().unwrap_or(0)
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.octet()) % all.len()]
    }

    /// A PIN as a card of either generation takes it.
    fn block(&mut self) -> Vec<u8> {
        let octet = self.octet();
        padded(DIGITS[usize::from(octet & 0x7F) % DIGITS.len()], if octet & 0x80 == 0 { 0xFF } else { 0x00 })
    }
}

/// The token with a host and a holder.
struct Stage<'a> {
    steps: Steps<'a>,
    token: Token<Board>,
    button: Wire,
    now_ms: u64,
    model: Model,
    key_uses: usize,
    /// Octets of [`SEALED`] that were sent.
    sealed_sent: usize,
}

impl<'a> Stage<'a> {
    fn new(mut steps: Steps<'a>) -> Self {
        let flash = match steps.octet() % 3 {
            0 => ESTEID_2018.to_vec(),
            1 => ESTEID_2025.to_vec(),
            _ => vec![0xFF; FLASH_LEN],
        };
        let board = Board::of(flash, 7);
        let button = board.button.clone();
        let mut card = Card::new(board).expect("a good image opens");
        let model = Model::new(card.profile(), [PIN1, PIN2, PUK], tries(&mut card));
        let mut stage = Self { steps, token: Token::new(card), button, now_ms: 1000, model, key_uses: 0, sealed_sent: 0 };
        stage.token.power_on();
        stage
    }

    fn reset(&mut self, cold: bool) {
        if cold {
            self.token.power_off();
        }
        self.token.power_on();
        self.model.reset();
        for reference in PIN_REFERENCES {
            let response = self.send(&Command::new(0x00, 0x20, 0x00, reference));
            assert!(!response.ends_with(&[0x90, 0x00]), "verified after a reset");
        }
    }

    /// Sends a command and answers the response: nothing if the reader gave up, or if the keys were used enough.
    fn send(&mut self, command: &Command<'_>) -> Vec<u8> {
        let mut octets = vec![0; MAX_COMMAND_LEN];
        let octets = command.emit(&mut octets).expect("a command").to_vec();
        self.send_octets(&octets)
    }

    fn send_octets(&mut self, octets: &[u8]) -> Vec<u8> {
        if self.model.allows_key_use() && matches!(octets.get(1), Some(0x2A | 0x47 | 0x88)) {
            self.key_uses += 1;
            if self.key_uses > MAX_KEY_USES {
                return vec![];
            }
        }
        let wants_touch = self.token.card().key(KeyRef::Cdoc2).is_some_and(|info| info.touch);
        let mut response = heapless::Vec::<u8, MAX_RESPONSE_LEN>::new();
        let mut untouched = !self.button.is_on();
        let mut progress = self.token.command(Instant::from_ms(self.now_ms), octets, &mut response);
        let mut waited_ms = None;
        while progress == Progress::Waiting {
            assert!(response.is_empty(), "something leaves before the touch");
            let step = self.steps.octet();
            if step == 0xFF {
                // the reader gives up
                self.model.judge(octets, &Exchange { response: &[], waited: true, wants_touch, tries: tries(self.token.card()) });
                self.reset(true);
                return vec![];
            }
            let ms = 500 + 50 * u64::from(step >> 1);
            self.now_ms += ms;
            *waited_ms.get_or_insert(0) += ms;
            self.button.set(step & 1 != 0);
            progress = self.token.resume(Instant::from_ms(self.now_ms), &mut response);
            if progress == Progress::Done && response.ends_with(&[0x90, 0x00]) {
                assert!(untouched && self.button.is_on(), "released without a touch");
            }
            untouched |= !self.button.is_on();
            assert!(progress == Progress::Done || waited_ms < Some(1000 * u64::from(TOUCH_SECONDS)), "waits for ever");
        }
        let exchange = Exchange { response: &response, waited: waited_ms.is_some(), wants_touch, tries: tries(self.token.card()) };
        self.model.judge(octets, &exchange);
        response.to_vec()
    }

    fn step(&mut self) {
        match self.steps.octet() % 20 {
            0 => {
                let aid = self.steps.one_of(&AIDS);
                let (p2, cut) = (self.steps.one_of(&[0x0C, 0x00, 0x04]), self.steps.octet() % 4);
                let aid = &aid[..aid.len() - usize::from(cut)];
                self.send(&Command::new(0x00, 0xA4, 0x04, p2).with_data(aid));
            }
            1 => {
                let (p1, p2) = (self.steps.one_of(&[0x00, 0x01, 0x02, 0x08, 0x09]), self.steps.one_of(&[0x0C, 0x00, 0x04]));
                let path: Vec<u8> = (0..self.steps.octet() % 4).flat_map(|_| self.steps.one_of(&FILES).to_be_bytes()).collect();
                self.send(&Command::new(0x00, 0xA4, p1, p2).with_data(&path));
            }
            2..=3 => {
                let (reference, block) = (self.steps.one_of(&PIN_REFERENCES), self.steps.block());
                self.send(&Command::new(0x00, 0x20, 0x00, reference).with_data(&block));
            }
            4 => {
                let reference = self.steps.one_of(&PIN_REFERENCES);
                self.send(&Command::new(0x00, 0x20, 0x00, reference));
            }
            5 => {
                let (reference, old, new) = (self.steps.one_of(&PIN_REFERENCES), self.steps.block(), self.steps.block());
                self.send(&Command::new(0x00, 0x24, 0x00, reference).with_data(&[old, new].concat()));
            }
            6 => {
                let reference = self.steps.one_of(&PIN_REFERENCES);
                let mut data = self.steps.block();
                let p1 = self.steps.one_of(&[0x02, 0x00]);
                if p1 == 0x00 {
                    data.extend(self.steps.block());
                }
                self.send(&Command::new(0x00, 0x2C, p1, reference).with_data(&data));
            }
            7 => {
                let (profile, environment) = (self.steps.one_of(&Profile::ALL), self.steps.one_of(&Environment::ALL));
                self.send(&environment.set(profile));
            }
            8 => {
                let hash = [self.steps.octet(); 50];
                match self.steps.octet() % 4 {
                    0 => self.send(&Command::new(0x00, 0x88, 0x00, 0x00).with_data(&hash[..48]).with_le(256)),
                    1 => self.send(&Command::new(0x00, 0x2A, 0x9E, 0x9A).with_data(&hash[..48]).with_le(256)),
                    2 => {
                        let hash = [&[0x90, 48][..], &hash[..48]].concat();
                        self.send(&Command::new(0x00, 0x2A, 0x90, 0xA0).with_data(&hash))
                    }
                    _ => self.send(&Command::new(0x00, 0x2A, 0x9E, 0x9A).with_le(256)),
                };
            }
            9 => {
                let mut data = [&[0][..], &PEER].concat();
                let at = usize::from(self.steps.octet());
                if at < AGREE_LEN {
                    data[at] ^= self.steps.octet();
                }
                self.send(&Command::new(0x00, 0x2A, 0x80, 0x86).with_data(&data).with_le(48));
            }
            10..=11 => self.decapsulate(),
            12 => {
                let le = self.steps.u16().into();
                self.send(&Command::new(0x00, 0xC0, 0x00, 0x00).with_le(le));
            }
            13 => {
                let ([p1, p2], le) = (self.steps.u16().to_be_bytes(), self.steps.u16().into());
                self.send(&Command::new(0x00, 0xB0, p1, p2).with_le(le));
            }
            14 => {
                let (profile, pin) = (self.steps.one_of(&Profile::ALL), self.steps.one_of(&PinRef::ALL));
                self.send(&get_tries(pin, profile));
            }
            15 => {
                let cold = self.steps.octet() & 1 == 0;
                self.reset(cold);
            }
            16 => self.authenticate(),
            17 => self.administer(),
            18 => {
                let (ins, reference) = (self.steps.one_of(&[0x10, 0x12, 0x14]), self.steps.one_of(&KEYS));
                let (p2, le) = (if ins == 0x10 { 0 } else { reference }, self.steps.u16().into());
                self.send(&Command::new(0x80, ins, 0x00, p2).with_le(le));
            }
            _ => self.raw(),
        }
    }

    /// A piece of what a sender has sealed, in a chain or as its end.
    fn decapsulate(&mut self) {
        let (kind, key) = (self.steps.octet(), self.steps.one_of(&KEYS));
        if kind & 0x80 != 0 {
            self.sealed_sent = 0;
        }
        let data = SEALED.data();
        let rest = &data[self.sealed_sent..];
        let piece = &rest[..rest.len().min(match kind & 0x03 {
            0 => rest.len(),
            1 => self.steps.octet().into(),
            _ => 97,
        })];
        let mut piece = piece.to_vec();
        self.sealed_sent += piece.len();
        if kind & 0x10 != 0 {
            piece.extend(self.steps.octets(8));
        }
        let command = Command::new(0x80, 0x2A, 0x00, key).with_data(&piece);
        if kind & 0x40 != 0 {
            self.send(&command.chained());
        } else {
            self.sealed_sent = 0;
            self.send(&command.with_le(256));
        }
    }

    /// Becomes the administrator, or fails.
    fn authenticate(&mut self) {
        let wrong = self.steps.octet();
        let challenge = self.send(&Command::new(0x00, 0x84, 0x00, 0x00).with_le(32));
        if challenge.len() == 34 {
            let mut answer = hmac(&ADMINISTRATOR_KEY, &challenge[..32]);
            if wrong >= 0xC0 {
                answer[usize::from(wrong & 0x1F)] ^= 1;
            }
            self.send(&Command::new(0x00, 0x82, 0x00, 0x00).with_data(&answer));
        }
    }

    fn administer(&mut self) {
        let key = self.steps.one_of(&KEYS);
        match self.steps.octet() % 8 {
            0 => drop(self.send(&Command::new(0x80, 0x1E, 0x00, 0x00))),
            1..=2 => {
                let parameters = [self.steps.octet() % 4, self.steps.octet() % 3];
                self.send(&Command::new(0x00, 0x47, 0x80, key).with_data(&parameters).with_le(256));
            }
            kind => {
                let point = point(&AUTHENTICATION_SCALAR);
                let len = self.steps.u16() % (2048 - 4 - 97);
                let mut der = [&[0x30, 0x82][..], &(len + 97).to_be_bytes(), &point].concat();
                der.resize(der.len() + usize::from(len), 0);
                let (first, last) = der.split_at(if kind & 1 == 0 { der.len() / 2 } else { 0 });
                let command = Command::new(0x80, 0x16, 0x00, key);
                if !first.is_empty() {
                    self.send(&command.with_data(first).chained());
                }
                self.send(&command.with_data(last));
            }
        }
    }

    /// Octets of any kind, or a header of any kind with much data.
    fn raw(&mut self) {
        let kind = self.steps.octet();
        if kind & 1 == 0 {
            let octets = self.steps.octets((kind >> 1).into());
            self.send_octets(octets);
        } else {
            let (header, len) = (self.steps.octets(4).to_vec(), self.steps.u16() % 2200);
            let mut data = self.steps.octets((kind >> 1).into()).to_vec();
            data.resize(len.into(), kind);
            let octets = [&header[..], &[0], &len.to_be_bytes(), &data].concat();
            self.send_octets(&octets);
        }
    }
}

/// The tries that the PINs have; none on a blank card.
fn tries(card: &mut Card<Board>) -> Option<Tries> {
    card.is_personalised().then(|| PinRef::ALL.map(|pin| card.tries(pin).expect("the record of a PIN").left))
}

fuzz_target!(|octets: &[u8]| {
    let mut stage = Stage::new(Steps(octets));
    for _ in 0..MAX_STEPS {
        if stage.steps.0.is_empty() {
            break;
        }
        stage.step();
    }
    stage.reset(true);
    // what persists is whole
    let board = stage.token.into_card().into_platform();
    let mut card = Card::new(board).expect("what the card left opens");
    assert_eq!(tries(&mut card), stage.model.tries());
});
