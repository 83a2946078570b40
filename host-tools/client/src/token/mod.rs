//! Smart cards.
//!
//! A [`Slot`] is a card that others may use too: whoever has something to say to it [begins](Slot::begin) a [`Conversation`], which is
//! exclusive and as short as can be. A [`Token`] is what is known of the card in a slot; a [`TokenHolder`] opens containers with it.

mod apdu;
mod application;
mod card;
mod cdoc2_applet;
mod error;
mod esteid;
mod holder;
mod pcsc;
mod pin;
mod slot;
#[cfg(test)]
mod tests;

pub use application::Application;
pub use card::{Cache, Token, TokenKey};
pub use error::{Error, pin_name};
pub use holder::{Dialogue, PinQuestion, TokenHolder};
pub use pcsc::{PcscSlot, ReaderInfo, readers};
pub use pin::{Pin, PinProblem};
pub use slot::{Conversation, Direct, Fault, Slot};
pub use token_proto::{Atr, PinRef, Reader, Status};
