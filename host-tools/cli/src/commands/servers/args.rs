//! `cdoc2 servers` as it is typed.

use clap::{Args, Subcommand};

use crate::examples;

#[derive(Debug, Args)]
#[command(after_help = examples::help(examples::of("servers")))]
pub(crate) struct Servers {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the servers of the configuration, and its sets of shares servers.
    List,
    /// Connect to servers, compare their certificates with the pinned ones, and say until when they are valid.
    Check(Check),
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The server, or the set of shares servers; without it all of them are meant.
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
}
