//! `token-sim`: simulated tokens. All of it is the library's [`cli`](simulator::cli).

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use simulator::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().command.execute(&mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "token-sim: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
