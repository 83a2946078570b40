#![doc = include_str!("../README.md")]
//!
//! # Modules
//! - [`hw`]: flash whose power can be cut, a random generator, a clock, a button and a light, and the [`hw::Board`] made of them.
//! - [`reader`]: what a host meets. A reader in the same process, one of pcscd's, a USB device; and what wraps a reader: a tracer, a
//!   capture file, planned faults.
//! - [`personalise`]: a blank card becomes that of a [`holder`], with certificates of a [`ca`].
//! - [`state`]: the file that a token lives in. [`inserted`]: a token out of its file, in a reader. [`cli`]: the command `token-sim`.

pub mod ca;
pub mod certificate;
pub mod cli;
pub mod holder;
pub mod hw;
pub mod inserted;
pub mod key_file;
pub mod personalise;
pub mod reader;
pub mod state;
mod whole_file;
