//! PINs and tries.

use token_fw::card::{Card, Fault, PinBlock, PinError, Tries};
use token_proto::{PinRef, Profile};

use crate::board::Board;
use crate::{card, pin, reopen};

fn left(card: &mut Card<Board>, pin: PinRef) -> u8 {
    let Tries { left, most } = card.tries(pin).unwrap();
    assert_eq!(most, 3);
    left
}

fn right(pin_ref: PinRef) -> PinBlock {
    pin(match pin_ref {
        PinRef::Pin1 => "1234",
        PinRef::Pin2 => "12345",
        PinRef::Puk => "12345678",
    })
}

#[test]
fn right_pin_gives_proof_and_all_tries() {
    let mut card = card();
    for pin_ref in PinRef::ALL {
        assert_eq!(card.verify(pin_ref, &pin("99999999")), Err(PinError::Wrong { left: 2 }));
        assert_eq!(card.verify(pin_ref, &right(pin_ref)).unwrap().pin(), pin_ref);
        assert_eq!(left(&mut card, pin_ref), 3);
    }
}

#[test]
fn third_wrong_pin_blocks_for_good() {
    let mut card = card();
    for pin_ref in PinRef::ALL {
        for left in [2, 1, 0] {
            assert_eq!(card.verify(pin_ref, &pin("99999999")), Err(PinError::Wrong { left }));
            card = reopen(card);
        }
        assert_eq!(card.verify(pin_ref, &right(pin_ref)), Err(PinError::Blocked));
        assert_eq!(card.change(pin_ref, &right(pin_ref), &pin("87654321")), Err(PinError::Blocked));
        assert_eq!(left(&mut card, pin_ref), 0);
    }
}

#[test]
fn pins_have_their_own_tries_and_values() {
    let mut card = card();
    assert!(card.verify(PinRef::Pin1, &right(PinRef::Pin2)).is_err());
    assert_eq!(PinRef::ALL.map(|pin| left(&mut card, pin)), [2, 3, 3]);
    // even where the digits are the same
    card.change(PinRef::Pin2, &right(PinRef::Pin2), &right(PinRef::Puk)).unwrap();
    card.change(PinRef::Pin2, &right(PinRef::Puk), &pin("11111")).unwrap();
    assert!(card.verify(PinRef::Puk, &right(PinRef::Puk)).is_ok());
}

#[test]
fn changed_pin_is_the_only_right_one() {
    let mut card = card();
    for pin_ref in PinRef::ALL {
        card.change(pin_ref, &right(pin_ref), &pin("987654321012")).unwrap();
        card = reopen(card);
        assert_eq!(card.verify(pin_ref, &right(pin_ref)), Err(PinError::Wrong { left: 2 }));
        assert!(card.verify(pin_ref, &pin("987654321012")).is_ok());
    }
}

#[test]
fn bad_new_pin_uses_no_try_and_wrong_old_one_does() {
    let mut card = card();
    let blocks = [
        (PinRef::Pin1, *b"123\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
        (PinRef::Pin2, *b"1234\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
        (PinRef::Puk, *b"1234567\xFF\xFF\xFF\xFF\xFF"),
        (PinRef::Pin1, *b"1234\xFF5\xFF\xFF\xFF\xFF\xFF\xFF"),
        (PinRef::Pin1, *b"12345678901A"),
        (PinRef::Pin1, *b"1234\0\0\0\0\0\0\0\0"),
        (PinRef::Pin1, [0xFF; 12]),
    ];
    for (pin_ref, block) in blocks {
        let new = PinBlock::from_octets(&block, Profile::Esteid2018V1);
        assert_eq!(card.change(pin_ref, &pin("99999999"), &new), Err(PinError::Invalid));
        assert_eq!(left(&mut card, pin_ref), 3);
    }
    assert_eq!(card.change(PinRef::Pin1, &pin("99999999"), &pin("4321")), Err(PinError::Wrong { left: 2 }));
    assert!(card.verify(PinRef::Pin1, &right(PinRef::Pin1)).is_ok());
}

#[test]
fn puk_unblocks_with_a_new_value() {
    let mut card = card();
    let puk = card.verify(PinRef::Puk, &right(PinRef::Puk)).unwrap();
    for pin_ref in [PinRef::Pin1, PinRef::Pin2] {
        while card.verify(pin_ref, &pin("99999999")) != Err(PinError::Blocked) {}
        assert_eq!(card.unblock(&puk, pin_ref, &pin("1")), Err(PinError::Invalid));
        card.unblock(&puk, pin_ref, &pin("55555")).unwrap();
        card = reopen(card);
        assert_eq!(left(&mut card, pin_ref), 3);
        assert!(card.verify(pin_ref, &right(pin_ref)).is_err());
        assert!(card.verify(pin_ref, &pin("55555")).is_ok());
    }
}

#[test]
fn only_the_puk_unblocks_and_never_itself() {
    let mut card = card();
    let pin1 = card.verify(PinRef::Pin1, &right(PinRef::Pin1)).unwrap();
    let puk = card.verify(PinRef::Puk, &right(PinRef::Puk)).unwrap();
    assert_eq!(card.unblock(&pin1, PinRef::Pin1, &pin("55555")), Err(PinError::NotAllowed));
    assert_eq!(card.unblock(&puk, PinRef::Puk, &pin("55555555")), Err(PinError::NotAllowed));
    assert!(card.verify(PinRef::Puk, &right(PinRef::Puk)).is_ok());
}

#[test]
fn blank_card_has_no_pin() {
    let mut card = Card::new(Board::<4>::blank(crate::FEW_PAGES)).unwrap();
    assert_eq!(card.tries(PinRef::Pin1), Err(Fault::Blank));
    assert_eq!(card.verify(PinRef::Pin1, &pin("1234")), Err(PinError::Fault(Fault::Blank)));
    assert_eq!(card.change(PinRef::Puk, &pin("12345678"), &pin("87654321")), Err(PinError::Fault(Fault::Blank)));
}

#[test]
fn generator_that_fails_lets_nobody_in() {
    let mut card = card();
    card.platform().rng.broken = true;
    assert_eq!(card.verify(PinRef::Pin1, &right(PinRef::Pin1)), Err(PinError::Fault(Fault::Random)));
    card.platform().rng.broken = false;
    assert_eq!(left(&mut card, PinRef::Pin1), 3);
    assert!(card.verify(PinRef::Pin1, &right(PinRef::Pin1)).is_ok());
}
