//! The firmware on a [`Board`], behind a [`Bus`].

use token_fw::card::{Card, Fault, Personalisation};
use token_fw::ccid::{Identity, NewError, UsbToken};
use token_fw::{Instant, Token};
use usb_device::bus::UsbBusAllocator;

use crate::board::{Board, Bus};

/// [`Card::new`].
pub fn card(board: Board) -> Result<Card<Board>, Fault> {
    Card::new(board)
}

/// [`Card::personalise`].
pub fn personalise(card: &mut Card<Board>, what: &Personalisation<'_>) -> Result<(), Fault> {
    card.personalise(what)
}

/// [`Card::platform`] and [`Card::into_platform`].
pub fn board(mut card: Card<Board>) -> Board {
    card.platform();
    card.into_platform()
}

/// [`Token::new`], [`Token::card`] and [`Token::into_card`].
pub fn token(card: Card<Board>) -> Card<Board> {
    let mut token = Token::new(card);
    token.card();
    token.into_card()
}

/// [`UsbToken::new`].
pub fn usb<'a>(bus: &'a UsbBusAllocator<Bus>, identity: &Identity<'a>) -> Result<UsbToken<'a, Bus>, NewError> {
    UsbToken::new(bus, identity)
}

/// [`UsbToken::bus`].
pub fn bus<'a>(usb: &'a UsbToken<'_, Bus>) -> &'a Bus {
    usb.bus()
}

/// [`UsbToken::poll`] with all that the card does.
pub fn poll(usb: &mut UsbToken<'_, Bus>, now: Instant, token: &mut Token<Board>) -> Option<Instant> {
    usb.poll(now, token)
}
