//! The program as its users meet it: through arguments, pipes, files, signals and a terminal.

mod child;
mod crafted;
mod decrypt;
mod encrypt;
mod exit_codes;
mod help;
mod inspect;
mod keygen;
mod passwords;
mod pipes;
mod recipients;
mod reencrypt;
mod secrecy;
mod servers;
mod sign_in;
mod signals;
mod support;
mod terminal;
mod testbed;
mod token;
