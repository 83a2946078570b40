//! The token's firmware on virtual hardware, behind virtual readers.
//!
//! [`hw`] is the hardware: flash whose power can be cut, a random generator, a clock, a button and a light, and the [`hw::Board`] made of
//! them. [`reader`] is what a host meets: a card reader in the same process.

pub mod hw;
pub mod reader;
