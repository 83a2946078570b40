//! `cdoc2 token` as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use crate::args::{Card, PinSource};
use crate::examples;

#[derive(Debug, Args)]
#[command(after_help = examples::help(examples::of("token")))]
pub(crate) struct Token {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show every reader and what is in it.
    List(List),
    /// Show what a card is, whose it is, and how many tries its PINs have.
    Info(Info),
    /// Try a PIN.
    VerifyPin(VerifyPin),
    /// Change a PIN.
    ChangePin(ChangePin),
    /// Give a PIN a new value, and all its tries, by the PUK.
    Unblock(Unblock),
    /// Make simulated tokens, and put them into readers.
    ///
    /// A simulated token runs the firmware of a real one; its hardware is a file. Whoever reads that file has the token's keys: simulated
    /// tokens are for tests. --reader sim:PATH uses one in place.
    #[command(subcommand)]
    Sim(simulator::cli::Command),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) card: Card,
}

#[derive(Debug, Args)]
pub(crate) struct Info {
    #[command(flatten)]
    pub(crate) card: Card,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyPin {
    /// Which PIN.
    #[arg(value_enum, value_name = "PIN", default_value_t = PinName::Pin1)]
    pub(crate) name: PinName,
    #[command(flatten)]
    pub(crate) card: Card,
    #[command(flatten)]
    pub(crate) pin: PinSource,
}

#[derive(Debug, Args)]
pub(crate) struct ChangePin {
    /// Which PIN.
    #[arg(value_enum, value_name = "PIN", default_value_t = PinName::Pin1)]
    pub(crate) name: PinName,
    #[command(flatten)]
    pub(crate) card: Card,
    #[command(flatten)]
    pub(crate) pin: PinSource,
    #[command(flatten)]
    pub(crate) new_pin: NewPinSource,
}

#[derive(Debug, Args)]
pub(crate) struct Unblock {
    /// Which PIN.
    #[arg(value_enum, value_name = "PIN", default_value_t = Unblockable::Pin1)]
    pub(crate) name: Unblockable,
    #[command(flatten)]
    pub(crate) card: Card,
    #[command(flatten)]
    pub(crate) puk: PukSource,
    #[command(flatten)]
    pub(crate) new_pin: NewPinSource,
}

/// Where the new PIN comes from. Without any of these it is `CDOC2_NEW_PIN`, or asked for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Smart cards")]
pub(crate) struct NewPinSource {
    /// Read the new PIN from a file; one line break at its end is left out.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, conflicts_with = "new_pin_fd")]
    pub(crate) new_pin_file: Option<PathBuf>,
    /// Read the new PIN from an open file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) new_pin_fd: Option<u32>,
}

/// Where the PUK comes from. Without any of these it is `CDOC2_PUK`, or asked for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Smart cards")]
pub(crate) struct PukSource {
    /// Read the PUK from a file; one line break at its end is left out.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, conflicts_with = "puk_fd")]
    pub(crate) puk_file: Option<PathBuf>,
    /// Read the PUK from an open file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) puk_fd: Option<u32>,
    /// Use the last try that is left. If it fails, the PUK is blocked for good.
    #[arg(long)]
    pub(crate) last_try: bool,
}

/// A secret of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PinName {
    /// For authentication and decryption.
    Pin1,
    /// For signatures.
    Pin2,
    /// Unblocks the other two.
    Puk,
}

/// A PIN that the PUK unblocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unblockable {
    /// For authentication and decryption.
    Pin1,
    /// For signatures.
    Pin2,
}
