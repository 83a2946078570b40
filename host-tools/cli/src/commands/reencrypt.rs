//! `cdoc2 reencrypt`: use case UC.Client.P.04. What is decrypted stays in memory, a piece at a time.

use crate::args::Reencrypt;
use crate::card::Cards;
use crate::commands::decrypt::passes;
use crate::configuration::Configuration;
use crate::exit::{Failure, Result};
use crate::output::Destination;
use crate::progress::Progress;
use crate::report::Report;
use crate::secret_source::SecretSource;
use crate::servers::Plan;
use crate::unlock::{self, Method, Unlocking};
use crate::{failure, recipient_arg, recipients, text};

pub(crate) fn run(args: &Reencrypt, configuration: &Configuration, report: Report) -> Result<()> {
    let method = args.unlock.method()?;
    let destination = Destination::of_binary(args.output.as_deref(), args.force)?;
    if destination.is_same_file(&args.input) {
        return Err(Failure::usage(format!("{}: is the input and the output at once", destination.name()))
            .hint("write to another file, and rename it when it is there"));
    }
    let typed = recipient_arg::all(&args.recipients, false)?;
    let plan = Plan::new(&args.keepers, typed.iter().any(|recipient| recipient.kind.is_share()), configuration)?;
    let old = SecretSource::password(&args.password, report.batch);
    let new = SecretSource::new_password(&args.new_password, report.batch);
    // One password has one source. Only where a password opens the container does the new one need another.
    let new = match method {
        None | Some(Method::Password) => &new,
        Some(_) if new.is_named() => &new,
        Some(_) => &old,
    };
    let cards = Cards::new(&args.unlock.card);
    let recipients = recipients::load(typed, args.recipients.allow_expired, None, &cards, configuration, &report)?;
    recipients.check(new)?;

    let container = unlock::open(&args.input)?;
    let unlocking = Unlocking {
        input: &args.input,
        container: &container,
        args: &args.unlock,
        password: &old,
        cards: &cards,
        configuration,
        report,
    };
    let unlocked = unlocking.unlock(method)?;

    let failed = |error| failure::of_conversion(&args.input, &destination.name(), &error);
    let mut progress = Progress::new("checking", passes(&container, 3), &report);
    let authentic = unlocked.authenticate(&mut |octets| progress.advance(octets)).map_err(failed)?;
    // Only who can open the container is asked for a new password.
    let recipients = recipients.complete(new)?;
    let mut senders = plan.senders(&recipients, &report)?;
    progress.begin("encrypting");
    let mut output = destination.create()?;
    let policy = args.limits.policy(false);
    let mut advance = |octets| progress.advance(octets);
    let summary = authentic.reencrypt_with_servers(&recipients, senders.servers(), &mut output, &policy, &mut advance);
    let summary = summary.map_err(failed)?;
    output.finish()?;
    drop(progress);

    let (content, size) = (text::count(summary.files.len() as u64, "file"), text::size(summary.total_len()));
    let whom = text::count(recipients.len() as u64, "recipient");
    report.detail(format!("{}: {content} of {size} for {whom}", destination.name()));
    Ok(())
}
