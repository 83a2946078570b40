//! The persistent card, through its public interface.

mod board;
mod forgery;
mod keys;
mod life;
mod model;
mod persistence;
mod pins;
mod power;

use board::Board;
use token_fw::card::{Card, KeySource, Personalisation, PinBlock};
use token_proto::Profile;

use cdoc2_nostd::Curve;

/// The private scalar of the authentication key.
const SCALAR: [u8; 48] = [0x42; 48];
const ADMINISTRATOR_KEY: [u8; 32] = [0xAD; 32];
const DOCUMENT_NUMBER: &[u8; 9] = b"AS0000001";
const PERSONAL_DATA: &[&[u8]] = &["JÕEORG".as_bytes(), b"JAAK-KRISTJAN", b"M", b"EST", b"", b"38001085718"];

/// Pages of the smallest flash, which soon wants compaction.
const FEW_PAGES: usize = 24;
/// Octets of one of its banks before the last mark.
const BANK_LEN: usize = FEW_PAGES / 2 * board::PAGE_LEN - 32;

fn pin(digits: &str) -> PinBlock {
    PinBlock::new(digits.as_bytes()).unwrap()
}

/// Personalises `card` with PIN1 1234, PIN2 12345, PUK 12345678, an authentication key of [`SCALAR`], a CDOC2 key on secp256r1.
fn personalise<const W: usize>(card: &mut Card<Board<W>>) -> Result<(), token_fw::card::Fault> {
    card.personalise(&Personalisation {
        profile: Profile::Esteid2018V1,
        pin1: &pin("1234"),
        pin2: &pin("12345"),
        puk: &pin("12345678"),
        administrator_key: &ADMINISTRATOR_KEY,
        document_number: DOCUMENT_NUMBER,
        personal_data: PERSONAL_DATA,
        authentication_key: Some(KeySource::Import { curve: Curve::Secp384r1, scalar: &SCALAR, touch: false }),
        signature_key: None,
        cdoc2_key: Some(KeySource::Generate { curve: Curve::Secp256r1, touch: true }),
    })
}

/// A personalised card.
fn card() -> Card<Board> {
    let mut card = Card::new(Board::blank(FEW_PAGES)).unwrap();
    personalise(&mut card).unwrap();
    card
}

/// Takes the power away and gives it back.
fn reopen<const W: usize>(card: Card<Board<W>>) -> Card<Board<W>> {
    let mut board = card.into_platform();
    board.flash.restore();
    Card::new(board).unwrap()
}
