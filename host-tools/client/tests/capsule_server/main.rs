//! Capsules that go through a capsule server, from the sender to the recipient.

mod busy;
mod cards;
mod misbehaving;
mod modules;
mod software;
mod world;
