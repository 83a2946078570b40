//! The token's firmware on virtual hardware, behind virtual readers.
//!
//! [`hw`] is the hardware: flash whose power can be cut, a random generator, a clock, a button and a light, and the [`hw::Board`] made of
//! them. [`reader`] is what a host meets: a reader in the same process, one of pcscd's; and what wraps a reader: a tracer, a capture file,
//! planned faults. [`state`] is the file that a token lives in.

pub mod hw;
pub mod reader;
pub mod state;
