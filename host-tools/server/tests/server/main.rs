//! A whole server over real sockets, with an authority, certificates and a database that are made for each test.

mod capsules;
mod connections;
mod database;
mod documents;
mod limits;
mod operations;
mod program;
mod responder;
mod revocation;
mod routes;
mod shares;
mod stopping;
mod support;
mod tls;
