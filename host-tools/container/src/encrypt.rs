//! Writing a container: a stream from the files to the output, in constant memory.

use std::io::Write;

use cdoc2_nostd::encrypt;
use cdoc2_nostd::key::Fmk;
use getrandom::SysRng;

use crate::Error;
use crate::archive::{self, ArchiveWriter, Deflate};
use crate::input::{InputFile, check_distinct};
use crate::payload::{Counted, EncryptWriter};
use crate::recipient::{Recipient, Record, random};
use crate::server::{CapsuleServer, MAX_TRANSACTION_ID_LEN, Receipt};

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
    write(recipients, None, files, out, progress)
}

/// As [`encrypt()`], but the capsules of recipients with a public key are given to `server`, and the container says where they are. Capsules of
/// passwords and symmetric keys stay in the container.
///
/// Everything that can be refused without the server is refused before it gets the first capsule: recipients, a header that would be too long,
/// files that cannot be opened. If anything goes wrong later, capsules that the server keeps already stay there until they expire: of no use to
/// anybody, as there is no container for them.
///
/// # Errors
/// As [`encrypt()`]; [`Error::Server`]: the server does not take a recipient, or did not keep a capsule. Then nothing was written.
pub fn encrypt_with_server(
    recipients: &[Recipient],
    server: &mut dyn CapsuleServer,
    files: &[InputFile],
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, Error> {
    for file in files {
        file.open()?;
    }
    write(recipients, Some(server), files, out, progress)
}

fn write(
    recipients: &[Recipient],
    server: Option<&mut dyn CapsuleServer>,
    files: &[InputFile],
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, Error> {
    check_distinct(files)?;
    seal(recipients, server, out, |payload| {
        let mut archive = ArchiveWriter::new(Deflate::new(payload));
        for file in files {
            let source = Counted::new(file.open()?, progress);
            archive.append(file.name(), file.size(), file.mtime(), source).map_err(in_container)?;
        }
        archive.finish().map_err(in_container)?.finish().map_err(Error::WriteOutput)
    })?;
    Ok(Summary { files: files.len(), octets: files.iter().map(InputFile::size).sum() })
}

/// Writes an envelope for `recipients`, whose capsules go to `server` if there is one, and around what `write` writes, the payload.
pub(crate) fn seal<'o>(
    recipients: &[Recipient],
    server: Option<&mut dyn CapsuleServer>,
    out: &'o mut dyn Write,
    write: impl FnOnce(EncryptWriter<&'o mut dyn Write>) -> Result<EncryptWriter<&'o mut dyn Write>, Error>,
) -> Result<(), Error> {
    if recipients.is_empty() {
        return Err(Error::NoRecipients);
    }
    let fmk = Fmk::generate(&mut SysRng)?;
    let mut records = Vec::with_capacity(recipients.len());
    for (index, recipient) in (1..).zip(recipients) {
        let refused = |error: Error| Error::Recipient { index, reason: error.to_string() };
        records.push(recipient.record(&fmk).map_err(refused)?);
    }
    if let Some(server) = server {
        records = put(recipients, records, server)?;
    }
    let views: Vec<_> = records.iter().map(Record::view).collect();
    let mut envelope = vec![0; encrypt::encoded_len(&views)?];
    let sealed = encrypt::seal(&fmk, &views, &mut envelope)?;
    let nonce = random()?;
    out.write_all(sealed.octets()).map_err(Error::WriteOutput)?;
    let payload = EncryptWriter::new(out, &nonce, sealed.encryptor(&nonce)?).map_err(Error::WriteOutput)?;
    let out = write(payload)?.finish().map_err(Error::WriteOutput)?;
    out.flush().map_err(Error::WriteOutput)
}

/// Gives the capsules of `records` that can be on a server to `server`; the records that say so.
fn put(recipients: &[Recipient], records: Vec<Record>, server: &mut dyn CapsuleServer) -> Result<Vec<Record>, Error> {
    let id = server.id().to_owned();
    let refused = |index, reason| Error::Server { index, server: id.clone(), reason };
    // As long as any: no year has five digits.
    let longest = || Receipt { transaction_id: "K".repeat(MAX_TRANSACTION_ID_LEN), expiry: Some(253_402_300_799) };
    let mut planned = Vec::with_capacity(records.len());
    for ((index, recipient), record) in (1..).zip(recipients).zip(&records) {
        if recipient.public_key().is_some() {
            server.check(recipient).map_err(|reason| refused(index, reason))?;
            planned.push(Some(recipient.on_server(record, &id, longest())?));
        } else {
            planned.push(None);
        }
    }
    let views: Vec<_> = planned.iter().zip(&records).map(|(planned, record)| planned.as_ref().unwrap_or(record).view()).collect();
    encrypt::encoded_len(&views)?;

    let mut stored = Vec::with_capacity(records.len());
    for ((index, recipient), record) in (1..).zip(recipients).zip(records) {
        let capsule = recipient.public_key().and_then(|key| record.server_capsule(key));
        stored.push(match capsule {
            Some(capsule) => {
                let receipt = server.put(&capsule, recipient).map_err(|reason| refused(index, reason))?;
                recipient.on_server(&record, &id, receipt)?
            }
            None => record,
        });
    }
    Ok(stored)
}

/// The archive is written to the container, so a failing sink is a failing container.
fn in_container(error: archive::Error) -> Error {
    match error {
        archive::Error::Sink(error) => Error::WriteOutput(error),
        other => Error::Archive(other),
    }
}
