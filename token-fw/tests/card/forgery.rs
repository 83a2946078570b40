//! Flash that is not as the card left it.

use token_fw::card::{Card, Fault, MAX_POINT_LEN, PinError};
use token_proto::{KeyRef, PinRef};

use crate::board::{Board, Flash};
use crate::{BANK_LEN, card, pin};

/// What shows of the card on `board`, each part as it is or the fault instead of it; a fault of all if it does not open.
fn shown(board: &Board) -> Result<Vec<Result<Vec<u8>, Fault>>, Fault> {
    let mut card = Card::new(board.clone())?;
    let mut shown = vec![Ok(vec![u8::from(card.is_personalised())])];
    for pin_ref in PinRef::ALL {
        shown.push(card.tries(pin_ref).map(|tries| vec![tries.left]));
    }
    for key in KeyRef::ALL {
        let mut point = [0; MAX_POINT_LEN];
        shown.push(match card.public_key(key, &mut point) {
            Ok(len) => Ok(point[..len].to_vec()),
            Err(token_fw::card::KeyError::Fault(fault)) => Err(fault),
            Err(_) => Ok(vec![]),
        });
        shown.push(card.certificate(key).map(<[u8]>::to_vec));
    }
    for field in 1..=6 {
        shown.push(card.personal_data(field).map(<[u8]>::to_vec));
    }
    Ok(shown)
}

/// Any octet of the flash altered in any of these ways leaves everything as it was, or a fault.
#[test]
fn altered_octet_changes_nothing_but_to_a_fault() {
    let mut card = card();
    card.verify(PinRef::Pin1, &pin("9999")).unwrap_err();
    card.put_certificate(KeyRef::Authentication, &[0x30; 40]).unwrap();
    card.verify(PinRef::Puk, &pin("99999999")).unwrap_err();
    let board = card.into_platform();
    let right = shown(&board).unwrap();
    let (mut unharmed, mut faults) = (0, 0);
    // the log with what follows it, and the last mark
    let end = board.flash.cells[..BANK_LEN].iter().rposition(|octet| *octet != 0xFF).unwrap() + 100;
    for at in (0..end).chain(BANK_LEN..BANK_LEN + 32) {
        for mask in [0x01, 0x80, 0xFF] {
            let mut cells = board.flash.cells.clone();
            cells[at] ^= mask;
            match shown(&Board::new(Flash::of(cells))) {
                Err(Fault::Corrupt) => faults += 1,
                Ok(shown) if shown == right => unharmed += 1,
                Ok(shown) => {
                    let mut parts = shown.iter().zip(&right);
                    assert!(parts.all(|(part, right)| part == right || *part == Err(Fault::Corrupt)), "octet {at}");
                    faults += 1;
                }
                Err(other) => panic!("octet {at}: {other:?}"),
            }
        }
    }
    assert!(unharmed > 0 && faults > 1000, "{unharmed} {faults}");
}

/// A retry counter that cannot be read is not the one before it.
#[test]
fn unreadable_tries_are_no_tries() {
    let mut card = card();
    card.verify(PinRef::Pin1, &pin("9999")).unwrap_err();
    let mut board = card.into_platform();
    // the last octet that is not erased, before the mark at the end of the bank, belongs to the last record
    let bank = &mut board.flash.cells[..BANK_LEN];
    let last = bank.iter().rposition(|octet| *octet != 0xFF).unwrap();
    bank[last] ^= 4;
    let mut card = Card::new(board).unwrap();
    assert_eq!(card.tries(PinRef::Pin1), Err(Fault::Corrupt));
    assert_eq!(card.verify(PinRef::Pin1, &pin("1234")), Err(PinError::Fault(Fault::Corrupt)));
    assert_eq!(card.change(PinRef::Pin1, &pin("1234"), &pin("4321")), Err(PinError::Fault(Fault::Corrupt)));
    let puk = card.verify(PinRef::Puk, &pin("12345678")).unwrap();
    assert_eq!(card.unblock(&puk, PinRef::Pin1, &pin("4321")), Err(PinError::Fault(Fault::Corrupt)));
}

/// Nothing is written over what should be erased and is not: the card takes the other bank, and goes on as the same one.
#[test]
fn garbage_after_the_log_is_written_around() {
    // a word at the header, one in the middle of the record, and the last one, of which a single bit is programmed
    for (from_end, octet) in [(0, 0x00), (40, 0xA5), (80, 0xFE)] {
        let mut card = card();
        card.verify(PinRef::Pin1, &pin("9999")).unwrap_err();
        let mut board = card.into_platform();
        let bank = &mut board.flash.cells[..BANK_LEN];
        let end = (bank.iter().rposition(|octet| *octet != 0xFF).unwrap() + 1).next_multiple_of(4);
        bank[end + from_end] = octet;
        board.flash = Flash::of(board.flash.cells);
        let mut card = Card::new(board).unwrap();
        assert_eq!(card.verify(PinRef::Pin1, &pin("9999")), Err(PinError::Wrong { left: 1 }));
        assert_eq!(card.tries(PinRef::Pin1).unwrap().left, 1);
        let mut card = crate::reopen(card);
        assert_eq!(card.tries(PinRef::Pin1).unwrap().left, 1);
        card.verify(PinRef::Pin1, &pin("1234")).unwrap();
    }
}

/// A record that was the latest once is not the latest again because it stands there again.
#[test]
fn replayed_record_is_refused() {
    // header, commit word, and 34 octets sealed
    const RECORD_LEN: usize = 16 + 4 + 64;
    let mut card = card();
    for left in [2, 1] {
        assert_eq!(card.verify(PinRef::Pin1, &pin("9999")), Err(PinError::Wrong { left }));
    }
    let mut board = card.into_platform();
    let bank = &mut board.flash.cells[..BANK_LEN];
    // whole words, of which the last octets may be erased ones
    let end = (bank.iter().rposition(|octet| *octet != 0xFF).unwrap() + 1).next_multiple_of(4);
    bank.copy_within(end - 2 * RECORD_LEN..end - RECORD_LEN, end);
    assert_eq!(bank[end], 1, "the slot of PIN1");
    assert_eq!(Card::new(board).unwrap_err(), Fault::Corrupt);
}

/// The bank in use is known by its other end, too.
#[test]
fn lost_mark_is_no_blank_card() {
    let mut board = card().into_platform();
    board.flash.cells[..32].fill(0xFF);
    assert_eq!(Card::new(board).unwrap_err(), Fault::Corrupt);
}

/// Whatever is in the flash, the card opens or says why not.
#[test]
fn noise_is_no_card() {
    use rand_core::TryRng as _;
    for round in 0..200 {
        let mut board = Board::<4>::blank(crate::FEW_PAGES);
        let mut cells = vec![0xFF; board.flash.cells.len()];
        for _ in 0..=round {
            board.rng.try_fill_bytes(&mut cells[..40 * (round + 1)]).unwrap();
        }
        board.flash = Flash::of(cells);
        if let Ok(card) = Card::new(board) {
            assert!(!card.is_personalised());
        }
    }
}
