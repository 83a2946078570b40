//! `cdoc2 servers`: the capsule servers and the sets of shares servers of the configuration, and how they do.

pub(crate) mod args;

use std::time::SystemTime;

use cdoc2_client::capsule_server::{self, CapsuleType};
use cdoc2_client::config::{Config, Server, SharesSet};
use cdoc2_client::https::{Error, Timeouts};
use cdoc2_client::shares_server;

use crate::configuration::Configuration;
use crate::exit::{Code, Failure, Result};
use crate::table::Table;
use crate::{output, servers, text};
use args::{Check, Command, Servers};

pub(crate) fn run(args: &Servers, configuration: &Configuration<'_>) -> Result<()> {
    let config = configuration.load()?;
    if config.servers().is_empty() && config.shares_sets().is_empty() {
        let path = text::path(config.path()).to_string();
        let why = if config.is_there() {
            "lists neither a capsule server nor a set of shares servers"
        } else {
            "there is no configuration here"
        };
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
    for set in config.shares_sets() {
        table.heading("Shares set", &set.id);
        describe_set(set, config, &mut table);
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

fn describe_set(set: &SharesSet, config: &Config, table: &mut Table) {
    for server in &set.servers {
        table.line("  server:", &server.written);
        table.line("  owner:", &server.owner);
        table.line("  interface:", server.interface.name());
        for not_after in server.pins_not_after() {
            table.line("  pinned:", servers::until(not_after));
        }
    }
    if config.default_shares_set().is_some_and(|default| default.id == set.id) {
        table.line("  default:", "yes");
    }
}

fn check_all(args: &Check, config: &Config) -> Result<()> {
    let is_meant = |id: &str| args.id.as_deref().is_none_or(|wanted| wanted == id);
    let chosen: Vec<&Server> = config.servers().iter().filter(|server| is_meant(&server.id)).collect();
    let sets: Vec<&SharesSet> = config.shares_sets().iter().filter(|set| is_meant(&set.id)).collect();
    if chosen.is_empty() && sets.is_empty() {
        let id = args.id.as_deref().unwrap_or_default();
        return Err(Failure::usage(format!(
            "{}: neither a server nor a set of shares servers is called {id:?}",
            text::path(config.path())
        )));
    }
    let mut table = Table::default();
    let (mut failed, mut all) = (0, 0);
    let mut check = |name: &str, outcome: std::result::Result<SystemTime, Error>, table: &mut Table| {
        all += 1;
        failed += u64::from(outcome.is_err());
        table.line(name, said(outcome));
    };
    for server in chosen {
        let checked = capsule_server::check(server, Timeouts::default());
        table.heading("Server", &server.id);
        check("  sending:", checked.sender, &mut table);
        check("  fetching:", checked.recipient, &mut table);
    }
    for set in sets {
        table.heading("Shares set", &set.id);
        for server in &set.servers {
            table.line("  server:", &server.written);
            check("  answer:", shares_server::check(server, Timeouts::default()), &mut table);
        }
    }
    output::print(table.into_text().trim_start().as_bytes())?;
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::new(Code::Server, format!("{failed} of {all} addresses cannot be used")))
}

fn said(outcome: std::result::Result<SystemTime, Error>) -> String {
    match outcome {
        Ok(not_after) => format!("works; its certificate is {}", servers::until(not_after)),
        Err(error) => error.to_string(),
    }
}
