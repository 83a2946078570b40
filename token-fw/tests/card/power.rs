//! The power goes off at every step of every operation that writes, and at every step of finishing that afterwards.

use cdoc2_nostd::Curve;
use token_fw::card::{Card, KeyInfo, MAX_POINT_LEN, PERSONAL_DATA_FIELDS, PinError};
use token_proto::{KeyRef, PinRef};

use crate::board::{Board, Tear};
use crate::{FEW_PAGES, card, personalise, pin};

/// Every value that a PIN has here at some time.
const VALUES: [&str; 4] = ["1234", "12345", "12345678", "55555555"];

/// All that shows of a card.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) personalised: bool,
    /// Tries left of each PIN, and its value, which does not show if it is blocked.
    pub(crate) pins: Vec<(u8, Option<&'static str>)>,
    pub(crate) keys: Vec<Option<(KeyInfo, Vec<u8>)>>,
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) personal_data: Vec<Vec<u8>>,
}

impl State {
    /// What shows of the card on `board`, which is left alone.
    pub(crate) fn of(board: &Board) -> Self {
        let mut card = Card::new(board.clone()).unwrap();
        let personalised = card.is_personalised();
        if !personalised {
            return Self { personalised, pins: vec![], keys: vec![], certificates: vec![], personal_data: vec![] };
        }
        let mut key_of = |key| {
            let mut point = [0; MAX_POINT_LEN];
            let info = card.key(key)?;
            let len = card.public_key(key, &mut point).unwrap();
            Some((info, point[..len].to_vec()))
        };
        let keys = KeyRef::ALL.iter().map(|key| key_of(*key)).collect();
        let certificates = KeyRef::ALL.iter().map(|key| card.certificate(*key).unwrap().to_vec()).collect();
        let personal_data = (1..=PERSONAL_DATA_FIELDS).map(|field| card.personal_data(field).unwrap().to_vec()).collect();
        let pins = PinRef::ALL.iter().map(|pin| (card.tries(*pin).unwrap().left, value(board, *pin))).collect();
        Self { personalised, pins, keys, certificates, personal_data }
    }

    /// The same with one try of `pin` less.
    fn tried(&self, pin: PinRef) -> Self {
        let mut tried = self.clone();
        let (left, value) = &mut tried.pins[pin as usize];
        *left -= 1;
        *value = value.filter(|_| *left > 0);
        tried
    }
}

/// The value of `pin`, unless it is blocked.
fn value(board: &Board, pin_ref: PinRef) -> Option<&'static str> {
    VALUES.into_iter().find(|value| Card::new(board.clone()).unwrap().verify(pin_ref, &pin(value)).is_ok())
}

/// An operation; whether it was carried out, as far as the card says.
type Operation = fn(&mut Card<Board>) -> bool;

/// States that may be found between the one before an operation and the one after it.
type Between = fn(&State) -> Vec<State>;

const NONE: Between = |_| Vec::new();

/// Carries `operation` out on the card of `base`.
fn carried_out(base: &Board, operation: Operation) -> Board {
    let mut card = Card::new(base.clone()).unwrap();
    assert!(operation(&mut card));
    card.into_platform()
}

/// Cuts `operation` on the card of `base` at every step, and checks what is there afterwards.
fn cut_everywhere(base: &Board, operation: Operation, between: Between) {
    let before = State::of(base);
    let done = carried_out(base, operation);
    let after = State::of(&done);
    let steps = done.flash.steps - base.flash.steps;
    assert!(steps > 0 && before != after);

    let mut allowed = between(&before);
    allowed.extend([before, after.clone()]);
    for tear in Tear::ALL {
        for step in 0..steps {
            let mut board = base.clone();
            board.flash.cut_after(step, tear);
            let mut card = Card::new(board).unwrap();
            let acknowledged = operation(&mut card);
            let mut board = card.into_platform();
            assert!(board.flash.restore());
            let state = State::of(&board);
            assert!(allowed.contains(&state), "{tear:?} in step {step}: {state:?}");
            assert!(!acknowledged || state == after, "{tear:?} in step {step}: acknowledged and lost");
            cut_opening(&board, &state, tear);
            goes_on(board);
        }
    }
}

/// Cuts the opening of `board`, in `state`, at every step.
fn cut_opening(board: &Board, state: &State, tear: Tear) {
    for step in 0.. {
        let mut board = board.clone();
        board.flash.cut_after(step, tear);
        let opened = Card::new(&mut board).is_ok();
        if !board.flash.restore() {
            assert!(opened);
            return;
        }
        assert_eq!(State::of(&board), *state, "{tear:?} in step {step} of opening");
    }
}

/// Whether the card on `board` can be written as if nothing had happened.
fn goes_on(board: Board) {
    let mut card = Card::new(board).unwrap();
    if !card.is_personalised() {
        personalise(&mut card).unwrap();
    }
    for round in 0..12 {
        card.put_certificate(KeyRef::Cdoc2, &[round; 900]).unwrap();
    }
    let mut card = crate::reopen(card);
    assert_eq!(card.certificate(KeyRef::Cdoc2).unwrap(), [11; 900]);
}

/// A card with two tries of each PIN, certificates of two keys, and `fill` records more in its log.
fn used(fill: usize) -> Board {
    let mut card = card();
    for pin_ref in PinRef::ALL {
        card.verify(pin_ref, &pin("99999999")).unwrap_err();
    }
    card.put_certificate(KeyRef::Authentication, &[0xA1; 500]).unwrap();
    for _ in 0..=fill {
        card.put_certificate(KeyRef::Cdoc2, &[0x83; 100]).unwrap();
    }
    card.into_platform()
}

/// A card with room in its log for `operation`, and one where it opens the other bank.
fn roomy_and_full(operation: Operation) -> [Board; 2] {
    let opens = |base: &Board| carried_out(base, operation).flash.erasings > base.flash.erasings;
    let roomy = used(0);
    assert!(!opens(&roomy));
    [roomy, (1..80).map(used).find(opens).unwrap()]
}

/// Cuts `operation` with room in the log and without.
fn cut(operation: Operation, between: Between) {
    for base in roomy_and_full(operation) {
        cut_everywhere(&base, operation, between);
    }
}

#[test]
fn personalisation() {
    cut_everywhere(&Board::blank(FEW_PAGES), |card| personalise(card).is_ok(), NONE);
}

#[test]
fn personalisation_after_factory_reset() {
    let mut card = card();
    card.factory_reset().unwrap();
    cut_everywhere(&card.into_platform(), |card| personalise(card).is_ok(), NONE);
}

#[test]
fn factory_reset() {
    cut_everywhere(&used(3), |card| card.factory_reset().is_ok(), NONE);
}

#[test]
fn right_pin() {
    cut(|card| card.verify(PinRef::Pin1, &pin("1234")).is_ok(), |before| vec![before.tried(PinRef::Pin1)]);
}

#[test]
fn wrong_pin() {
    cut(|card| matches!(card.verify(PinRef::Pin2, &pin("1234")), Err(PinError::Wrong { left: 1 })), NONE);
}

#[test]
fn change() {
    cut(|card| card.change(PinRef::Puk, &pin("12345678"), &pin("55555555")).is_ok(), |before| vec![before.tried(PinRef::Puk)]);
}

#[test]
fn unblocking() {
    cut(
        |card| {
            let Ok(puk) = card.verify(PinRef::Puk, &pin("12345678")) else { return false };
            card.unblock(&puk, PinRef::Pin2, &pin("55555555")).is_ok()
        },
        |before| {
            let mut verified = before.clone();
            verified.pins[PinRef::Puk as usize].0 = 3;
            vec![before.tried(PinRef::Puk), verified]
        },
    );
}

#[test]
fn generation_of_a_key() {
    cut(|card| card.generate_key(KeyRef::Authentication, Curve::Secp384r1, true).is_ok(), NONE);
}

#[test]
fn certificate() {
    cut(|card| card.put_certificate(KeyRef::Authentication, &[0x30; 700]).is_ok(), NONE);
}

/// Where a cut uses no try, nothing that the card wrote before depends on the PIN: it was not compared.
#[test]
fn no_try_no_difference() {
    for base in roomy_and_full(|card| card.verify(PinRef::Pin1, &pin("1234")).is_ok()) {
        // the card's answer and the flash; nothing if the power did not go off
        let cut_verify = |digits: &str, step, tear| {
            let mut board = base.clone();
            board.flash.cut_after(step, tear);
            let mut card = Card::new(board).unwrap();
            let answer = card.verify(PinRef::Pin1, &pin(digits)).map(drop);
            let mut board = card.into_platform();
            board.flash.restore().then_some((answer, board))
        };
        for tear in Tear::ALL {
            for step in 0.. {
                let Some((wrong, after_wrong)) = cut_verify("99999999", step, tear) else { break };
                if Card::new(after_wrong.clone()).unwrap().tries(PinRef::Pin1).unwrap().left == 2 {
                    let (right, after_right) = cut_verify("1234", step, tear).unwrap();
                    assert_eq!(wrong, right);
                    assert!(after_wrong.flash.cells == after_right.flash.cells, "{tear:?} in step {step}");
                }
            }
        }
    }
}
