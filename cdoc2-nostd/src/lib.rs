//! The CDOC2 protocol core.
#![no_std]
