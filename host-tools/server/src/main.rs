//! The program `cdoc2-server`.
//!
//! Standard output gets one line of JSON when the server is ready; standard error gets the log. Exit codes: 0 stopped as it was told, or the
//! configuration is sound; 1 a file, an address or the database cannot be used; 2 usage; 3 the configuration file is wrong.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cdoc2_server::config::{AnyConfig, Capsules, Shares};
use cdoc2_server::{Config, Kind, Server, StartError, config, log};
use clap::{Parser, Subcommand};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The CDOC2 servers: of capsules, and of key shares.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 stopped as told, or sound; 1 a file, an address or the database cannot be used; 2 usage; 3 the configuration file is wrong"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve capsules until SIGTERM or SIGINT. SIGHUP loads certificates and keys anew.
    Capsule {
        /// The configuration.
        #[arg(long, value_name = "FILE", default_value = "/etc/cdoc2/capsule-server.toml")]
        config: PathBuf,
    },
    /// Serve key shares until SIGTERM or SIGINT. SIGHUP loads certificates, keys and authorities anew.
    Shares {
        /// The configuration.
        #[arg(long, value_name = "FILE", default_value = "/etc/cdoc2/shares-server.toml")]
        config: PathBuf,
    },
    /// Check a configuration of either server, the files it names, and the database. Nothing is changed.
    CheckConfig {
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// What ends the program early, for standard error.
struct Fault {
    text: String,
    exit_code: u8,
}

impl From<config::Error> for Fault {
    fn from(error: config::Error) -> Self {
        Self { text: error.to_string(), exit_code: 3 }
    }
}

impl From<StartError> for Fault {
    fn from(error: StartError) -> Self {
        Self { text: error.to_string(), exit_code: 1 }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self { text: error.to_string(), exit_code: 1 }
    }
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Capsule { config } => serve::<Capsules>(&config),
        Command::Shares { config } => serve::<Shares>(&config),
        Command::CheckConfig { config } => check_config(&config),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Fault { text, exit_code }) => {
            eprintln!("cdoc2-server: {text}");
            ExitCode::from(exit_code)
        }
    }
}

fn serve<K: Kind>(file: &Path) -> Result<(), Fault> {
    let config = Config::<K>::read(file)?;
    // Nothing else in this process has a log.
    let _ = log::install(&config.log);
    raise_file_limit();
    runtime()?.block_on(async {
        // Before the server: a signal that comes early must not kill it half way.
        let (mut terminate, mut interrupt, mut hangup) = signals()?;
        let server = Server::start(config).await?;
        announce(&server)?;
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                // The server has said in the log what it did.
                _ = hangup.recv() => drop(server.reload().await),
            }
        }
        tokio::select! {
            () = server.shutdown() => {}
            // Whoever says it twice does not want to wait.
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}

fn check_config(file: &Path) -> Result<(), Fault> {
    // Nothing else in this process has a log.
    let _ = log::install_for_people();
    let runtime = runtime()?;
    let database = match AnyConfig::read(file)? {
        AnyConfig::Capsules(config) => runtime.block_on(Server::check(&config)),
        AnyConfig::Shares(config) => runtime.block_on(Server::check(&config)),
    }?;
    println!("database: {database}");
    println!("{}: sound", file.display());
    Ok(())
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn signals() -> io::Result<(Signal, Signal, Signal)> {
    Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?))
}

/// The line that says: ready, and where.
fn announce<K: Kind>(server: &Server<K>) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{}", serde_json::to_string(&server.addresses())?)?;
    output.flush()
}

/// A connection is an open file, and many systems begin with 1024. What the administrator allows at most is taken.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // The listeners wait for connections to end if this fails.
    let _ = setrlimit(Resource::Nofile, limit);
}
