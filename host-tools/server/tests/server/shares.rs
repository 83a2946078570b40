//! The shares server.

mod attacks;
mod bed;
mod forged;
mod interface;
mod limits;
mod mutations;
mod people;
mod revocation;
mod secrets;
mod steps;
