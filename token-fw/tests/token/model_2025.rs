//! The same for the card of 2025, where PINs and keys are told apart by their references alone, wherever one is.

use cdoc2_nostd::Curve;
use proptest::prelude::*;
use token_proto::{PinRef, Profile};

use crate::cdoc2::{self, decapsulate_command};
use crate::client::{AUTHENTICATION_SCALAR, Answer, Client, PIN1, PIN2, PUK, block, padded, peer, personalised, point};
use crate::model::{DIGITS, LEAST, PIN2_INDEX, PUK_INDEX};
use crate::sealed::Sealed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Esteid,
    Cdoc2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Authenticate,
    Sign,
    Agree,
}

#[derive(Clone, Debug)]
enum Step {
    Select(&'static str),
    Verify(usize, &'static str),
    /// By the reference that the CDOC2 application knows.
    VerifyForCdoc2(&'static str),
    Query(usize),
    Change(usize, &'static str, &'static str),
    /// PIN, PUK, new PIN.
    Reset(usize, &'static str, &'static str),
    GetTries(usize),
    SetEnvironment(Key),
    SetHash,
    Sign,
    Agree,
    InternalAuthenticate,
    Decapsulate,
    Power {
        warm: bool,
    },
}

const REFERENCES: [u8; 3] = [0x81, 0x82, 0x83];

const MAIN: &str = "00A4040C 0C A000000063504B43532D3135";
const MAIN_2018: &str = "00A4040C 10 A000000077010800070000FE00000100";
const CERTIFICATE: &str = "00A40804 06 3F00ADF13411 00";
const ABSENT_FILE: &str = "00A40804 04 3F005015 00";

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pin = || 0..3_usize;
    let digits = || prop::sample::select(&DIGITS[..]);
    let key = || prop::sample::select(vec![Key::Authenticate, Key::Sign, Key::Agree]);
    let step = prop_oneof![
        2 => prop::sample::select(vec![MAIN, MAIN, MAIN_2018, CERTIFICATE, ABSENT_FILE, cdoc2::SELECT]).prop_map(Step::Select),
        3 => (pin(), digits()).prop_map(|(pin, digits)| Step::Verify(pin, digits)),
        3 => pin().prop_map(|pin| Step::Verify(pin, DIGITS[pin])),
        1 => digits().prop_map(Step::VerifyForCdoc2),
        1 => pin().prop_map(Step::Query),
        2 => (pin(), digits(), digits()).prop_map(|(pin, old, new)| Step::Change(pin, old, new)),
        2 => (pin(), digits(), digits()).prop_map(|(pin, puk, new)| Step::Reset(pin, puk, new)),
        2 => (pin(), digits()).prop_map(|(pin, new)| Step::Reset(pin, PUK, new)),
        1 => pin().prop_map(Step::GetTries),
        3 => key().prop_map(Step::SetEnvironment),
        2 => Just(Step::SetHash),
        3 => Just(Step::Sign),
        2 => Just(Step::Agree),
        1 => Just(Step::InternalAuthenticate),
        1 => Just(Step::Decapsulate),
        1 => any::<bool>().prop_map(|warm| Step::Power { warm }),
    ];
    // what a host does for two signatures, cut short or not
    let session = (key(), 1..=8_usize).prop_map(|(key, len)| {
        let pin = if key == Key::Sign { PIN2_INDEX } else { 0 };
        let mut steps = vec![
            Step::Select(MAIN),
            Step::SetEnvironment(key),
            Step::Verify(pin, DIGITS[pin]),
            Step::SetHash,
            Step::Sign,
            Step::SetHash,
            Step::Sign,
            Step::Query(pin),
        ];
        steps.truncate(len);
        steps
    });
    let for_cdoc2 = Just(vec![Step::Select(cdoc2::SELECT), Step::VerifyForCdoc2(PIN1), Step::Decapsulate]);
    let steps = prop_oneof![8 => step.prop_map(|step| vec![step]), 2 => session, 1 => for_cdoc2];
    prop::collection::vec(steps, 1..40).prop_map(|steps| steps.concat())
}

/// What the card must be, told in other words than the firmware's.
struct Model {
    digits: [&'static str; 3],
    tries: [u16; 3],
    verified: [bool; 3],
    place: Place,
    environment: Option<Key>,
    has_hash: bool,
}

impl Model {
    fn new() -> Self {
        let digits = [PIN1, PIN2, PUK];
        Self { digits, tries: [3; 3], verified: [false; 3], place: Place::Esteid, environment: None, has_hash: false }
    }

    fn forget(&mut self, place: Place) {
        *self = Self { digits: self.digits, tries: self.tries, place, ..Self::new() };
    }

    /// Carries out a step and answers its status word; none for what has no response.
    fn step(&mut self, step: &Step) -> Option<u16> {
        Some(match *step {
            Step::Power { .. } => {
                self.forget(Place::Esteid);
                return None;
            }
            Step::Select(MAIN_2018) => 0x6A82,
            Step::Select(MAIN) => self.enter(Place::Esteid),
            Step::Select(cdoc2::SELECT) => self.enter(Place::Cdoc2),
            Step::Select(file) => {
                // Files are the ID-card's: to look for one is to leave the other application.
                if self.place == Place::Cdoc2 {
                    self.forget(Place::Esteid);
                }
                if file == CERTIFICATE { 0x9000 } else { 0x6A82 }
            }
            Step::VerifyForCdoc2(digits) if self.place == Place::Cdoc2 => self.verify(0, digits),
            Step::Decapsulate if self.place == Place::Cdoc2 => self.allowed(self.verified[0]),
            Step::VerifyForCdoc2(_) => 0x6A88,
            Step::Decapsulate => 0x6E00,
            Step::InternalAuthenticate => 0x6D00,
            ref step if self.place == Place::Cdoc2 => match step {
                Step::SetHash | Step::Sign | Step::Agree => 0x6E00,
                Step::GetTries(_) | Step::SetEnvironment(_) => 0x6D00,
                // It is a command there, too, but takes another P1.
                Step::Reset(..) => 0x6A86,
                _ => 0x6A88,
            },
            Step::Verify(pin, digits) => self.verify(pin, digits),
            Step::Query(pin) if self.verified[pin] => 0x9000,
            Step::Query(pin) => 0x63C0 + self.tries[pin],
            Step::GetTries(_) => 0x9000,
            Step::Change(pin, _, new) if new.len() < LEAST[pin] => 0x6A80,
            Step::Change(pin, old, new) => {
                let sw = self.compare(pin, old);
                if sw == 0x9000 {
                    self.digits[pin] = new;
                }
                self.verified[pin] &= sw == 0x9000;
                sw
            }
            Step::Reset(PUK_INDEX, ..) => 0x6A88,
            Step::Reset(pin, puk, new) => match self.compare(PUK_INDEX, puk) {
                0x9000 if new.len() < LEAST[pin] => 0x6A80,
                0x9000 => {
                    (self.digits[pin], self.tries[pin]) = (new, 3);
                    0x9000
                }
                sw => sw,
            },
            Step::SetEnvironment(key) => {
                self.environment = Some(key);
                0x9000
            }
            Step::SetHash => {
                self.has_hash = true;
                0x9000
            }
            Step::Sign => match self.environment {
                Some(Key::Authenticate) if !self.verified[0] => 0x6982,
                Some(Key::Sign) if !std::mem::take(&mut self.verified[PIN2_INDEX]) => 0x6982,
                Some(Key::Authenticate | Key::Sign) if std::mem::take(&mut self.has_hash) => 0x9000,
                _ => 0x6985,
            },
            Step::Agree if self.environment == Some(Key::Agree) => self.allowed(self.verified[0]),
            Step::Agree => 0x6985,
        })
    }

    fn enter(&mut self, place: Place) -> u16 {
        self.forget(place);
        0x9000
    }

    fn allowed(&self, is_verified: bool) -> u16 {
        if is_verified { 0x9000 } else { 0x6982 }
    }

    fn verify(&mut self, pin: usize, digits: &str) -> u16 {
        let sw = self.compare(pin, digits);
        self.verified[pin] = sw == 0x9000;
        sw
    }

    fn compare(&mut self, pin: usize, digits: &str) -> u16 {
        if self.tries[pin] == 0 {
            return 0x6983;
        }
        let is_right = digits == self.digits[pin];
        self.tries[pin] = if is_right { 3 } else { self.tries[pin] - 1 };
        if is_right { 0x9000 } else { 0x63C0 + self.tries[pin] }
    }
}

/// Sends what a step says; none for what has no response.
fn carry_out(client: &mut Client, step: &Step, sealed: &Sealed) -> Option<Answer> {
    let pin = |instruction: &str, pin: usize| format!("{instruction} {:02X}", REFERENCES[pin]);
    let block_2025 = |digits: &str| padded(digits, 0x00);
    Some(match step {
        Step::Select(command) => client.hex(command),
        Step::Verify(reference, digits) => client.command(&pin("002000", *reference), &block_2025(digits)),
        Step::VerifyForCdoc2(digits) => client.command("00200001", &block(digits)),
        Step::Query(reference) => client.command(&pin("002000", *reference), &[]),
        Step::Change(reference, old, new) => {
            client.command(&pin("002400", *reference), &[block_2025(old), block_2025(new)].concat())
        }
        Step::Reset(reference, puk, new) => {
            client.command(&pin("002C00", *reference), &[block_2025(puk), block_2025(new)].concat())
        }
        Step::GetTries(reference) => client.hex(&format!("00CB00FF 05 A0038301{:02X} 00", REFERENCES[*reference])),
        Step::SetEnvironment(Key::Authenticate) => client.hex("002241B6 06 800154 840101"),
        Step::SetEnvironment(Key::Sign) => client.hex("002241B6 06 800154 840105"),
        Step::SetEnvironment(Key::Agree) => client.hex("002241B8 03 840101"),
        Step::SetHash => client.command("002A90A0", &[&[0x90, 48][..], &[0x77; 48]].concat()),
        Step::Sign => client.hex("002A9E9A 00"),
        Step::Agree => client.exchange("002A8086", &[&[0][..], &peer().1].concat()),
        Step::InternalAuthenticate => client.exchange("00880000", &[0x77; 48]),
        Step::Decapsulate => client.send(&decapsulate_command(0x80, 0x81, &sealed.data(), Some(0x20))),
        Step::Power { warm } => {
            if *warm {
                client.warm_reset();
            } else {
                client.reset();
            }
            return None;
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn card_is_what_the_model_is(steps in steps()) {
        let mut client = Client::of(personalised(Profile::Esteid2025, Some((Curve::Secp256r1, true))));
        let mut model = Model::new();
        let sealed = Sealed::new(Curve::Secp384r1, &point(&AUTHENTICATION_SCALAR), b"a header");
        for step in &steps {
            let expected = model.step(step);
            let answer = carry_out(&mut client, step, &sealed);
            prop_assert_eq!(answer.as_ref().map(|answer| answer.sw), expected, "{:?}", step);
            if let (Step::Sign | Step::Agree | Step::Decapsulate, Some(answer)) = (step, answer) {
                prop_assert_eq!(!answer.data.is_empty(), answer.sw == 0x9000);
            }
            for (pin, tries) in PinRef::ALL.into_iter().zip(model.tries) {
                prop_assert_eq!(u16::from(client.card().tries(pin).unwrap().left), tries);
            }
        }
    }
}
