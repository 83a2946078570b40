//! Everything that CDOC2 needs around it, on one machine and for tests: an authority with its OCSP responder, a directory, a capsule server, shares
//! servers, an organisation's policy service, smart cards, and people who sign by Smart-ID and Mobile-ID. One process, but for slapd; no root;
//! this machine only; gone when [`Testbed`] is dropped.
//!
//! Nothing here is safe to rely on: keys lie in files, and whoever asks gets certificates.

pub mod authority;
mod background;
mod capsule_server;
pub mod card;
mod client_config;
pub mod content;
mod control;
pub mod directory;
mod error;
mod folder;
mod hosted;
mod https;
pub mod identity;
mod key;
mod loopback;
pub mod ocsp;
pub mod phone;
pub mod policy;
mod shares_server;
mod testbed;

pub use authority::Authority;
pub use capsule_server::CapsuleServer;
pub use card::Card;
pub use client_config::{SERVER_ID, SHARES_SET_ID};
pub use control::Control;
pub use directory::Directory;
pub use error::Error;
pub use hosted::{Configure, HostedServer};
pub use identity::{Algorithm, Identity};
pub use ocsp::Ocsp;
pub use phone::mobile_id::MobileIdService;
pub use phone::smart_id::SmartIdService;
pub use policy::PolicyService;
pub use shares_server::{SharesServer, SharesServerOptions};
pub use simulator::certificate::{Content, Subject, oid};
pub use simulator::holder::{Holder, PersonalCode};
pub use testbed::{KeyFiles, Options, Testbed};
