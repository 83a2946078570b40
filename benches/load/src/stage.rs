//! What every command has: its folder, the server's program, the settings of the machine, and where the figures go.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use cdoc2_api::ExpiryTime;
use cdoc2_server::store::Store;
use clap::Args;
use tempfile::TempDir;

use crate::connection::{Client, Pin};
use crate::drive::unix_now;
use crate::measure::Measured;
use crate::pki::ServerKey;
use crate::report::{Goal, Report};

/// Anything that ends a command.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is loaded, and where the figures go.
#[derive(Debug, Args)]
pub(crate) struct Stage {
    /// Less of everything: good for a look only
    #[arg(long)]
    pub(crate) quick: bool,
    /// The servers' keys
    #[arg(long, value_enum, default_value = "p384")]
    pub(crate) server_key: ServerKey,
    /// Only loads with this in their name
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
    /// The server [default: built by cargo, as a release]
    #[arg(long, value_name = "PROGRAM")]
    server: Option<PathBuf>,
    /// Where temporary files are made; SQLite's speed is that of this disk
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Also writes everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also writes the first table as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

impl Stage {
    /// A folder for everything.
    pub(crate) fn folder(&self) -> Result<TempDir> {
        let mut folder = tempfile::Builder::new();
        folder.prefix("cdoc2-load-");
        let folder = match &self.folder {
            Some(parent) => folder.tempdir_in(parent),
            None => folder.tempdir(),
        }?;
        Ok(folder)
    }

    /// The server's program.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        match &self.server {
            Some(program) => Ok(program.clone()),
            None => build(),
        }
    }

    /// Prints the report, and writes it where it was asked for.
    pub(crate) fn publish(&self, report: &Report) -> Result<()> {
        print!("{}", report.text());
        if let Some(path) = &self.json {
            report.write_json(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
        }
        if let Some(path) = &self.csv {
            report.write_csv(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
        }
        Ok(())
    }
}

/// The processors, and how busy they are.
pub(crate) fn machine() -> String {
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("{cores} of {model}; load average before: {}", load.trim())
}

/// The store that a line of the section `[store]` says.
pub(crate) async fn open(line: &str) -> Result<Arc<dyn Store>> {
    Ok(cdoc2_server::store::open(&toml::from_str(line)?).await?)
}

/// Seconds for which the oldest in `store` has outlived its expiry.
pub(crate) async fn behind(store: &Arc<dyn Store>) -> Result<i64> {
    let now = unix_now();
    let oldest = store.oldest_expired(ExpiryTime::from_unix(now).ok_or("the clock is wrong")?).await?;
    Ok(oldest.map_or(0, |oldest| now - oldest.as_unix()))
}

/// So many clients without certificates.
pub(crate) fn clients(pin: &Arc<Pin>, count: usize) -> std::result::Result<Vec<Client>, rustls::Error> {
    (0..count).map(|number| Client::new(pin, number, None)).collect()
}

/// `text` as TOML has it in quotes.
pub(crate) fn toml_string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// All rounds together.
pub(crate) fn total(rounds: &[Measured]) -> Measured {
    let mut sum = Measured::default();
    rounds.iter().for_each(|round| sum.merge(round));
    sum
}

/// What is aimed at for the slowest of a hundred.
pub(crate) fn latency(load: &str, server: &str, measured: &Measured) -> Goal {
    Goal::below(format!("{load}, {server}: p99"), 50.0, measured.tally.quantile_ms(0.99), "ms")
}

/// What a program says first about itself, if it runs.
pub(crate) fn said(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Some(String::from_utf8_lossy(&text).lines().take(2).collect::<Vec<_>>().join(", "))
}

/// Tells whoever waits what is happening.
pub(crate) fn say(what: &str) {
    eprintln!("load: {what}");
}

/// Builds the server as a release, where cargo puts it.
fn build() -> Result<PathBuf> {
    say("building cdoc2-server");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--package", "cdoc2-server", "--message-format", "json-render-diagnostics"]);
    let output = build.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output()?;
    let messages = String::from_utf8(output.stdout)?;
    let executable = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        (message["target"]["name"] == "cdoc2-server").then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    executable.ok_or_else(|| "cdoc2-server could not be built; name one with --server".into())
}
