//! What a token and its hosts say to each other: application identifiers, instructions, files, data objects, and a card reader as a trait.
//!
//! Each encoder stands beside its decoder, so that the firmware and its hosts cannot drift apart. No `std`, no allocation.
#![no_std]
#![forbid(unsafe_code)]

pub mod aid;
pub mod key;
pub mod pin;
pub mod profile;
pub mod reader;

pub use key::KeyRef;
pub use pin::PinRef;
pub use profile::Profile;
pub use reader::{Atr, Reader};

/// Octets of data that a command APDU may carry, and a response APDU beside its status word. Extended length (ISO 7816-4, 5.2) beyond 255.
pub const MAX_DATA_LEN: usize = 2048;

/// Octets of the longest command APDU: an extended header, `Lc` and `Le` of three and two octets, and [`MAX_DATA_LEN`] octets of data.
pub const MAX_COMMAND_LEN: usize = 4 + 3 + MAX_DATA_LEN + 2;

/// Octets of the longest response APDU: [`MAX_DATA_LEN`] octets of data and the status word.
pub const MAX_RESPONSE_LEN: usize = MAX_DATA_LEN + 2;
