//! A whole server over real sockets, with an authority, certificates and a database that are made for each test.

mod capsules;
mod support;
