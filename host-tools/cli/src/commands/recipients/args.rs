//! `cdoc2 recipients` as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use crate::examples;

#[derive(Debug, Args)]
#[command(after_help = examples::help(examples::of("recipients")))]
pub(crate) struct Recipients {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask the directories for certificates, and say of each why it was taken or left.
    Find(Find),
}

#[derive(Debug, Args)]
pub(crate) struct Find {
    /// A personal code, a registry code, or words of a name. The directories learn it.
    #[arg(value_name = "QUERY")]
    pub(crate) query: String,
    /// Print JSON; the manual page describes it.
    #[arg(long)]
    pub(crate) json: bool,
    /// Save the certificates that were taken into this folder, in files for -r cert:PATH.
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) output: Option<PathBuf>,
    /// Save the certificates that were left too.
    #[arg(long, requires = "output")]
    pub(crate) all: bool,
    /// Overwrite files that exist.
    #[arg(short, long, requires = "output")]
    pub(crate) force: bool,
}
