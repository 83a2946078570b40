//! `cdoc2 servers`: the capsule servers of the configuration, and how they do.

pub(crate) mod args;

use std::time::SystemTime;

use cdoc2_client::capsule_server::{CapsuleType, check};
use cdoc2_client::config::{Config, Server};
use cdoc2_client::https::{Error, Timeouts};

use crate::configuration::Configuration;
use crate::exit::{Code, Failure, Result};
use crate::table::Table;
use crate::{output, servers, text};
use args::{Check, Command, Servers};

pub(crate) fn run(args: &Servers, configuration: &Configuration<'_>) -> Result<()> {
    let config = configuration.load()?;
    if config.servers().is_empty() {
        let path = text::path(config.path()).to_string();
        let why = if config.is_there() { "lists no capsule server" } else { "there is no configuration here" };
        return Err(Failure::usage(format!("{path}: {why}")).hint("cdoc2 man servers describes what stands in it"));
    }
    match &args.command {
        Command::List => list(&config),
        Command::Check(args) => check_all(args, &config),
    }
}

fn list(config: &Config) -> Result<()> {
    let mut table = Table::default();
    for server in config.servers() {
        table.heading("Server", &server.id);
        describe(server, config, &mut table);
    }
    output::print(table.into_text().trim_start().as_bytes())
}

fn describe(server: &Server, config: &Config, table: &mut Table) {
    table.optional("  owner:", server.owner.as_ref());
    table.line("  sending:", server.sender_url.as_str());
    table.line("  fetching:", server.recipient_url.as_str());
    let kinds: Vec<_> = server.capsule_types.iter().map(CapsuleType::name).collect();
    table.line("  capsules:", kinds.join(", "));
    for not_after in server.pins_not_after() {
        table.line("  pinned:", servers::until(not_after));
    }
    if config.default_server().is_some_and(|default| default.id == server.id) {
        table.line("  default:", "yes");
    }
}

fn check_all(args: &Check, config: &Config) -> Result<()> {
    let chosen: Vec<&Server> = match &args.id {
        Some(id) => vec![config.server(id).map_err(|error| Failure::usage(error.to_string()))?],
        None => config.servers().iter().collect(),
    };
    let mut table = Table::default();
    let mut failed = 0;
    for server in &chosen {
        let checked = check(server, Timeouts::default());
        table.heading("Server", &server.id);
        for (name, outcome) in [("  sending:", checked.sender), ("  fetching:", checked.recipient)] {
            failed += u64::from(outcome.is_err());
            table.line(name, said(outcome));
        }
    }
    output::print(table.into_text().trim_start().as_bytes())?;
    if failed == 0 {
        return Ok(());
    }
    let all = 2 * chosen.len();
    Err(Failure::new(Code::Server, format!("{failed} of {all} addresses cannot be used")))
}

fn said(outcome: std::result::Result<SystemTime, Error>) -> String {
    match outcome {
        Ok(not_after) => format!("works; its certificate is {}", servers::until(not_after)),
        Err(error) => error.to_string(),
    }
}
