//! `cdoc2 encrypt`: use cases UC.Client.01, UC.Client.03 and UC.Client.P.01.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use cdoc2::archive::ArchiveWriter;
use cdoc2::core::wire::envelope::MAGIC;
use cdoc2::{InputFile, check_distinct};

use crate::args::Encrypt;
use crate::card::Cards;
use crate::configuration::Configuration;
use crate::exit::{Failure, Result};
use crate::output::Destination;
use crate::progress::Progress;
use crate::report::Report;
use crate::secret_source::SecretSource;
use crate::servers::Plan;
use crate::{failure, recipient_arg, recipients, stdin, text};

pub(crate) fn run(args: &Encrypt, configuration: &Configuration, report: Report) -> Result<()> {
    let destination = Destination::of_binary(args.output.as_deref(), args.force)?;
    let typed = recipient_arg::all(&args.recipients, args.token)?;
    let plan = Plan::new(&args.keepers, typed.iter().any(|recipient| recipient.kind.is_share()), configuration)?;
    let password = SecretSource::password(&args.password, report.batch);
    let cards = Cards::new(&args.card);
    let allow_expired = args.recipients.allow_expired;
    let recipients = recipients::load(typed, allow_expired, args.label.as_deref(), &cards, configuration, &report)?;
    recipients.check(&password)?;
    check_paths(args, &destination, &report)?;
    let files = files(args, &report)?;
    let recipients = recipients.complete(&password)?;

    let mut senders = plan.senders(&recipients, &report)?;
    let failed = |error| failure::of_encryption(&destination.name(), &error);
    let mut progress = Progress::new("encrypting", files.iter().map(InputFile::size).sum(), &report);
    let mut output = destination.create()?;
    let mut advance = |octets| progress.advance(octets);
    let summary = cdoc2::encrypt_with_servers(&recipients, senders.servers(), &files, &mut output, &mut advance);
    let summary = summary.map_err(failed)?;
    output.finish()?;
    drop(progress);

    let (content, size) = (text::count(summary.files as u64, "file"), text::size(summary.octets));
    let whom = text::count(recipients.len() as u64, "recipient");
    report.detail(format!("{}: {content} of {size} for {whom}", destination.name()));
    Ok(())
}

/// Looks for what people mistype.
fn check_paths(args: &Encrypt, destination: &Destination, report: &Report) -> Result<()> {
    for path in args.paths.iter().filter(|path| !stdin::is_meant(path)) {
        if destination.is_same_file(path) || path.is_dir() && destination.is_inside(path) {
            return Err(Failure::usage(format!("{}: is to be encrypted and overwritten at once", destination.name()))
                .hint("name another output with -o"));
        }
        if is_container(path) {
            report.warn(format!("{}: is a CDOC2 container already; to let others open it, use cdoc2 reencrypt", text::path(path)));
        }
    }
    Ok(())
}

fn is_container(path: &Path) -> bool {
    let mut begin = [0; MAGIC.len()];
    path.is_file() && File::open(path).and_then(|mut file| file.read_exact(&mut begin)).is_ok() && begin == *MAGIC
}

/// The files to encrypt, those of folders and standard input included.
fn files(args: &Encrypt, report: &Report) -> Result<Vec<InputFile>> {
    let failed = |error| failure::of_input(&error);
    let (streams, paths): (Vec<_>, Vec<_>) = args.paths.iter().cloned().partition(|path| stdin::is_meant(path));
    let mut files = cdoc2::collect(&paths).map_err(failed)?;
    match (&args.name, &streams[..]) {
        (None, []) => {}
        (Some(name), [_]) => {
            let mut input = stdin::take("a file to encrypt")?;
            files.push(InputFile::from_reader(name, &mut input).map_err(failed)?);
        }
        (Some(_), []) => return Err(Failure::usage("--name names what comes from standard input, and - is not among the files")),
        (None, _) => return Err(Failure::usage("standard input has no name").hint("give it one with --name NAME")),
        (Some(_), _) => return Err(Failure::usage("standard input is named more than once")),
    }
    check_distinct(&files).map_err(failed)?;
    let max_files = ArchiveWriter::<Vec<u8>>::JAVA_MAX_FILES;
    if files.len() > max_files {
        report.warn(format!("{} files: programs built on the Java implementation open at most {max_files}", files.len()));
    }
    Ok(files)
}
