//! `cdoc2 token`: smart cards, their holders and their PINs.

pub(crate) mod args;

use std::fmt::Write as _;
use std::time::SystemTime;

use cdoc2::keys::{Certificate, PublicKey, Validity};
use cdoc2_client::token::{Error, Fault, PinRef, Token, TokenKey, pin_name};

use crate::card::{self, Cards, Found};
use crate::exit::{Code, Failure, Result};
use crate::pin::{PinEntry, new_pin};
use crate::report::Report;
use crate::secret_source::SecretSource;
use crate::table::Table;
use crate::{output, signals, text};
use args::{Command, PinName, Unblockable};

pub(crate) fn run(args: &args::Token, report: Report) -> Result<()> {
    match &args.command {
        Command::List(args) => list(args),
        Command::Info(args) => info(args),
        Command::VerifyPin(args) => verify_pin(args, report),
        Command::ChangePin(args) => change_pin(args, report),
        Command::Unblock(args) => unblock(args, report),
        Command::Sim(command) => simulate(command),
    }
}

fn simulate(command: &simulator::cli::Command) -> Result<()> {
    use simulator::cli::Error;
    command.execute_until(&mut output::Stdout, || Ok(signals::divert())).map_err(|error| {
        let code = match error {
            Error::Usage(_) => Code::Usage,
            Error::Failed(_) => Code::Card,
        };
        Failure::new(code, error.to_string())
    })
}

impl From<PinName> for PinRef {
    fn from(name: PinName) -> Self {
        match name {
            PinName::Pin1 => Self::Pin1,
            PinName::Pin2 => Self::Pin2,
            PinName::Puk => Self::Puk,
        }
    }
}

impl From<Unblockable> for PinRef {
    fn from(name: Unblockable) -> Self {
        match name {
            Unblockable::Pin1 => Self::Pin1,
            Unblockable::Pin2 => Self::Pin2,
        }
    }
}

fn list(args: &args::List) -> Result<()> {
    let mut lines = String::new();
    for Found { reader, token } in Cards::new(&args.card).all()? {
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{}: {}", text::brief(reader.as_bytes()), in_reader(&token));
    }
    if lines.is_empty() {
        return Err(card::failure("", &Fault::NoReader.into()));
    }
    output::print(lines.as_bytes())
}

/// What is in a reader, in a line.
fn in_reader(token: &Result<Token, Error>) -> String {
    match token {
        Ok(token) => {
            let holder = token.certificate().and_then(Certificate::common_name).unwrap_or("no certificate");
            let (what, number) = (token.application().name(), token.document_number());
            format!("{what}, {}, {}", text::brief(number.as_bytes()), text::brief(holder.as_bytes()))
        }
        Err(Error::Fault(Fault::NoCard)) => "empty".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn info(args: &args::Info) -> Result<()> {
    let mut token = Cards::new(&args.card).one(None)?;
    let mut table = Table::default();
    table.line("Reader:", token.reader());
    table.line("Card:", token.application().name());
    table.line("Document:", token.document_number());
    for key in token.keys() {
        describe_key(key, &mut table);
    }
    for pin in PinRef::ALL {
        let tries = match token.tries_left(pin) {
            Ok(Some(0)) => "blocked".to_owned(),
            Ok(Some(1)) => "1 try left".to_owned(),
            Ok(Some(left)) => format!("{left} tries left"),
            Ok(None) => "the card does not say how many tries are left".to_owned(),
            Err(Error::NoSuchPin(_)) => continue,
            Err(error) => return Err(card::failure(token.reader(), &error)),
        };
        table.line(&format!("{}:", pin_name(pin)), tries);
    }
    output::print(table.into_text().as_bytes())
}

fn describe_key(key: &TokenKey, table: &mut Table) {
    let public_key = match &key.public_key {
        PublicKey::Ec(key) => key.curve().name().to_owned(),
        PublicKey::Rsa(key) => format!("RSA of {} bits", key.bits()),
    };
    let touch = if key.touch { ", wants a touch" } else { "" };
    table.line("Key:", format!("{:02X}, {public_key}{touch}", key.key.reference()));
    let Some(certificate) = &key.certificate else {
        return table.line("  holder:", "no certificate");
    };
    table.line("  holder:", certificate.common_name().unwrap_or_default());
    let until = text::day(certificate.not_after());
    let validity = match certificate.validity_at(SystemTime::now()) {
        Validity::Valid => format!("until {until}"),
        Validity::Expired => format!("expired on {until}"),
        Validity::NotYetValid => format!("from {} until {until}", text::day(certificate.not_before())),
    };
    table.line("  valid:", validity);
}

fn verify_pin(args: &args::VerifyPin, report: Report) -> Result<()> {
    let pin = args.name.into();
    let source = SecretSource::pin(&args.pin, report.batch);
    let mut token = Cards::new(&args.card).one(None)?;
    let mut entry = PinEntry::new(pin, &source, args.pin.last_try);
    let typed = entry.obtain(&mut token)?;
    entry.persevere(&mut token, typed, |token, typed| token.verify_pin(pin, typed))?;
    report.note(format!("{} is right", pin_name(pin)));
    Ok(())
}

fn change_pin(args: &args::ChangePin, report: Report) -> Result<()> {
    let pin = args.name.into();
    let source = SecretSource::pin(&args.pin, report.batch);
    let mut token = Cards::new(&args.card).one(None)?;
    let mut entry = PinEntry::new(pin, &source, args.pin.last_try);
    let typed = entry.obtain(&mut token)?;
    let new = new_pin(pin, &SecretSource::new_pin(&args.new_pin, report.batch))?;
    entry.persevere(&mut token, typed, |token, typed| token.change_pin(pin, typed, &new))?;
    report.note(format!("{} is changed", pin_name(pin)));
    Ok(())
}

fn unblock(args: &args::Unblock, report: Report) -> Result<()> {
    let pin = args.name.into();
    let source = SecretSource::puk(&args.puk, report.batch);
    let mut token = Cards::new(&args.card).one(None)?;
    let mut entry = PinEntry::new(PinRef::Puk, &source, args.puk.last_try);
    let puk = entry.obtain(&mut token)?;
    let new = new_pin(pin, &SecretSource::new_pin(&args.new_pin, report.batch))?;
    entry.persevere(&mut token, puk, |token, puk| token.unblock_pin(pin, puk, &new))?;
    report.note(format!("{} has a new value and all its tries", pin_name(pin)));
    Ok(())
}
