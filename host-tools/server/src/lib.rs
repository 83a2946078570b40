//! The CDOC2 capsule server.

pub mod store;
