//! Load for the servers, and nginx beside the capsule server.
#![doc = include_str!("../README.md")]

mod capsules;
mod compare;
mod connection;
mod drive;
mod fill;
mod measure;
mod nginx;
mod ocsp;
mod outcome;
mod peer;
mod people;
mod pki;
mod population;
mod process;
mod report;
mod servers;
mod shares;
mod stage;
mod tickets;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// Load for the servers, and nginx beside the capsule server
#[derive(Debug, Parser)]
#[command(name = "load", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the capsule server and nginx with the same settings, loads both in turn, and prints what came of it
    Compare(compare::Options),
    /// Starts a shares server on each store, and loads it with shares, nonces and tickets
    Shares(shares::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = async {
        match Arguments::parse().command {
            Command::Compare(options) => compare::compare(&options).await,
            Command::Shares(options) => shares::shares(&options).await,
        }
    };
    let result = tokio::select! {
        result = command => result,
        // Ending here ends the servers, too.
        () = told_to_end() => Err("interrupted".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Waits for SIGINT or SIGTERM; for ever, if the system does not let it.
async fn told_to_end() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
