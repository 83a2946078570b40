//! Whatever stands in its flash, a card opens or says that it does not; one that opens keeps to its tries, lets no wrong PIN pass, and opens again as
//! the same card.
#![no_main]

use libfuzzer_sys::fuzz_target;
use token_fw::card::{Card, Curve, Fault, PinError, Tries};
use token_proto::{KeyRef, PinBlock, PinRef, Profile};

#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../../token-fw/tests/common/mod.rs"]
mod common;

use common::Board;

const ESTEID_2018: &[u8; LEN] = include_bytes!("../../token-fw/tests/persistence/0.1.0/esteid2018.bin");
const ESTEID_2025: &[u8; LEN] = include_bytes!("../../token-fw/tests/persistence/0.1.0/esteid2025.bin");
const MUCH_USED: &[u8; LEN] = include_bytes!("../../token-fw/tests/persistence/0.1.0/much_used.bin");

/// Octets of the flash, and of each of its two banks.
const LEN: usize = 32 * 1024;
const BANK_LEN: usize = LEN / 2;
const MARK_LEN: usize = 32;

/// An image of the flash: one to begin with, and what is changed in it. Octets that are missing count as 0.
struct Image<'a>(&'a [u8]);

impl<'a> Image<'a> {
    fn octets(&mut self, len: usize) -> &'a [u8] {
        let (octets, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        octets
    }

    fn octet(&mut self) -> u8 {
        self.octets(1).first().copied().unwrap_or(0)
    }

    fn place(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.octet(), self.octet()])) % LEN
    }

    fn number(&mut self) -> [u8; 4] {
        [self.octet(), self.octet(), self.octet(), self.octet()]
    }

    fn cells(mut self) -> Vec<u8> {
        let mut cells = match self.octet() % 5 {
            0 => vec![0xFF; LEN],
            1 => ESTEID_2018.to_vec(),
            2 => ESTEID_2025.to_vec(),
            3 => MUCH_USED.to_vec(),
            _ => {
                let mut cells = self.octets(LEN).to_vec();
                cells.resize(LEN, 0xFF);
                cells
            }
        };
        while !self.0.is_empty() {
            self.change(&mut cells);
        }
        cells
    }

    fn change(&mut self, cells: &mut [u8]) {
        match self.octet() % 7 {
            0 => {
                let (at, len) = (self.place(), self.octet().into());
                put(cells, at, self.octets(len));
            }
            tag @ 1..=2 => {
                let (at, len) = (self.place(), self.place());
                put(cells, at, &vec![if tag == 1 { 0xFF } else { 0x00 }; len]);
            }
            3 => {
                let at = self.place();
                cells[at] ^= 1 << (self.octet() % 8);
            }
            4 => {
                let (from, to, len) = (self.place(), self.place(), self.place());
                let copy = cells[from..(from + len).min(LEN)].to_vec();
                put(cells, to, &copy);
            }
            5 => {
                // a mark of the store
                let end = self.octet();
                let at = usize::from(end & 1) * BANK_LEN + usize::from(end >> 1 & 1) * (BANK_LEN - MARK_LEN);
                put(cells, at, &with_complement(&[&b"CRD1"[..], &self.number(), &self.number(), &[0; 4]].concat()));
            }
            _ => {
                // the header of a record, committed or not
                let at = self.place() / 4 * 4;
                let (slot, [l0, l1], sequence) = (self.octet(), [self.octet(), self.octet()], self.number());
                put(cells, at, &with_complement(&[&[slot, 1, l0, l1][..], &sequence].concat()));
                if self.octet() & 1 == 0 {
                    put(cells, at + 16, &[0; 4]);
                }
            }
        }
    }
}

/// As far as there is room.
fn put(cells: &mut [u8], at: usize, octets: &[u8]) {
    for (cell, octet) in cells.iter_mut().skip(at).zip(octets) {
        *cell = *octet;
    }
}

fn with_complement(octets: &[u8]) -> Vec<u8> {
    octets.iter().copied().chain(octets.iter().map(|octet| !octet)).collect()
}

/// What a card says of itself.
#[derive(Debug, PartialEq)]
struct Answers {
    personalised: bool,
    profile: Profile,
    tries: [Result<Tries, Fault>; 3],
    keys: [Option<(Curve, bool)>; 3],
    certificates: [Result<Vec<u8>, Fault>; 3],
    document_number: Result<[u8; 9], Fault>,
    personal_data: Vec<Result<Vec<u8>, Fault>>,
}

impl Answers {
    fn of(card: &mut Card<Board>) -> Self {
        Self {
            personalised: card.is_personalised(),
            profile: card.profile(),
            tries: PinRef::ALL.map(|pin| card.tries(pin)),
            keys: KeyRef::ALL.map(|key| card.key(key).map(|info| (info.curve, info.touch))),
            certificates: KeyRef::ALL.map(|key| card.certificate(key).map(<[u8]>::to_vec)),
            document_number: card.document_number().copied(),
            personal_data: (1..=15).map(|field| card.personal_data(field).map(<[u8]>::to_vec)).collect(),
        }
    }
}

fuzz_target!(|octets: &[u8]| {
    let board = Board::of(Image(octets).cells(), 7);
    let first = Card::new(board.clone());
    let second = Card::new(board);
    let (mut card, mut second) = match (first, second) {
        (Ok(first), Ok(second)) => (first, second),
        (first, second) => return assert_eq!(first.err(), second.err()),
    };
    let answers = Answers::of(&mut card);
    assert_eq!(Answers::of(&mut second), answers);
    // opening it has finished what was to be finished: the card that it left is the same one
    let mut card = Card::new(card.into_platform()).expect("what opened opens again");
    assert_eq!(Answers::of(&mut card), answers);

    for (pin, tries) in PinRef::ALL.into_iter().zip(answers.tries) {
        assert!(!tries.is_ok_and(|tries| tries.left > tries.most));
        // no image has ever had this PIN
        let wrong = PinBlock::new(b"00000000").expect("digits");
        match (card.verify(pin, &wrong), tries) {
            (Ok(_), _) => panic!("a wrong PIN passes"),
            (Err(PinError::Wrong { left }), Ok(tries)) => {
                assert_eq!(left + 1, tries.left);
                // wherever it was written, it reads as it was meant
                assert_eq!(card.tries(pin), Ok(Tries { left, ..tries }));
            }
            (Err(PinError::Blocked), Ok(tries)) => assert_eq!(tries.left, 0),
            (Err(PinError::Fault(fault)), Err(expected)) => assert_eq!(fault, expected),
            // it could not be written down that a try is used: nothing was compared
            (Err(PinError::Fault(_)), Ok(_)) => {}
            (Err(error), tries) => panic!("{error:?} of a card with {tries:?}"),
        }
    }
});
