//! Octets: parsed once into borrowed views that cannot fail afterwards, and emitted from the same types.

mod flat;

pub mod capsule;
#[cfg(feature = "write")]
pub mod emit;
pub mod envelope;
pub mod header;
pub mod label;
