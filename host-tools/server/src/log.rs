//! The log: JSON, one object a line. No personal codes, no subjects of certificates, no keys, no transaction ids.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::{Log, LogLevel};

/// Writes the process's log to standard error from now on. Only what this server's own crates say is written, at any level: other libraries
/// might say what they work on.
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
    let ours = Targets::new().with_target("cdoc2_server", level).with_target("revocation", level);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    tracing_subscriber::registry().with(ours).with(lines.with_writer(io::stderr)).try_init()
}
