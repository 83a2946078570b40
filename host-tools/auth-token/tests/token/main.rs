//! Tokens from outside: published ones, ones that another program made, round trips, and all that must be refused.

mod mutations;
mod round_trip;
mod signatures;
mod strict;
mod support;
mod vectors;
