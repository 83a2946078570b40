//! `cdoc2`: encrypts files into CDOC2 containers, opens, inspects and re-encrypts them.
//!
//! One command a file in [`commands`]; what they share stands beside it, one subject a file. Everything that can go wrong is a
//! [`Failure`](exit::Failure) with an exit code; the cryptography and the files are the library's.

mod args;
mod arguments;
mod card;
mod commands;
mod configuration;
mod directory;
mod examples;
mod exit;
mod failure;
mod inspection;
mod limits;
mod output;
mod password_rules;
mod person;
mod pin;
mod pkcs11;
mod progress;
mod prompt;
mod recipient_arg;
mod recipients;
mod report;
mod secret_file;
mod secret_source;
mod servers;
mod sign_in;
mod signals;
mod stdin;
mod table;
mod text;
mod unlock;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use args::{Cli, Command};
use arguments::Refusal;
use configuration::Configuration;
use exit::{Code, Failure};
use report::Report;

fn main() -> ExitCode {
    forbid_core_dumps();
    if let Err(error) = signals::watch() {
        return fail(&Failure::new(Code::Io, format!("signals cannot be caught: {error}")));
    }
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match arguments::parse(&arguments) {
        Ok(cli) => cli,
        Err(Refusal::Secret(failure)) => return fail(&failure),
        Err(Refusal::Clap(error)) => {
            // Help goes to standard output, which may be closed already.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Code::Usage as u8));
        }
    };
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

fn run(cli: &Cli) -> exit::Result<()> {
    let report = Report::new(&cli.global);
    let configuration = Configuration::new(cli.global.config.as_deref());
    match &cli.command {
        Command::Encrypt(args) => commands::encrypt::run(args, &configuration, report),
        Command::Decrypt(args) => commands::decrypt::run(args, &configuration, report),
        Command::Reencrypt(args) => commands::reencrypt::run(args, &configuration, report),
        Command::Inspect(args) => commands::inspect::run(args, &configuration, report),
        Command::Keygen(args) => commands::keygen::run(args, report),
        Command::Recipients(args) => commands::recipients::run(args, &configuration, report),
        Command::Servers(args) => commands::servers::run(args, &configuration),
        Command::Token(args) => commands::token::run(args, report),
        Command::Testbed(args) => commands::testbed::run(args),
        Command::Completions(args) => commands::completions::run(args),
        Command::Man(args) => commands::man::run(args),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "{}", failure.text());
    ExitCode::from(failure.code as u8)
}

/// Memory with keys in it must not end up in a file. Where that cannot be had, the program is still of use.
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}
