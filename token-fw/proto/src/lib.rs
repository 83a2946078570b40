//! What a token and its hosts say to each other: application identifiers, instructions, files, data objects, and a card reader as a trait.
//!
//! Each encoder stands beside its decoder, so that the firmware and its hosts cannot drift apart. No `std`, no allocation.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::large_stack_arrays
    )
)]

pub mod aid;
pub mod apdu;
pub mod cdoc2;
pub mod esteid;
pub mod ins;
pub mod key;
pub mod pin;
pub mod profile;
pub mod reader;
pub mod tlv;

pub use apdu::{Command, Response};
pub use iso7816::Status;
pub use key::KeyRef;
pub use pin::{PinBlock, PinRef};
pub use profile::Profile;
pub use reader::{Atr, Reader};

/// Octets of data that a command APDU may carry, and a response APDU beside its status word. Extended length (ISO 7816-4, 5.2) beyond 255.
pub const MAX_DATA_LEN: usize = 2048;

/// Octets of the longest command APDU: an extended header, `Lc` and `Le` of three and two octets, and [`MAX_DATA_LEN`] octets of data.
pub const MAX_COMMAND_LEN: usize = 4 + 3 + MAX_DATA_LEN + 2;

/// Octets of the longest response APDU: [`MAX_DATA_LEN`] octets of data and the status word.
pub const MAX_RESPONSE_LEN: usize = MAX_DATA_LEN + 2;
