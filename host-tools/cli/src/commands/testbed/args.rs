//! `cdoc2 testbed` as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use crate::examples;

#[derive(Debug, Args)]
#[command(after_help = examples::help(examples::of("testbed")))]
pub(crate) struct Testbed {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything that CDOC2 needs around it, on this machine alone, until it is interrupted.
    ///
    /// An authority with its OCSP responder, an LDAP directory (if slapd is installed), a capsule server, two shares servers, an organisation's
    /// policy service, people with smart cards and keys, and others who sign in by Smart-ID and Mobile-ID, or do not. Where everything is goes
    /// to standard output, and a line "ready" at the end. The OCSP responder can be made to fail or to lie, and certificates be revoked, at the
    /// address that is called "control" there: curl shows how. Everybody who can read the folder has all the keys in it: a test bed is for tests.
    Up(Up),
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Put everything into this folder, which must be new or empty, and leave it there. Without, a temporary folder vanishes at the end.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: Option<PathBuf>,
    /// Start no LDAP directory.
    #[arg(long)]
    pub(crate) no_ldap: bool,
}
