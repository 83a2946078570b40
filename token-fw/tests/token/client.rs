//! The client, and the cards that it meets.

use cdoc2_nostd::Curve;
use hmac::{Hmac, KeyInit as _, Mac as _};
use p384::elliptic_curve::sec1::ToSec1Point as _;
use p384::{PublicKey, SecretKey};
use sha2::Sha256;
use token_fw::card::{Card, KeySource, Personalisation};
use token_fw::{Icc as _, Instant, Progress, Token};
use token_proto::{KeyRef, MAX_RESPONSE_LEN, PinBlock, Profile};

use crate::common::{Board, Wire};

/// Private keys of every card here.
pub(crate) const AUTHENTICATION_SCALAR: [u8; 48] = [0x42; 48];
pub(crate) const SIGNATURE_SCALAR: [u8; 48] = [0x43; 48];
pub(crate) const ADMINISTRATOR_KEY: [u8; 32] = [0xAD; 32];

pub(crate) const PIN1: &str = "1234";
pub(crate) const PIN2: &str = "12345";
pub(crate) const PUK: &str = "12345678";

/// Certificates of the cards. Files are files: what is in these matters to nobody here.
pub(crate) fn certificate(key: KeyRef) -> Vec<u8> {
    let len: u16 = if key == KeyRef::Signature { 1402 } else { 1303 };
    let mut der = vec![0x30, 0x82];
    der.extend(len.to_be_bytes());
    der.extend((0..len).map(|at| (at % 251) as u8 ^ key.reference()));
    der
}

pub(crate) const PERSONAL_DATA: [&str; 9] =
    ["JÕEORG", "JAAK-KRISTJAN", "M", "EST", "08 01 1980 EST", "38001085718", "AS0000001", "15 10 2027", ""];

/// A status word with the data before it.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(crate) struct Answer {
    pub(crate) data: Vec<u8>,
    pub(crate) sw: u16,
}

/// A host with a token in its reader.
pub(crate) struct Client {
    token: Token<Board>,
    pub(crate) button: Wire,
    pub(crate) led: Wire,
    now_ms: u64,
}

impl Client {
    pub(crate) fn blank() -> Self {
        Self::of(Board::blank(7))
    }

    /// A host with the token that is on `board`.
    pub(crate) fn of(board: Board) -> Self {
        let (button, led) = (board.button.clone(), board.led.clone());
        let mut client = Self { token: Token::new(Card::new(board).unwrap()), button, led, now_ms: 1_000_000 };
        client.reset();
        client
    }

    /// A card of `profile`, with a CDOC2 key of this curve that wants a touch or not.
    pub(crate) fn with(profile: Profile, cdoc2: Option<(Curve, bool)>) -> Self {
        Self::of(personalised(profile, cdoc2))
    }

    pub(crate) fn esteid2018() -> Self {
        Self::with(Profile::Esteid2018V1, None)
    }

    /// Takes the power away, gives it back, and answers the octets of the answer to reset.
    pub(crate) fn reset(&mut self) -> Vec<u8> {
        self.token.power_off();
        self.token.power_on().octets().to_vec()
    }

    pub(crate) fn warm_reset(&mut self) -> Vec<u8> {
        self.token.power_on().octets().to_vec()
    }

    /// The token's card as another token has it: what persists, and nothing else.
    pub(crate) fn card(&mut self) -> &mut Card<Board> {
        self.token.card()
    }

    pub(crate) fn send(&mut self, command: &[u8]) -> Answer {
        let mut response = heapless::Vec::<u8, MAX_RESPONSE_LEN>::new();
        let progress = self.token.command(self.now(), command, &mut response);
        assert_eq!(progress, Progress::Done, "nobody was asked for a touch");
        Answer::of(&response)
    }

    /// Sends anything, waits as long as the card does, and answers the octets of the response.
    pub(crate) fn send_patiently(&mut self, command: &[u8]) -> Vec<u8> {
        let mut response = heapless::Vec::<u8, MAX_RESPONSE_LEN>::new();
        let mut progress = self.token.command(self.now(), command, &mut response);
        while progress == Progress::Waiting {
            self.now_ms += 5000;
            progress = self.token.resume(self.now(), &mut response);
        }
        response.to_vec()
    }

    /// Sends a command that must wait.
    pub(crate) fn send_waiting(&mut self, command: &[u8]) {
        let mut response = heapless::Vec::<u8, MAX_RESPONSE_LEN>::new();
        assert_eq!(self.token.command(self.now(), command, &mut response), Progress::Waiting);
        assert_eq!(response.len(), 0, "nothing leaves before the touch");
    }

    /// Goes on waiting, after `ms` milliseconds.
    pub(crate) fn wait(&mut self, ms: u64) -> Option<Answer> {
        self.now_ms += ms;
        let mut response = heapless::Vec::<u8, MAX_RESPONSE_LEN>::new();
        match self.token.resume(self.now(), &mut response) {
            Progress::Done => Some(Answer::of(&response)),
            Progress::Waiting => {
                assert_eq!(response.len(), 0);
                None
            }
        }
    }

    fn now(&self) -> Instant {
        Instant::from_ms(self.now_ms)
    }

    /// Sends the octets that `text` spells; spaces are for the reader.
    pub(crate) fn hex(&mut self, text: &str) -> Answer {
        self.send(&octets(text))
    }

    /// Sends a header and data with their Lc, and no Le.
    pub(crate) fn command(&mut self, header: &str, data: &[u8]) -> Answer {
        self.send(&with_data(header, data))
    }

    /// Sends a header and data with their Lc, and an Le for all that is there.
    pub(crate) fn exchange(&mut self, header: &str, data: &[u8]) -> Answer {
        let mut command = with_data(header, data);
        command.push(0);
        self.send(&command)
    }

    pub(crate) fn verify(&mut self, reference: u8, digits: &str) -> u16 {
        self.command(&format!("00 20 00 {reference:02X}"), &block(digits)).sw
    }
}

/// A board with a card of `profile`, as [`Client::with`].
pub(crate) fn personalised(profile: Profile, cdoc2: Option<(Curve, bool)>) -> Board {
    let pin = |digits: &str| PinBlock::new(digits.as_bytes()).unwrap();
    let import = |scalar| Some(KeySource::Import { curve: Curve::Secp384r1, scalar, touch: false });
    let mut card = Card::new(Board::blank(7)).unwrap();
    card.personalise(&Personalisation {
        profile,
        pin1: &pin(PIN1),
        pin2: &pin(PIN2),
        puk: &pin(PUK),
        administrator_key: &ADMINISTRATOR_KEY,
        document_number: b"AS0000001",
        personal_data: &PERSONAL_DATA.map(str::as_bytes),
        authentication_key: import(&AUTHENTICATION_SCALAR),
        signature_key: import(&SIGNATURE_SCALAR),
        cdoc2_key: cdoc2.map(|(curve, touch)| KeySource::Generate { curve, touch }),
    })
    .unwrap();
    for key in [KeyRef::Authentication, KeyRef::Signature] {
        card.put_certificate(key, &certificate(key)).unwrap();
    }
    card.into_platform()
}

impl Answer {
    fn of(octets: &[u8]) -> Self {
        let (data, sw) = octets.split_last_chunk().expect("a response has a status word");
        Self { data: data.to_vec(), sw: u16::from_be_bytes(*sw) }
    }

    /// The data of a command that succeeded.
    pub(crate) fn ok(self) -> Vec<u8> {
        assert_eq!(self.sw, 0x9000, "{:04X}", self.sw);
        self.data
    }
}

pub(crate) fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

pub(crate) fn with_data(header: &str, data: &[u8]) -> Vec<u8> {
    let mut command = octets(header);
    assert_eq!(command.len(), 4);
    if data.len() > 255 {
        command.push(0);
        command.extend((data.len() as u16).to_be_bytes());
    } else if !data.is_empty() {
        command.push(data.len() as u8);
    }
    command.extend(data);
    command
}

/// A PIN as the card of 2018 and the CDOC2 application carry it.
pub(crate) fn block(digits: &str) -> Vec<u8> {
    padded(digits, 0xFF)
}

pub(crate) fn padded(digits: &str, padding: u8) -> Vec<u8> {
    let mut block = digits.as_bytes().to_vec();
    block.resize(12, padding);
    block
}

/// A host's key on secp384r1, and its point.
pub(crate) fn peer() -> (SecretKey, Vec<u8>) {
    let secret = SecretKey::from_slice(&[0x11; 48]).unwrap();
    let point = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
    (secret, point)
}

/// The card's point for one of its scalars.
pub(crate) fn point(scalar: &[u8; 48]) -> Vec<u8> {
    SecretKey::from_slice(scalar).unwrap().public_key().to_sec1_point(false).as_bytes().to_vec()
}

/// What the card must answer to the peer's point: the host's side of ECDH.
pub(crate) fn shared_with(scalar: &[u8; 48]) -> Vec<u8> {
    let (secret, _) = peer();
    let card = PublicKey::from_sec1_bytes(&point(scalar)).unwrap();
    p384::ecdh::diffie_hellman(secret.to_nonzero_scalar(), card.as_affine()).raw_secret_bytes().to_vec()
}

pub(crate) fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(message).finalize().into_bytes().to_vec()
}
