//! Keys that are split over shares servers, from the sender to who signs in.

mod careless;
mod fetching;
mod sending;
mod testbed;
mod unlinkable;
mod world;
