//! What the tests of this crate share: headers as plain values, with two ways to and from their octets, the core's and that of `flatc`;
//! containers that others wrote; the programs to run; a place of their own for pcscd and the cards in its readers, and for SoftHSM; and a capsule server and
//! shares servers with clients, certificates, tickets and an OCSP responder that have no code in common with them.

pub mod capsule_server;
pub mod desk;
pub mod header;
pub mod https;
pub mod ocsp;
pub mod oracle;
pub mod outcome;
pub mod pcscd;
pub mod pki;
pub mod postgresql;
pub mod process;
pub mod program;
pub mod server_process;
pub mod shares_server;
pub mod softhsm;
pub mod strategy;
pub mod ticket;
pub mod token;
pub mod vectors;

#[rustfmt::skip]
#[allow(
    unsafe_code,
    missing_docs,
    missing_debug_implementations,
    unused_qualifications,
    clippy::all,
    clippy::missing_errors_doc,
    clippy::allow_attributes_without_reason,
    reason = "written by flatc from the schemas beside it"
)]
#[path = "../schema/header_generated.rs"]
pub mod schema;
