//! Writing a container: a stream from the files to the output, in constant memory.

use std::io::Write;

use cdoc2_nostd::encrypt;
use cdoc2_nostd::key::Fmk;
use getrandom::SysRng;

use crate::Error;
use crate::archive::{self, ArchiveWriter, Deflate};
use crate::input::{InputFile, check_distinct};
use crate::payload::{Counted, EncryptWriter};
use crate::recipient::{Recipient, random};
use crate::record::Record;
use crate::upload::{self, Servers};

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Files in the container.
    pub files: usize,
    /// Their octets.
    pub octets: u64,
}

/// Writes a container of `files` for `recipients` to `out`. `progress` is told how many octets of the files were read since it was told last.
///
/// # Errors
/// - [`Error::NoRecipients`], [`Error::Recipient`], [`Error::HeaderTooLong`]: before anything is written.
/// - [`Error::UnfitInput`]: two files of one name, before anything is written.
/// - [`Error::Input`], [`Error::Archive`]: a file cannot be read, or changed meanwhile.
/// - [`Error::WriteOutput`]: `out` failed.
///
/// What was written by then is of no use.
pub fn encrypt(
    recipients: &[Recipient],
    files: &[InputFile],
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, Error> {
    encrypt_with_servers(recipients, Servers::default(), files, out, progress)
}

/// As [`encrypt()`], but `servers` keep what they are there for, and the container says where it is.
///
/// Everything that can be refused without a server is refused before the first of them gets anything: recipients, a header that would be too long,
/// files that cannot be opened. If anything goes wrong later, what servers keep already stays there until it expires: of no use to anybody, as
/// there is no container for it.
///
/// # Errors
/// As [`encrypt()`]; [`Error::Server`], [`Error::SharesServer`]: a server does not take a recipient, or did not keep what it was given. Then
/// nothing was written.
pub fn encrypt_with_servers(
    recipients: &[Recipient],
    servers: Servers<'_>,
    files: &[InputFile],
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, Error> {
    check_distinct(files)?;
    if servers.is_any() {
        for file in files {
            file.open()?;
        }
    }
    seal(recipients, servers, out, |payload| {
        let mut archive = ArchiveWriter::new(Deflate::new(payload));
        for file in files {
            let source = Counted::new(file.open()?, progress);
            archive.append(file.name(), file.size(), file.mtime(), source).map_err(in_container)?;
        }
        archive.finish().map_err(in_container)?.finish().map_err(Error::WriteOutput)
    })?;
    Ok(Summary { files: files.len(), octets: files.iter().map(InputFile::size).sum() })
}

/// Writes an envelope for `recipients`, of whom `servers` keep what they are there for, and around what `write` writes, the payload.
pub(crate) fn seal<'o>(
    recipients: &[Recipient],
    servers: Servers<'_>,
    out: &'o mut dyn Write,
    write: impl FnOnce(EncryptWriter<&'o mut dyn Write>) -> Result<EncryptWriter<&'o mut dyn Write>, Error>,
) -> Result<(), Error> {
    let fmk = Fmk::generate(&mut SysRng)?;
    let records = upload::records(recipients, servers, &fmk)?;
    let locations: Vec<_> = records.iter().map(Record::locations).collect();
    let views: Vec<_> = records.iter().zip(&locations).map(|(record, locations)| record.view(locations)).collect();
    let mut envelope = vec![0; encrypt::encoded_len(&views)?];
    let sealed = encrypt::seal(&fmk, &views, &mut envelope)?;
    let nonce = random()?;
    out.write_all(sealed.octets()).map_err(Error::WriteOutput)?;
    let payload = EncryptWriter::new(out, &nonce, sealed.encryptor(&nonce)?).map_err(Error::WriteOutput)?;
    let out = write(payload)?.finish().map_err(Error::WriteOutput)?;
    out.flush().map_err(Error::WriteOutput)
}

/// The archive is written to the container, so a failing sink is a failing container.
fn in_container(error: archive::Error) -> Error {
    match error {
        archive::Error::Sink(error) => Error::WriteOutput(error),
        other => Error::Archive(other),
    }
}
