//! People who sign in: by services that do whatever a test says, by a simulated card, by SoftHSM, and by keys in memory.

mod answers;
mod cards;
mod end_states;
mod modules;
mod patience;
mod phone;
mod service;
mod software;
