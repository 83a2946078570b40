//! Firmware of a smart-card token, over any board: no `std`, no allocation, no `unsafe`.
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

mod applets;
pub mod card;
pub mod ccid;
mod dispatch;
pub mod icc;
pub mod platform;
mod session;
mod stack;
mod touch;

pub use icc::{Icc, Progress};
pub use platform::{Instant, Platform};
pub use stack::Token;
