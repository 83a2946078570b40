//! The CDOC2 protocol core.
#![no_std]

mod curve;

pub use curve::Curve;
