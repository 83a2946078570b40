//! Any sequence of operations, with power cuts, against a model of what a card is.

use cdoc2_nostd::Curve;
use proptest::prelude::*;
use token_fw::card::{Card, PinError};
use token_proto::{KeyRef, PinRef};

use crate::board::{Board, Tear};
use crate::{FEW_PAGES, card, personalise, pin};

/// Values that a PIN may have.
const VALUES: [&str; 4] = ["1234", "12345", "12345678", "55555555"];

#[derive(Clone, Debug)]
enum Step {
    Verify(PinRef, usize),
    Change(PinRef, usize, usize),
    Unblock(usize, PinRef, usize),
    Certificate(KeyRef, usize),
    Generate(KeyRef),
    Reset,
    Personalise,
    Reopen,
}

/// What a card is, as far as the steps change it.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    personalised: bool,
    pins: [(u8, usize); 3],
    certificates: [usize; 3],
}

impl Model {
    const PERSONALISED: Self = Self { personalised: true, pins: [(3, 0), (3, 1), (3, 2)], certificates: [0; 3] };
    const BLANK: Self = Self { personalised: false, ..Self::PERSONALISED };

    /// Every state that `step` goes through, the last one at its end.
    fn steps(&self, step: &Step) -> Vec<Self> {
        let mut states = vec![self.clone()];
        if !self.personalised && !matches!(step, Step::Personalise) {
            return states;
        }
        match *step {
            Step::Verify(pin, value) => drop(Self::compare(&mut states, pin, value)),
            Step::Change(pin, old, new) => {
                if valid(pin, new) && Self::tries(&mut states, pin) && self.pins[pin as usize].1 == old {
                    Self::next(&mut states, |model| model.pins[pin as usize] = (3, new));
                }
            }
            Step::Unblock(puk, pin, new) => {
                if Self::compare(&mut states, PinRef::Puk, puk) && pin != PinRef::Puk && valid(pin, new) {
                    Self::next(&mut states, |model| model.pins[pin as usize] = (3, new));
                }
            }
            Step::Certificate(key, len) => Self::next(&mut states, |model| model.certificates[key as usize] = len),
            Step::Generate(key) => Self::next(&mut states, |model| model.certificates[key as usize] = 0),
            Step::Reset => Self::next(&mut states, |model| *model = Self::BLANK),
            Step::Personalise if !self.personalised => Self::next(&mut states, |model| *model = Self::PERSONALISED),
            Step::Personalise | Step::Reopen => {}
        }
        states
    }

    fn compare(states: &mut Vec<Self>, pin: PinRef, value: usize) -> bool {
        let right = Self::tries(states, pin) && states[0].pins[pin as usize].1 == value;
        if right {
            Self::next(states, |model| model.pins[pin as usize].0 = 3);
        }
        right
    }

    /// Uses a try if there is one.
    fn tries(states: &mut Vec<Self>, pin: PinRef) -> bool {
        let left = states[0].pins[pin as usize].0 > 0;
        if left {
            Self::next(states, |model| model.pins[pin as usize].0 -= 1);
        }
        left
    }

    fn next(states: &mut Vec<Self>, change: impl FnOnce(&mut Self)) {
        let mut next = states.last().unwrap().clone();
        change(&mut next);
        states.push(next);
    }

    /// Whether the card on `board` shows this.
    fn is(&self, board: &Board) -> bool {
        let mut card = Card::new(board.clone()).unwrap();
        if !self.personalised {
            return !card.is_personalised();
        }
        card.is_personalised()
            && PinRef::ALL.iter().all(|pin| card.tries(*pin).unwrap().left == self.pins[*pin as usize].0)
            && KeyRef::ALL.iter().all(|key| {
                let len = self.certificates[*key as usize];
                card.certificate(*key).unwrap() == vec![0x5A; len]
            })
            && PinRef::ALL.iter().all(|pin_ref| {
                let (left, value) = self.pins[*pin_ref as usize];
                left == 0 || card.verify(*pin_ref, &pin(VALUES[value])).is_ok()
            })
    }
}

fn valid(pin_ref: PinRef, value: usize) -> bool {
    pin_ref.digits().contains(&VALUES[value].len())
}

/// Carries `step` out; whether the card says so, a wrong PIN being one that was compared.
fn carry_out(card: &mut Card<Board>, step: &Step) -> bool {
    fn compared<T>(answer: Result<T, PinError>) -> bool {
        !matches!(answer, Err(PinError::Fault(_)))
    }
    let value = |index: usize| pin(VALUES[index]);
    match *step {
        Step::Verify(pin, digits) => compared(card.verify(pin, &value(digits))),
        Step::Change(pin, old, new) => compared(card.change(pin, &value(old), &value(new))),
        Step::Unblock(puk, pin, new) => match card.verify(PinRef::Puk, &value(puk)) {
            Ok(puk) => compared(card.unblock(&puk, pin, &value(new))),
            other => compared(other),
        },
        Step::Certificate(key, len) => card.put_certificate(key, &vec![0x5A; len]).is_ok(),
        Step::Generate(key) => card.generate_key(key, Curve::Secp384r1, false).is_ok(),
        Step::Reset => card.factory_reset().is_ok(),
        Step::Personalise => personalise(card).is_ok(),
        Step::Reopen => true,
    }
}

fn pins() -> impl Strategy<Value = PinRef> {
    prop::sample::select(&PinRef::ALL)
}

fn keys() -> impl Strategy<Value = KeyRef> {
    prop::sample::select(&KeyRef::ALL)
}

fn step() -> impl Strategy<Value = Step> {
    let value = 0..VALUES.len();
    prop_oneof![
        6 => (pins(), value.clone()).prop_map(|(pin, value)| Step::Verify(pin, value)),
        4 => (pins(), value.clone(), value.clone()).prop_map(|(pin, old, new)| Step::Change(pin, old, new)),
        3 => (value.clone(), pins(), value).prop_map(|(puk, pin, new)| Step::Unblock(puk, pin, new)),
        6 => (keys(), 0_usize..=2048).prop_map(|(key, len)| Step::Certificate(key, len)),
        1 => keys().prop_map(Step::Generate),
        1 => Just(Step::Reset),
        2 => Just(Step::Personalise),
        2 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn card_is_its_model(
        steps in prop::collection::vec((step(), prop::option::weighted(0.3, (0_usize..12, prop::sample::select(&Tear::ALL)))), 1..40),
    ) {
        let mut board = card().into_platform();
        let mut model = Model::PERSONALISED;
        prop_assert_eq!(board.flash.cells.len(), FEW_PAGES * crate::board::PAGE_LEN);
        for (step, cut) in steps {
            let mut card = Card::new(board).unwrap();
            if let Some((steps, tear)) = cut {
                card.platform().flash.cut_after(steps, tear);
            }
            let said = carry_out(&mut card, &step);
            board = card.into_platform();
            let was_cut = board.flash.restore();
            let states = model.steps(&step);
            model = if was_cut && !said {
                let found = states.into_iter().find(|state| state.is(&board));
                prop_assert!(found.is_some(), "{:?} cut", step);
                found.unwrap()
            } else {
                states.into_iter().last().unwrap()
            };
            prop_assert!(model.is(&board), "{:?}", step);
        }
    }
}
