//! Making a person's card of a blank one, as its issuer does.

use std::fmt;
use std::time::SystemTime;

use rand_core::TryRng as _;
use token_fw::card::{Card, Curve, DOCUMENT_NUMBER_LEN, Fault, KeyError, KeySource, MAX_POINT_LEN, PinBlock};
use token_proto::{KeyRef, PinRef, Profile, cdoc2};
use x509_cert::time::Time;
use zeroize::Zeroizing;

use crate::ca::Ca;
use crate::certificate::{self, PublicKey, Subject, expiry};
use crate::holder::Holder;
use crate::hw::{Board, Flash, Rng};
use crate::key_file::ImportedKey;
use crate::state::{Fuses, State};

/// Octets that a certificate may have: OpenSC 0.23 reads no more.
pub const MAX_CERTIFICATE_LEN: usize = 1536;

/// What card it is to be.
#[derive(Debug)]
pub struct Request {
    /// Whose.
    pub holder: Holder,
    /// What it looks like.
    pub profile: Profile,
    /// Its first PINs.
    pub pins: Pins,
    /// Its number.
    pub document_number: DocumentNumber,
    /// The authentication key, unless it is to be generated on the card.
    pub authentication_key: Option<ImportedKey>,
    /// The key for CDOC2 alone, if it is to have one.
    pub cdoc2_key: Option<Cdoc2Key>,
    /// The date of issue.
    pub now: SystemTime,
}

/// A key for CDOC2 alone.
#[derive(Debug)]
pub struct Cdoc2Key {
    /// Where it comes from.
    pub source: Cdoc2KeySource,
    /// Whether each use of it waits for a touch.
    pub touch: bool,
}

/// Where a key for CDOC2 alone comes from.
#[derive(Debug)]
pub enum Cdoc2KeySource {
    /// Generated on the card, on this curve.
    Generate(cdoc2::Curve),
    /// Made elsewhere.
    Import(ImportedKey),
}

/// PIN1, PIN2 and PUK.
#[derive(Debug)]
pub struct Pins {
    pin1: PinBlock,
    pin2: PinBlock,
    puk: PinBlock,
}

impl Pins {
    /// PINs of these digits.
    ///
    /// # Errors
    /// [`PinMalformed`] names the first that is none.
    pub fn new(pin1: &str, pin2: &str, puk: &str) -> Result<Self, PinMalformed> {
        let block = |pin: PinRef, digits: &str| {
            PinBlock::new(digits.as_bytes()).filter(|block| block.is_valid_for(pin)).ok_or(PinMalformed(pin))
        };
        Ok(Self { pin1: block(PinRef::Pin1, pin1)?, pin2: block(PinRef::Pin2, pin2)?, puk: block(PinRef::Puk, puk)? })
    }
}

/// This PIN has too few digits, too many, or something else in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinMalformed(pub PinRef);

impl fmt::Display for PinMalformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            PinRef::Pin1 => "PIN1",
            PinRef::Pin2 => "PIN2",
            PinRef::Puk => "PUK",
        };
        write!(f, "{name} must have {} to {} digits and nothing else", self.0.digits().start(), self.0.digits().end())
    }
}

impl std::error::Error for PinMalformed {}

/// The number of a card: nine capital letters and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentNumber([u8; DOCUMENT_NUMBER_LEN]);

impl DocumentNumber {
    /// The number of a card of tests.
    pub const DEFAULT: &str = "AS0000001";

    /// The number in `text`; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let octets: [u8; DOCUMENT_NUMBER_LEN] = text.as_bytes().try_into().ok()?;
        octets.iter().all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit()).then_some(Self(octets))
    }
}

/// Why there is no card.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] certificate::Error),
    /// A certificate would be longer than host software reads.
    #[error("a certificate would have {0} octets; host software reads {MAX_CERTIFICATE_LEN}")]
    CertificateTooLong(usize),
    /// The card refused.
    #[error("the card refused: {0:?}")]
    Card(Fault),
    /// A key of the card refused.
    #[error("the card refused: {0:?}")]
    Key(KeyError),
    /// The authentication key to be imported is on another curve.
    #[error("the profile's authentication key is on P-384, and no other curve")]
    AuthenticationKeyCurve,
    /// The names are longer than the card's files.
    #[error("the names are too long for the card: a file holds {} octets", token_fw::card::MAX_PERSONAL_DATA_LEN)]
    NamesTooLong,
}

/// Makes the card: its keys are generated on it or brought in, and certified by `ca`. It lives in memory until it is put into a file.
///
/// # Errors
/// [`Error`].
pub fn personalise(request: &Request, ca: &Ca, rng: &mut Rng) -> Result<State, Error> {
    let mut fuses = Fuses { root_key: Zeroizing::default(), administrator_key: Zeroizing::default() };
    rng.try_fill_bytes(&mut *fuses.root_key)?;
    rng.try_fill_bytes(&mut *fuses.administrator_key)?;
    let flash = Flash::in_ram();
    let board = Board::new(flash.clone(), rng.clone(), fuses.root_key.clone());
    let mut card = Card::new(board).map_err(Error::Card)?;

    let data = personal_data(request)?;
    let data: Vec<&[u8]> = data.iter().map(String::as_bytes).collect();
    if data.iter().any(|field| field.len() > token_fw::card::MAX_PERSONAL_DATA_LEN) {
        return Err(Error::NamesTooLong);
    }
    let generate = |curve, touch| Some(KeySource::Generate { curve, touch });
    if request.authentication_key.as_ref().is_some_and(|key| key.curve() != cdoc2::Curve::Secp384r1) {
        return Err(Error::AuthenticationKeyCurve);
    }
    let what = token_fw::card::Personalisation {
        profile: request.profile,
        pin1: &request.pins.pin1,
        pin2: &request.pins.pin2,
        puk: &request.pins.puk,
        administrator_key: &fuses.administrator_key,
        document_number: &request.document_number.0,
        personal_data: &data,
        authentication_key: match &request.authentication_key {
            Some(key) => Some(import(key, false)),
            None => generate(Curve::Secp384r1, false),
        },
        signature_key: generate(Curve::Secp384r1, false),
        cdoc2_key: request.cdoc2_key.as_ref().and_then(|key| match &key.source {
            Cdoc2KeySource::Generate(curve) => generate(core_curve(*curve), key.touch),
            Cdoc2KeySource::Import(imported) => Some(import(imported, key.touch)),
        }),
    };
    card.personalise(&what).map_err(Error::Card)?;

    let subject = Subject::person(&request.holder)?;
    for key in KeyRef::ALL {
        let Some(info) = card.key(key) else { continue };
        let mut point = [0; MAX_POINT_LEN];
        let len = card.public_key(key, &mut point).map_err(Error::Key)?;
        let public_key = PublicKey { curve: info.curve, point: &point[..len] };
        let der = ca.issue(&subject, key, public_key, request.now, rng)?;
        if der.len() > MAX_CERTIFICATE_LEN {
            return Err(Error::CertificateTooLong(der.len()));
        }
        card.put_certificate(key, &der).map_err(Error::Card)?;
    }
    Ok(State { fuses, flash })
}

fn import(key: &ImportedKey, touch: bool) -> KeySource<'_> {
    KeySource::Import { curve: core_curve(key.curve), scalar: &key.scalar, touch }
}

const fn core_curve(curve: cdoc2::Curve) -> Curve {
    match curve {
        cdoc2::Curve::Secp384r1 => Curve::Secp384r1,
        cdoc2::Curve::Secp256r1 => Curve::Secp256r1,
        cdoc2::Curve::Secp521r1 => Curve::Secp521r1,
    }
}

/// The files 5001 to 5008: surname, given names, sex, citizenship, date and place of birth, personal code, document number, expiry.
fn personal_data(request: &Request) -> Result<[String; 8], Error> {
    let Request { holder, document_number, now, .. } = request;
    let (year, month, day) = holder.code().date_of_birth();
    let expiry = Time::try_from(expiry(*now)).map_err(certificate::Error::from)?.to_date_time();
    Ok([
        holder.surname().into(),
        holder.given_names().into(),
        holder.code().sex().into(),
        "EST".into(),
        format!("{day:02} {month:02} {year} EST"),
        holder.code().as_str().into(),
        String::from_utf8_lossy(&document_number.0).into_owned(),
        format!("{:02} {:02} {}", expiry.day(), expiry.month(), expiry.year()),
    ])
}
