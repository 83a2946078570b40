//! What a host may see of a card's PINs and keys: bounds that hold whatever was sent, and nothing about what else a command answers.

use token_proto::{Command, MAX_DATA_LEN, PinRef, Profile, aid};

use crate::SEALED;
use crate::client::{ADMINISTRATOR_KEY, hmac};

/// Tries left, in the order of [`PinRef::ALL`].
pub(crate) type Tries = [u8; 3];

const PIN1: usize = 0;
const PIN2: usize = 1;
const PUK: usize = 2;
const MOST_TRIES: u8 = 3;

/// What came of a command.
pub(crate) struct Exchange<'a> {
    /// The response; nothing if the power went before it came.
    pub(crate) response: &'a [u8],
    /// The card has asked for a touch.
    pub(crate) waited: bool,
    /// The CDOC2 key wanted a touch before.
    pub(crate) wants_touch: bool,
    /// The tries after it.
    pub(crate) tries: Option<Tries>,
}

/// The card's rules. It may forget later than the card does what a PIN allows, and never earlier.
pub(crate) struct Model {
    profile: Profile,
    digits: [Vec<u8>; 3],
    tries: Option<Tries>,
    verified: [bool; 3],
    administrator: bool,
    /// The CDOC2 application is selected.
    in_cdoc2: bool,
    /// The key's reference in the last environment.
    environment: Option<u8>,
    challenge: Vec<u8>,
}

impl Model {
    pub(crate) fn new(profile: Profile, digits: [&str; 3], tries: Option<Tries>) -> Self {
        Self {
            profile,
            digits: digits.map(|digits| digits.as_bytes().to_vec()),
            tries,
            verified: [false; 3],
            administrator: false,
            in_cdoc2: false,
            environment: None,
            challenge: vec![],
        }
    }

    pub(crate) fn tries(&self) -> Option<Tries> {
        self.tries
    }

    /// Whether a private key may be used or made now.
    pub(crate) fn allows_key_use(&self) -> bool {
        self.verified[PIN1] || self.verified[PIN2] || self.administrator
    }

    pub(crate) fn reset(&mut self) {
        self.forget();
        self.in_cdoc2 = false;
    }

    fn forget(&mut self) {
        self.verified = [false; 3];
        self.administrator = false;
        self.environment = None;
    }

    /// Looks whether the card may answer this.
    pub(crate) fn judge(&mut self, octets: &[u8], exchange: &Exchange<'_>) {
        let sw = match exchange.response {
            [] if exchange.waited => 0x9000,
            response => {
                assert!((2..=2050).contains(&response.len()), "{} octets", response.len());
                let [high, low] = response[response.len() - 2..] else { unreachable!() };
                assert!(matches!(high, 0x61..=0x6F | 0x90));
                u16::from_be_bytes([high, low])
            }
        };
        let Ok(command) = Command::parse(octets) else {
            assert_eq!((sw, exchange.tries), (0x6700, self.tries));
            return;
        };
        let done = sw == 0x9000 || sw >> 8 == 0x61 || exchange.waited;
        self.judge_tries(&command, done, exchange.tries);
        match command.cla {
            0x00 => self.judge_shared(&command, sw, done, exchange),
            0x80 | 0x90 if done => self.judge_cdoc2(&command, exchange),
            _ => {}
        }
    }

    /// A try goes for a PIN that was compared and comes back for the right one only.
    fn judge_tries(&mut self, command: &Command<'_>, done: bool, tries: Option<Tries>) {
        let before = std::mem::replace(&mut self.tries, tries);
        let (Some(before), Some(after)) = (before, tries) else {
            let ended = done && (command.cla, command.ins) == (0x80, 0x1E);
            return assert!(before == tries || ended, "blank, or not, of itself");
        };
        for pin in [PIN1, PIN2, PUK] {
            let named = self.pin(command.p2) == Some(pin);
            // the PIN that is compared, and what with
            let compared = match (command.ins, command.data.as_chunks::<12>()) {
                (0x20, ([block], [])) if named => Some(block),
                (0x24, ([old, _], [])) if named => Some(old),
                (0x2C, ([puk, _], [])) if pin == PUK => Some(puk),
                _ => None,
            };
            let compared = compared.filter(|_| command.cla == 0x00);
            let right = compared.is_some_and(|block| self.is_right(pin, block));
            let unblocked = done && (command.cla, command.ins) == (0x00, 0x2C) && named;
            if after[pin] > before[pin] {
                assert!(right && before[pin] > 0 || unblocked, "a try comes back");
                assert_eq!(after[pin], MOST_TRIES);
            }
            if after[pin] < before[pin] {
                assert!(compared.is_some() && !right, "a try goes");
                assert_eq!(after[pin] + 1, before[pin]);
            }
            if done && compared.is_some() {
                assert!(right && before[pin] > 0, "a wrong or blocked PIN passes");
            }
        }
    }

    fn judge_shared(&mut self, command: &Command<'_>, sw: u16, done: bool, exchange: &Exchange<'_>) {
        let pin = self.pin(command.p2);
        match (command.ins, command.p1, command.p2, command.data) {
            (0xA4, 0x04, _, name) if done => {
                let to_cdoc2 = aid::CDOC2.starts_with(name);
                let anew = self.profile == Profile::Esteid2018V1 && aid::ESTEID_MAIN.starts_with(name);
                if to_cdoc2 || self.in_cdoc2 || anew {
                    self.forget();
                }
                self.in_cdoc2 = to_cdoc2;
            }
            // files are the ID-card's, even those that are not there
            (0xA4, 0x00..=0x03 | 0x05.., _, path) if self.in_cdoc2 && self.tries.is_some() && path.len() <= MAX_DATA_LEN => {
                self.reset();
            }
            (0x20, _, _, []) if done => assert!(pin.is_some_and(|pin| self.verified[pin]), "verified of itself"),
            (0x20, _, _, block) if block.len() == 12 => match (pin, sw) {
                (Some(pin), 0x9000) => self.verified[pin] = true,
                (Some(pin), 0x63C0..=0x63CF | 0x6983) => self.verified[pin] = false,
                _ => assert!(!done),
            },
            (0x24, _, _, blocks) => match (pin, sw) {
                (Some(pin), 0x9000) => self.digits[pin] = digits(&blocks[12..]),
                (Some(pin), 0x63C0..=0x63CF | 0x6983) => self.verified[pin] = false,
                _ => assert!(!done),
            },
            (0x2C, _, _, blocks) if done => {
                let pin = pin.filter(|pin| *pin != PUK).expect("unblocks a PIN");
                assert!(blocks.len() == 24 || self.verified[PUK], "unblocks without the PUK");
                self.digits[pin] = digits(&blocks[blocks.len() - 12..]);
            }
            (0x22, _, _, template) if done => self.environment = template.last().copied(),
            (0x2A, 0x90, 0xA0, _) => {}
            (0x2A, 0x9E, 0x9A, _) if done => {
                let key_pin = match (self.profile, self.environment) {
                    (Profile::Esteid2025, Some(0x01)) => PIN1,
                    (Profile::Esteid2018V1, Some(0x9F)) | (Profile::Esteid2025, Some(0x05)) => PIN2,
                    other => panic!("signs in {other:?}"),
                };
                assert!(self.verified[key_pin], "signs without the PIN");
                // PIN2 is good for one signature
                self.verified[PIN2] &= key_pin != PIN2;
            }
            (0x2A | 0x88, ..) if done => assert!(self.verified[PIN1], "a key is used without PIN1"),
            (0x47, ..) if done => assert!(self.administrator, "a key is made without the administrator"),
            (0x84, ..) if done => self.challenge = exchange.response[..exchange.response.len() - 2].to_vec(),
            (0x82, _, _, answer) => {
                self.administrator = done;
                let challenge = std::mem::take(&mut self.challenge);
                assert!(!done || challenge.len() == 32 && answer == hmac(&ADMINISTRATOR_KEY, &challenge));
            }
            _ => {}
        }
    }

    /// A command of the CDOC2 application that was carried out.
    fn judge_cdoc2(&mut self, command: &Command<'_>, exchange: &Exchange<'_>) {
        match (command.cla, command.ins) {
            (_, 0x2A) => {
                assert!(self.verified[PIN1], "decapsulates without PIN1");
                let response = exchange.response;
                if command.cla == 0x80 {
                    assert!(command.p2 != 0x83 || !exchange.wants_touch || exchange.waited, "decapsulates without a touch");
                    // whatever the pieces were, their MAC was right
                    if let ([cek @ .., 0x90, 0x00], 34) = (response, response.len()) {
                        assert_eq!(cek, SEALED.cek);
                    }
                } else {
                    assert_eq!(response, [0x90, 0x00]);
                }
            }
            (_, 0x16) => assert!(self.administrator, "keeps a certificate without the administrator"),
            (0x80, 0x1E) => {
                assert!(self.administrator, "goes blank without the administrator");
                assert_eq!(exchange.tries, None);
                // blank, it looks like one of 2018
                self.profile = Profile::Esteid2018V1;
                self.forget();
            }
            _ => {}
        }
    }

    /// How PINs are named and padded: in the CDOC2 application as in 2018, on every card.
    fn names(&self) -> Profile {
        if self.in_cdoc2 { Profile::Esteid2018V1 } else { self.profile }
    }

    fn pin(&self, reference: u8) -> Option<usize> {
        let pin = PinRef::from_reference(self.names(), reference)?;
        PinRef::ALL.into_iter().position(|other| other == pin)
    }

    fn is_right(&self, pin: usize, block: &[u8; 12]) -> bool {
        let padding = if self.names() == Profile::Esteid2025 { 0x00 } else { 0xFF };
        digits(block) == self.digits[pin] && block[self.digits[pin].len()..].iter().all(|octet| *octet == padding)
    }
}

/// A block without its padding.
fn digits(block: &[u8]) -> Vec<u8> {
    let padding = block.last().copied().filter(|octet| matches!(octet, 0x00 | 0xFF));
    let len = block.iter().rposition(|octet| Some(*octet) != padding).map_or(0, |last| last + 1);
    block[..len].to_vec()
}
