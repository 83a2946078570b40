//! The program as its users meet it: through arguments, pipes, files, signals and a terminal.

mod crafted;
mod decrypt;
mod encrypt;
mod exit_codes;
mod help;
mod inspect;
mod keygen;
mod passwords;
#[allow(dead_code, reason = "the tests of the directories themselves use the rest")]
#[path = "../../../client/tests/directory/people.rs"]
mod people;
mod pipes;
mod recipients;
mod reencrypt;
mod secrecy;
mod servers;
mod signals;
#[allow(dead_code, reason = "the tests of the directories themselves use the rest")]
#[path = "../../../client/tests/directory/slapd.rs"]
mod slapd;
mod support;
mod terminal;
mod testbed;
mod token;
