//! Sequences of commands against a model of PINs and session, and octets of any kind.

use cdoc2_nostd::Curve;
use proptest::prelude::*;
use token_proto::{PinRef, Profile};

use crate::cdoc2::{self, decapsulate_command};
use crate::client::{AUTHENTICATION_SCALAR, Answer, Client, PIN1, PIN2, PUK, block, octets, peer, personalised, point, with_data};
use crate::common::Board;
use crate::sealed::Sealed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Mf,
    Authentication,
    Signature,
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
    Query(usize),
    Change(usize, &'static str, &'static str),
    Reset(usize, &'static str),
    GetTries(usize),
    SetEnvironment(Key),
    Use(Key),
    Decapsulate,
    Power { warm: bool },
    Junk(Vec<u8>),
}

/// Each can be one of the PINs; not each may.
pub(crate) const DIGITS: [&str; 5] = [PIN1, PIN2, PUK, "87654321", "123"];
const REFERENCES: [u8; 3] = [0x01, 0x85, 0x02];
/// Digits that each PIN has at least.
pub(crate) const LEAST: [usize; 3] = [4, 5, 8];
pub(crate) const PIN2_INDEX: usize = 1;
pub(crate) const PUK_INDEX: usize = 2;

const MAIN: &str = "00A4040C 10 A000000077010800070000FE00000100";
const AWP: &str = "00A4040C 0D E828BD080FF2504F5420415750";
const QSCD: &str = "00A4040C 10 51534344204170706C69636174696F6E";
const MF: &str = "00A4000C";
const CHILD_ADF1: &str = "00A4010C 02 ADF1";
const PATH_ADF2: &str = "00A4090C 04 3F00ADF2";
const ABSENT: &str = "00A4040C 05 A000000099";

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pin = || 0..3_usize;
    let digits = || prop::sample::select(&DIGITS[..]);
    let key = || prop::sample::select(vec![Key::Authenticate, Key::Sign, Key::Agree]);
    let step = prop_oneof![
        4 => prop::sample::select(vec![MAIN, AWP, AWP, QSCD, QSCD, MF, CHILD_ADF1, PATH_ADF2, ABSENT, cdoc2::SELECT])
            .prop_map(Step::Select),
        3 => (pin(), digits()).prop_map(|(pin, digits)| Step::Verify(pin, digits)),
        3 => pin().prop_map(|pin| Step::Verify(pin, DIGITS[pin])),
        1 => pin().prop_map(Step::Query),
        2 => (pin(), digits(), digits()).prop_map(|(pin, old, new)| Step::Change(pin, old, new)),
        2 => (pin(), digits()).prop_map(|(pin, new)| Step::Reset(pin, new)),
        1 => pin().prop_map(Step::GetTries),
        3 => key().prop_map(Step::SetEnvironment),
        3 => key().prop_map(Step::Use),
        1 => Just(Step::Decapsulate),
        1 => any::<bool>().prop_map(|warm| Step::Power { warm }),
        1 => prop::collection::vec(any::<u8>(), 0..4).prop_map(Step::Junk),
    ];
    // what a host does for one use of a key, cut short or not
    let session = (key(), 1..=6_usize).prop_map(|(key, len)| {
        let (select, pin) = if key == Key::Sign { (QSCD, PIN2_INDEX) } else { (AWP, 0) };
        let mut steps = vec![
            Step::Select(select),
            Step::SetEnvironment(key),
            Step::Verify(pin, DIGITS[pin]),
            Step::Use(key),
            Step::Use(key),
            Step::Query(pin),
        ];
        steps.truncate(len);
        steps
    });
    let steps = prop_oneof![6 => step.prop_map(|step| vec![step]), 1 => session];
    prop::collection::vec(steps, 1..40).prop_map(|steps| steps.concat())
}

/// What the card must be, told in other words than the firmware's.
struct Model {
    digits: [&'static str; 3],
    tries: [u16; 3],
    verified: [bool; 3],
    place: Place,
    environment: Option<Key>,
}

impl Model {
    fn new() -> Self {
        Self { digits: [PIN1, PIN2, PUK], tries: [3; 3], verified: [false; 3], place: Place::Mf, environment: None }
    }

    fn forget(&mut self, place: Place) {
        self.verified = [false; 3];
        self.environment = None;
        self.place = place;
    }

    fn knows(&self, pin: usize) -> bool {
        pin != PIN2_INDEX || self.place == Place::Signature
    }

    /// Carries out a step and answers its status word; none for what has no response.
    fn step(&mut self, step: &Step) -> Option<u16> {
        Some(match *step {
            Step::Select(ABSENT) => 0x6A82,
            Step::Select(MAIN) => {
                self.forget(Place::Mf);
                0x9000
            }
            Step::Select(cdoc2::SELECT) => {
                self.forget(Place::Cdoc2);
                0x9000
            }
            Step::Select(target) => {
                if self.place == Place::Cdoc2 {
                    self.forget(Place::Mf);
                }
                let (place, found) = match target {
                    MF => (Place::Mf, true),
                    AWP => (Place::Authentication, true),
                    CHILD_ADF1 => (Place::Authentication, self.place == Place::Mf),
                    _ => (Place::Signature, true),
                };
                if found {
                    self.place = place;
                }
                if found { 0x9000 } else { 0x6A82 }
            }
            Step::Verify(pin, digits) if self.knows(pin) => {
                self.verified[pin] = false;
                let sw = self.compare(pin, digits);
                self.verified[pin] = sw == 0x9000;
                sw
            }
            Step::Query(pin) if self.knows(pin) => {
                if self.verified[pin] {
                    0x9000
                } else {
                    0x63C0 + self.tries[pin]
                }
            }
            Step::Change(pin, old, new) if self.knows(pin) => {
                if new.len() < LEAST[pin] {
                    return Some(0x6A80);
                }
                let sw = self.compare(pin, old);
                if sw == 0x9000 {
                    self.digits[pin] = new;
                } else {
                    self.verified[pin] = false;
                }
                sw
            }
            Step::Reset(pin, new) if self.knows(pin) && pin != PUK_INDEX => {
                if !self.verified[PUK_INDEX] {
                    0x6982
                } else if new.len() < LEAST[pin] {
                    0x6A80
                } else {
                    (self.digits[pin], self.tries[pin]) = (new, 3);
                    0x9000
                }
            }
            Step::GetTries(_) | Step::SetEnvironment(_) | Step::Use(Key::Authenticate) if self.place == Place::Cdoc2 => 0x6D00,
            Step::Use(_) if self.place == Place::Cdoc2 => 0x6E00,
            Step::GetTries(pin) if self.knows(pin) => 0x9000,
            Step::Verify(..) | Step::Query(_) | Step::Change(..) | Step::Reset(..) | Step::GetTries(_) => 0x6A88,
            Step::SetEnvironment(key) => {
                self.environment = Some(key);
                0x9000
            }
            Step::Use(key) => {
                let (place, pin) = match key {
                    Key::Authenticate | Key::Agree => (Place::Authentication, 0),
                    Key::Sign => (Place::Signature, PIN2_INDEX),
                };
                if self.place != place || self.environment != Some(key) {
                    0x6985
                } else if self.verified[pin] {
                    self.verified[PIN2_INDEX] &= key != Key::Sign;
                    0x9000
                } else {
                    0x6982
                }
            }
            Step::Decapsulate if self.place != Place::Cdoc2 => 0x6E00,
            Step::Decapsulate => {
                if self.verified[0] {
                    0x9000
                } else {
                    0x6982
                }
            }
            Step::Power { .. } => {
                self.forget(Place::Mf);
                return None;
            }
            Step::Junk(_) => 0x6700,
        })
    }

    fn compare(&mut self, pin: usize, digits: &str) -> u16 {
        if self.tries[pin] == 0 {
            return 0x6983;
        }
        if digits == self.digits[pin] {
            self.tries[pin] = 3;
            return 0x9000;
        }
        self.tries[pin] -= 1;
        0x63C0 + self.tries[pin]
    }
}

/// Sends what a step says; none for what has no response.
fn carry_out(client: &mut Client, step: &Step, sealed: &Sealed) -> Option<Answer> {
    let pin = |instruction: &str, pin: usize| format!("{instruction} {:02X}", REFERENCES[pin]);
    Some(match step {
        Step::Select(command) => client.hex(command),
        Step::Verify(reference, digits) => client.command(&pin("002000", *reference), &block(digits)),
        Step::Query(reference) => client.command(&pin("002000", *reference), &[]),
        Step::Change(reference, old, new) => client.command(&pin("002400", *reference), &[block(old), block(new)].concat()),
        Step::Reset(reference, new) => client.command(&pin("002C02", *reference), &block(new)),
        Step::GetTries(reference) => client.hex(&format!("00CB3FFF 0A 4D087006BF81{:02X}02A080 00", REFERENCES[*reference] & 0x0F)),
        Step::SetEnvironment(Key::Authenticate) => client.hex("002241A4 06 800104 840181"),
        Step::SetEnvironment(Key::Sign) => client.hex("002241B6 06 800154 84019F"),
        Step::SetEnvironment(Key::Agree) => client.hex("002241B8 06 80010B 840181"),
        Step::Use(Key::Authenticate) => client.exchange("00880000", &[0x77; 48]),
        Step::Use(Key::Sign) => client.exchange("002A9E9A", &[0x77; 48]),
        Step::Use(Key::Agree) => client.exchange("002A8086", &[&[0][..], &peer().1].concat()),
        Step::Decapsulate => client.send(&decapsulate_command(0x80, 0x81, &sealed.data(), Some(0x20))),
        Step::Power { warm } => {
            if *warm {
                client.warm_reset();
            } else {
                client.reset();
            }
            return None;
        }
        Step::Junk(octets) => client.send(octets),
    })
}

fn board() -> Board {
    personalised(Profile::Esteid2018V1, Some((Curve::Secp256r1, true)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn card_is_what_the_model_is(steps in steps()) {
        let mut client = Client::of(board());
        let mut model = Model::new();
        let sealed = Sealed::new(Curve::Secp384r1, &point(&AUTHENTICATION_SCALAR), b"a header");
        for step in &steps {
            let expected = model.step(step);
            let answer = carry_out(&mut client, step, &sealed);
            prop_assert_eq!(answer.as_ref().map(|answer| answer.sw), expected, "{:?}", step);
            if let (Step::Use(_) | Step::Decapsulate, Some(answer)) = (step, answer) {
                prop_assert_eq!(!answer.data.is_empty(), answer.sw == 0x9000);
            }
            for (pin, tries) in PinRef::ALL.into_iter().zip(model.tries) {
                prop_assert_eq!(u16::from(client.card().tries(pin).unwrap().left), tries);
            }
        }
    }

    /// Cut anywhere, in any number of commands.
    #[test]
    fn decapsulation_takes_any_pieces(header in prop::collection::vec(any::<u8>(), 0..600), mut cuts in prop::collection::vec(0..900_usize, 0..12)) {
        let mut client = Client::of(board());
        client.hex(cdoc2::SELECT).ok();
        prop_assert_eq!(client.verify(0x01, PIN1), 0x9000);
        let sealed = Sealed::new(Curve::Secp384r1, &point(&AUTHENTICATION_SCALAR), &header);
        let data = sealed.data();
        cuts.retain(|cut| *cut <= data.len());
        cuts.sort_unstable();
        let mut from = 0;
        for cut in cuts {
            let answer = client.send(&decapsulate_command(0x90, 0x81, &data[from..cut], None));
            prop_assert_eq!(answer, Answer { data: vec![], sw: 0x9000 });
            from = cut;
        }
        let answer = client.send(&decapsulate_command(0x80, 0x81, &data[from..], Some(0x20)));
        prop_assert_eq!(answer.ok(), sealed.cek);
    }

    /// Whatever comes, there is a response, and no PIN loses more than a try for each PIN that was sent.
    #[test]
    fn anything_has_a_response(commands in prop::collection::vec(command(), 1..30)) {
        let mut client = Client::of(board());
        client.hex(cdoc2::SELECT).ok();
        client.verify(0x01, PIN1);
        cdoc2::authenticate(&mut client);
        for command in &commands {
            let response = client.send_patiently(command);
            prop_assert!((2..=2050).contains(&response.len()));
            prop_assert!(matches!(response[response.len() - 2], 0x61..=0x6F | 0x90));
        }
    }
}

/// Octets that are often almost a command.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let instruction = prop::sample::select(octets("10 12 14 16 1E 20 22 24 2A 2C 47 82 84 88 A4 B0 C0 CB FF"));
    let header = (
        prop::sample::select(octets("00 00 80 80 10 90 0C FF")),
        instruction,
        prop::sample::select(octets("00 00 00 02 04 3F 41 80 9E 90 09")),
        prop::sample::select(octets("00 01 02 0C 04 81 83 85 86 9A 9F A0 A4 B6 B8 FF")),
    );
    let body = prop_oneof![
        Just(vec![]),
        any::<u8>().prop_map(|le| vec![le]),
        prop::collection::vec(any::<u8>(), 1..200).prop_map(|data| with_data("00000000", &data)[4..].to_vec()),
        prop::collection::vec(any::<u8>(), 1..2100).prop_map(|data| with_data("00000000", &data)[4..].to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop_oneof![
        9 => (header, body).prop_map(|((cla, ins, p1, p2), body)| [&[cla, ins, p1, p2][..], &body].concat()),
        1 => prop::collection::vec(any::<u8>(), 0..2200),
    ]
}
