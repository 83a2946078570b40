//! The payload as a stream: plaintext written becomes ciphertext, ciphertext read becomes plaintext that is not authentic yet.

use std::io::{self, Read, Write};

use cdoc2_nostd::payload::{Authenticator, Decryptor, Encryptor, NONCE_LEN, TAG_LEN};

use crate::Error;

/// Octets that are encrypted and written, or read and checked, at once.
pub(crate) const CHUNK_LEN: usize = 128 * 1024;

/// Octets of the shortest payload: a nonce and a tag around nothing.
pub(crate) const MIN_PAYLOAD_LEN: u64 = (NONCE_LEN + TAG_LEN) as u64;

/// Encrypts what is written to it.
pub(crate) struct EncryptWriter<W: Write> {
    out: W,
    encryptor: Encryptor,
    chunk: Vec<u8>,
}

impl<W: Write> EncryptWriter<W> {
    /// Writes `nonce`, then ciphertext, to `out`.
    pub(crate) fn new(mut out: W, nonce: &[u8; NONCE_LEN], encryptor: Encryptor) -> io::Result<Self> {
        out.write_all(nonce)?;
        Ok(Self { out, encryptor, chunk: Vec::with_capacity(CHUNK_LEN) })
    }

    fn write_chunk(&mut self) -> io::Result<()> {
        self.encryptor.encrypt(&mut self.chunk).map_err(io::Error::other)?;
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }

    /// Writes what is left, and the tag.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.write_chunk()?;
        self.out.write_all(&self.encryptor.finish())?;
        Ok(self.out)
    }
}

impl<W: Write> Write for EncryptWriter<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let taken = octets.len().min(CHUNK_LEN - self.chunk.len());
        self.chunk.extend_from_slice(&octets[..taken]);
        if self.chunk.len() == CHUNK_LEN {
            self.write_chunk()?;
        }
        Ok(taken)
    }

    /// Nothing is held back for long, and the tag comes at the end anyway.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A payload of known length: ciphertext, then the tag.
pub(crate) struct Ciphertext<R: Read> {
    input: R,
    /// Octets of ciphertext that are still to come.
    left: u64,
}

impl<R: Read> Ciphertext<R> {
    /// Reads the nonce from `input`, which stands at the beginning of a payload of `payload_len` octets.
    pub(crate) fn new(mut input: R, payload_len: u64) -> Result<(Self, [u8; NONCE_LEN]), Error> {
        let left = payload_len.checked_sub(MIN_PAYLOAD_LEN).ok_or(Error::PayloadCut)?;
        let mut nonce = [0; NONCE_LEN];
        read_exact(&mut input, &mut nonce)?;
        Ok((Self { input, left }, nonce))
    }

    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(octets.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.input.read(&mut octets[..wanted])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }

    fn tag(mut self) -> Result<[u8; TAG_LEN], Error> {
        let mut tag = [0; TAG_LEN];
        read_exact(&mut self.input, &mut tag)?;
        Ok(tag)
    }

    /// Reads it all and checks the tag. No plaintext is made.
    pub(crate) fn authenticate(mut self, mut authenticator: Authenticator, progress: &mut dyn FnMut(u64)) -> Result<(), Error> {
        let mut chunk = vec![0; CHUNK_LEN];
        loop {
            match self.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => {
                    authenticator.update(&chunk[..read])?;
                    progress(read as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(cut_or_io(error)),
            }
        }
        authenticator.finish(&self.tag()?).map_err(|_| Error::PayloadAltered)
    }
}

/// Decrypts while it is read. What comes out is not authentic before [`Plaintext::finish`] has succeeded.
pub(crate) struct Plaintext<R: Read> {
    ciphertext: Ciphertext<R>,
    decryptor: Decryptor,
}

impl<R: Read> Plaintext<R> {
    pub(crate) fn new(ciphertext: Ciphertext<R>, decryptor: Decryptor) -> Self {
        Self { ciphertext, decryptor }
    }

    /// Reads whatever the consumer left, and checks the tag.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        let mut chunk = vec![0; CHUNK_LEN];
        loop {
            match self.read(&mut chunk) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(cut_or_io(error)),
            }
        }
        let Self { ciphertext, decryptor } = self;
        decryptor.finish(&ciphertext.tag()?).map_err(|_| Error::PayloadAltered)
    }
}

impl<R: Read> Read for Plaintext<R> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let read = self.ciphertext.read(octets)?;
        self.decryptor.decrypt(&mut octets[..read]).map_err(io::Error::other)?;
        Ok(read)
    }
}

fn read_exact(input: &mut impl Read, octets: &mut [u8]) -> Result<(), Error> {
    input.read_exact(octets).map_err(cut_or_io)
}

/// A payload that ends too early is cut; anything else is the file's trouble.
pub(crate) fn cut_or_io(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { Error::PayloadCut } else { Error::ReadContainer(error) }
}

/// Tells an observer how many octets are read.
pub(crate) struct Counted<'p, R> {
    source: R,
    progress: &'p mut dyn FnMut(u64),
}

impl<'p, R: Read> Counted<'p, R> {
    pub(crate) fn new(source: R, progress: &'p mut dyn FnMut(u64)) -> Self {
        Self { source, progress }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(octets)?;
        (self.progress)(read as u64);
        Ok(read)
    }
}
