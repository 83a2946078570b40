//! The CDOC2 capsule server: senders put capsules (UC.KTS.01), recipients fetch them with their certificates (UC.KTS.02, UC.KTS.04), and what has
//! expired is deleted (UC.KTS.03). Interface: the OpenAPI file `cdoc2-key-capsules` 3.1.1.

pub mod config;
mod server;
pub mod store;

pub use config::Config;
pub use server::{Addresses, Server, StartError};
