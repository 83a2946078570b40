//! The CDOC2 capsule server: senders put capsules (UC.KTS.01), recipients fetch them with their certificates (UC.KTS.02, UC.KTS.04), and what has
//! expired is deleted (UC.KTS.03). Interface: the OpenAPI file `cdoc2-key-capsules` 3.1.1.
//!
//! [`Server`] runs inside any tokio runtime of more than one thread; the program `cdoc2-server` is it, signals and a log.

mod capsules;
pub mod config;
mod connection;
mod listener;
pub mod log;
mod metrics;
mod operations;
mod rate;
mod refusal;
mod requests;
pub mod routes;
mod server;
mod small_reads;
pub mod store;
mod tls;
mod watched;

pub use config::Config;
pub use server::{Addresses, Server, StartError};
