//! `cdoc2 inspect`: who can open a container, and how.

use cdoc2_client::config::Config;

use crate::args::Inspect;
use crate::configuration::Configuration;
use crate::exit::{Code, Failure, Result};
use crate::inspection::{Inspection, Owners, Record};
use crate::report::Report;
use crate::table::Table;
use crate::{output, servers, text, unlock};

pub(crate) fn run(args: &Inspect, configuration: &Configuration<'_>, report: Report) -> Result<()> {
    let container = unlock::open(&args.input)?;
    let mut records = container.envelope().header().records();
    let names_servers = records.any(|record| servers::is_on_server(&record) || servers::is_split(&record));
    let config = if names_servers { configuration.load() } else { Ok(Config::default()) };
    // What stands in a container can be shown without it.
    let config = config.unwrap_or_else(|failure| {
        report.warn(failure.text());
        Config::default()
    });
    let inspection = Inspection::new(&args.input, &container, &config);
    let text = if args.json {
        let json = serde_json::to_string_pretty(&inspection);
        text::json(&json.map_err(|error| Failure::new(Code::Io, format!("standard output: {error}")))?) + "\n"
    } else {
        table(&inspection)
    };
    output::print(text.as_bytes())
}

impl Owners for Config {
    fn of_capsule_server(&self, id: &str) -> Option<String> {
        self.server(id).ok()?.owner.clone()
    }

    fn of_shares_server(&self, url: &str) -> Option<String> {
        self.shares_server(&url.parse().ok()?).ok().map(|server| server.owner.clone())
    }
}

fn table(inspection: &Inspection) -> String {
    let mut table = Table::default();
    table.line("File:", &inspection.file);
    table.line("Format:", format!("CDOC2, version {}", inspection.envelope_version));
    table.line(
        "Header:",
        format!("{}, {}", octets(inspection.header_len as u64), text::count(inspection.records.len() as u64, "record")),
    );
    table.line("Payload:", format!("{}, {}", octets(inspection.payload_len), inspection.payload_encryption_method));
    for record in &inspection.records {
        describe(record, &mut table);
    }
    table.into_text()
}

fn describe(record: &Record, table: &mut Table) {
    let details = &record.details;
    let name = if record.label.name.is_empty() { "(no label)" } else { &record.label.name };
    table.heading(&format!("Record {}", record.index), name);
    let kind = kind(record);
    table.line(
        "  for:",
        match record.scheme {
            Some(scheme) => format!("{kind} ({scheme})"),
            None => kind,
        },
    );
    table.line(
        "  opens by:",
        match record.opened_by {
            Some("key") => "--key, --p12, --token or --pkcs11",
            Some("password") => "--password",
            Some("secret") => "--secret",
            Some("auth") => "--auth smart-id, mobile-id, id-card, pkcs11 or key",
            Some(_) | None => "nothing in this version",
        },
    );
    table.optional("  key:", details.public_key_sha256.as_ref().map(|digest| format!("SHA-256 {digest}")));
    table.optional("  server:", details.server_id.as_ref());
    table.optional("  owner:", details.server_owner.as_ref());
    table.optional("  id:", details.transaction_id.as_ref());
    table.optional("  recipient:", details.shares_recipient_id.as_ref());
    for share in details.shares.iter().flatten() {
        let owner = share.server_owner.as_ref().map_or_else(String::new, |owner| format!(" ({owner})"));
        table.line("  share:", format!("{} at {}{owner}", share.share_id, share.server_url));
    }
    table.optional("  expires:", details.expires.as_ref());
    table.optional("  hashing:", details.kdf.as_ref().map(|kdf| format!("{kdf}, {} rounds", details.kdf_iterations.unwrap_or(0))));
    if record.fmk_encryption_method != "XOR" {
        table.line("  method:", &record.fmk_encryption_method);
    }
    match &record.label.fields {
        Some(fields) => {
            let fields: Vec<_> = fields.iter().map(|field| format!("{}={}", field.name, field.value)).collect();
            table.line("  label:", fields.join(" | "));
        }
        None if record.label.name != record.label.text => table.line("  label:", &record.label.text),
        None => {}
    }
}

/// What a record is for, in words.
fn kind(record: &Record) -> String {
    let key = match (&record.details.curve, record.details.rsa_modulus_bits) {
        (Some(curve), _) => format!("key on {curve}"),
        (None, Some(bits)) => format!("RSA key of {bits} bits"),
        (None, None) => "key of an unknown kind".to_owned(),
    };
    match record.capsule_type_id {
        1 | 2 => key,
        3 => format!("{key}, through a capsule server"),
        4 => "symmetric secret".to_owned(),
        5 => "password".to_owned(),
        6 => "person who signs in to shares servers".to_owned(),
        _ => format!("recipient of an unknown kind: capsule {}", record.capsule_type),
    }
}

fn octets(number: u64) -> String {
    let exact = text::count(number, "octet");
    if number < 1024 { exact } else { format!("{exact} ({})", text::size(number)) }
}
