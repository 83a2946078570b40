//! Opening a container: verify first, release afterwards.
//!
//! [`Container`] -> [`Unlocked`] (the header is authentic) -> [`Authentic`] (so is the whole payload, and no plaintext was made) -> files. The
//! payload is read twice for that, so input that can be read only once is spooled first, as the ciphertext that it is.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::Path;

use cdoc2_nostd::decrypt::{self, Verified};
use cdoc2_nostd::holder::{Fit, KeyHolder};
use cdoc2_nostd::wire::capsule::{Capsule, EccPublicKeyCapsule, KeyDetails, RsaPublicKeyCapsule};
use cdoc2_nostd::wire::envelope::{self, Envelope, HEADER_MAC_LEN, PRELUDE_LEN};
use cdoc2_nostd::wire::header::RecipientRecord;

use zeroize::Zeroizing;

use crate::archive::check::{self, Policy, Summary};
use crate::error::{Kind, NoRecord};
use crate::holder::{Unlock, UnlockError};
use crate::payload::{CHUNK_LEN, Ciphertext, Counted, Plaintext, cut_or_io};
use crate::pending::Existing;
use crate::recipient::Recipient;
use crate::selection::Selection;
use crate::unpack::Staging;
use crate::upload::Servers;
use crate::{Error, archive, encrypt};

/// A container whose envelope was read and parsed, and whose payload can be read as often as needed.
#[derive(Debug)]
pub struct Container {
    file: File,
    /// Prelude, header and MAC.
    envelope: Vec<u8>,
    payload_len: u64,
}

impl Container {
    /// Opens the container at `path`. What is not a regular file, a pipe for instance, is [spooled](Self::spool).
    ///
    /// # Errors
    /// [`Error::ReadContainer`]; [`Error::Malformed`], [`Error::Unsupported`] or [`Error::HeaderCut`] if it has no sound envelope.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut file = File::open(path).map_err(Error::ReadContainer)?;
        if file.metadata().map_err(Error::ReadContainer)?.is_file() { Self::from_file(file) } else { Self::spool(&mut file) }
    }

    /// Copies the container from `input` to a temporary file without a name, which is gone when this value is.
    ///
    /// # Errors
    /// As [`Self::open`]. What is no container is refused before it is copied.
    pub fn spool(input: &mut dyn Read) -> Result<Self, Error> {
        let envelope = read_envelope(input)?;
        let mut file = tempfile::tempfile().map_err(Error::ReadContainer)?;
        file.write_all(&envelope).map_err(Error::ReadContainer)?;
        let payload_len = io::copy(input, &mut file).map_err(Error::ReadContainer)?;
        Ok(Self { file, envelope, payload_len })
    }

    fn from_file(mut file: File) -> Result<Self, Error> {
        let envelope = read_envelope(&mut file)?;
        let end = file.seek(SeekFrom::End(0)).map_err(Error::ReadContainer)?;
        let payload_len = end.checked_sub(envelope.len() as u64).ok_or(Error::HeaderCut)?;
        Ok(Self { file, envelope, payload_len })
    }

    /// The envelope.
    #[must_use]
    pub fn envelope(&self) -> Envelope<'_> {
        match Envelope::parse(&self.envelope) {
            Ok((envelope, _)) => envelope,
            Err(error) => unreachable!("these octets were parsed before: {error}"),
        }
    }

    /// Octets of the payload: nonce, ciphertext and tag.
    #[must_use]
    pub fn payload_len(&self) -> u64 {
        self.payload_len
    }

    /// Finds a record for `unlock` and checks the header with it.
    ///
    /// All that fit are tried, in their order. `max_kdf_iterations` bounds the password hashing of all of them together.
    ///
    /// # Errors
    /// As [`Self::unlock_with`]; [`Error::KdfIterations`]: more password hashing than allowed.
    pub fn unlock(&self, unlock: &Unlock, selection: &Selection, max_kdf_iterations: u32) -> Result<Unlocked<'_>, Error> {
        self.open_with(&mut unlock.holder(max_kdf_iterations), selection, unlock.what())
    }

    /// As [`Self::unlock`], with a key that is held elsewhere: on a card, in an HSM.
    ///
    /// # Errors
    /// - [`Error::NoRecord`]: none fits.
    /// - [`Error::Rejected`]: none of those that fit opens the header.
    /// - [`Error::Malformed`], [`Error::Unsupported`]: the only ones that fit are not sound.
    /// - What ails the holder itself, at the first record that shows it.
    pub fn unlock_with<H>(&self, holder: &mut H, selection: &Selection) -> Result<Unlocked<'_>, H::Error>
    where
        H: KeyHolder<Error: UnlockError>,
    {
        self.open_with(holder, selection, "key")
    }

    /// `what` is the word for the holder's secret.
    fn open_with<H>(&self, holder: &mut H, selection: &Selection, what: &'static str) -> Result<Unlocked<'_>, H::Error>
    where
        H: KeyHolder<Error: UnlockError>,
    {
        let envelope = self.envelope();
        let mut failure: Option<H::Error> = None;
        for (index, record) in self.select(selection)? {
            if holder.fit(&record) == Fit::No {
                continue;
            }
            match decrypt::unlock(envelope, &record, holder) {
                Ok(verified) => return Ok(Unlocked { container: self, verified, index }),
                Err(error) if ends_it(&error) => return Err(error),
                Err(error) => failure = Some(worse(failure, error)),
            }
        }
        Err(failure.unwrap_or_else(|| Error::NoRecord(self.no_record(holder, selection, what)).into()))
    }

    fn select<'c>(&'c self, selection: &Selection) -> Result<Vec<(usize, RecipientRecord<'c>)>, Error> {
        let records = (1..).zip(self.envelope().header().records());
        let selected: Vec<_> = records.filter(|(index, record)| selection.includes(*index, record)).collect();
        if !selected.is_empty() {
            return Ok(selected);
        }
        Err(Error::NoRecord(match selection {
            Selection::Label(label) => NoRecord::Label { label: label.clone() },
            Selection::Index(index) => NoRecord::Index { index: *index, count: self.envelope().header().records().count() },
            Selection::Any => unreachable!("a header has at least one record"),
        }))
    }

    /// Says as exactly as possible why there was no record.
    fn no_record<H: KeyHolder>(&self, holder: &H, selection: &Selection, what: &'static str) -> NoRecord {
        for record in self.envelope().header().records() {
            if let Capsule::KeyServer(server) = record.capsule
                && let Some(capsule) = fetched(&server.recipient_key_details)
                && holder.fit(&RecipientRecord { capsule, ..record }) == Fit::Yes
            {
                return NoRecord::OnServer { server: server.keyserver_id.to_string() };
            }
        }
        match selection {
            Selection::Index(index) => NoRecord::Mismatch { index: *index, what },
            Selection::Any | Selection::Label(_) => NoRecord::ForKey { what },
        }
    }

    /// The payload from its beginning.
    fn payload(&self) -> Result<&File, Error> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.envelope.len() as u64)).map_err(Error::ReadContainer)?;
        Ok(file)
    }
}

/// Reads prelude, header and MAC, and checks them.
fn read_envelope(input: &mut dyn Read) -> Result<Vec<u8>, Error> {
    let mut octets = Vec::new();
    read_up_to(input, PRELUDE_LEN, &mut octets)?;
    let len = PRELUDE_LEN + envelope::header_len(&octets)? + HEADER_MAC_LEN;
    read_up_to(input, len, &mut octets)?;
    Envelope::parse(&octets)?;
    Ok(octets)
}

fn read_up_to(input: &mut dyn Read, len: usize, octets: &mut Vec<u8>) -> Result<(), Error> {
    let missing = len - octets.len();
    input.take(missing as u64).read_to_end(octets).map(|_| ()).map_err(Error::ReadContainer)
}

/// Whether no other record is tried after this: the holder failed, or the hashing of passwords has used up what it may.
fn ends_it(error: &impl UnlockError) -> bool {
    matches!(error.about_record(), None | Some(Error::KdfIterations { .. }))
}

/// A wrong key says more than a record that is not sound, and the first of equals stays.
fn worse<E: UnlockError>(before: Option<E>, error: E) -> E {
    let is_rejected = |error: &E| matches!(error.about_record(), Some(Error::Rejected));
    match before {
        Some(before) if !is_rejected(&error) || is_rejected(&before) => before,
        _ => error,
    }
}

/// The capsule that a server keeps for the key of these details, as far as a holder looks at it to say whether it fits.
fn fetched<'b>(details: &KeyDetails<'b>) -> Option<Capsule<'b>> {
    match *details {
        KeyDetails::Ecc { curve, recipient_public_key } => {
            Some(Capsule::EccPublicKey(EccPublicKeyCapsule { curve, recipient_public_key, sender_public_key: &[] }))
        }
        KeyDetails::Rsa { recipient_public_key } => {
            Some(Capsule::RsaPublicKey(RsaPublicKeyCapsule { recipient_public_key, encrypted_kek: &[] }))
        }
        KeyDetails::Unknown(_) => None,
    }
}

/// A container whose header is authentic.
#[derive(Debug)]
pub struct Unlocked<'c> {
    container: &'c Container,
    verified: Verified<'c>,
    index: usize,
}

impl<'c> Unlocked<'c> {
    /// The number of the record that opened it, counted from 1.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Pass 1: reads the whole payload and checks its tag. No plaintext is made. `progress` is told how many octets were read since it was
    /// told last.
    ///
    /// # Errors
    /// [`Error::PayloadAltered`], [`Error::PayloadCut`], [`Error::ReadContainer`].
    pub fn authenticate(self, progress: &mut dyn FnMut(u64)) -> Result<Authentic<'c>, Error> {
        let (ciphertext, nonce) = Ciphertext::new(self.container.payload()?, self.container.payload_len)?;
        ciphertext.authenticate(self.verified.authenticator(&nonce)?, progress)?;
        Ok(Authentic { container: self.container, verified: self.verified })
    }
}

/// A container that is authentic from end to end, as long as nobody alters the file meanwhile: every further pass checks the tag again.
#[derive(Debug)]
pub struct Authentic<'c> {
    container: &'c Container,
    verified: Verified<'c>,
}

impl Authentic<'_> {
    /// Decrypts and inflates everything, applies every rule of unpacking that needs no disk, and keeps nothing. `progress` is told how many
    /// octets of the payload were read since it was told last; so it is by all that follow.
    ///
    /// # Errors
    /// [`Error::Archive`]; [`Error::PayloadAltered`] and the like if the file was altered since [`Unlocked::authenticate`].
    pub fn list(&self, policy: &Policy, progress: &mut dyn FnMut(u64)) -> Result<Summary, Error> {
        self.consume(progress, |plaintext| check::list(plaintext, policy).map_err(in_archive))
    }

    /// Pass 2: decrypts, inflates and unpacks into the folder `target`, which is made if need be. The files appear there under their names only
    /// after all of them are complete and the tag was checked again; whatever goes wrong before leaves nothing.
    ///
    /// # Errors
    /// As [`Self::list`]; also [`Error::Archive`] for whatever keeps the files from being written.
    pub fn unpack(
        &self,
        target: &Path,
        existing: Existing,
        policy: &Policy,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Summary, Error> {
        let mut staging = Staging::create(target, existing)?;
        let summary = self.consume(progress, |plaintext| staging.unpack(plaintext, policy).map_err(in_archive))?;
        staging.release()?;
        Ok(summary)
    }

    /// Writes the only file of the container to `out`, after a pass that has checked the whole archive.
    ///
    /// # Errors
    /// As [`Self::list`]; [`Error::NotSingle`]: no file, or several; [`Error::WriteOutput`].
    pub fn extract_single(&self, out: &mut dyn Write, policy: &Policy, progress: &mut dyn FnMut(u64)) -> Result<Summary, Error> {
        let listed = self.list(policy, progress)?;
        let [file] = &listed.files[..] else {
            return Err(Error::NotSingle { count: listed.files.len() });
        };
        self.consume(progress, |plaintext| check::extract(plaintext, policy, &file.name, out).map_err(in_archive))
    }

    /// Writes a new container with the same content for `recipients` to `out`, after a pass that has checked the whole archive. Plaintext is in
    /// memory only, a chunk at a time, and the archive is taken over octet by octet.
    ///
    /// # Errors
    /// As [`Self::list`] and [`encrypt::encrypt`].
    pub fn reencrypt(
        &self,
        recipients: &[Recipient],
        out: &mut dyn Write,
        policy: &Policy,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Summary, Error> {
        self.reencrypt_with_servers(recipients, Servers::default(), out, policy, progress)
    }

    /// As [`Self::reencrypt`], but `servers` keep what they are there for; they get it after the pass that has checked the archive.
    ///
    /// # Errors
    /// As [`Self::list`] and [`encrypt::encrypt_with_servers`].
    pub fn reencrypt_with_servers(
        &self,
        recipients: &[Recipient],
        servers: Servers<'_>,
        out: &mut dyn Write,
        policy: &Policy,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Summary, Error> {
        let summary = self.list(policy, progress)?;
        encrypt::seal(recipients, servers, out, |mut payload| {
            self.consume(progress, |plaintext| {
                let mut chunk = Zeroizing::new(vec![0; CHUNK_LEN]);
                loop {
                    match plaintext.read(&mut chunk) {
                        Ok(0) => return Ok(()),
                        Ok(read) => payload.write_all(&chunk[..read]).map_err(Error::WriteOutput)?,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(cut_or_io(error)),
                    }
                }
            })?;
            Ok(payload)
        })?;
        Ok(summary)
    }

    /// Lets `consumer` read the plaintext, then reads what it left over and checks the tag. A tag that does not fit is the error, whatever the
    /// consumer found inside (specification, "Requirements for payload unpacking").
    fn consume<T>(
        &self,
        progress: &mut dyn FnMut(u64),
        consumer: impl FnOnce(&mut dyn Read) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (ciphertext, nonce) = Ciphertext::new(self.container.payload()?, self.container.payload_len)?;
        let mut plaintext = Plaintext::new(ciphertext, self.verified.decryptor(&nonce)?);
        let outcome = consumer(&mut Counted::new(&mut plaintext, progress));
        match outcome {
            // The disk, not the content: what is left of the payload cannot change that.
            Err(error) if error.kind() == Kind::Io => Err(error),
            outcome => plaintext.finish().and(outcome),
        }
    }
}

/// The archive is read from the payload, so a failing source is a failing container.
fn in_archive(error: archive::Error) -> Error {
    match error {
        archive::Error::Source(error) => cut_or_io(error),
        archive::Error::Sink(error) => Error::WriteOutput(error),
        other => Error::Archive(other),
    }
}
