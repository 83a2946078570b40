//! The CDOC2 servers. A capsule server: senders put capsules (UC.KTS.01), recipients fetch them with their certificates (UC.KTS.02, UC.KTS.04). A shares
//! server: senders put key shares (UC.KTS.06), recipients fetch them with tickets that they signed (UC.KTS.07). In both, what has expired is deleted
//! (UC.KTS.03). Interfaces: the OpenAPI files `cdoc2-key-capsules` 3.1.1 and `cdoc2-key-shares` 1.2.1.
//!
//! [`Server`] runs inside any tokio runtime of more than one thread; the program `cdoc2-server` is it, signals and a log.
//!
//! ```no_run
//! use cdoc2_server::config::Shares;
//! use cdoc2_server::{Config, Server};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::start(Config::<Shares>::read("shares-server.toml".as_ref())?).await?;
//! println!("https://{}", server.addresses().shares);
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod activity;
mod body;
mod capsules;
pub mod config;
mod connection;
mod created;
mod current;
mod expiry;
mod files;
mod listener;
pub mod log;
mod metrics;
mod operations;
mod random;
mod rate;
mod refusal;
mod requests;
pub mod routes;
mod server;
mod shares;
mod small_reads;
pub mod store;
mod tls;
mod watched;

pub use capsules::CapsuleAddresses;
pub use config::Config;
pub use server::{Kind, Server, StartError};
pub use shares::SharesAddresses;
