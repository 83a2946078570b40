//! Capsules that go through a capsule server, from the sender to the recipient.

mod busy;
mod cards;
mod misbehaving;
mod modules;
mod picky;
mod software;
mod world;
