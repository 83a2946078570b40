//! `cdoc2 decrypt`: use cases UC.Client.02 and UC.Client.P.02.

use cdoc2::Container;
use cdoc2::archive::check::Summary;
use cdoc2::pending::Existing;

use crate::args::Decrypt;
use crate::card::Cards;
use crate::configuration::Configuration;
use crate::exit::{Failure, Result};
use crate::output::Destination;
use crate::progress::Progress;
use crate::report::Report;
use crate::secret_source::SecretSource;
use crate::unlock::{self, Method, Unlocking};
use crate::{failure, stdin, text};

pub(crate) fn run(args: &Decrypt, configuration: &Configuration<'_>, report: Report) -> Result<()> {
    let method = args.unlock.method()?;
    let password = SecretSource::password(&args.password, report.batch);
    if password.is_named() && !matches!(method, None | Some(Method::Password)) {
        return Err(Failure::usage("a password is given, but something else opens the container")
            .hint("the passphrase of a private key comes from --key-password-file or --key-password-fd"));
    }
    let single = if stdin::is_meant(&args.output) { Some(Destination::of_binary(None, false)?) } else { None };

    let container = unlock::open(&args.input)?;
    let cards = Cards::new(&args.unlock.card);
    let unlocking = Unlocking {
        input: &args.input,
        container: &container,
        args: &args.unlock,
        password: &password,
        cards: &cards,
        configuration,
        report,
    };
    let unlocked = unlocking.unlock(method)?;

    let failed = |error| failure::of_container(&args.input, &error);
    let policy = args.limits.policy(args.rename_unsafe);
    let mut progress = Progress::new("checking", passes(&container, if single.is_some() { 3 } else { 2 }), &report);
    let authentic = unlocked.authenticate(&mut |octets| progress.advance(octets)).map_err(failed)?;
    progress.begin("unpacking");
    let mut advance = |octets| progress.advance(octets);
    let Some(single) = single else {
        let existing = if args.force { Existing::Replace } else { Existing::Refuse };
        let summary = authentic.unpack(&args.output, existing, &policy, &mut advance).map_err(failed)?;
        drop(progress);
        tell(&summary, |name| args.output.join(name), &report);
        return Ok(());
    };
    let mut output = single.create()?;
    let extracted = authentic.extract_single(&mut output, &policy, &mut advance);
    extracted.map_err(|error| failure::of_conversion(&args.input, &single.name(), &error))?;
    output.finish()
}

/// Octets that are read when the payload is read this many times.
pub(crate) fn passes(container: &Container, number: u64) -> u64 {
    container.payload_len().saturating_mul(number)
}

/// Says which files there are now, and which of them had other names.
fn tell(summary: &Summary, path: impl Fn(&str) -> std::path::PathBuf, report: &Report) {
    for file in &summary.files {
        let shown = path(&file.name);
        report.note(format!("{} ({})", text::path(&shown), text::size(file.size)));
        if let Some(renamed) = &file.renamed {
            let why = renamed.problem.map_or_else(|| "another file has that name".to_owned(), |problem| problem.to_string());
            report.warn(format!("{}: was \"{}\" in the container; {why}", text::path(&shown), renamed.original));
        }
    }
}
