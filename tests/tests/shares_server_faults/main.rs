//! The program `cdoc2-server shares` when it is killed, and when there are several of it over one database: what was acknowledged is never lost, and no
//! nonce works twice.

mod killed;
mod several;
mod site;
