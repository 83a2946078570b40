//! `cdoc2 recipients`: whose certificates the directories have. Use case UC.Client.01, extension 2a.

pub(crate) mod args;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use base64ct::{Base64, Encoding as _};
use cdoc2_client::directory::{Candidate, Found, Query, Verdict};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::configuration::Configuration;
use crate::exit::{Code, Failure, Result};
use crate::output::Destination;
use crate::report::Report;
use crate::table::Table;
use crate::{directory, output, text};
use args::{Command, Find, Recipients};

/// The name of the schema of `cdoc2 recipients find --json`.
const SCHEMA: &str = "cdoc2-recipients";
/// Its version.
const VERSION: u32 = 1;

pub(crate) fn run(args: &Recipients, configuration: &Configuration<'_>, report: Report) -> Result<()> {
    match &args.command {
        Command::Find(args) => find(args, configuration, report),
    }
}

fn find(args: &Find, configuration: &Configuration<'_>, report: Report) -> Result<()> {
    let query = Query::parse(&args.query).map_err(|error| {
        Failure::usage(format!("QUERY is {error}"))
            .hint("write a personal code of 11 digits, a registry code of 8, or a name; nothing was sent")
    })?;
    let found = directory::find(&query, "QUERY", configuration, &report)?;
    let text = if args.json { json(&found)? } else { table(&found) };
    output::print(text.as_bytes())?;
    if let Some(folder) = &args.output {
        for candidate in found.candidates.iter().filter(|candidate| args.all || candidate.is_taken()) {
            save(candidate, folder, args.force, &report)?;
        }
    }
    if found.taken().next().is_none() { Err(directory::nobody(&found, "QUERY")) } else { Ok(()) }
}

fn table(found: &Found) -> String {
    let mut table = Table::default();
    for (index, candidate) in (1..).zip(&found.candidates) {
        let holder = &candidate.holder;
        table.heading(&format!("Certificate {index}"), holder.common_name.as_deref().unwrap_or("(no name)"));
        table.optional("  code:", holder.code.as_ref());
        table.optional("  of:", holder.organisation.as_ref());
        table.line("  kind:", directory::kind(candidate.kind));
        let validity = candidate.validity.map(|(from, until)| {
            let until = text::day(until);
            if from > SystemTime::now() { format!("from {} until {until}", text::day(from)) } else { format!("until {until}") }
        });
        table.optional("  valid:", validity);
        table.line("  directory:", candidate.directories.join(", "));
        table.line("  verdict:", directory::verdict(candidate));
    }
    table.into_text().trim_start().to_owned()
}

#[derive(Serialize)]
struct Document<'f> {
    schema: &'static str,
    version: u32,
    candidates: Vec<Entry<'f>>,
    failures: Vec<Failed<'f>>,
    cut: &'f [String],
}

#[derive(Serialize)]
struct Entry<'f> {
    name: Option<&'f str>,
    code: Option<&'f str>,
    organisation: Option<&'f str>,
    kind: &'static str,
    not_before: Option<String>,
    not_after: Option<String>,
    directories: &'f [String],
    taken: bool,
    reason: Option<&'static str>,
    certificate: String,
}

#[derive(Serialize)]
struct Failed<'f> {
    directory: &'f str,
    error: String,
}

fn json(found: &Found) -> Result<String> {
    let document = Document {
        schema: SCHEMA,
        version: VERSION,
        candidates: found.candidates.iter().map(entry).collect(),
        failures: found
            .failures
            .iter()
            .map(|failure| Failed { directory: &failure.directory, error: failure.error.to_string() })
            .collect(),
        cut: &found.cut,
    };
    let json = serde_json::to_string_pretty(&document);
    let json = json.map_err(|error| Failure::new(Code::Io, format!("standard output: {error}")))?;
    Ok(text::json(&json) + "\n")
}

fn entry(candidate: &Candidate) -> Entry<'_> {
    let holder = &candidate.holder;
    Entry {
        name: holder.common_name.as_deref(),
        code: holder.code.as_deref(),
        organisation: holder.organisation.as_deref(),
        kind: directory::kind_name(candidate.kind),
        not_before: candidate.validity.and_then(|(from, _)| moment(from)),
        not_after: candidate.validity.and_then(|(_, until)| moment(until)),
        directories: &candidate.directories,
        taken: candidate.is_taken(),
        reason: match candidate.verdict {
            Verdict::Taken => None,
            Verdict::Left(reason) => Some(directory::reason_name(reason)),
        },
        certificate: Base64::encode_string(&candidate.der),
    }
}

fn moment(moment: SystemTime) -> Option<String> {
    let seconds = moment.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    text::moment(i64::try_from(seconds).ok()?)
}

/// Writes a certificate into `folder`, under its code and the beginning of its digest.
fn save(candidate: &Candidate, folder: &Path, force: bool, report: &Report) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| Failure::io(folder, &error))?;
    let is_plain = |character: &char| character.is_ascii_alphanumeric() || *character == '-';
    let code: String = candidate.holder.code.iter().flat_map(|code| code.chars()).filter(is_plain).take(40).collect();
    let digest: String = Sha256::digest(&candidate.der).iter().take(4).map(|octet| format!("{octet:02x}")).collect();
    let name = if code.is_empty() { "certificate" } else { &code };
    let path = folder.join(format!("{name}-{digest}.cer"));
    let mut file = Destination::of(Some(&path), force)?.create()?;
    file.write_all(&candidate.der).map_err(|error| Failure::io(&path, &error))?;
    file.finish()?;
    report.note(text::path(&path).to_string());
    Ok(())
}
