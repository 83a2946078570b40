//! The log: JSON, one object a line. No personal codes, no subjects of certificates, no keys, no transaction ids.

use std::io;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::{Log, LogLevel};

/// Writes the process's log to standard error from now on.
///
/// # Errors
/// The process has a log already.
pub fn install(log: &Log) -> Result<(), TryInitError> {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    tracing_subscriber::registry().with(ours(level)).with(lines.with_writer(io::stderr)).try_init()
}

/// The same for people who look on: text without times, warnings to standard error, what is less to standard output.
///
/// # Errors
/// The process has a log already.
pub fn install_for_people() -> Result<(), TryInitError> {
    let lines = tracing_subscriber::fmt::layer().without_time().with_target(false).with_ansi(false);
    let streams = io::stderr.with_max_level(Level::WARN).or_else(io::stdout);
    tracing_subscriber::registry().with(ours(LevelFilter::INFO)).with(lines.with_writer(streams)).try_init()
}

/// Only what this server's own crates say is written, at any level: other libraries might say what they work on.
fn ours(level: LevelFilter) -> Targets {
    Targets::new().with_target("cdoc2_server", level).with_target("revocation", level)
}
