//! People who sign in: by the services of a test bed, by others that do whatever a test says, by a simulated card, by SoftHSM, and by keys in memory.

mod answers;
mod bed;
mod cards;
mod end_states;
mod modules;
mod patience;
mod phone;
mod service;
mod signing;
mod software;
