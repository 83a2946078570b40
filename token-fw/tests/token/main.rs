//! The whole token, from outside, by a client that computes its own answers: what it sends and expects is written here in octets, and its
//! cryptography comes from libraries and not from the code under test.

#[path = "../common/mod.rs"]
mod common;

mod access;
mod cdoc2;
mod client;
mod doc;
mod esteid;
mod lengths;
mod model;
mod model_2025;
mod sealed;
