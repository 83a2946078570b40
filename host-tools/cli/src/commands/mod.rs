//! The commands, one a file.

pub(crate) mod completions;
pub(crate) mod decrypt;
pub(crate) mod encrypt;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod man;
pub(crate) mod recipients;
pub(crate) mod reencrypt;
pub(crate) mod servers;
pub(crate) mod testbed;
pub(crate) mod token;
