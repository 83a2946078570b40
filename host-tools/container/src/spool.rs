//! Standard input kept for a second reading: encrypted, in a temporary file without a name.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
use getrandom::SysRng;
use getrandom::rand_core::TryRng as _;
use zeroize::Zeroizing;

const CHUNK_LEN: usize = 128 * 1024;

/// Octets in a temporary file that is gone when this value is, and unreadable without it: the key is in memory only. ChaCha20 alone will do,
/// as nobody else can write to the file.
pub(crate) struct Spool {
    file: File,
    key: Zeroizing<[u8; 32]>,
    len: u64,
}

impl Spool {
    /// Takes everything that `source` gives.
    pub(crate) fn fill(source: &mut dyn Read) -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        SysRng.try_fill_bytes(key.as_mut_slice()).map_err(io::Error::other)?;
        let mut spool = Self { file: tempfile::tempfile()?, key, len: 0 };
        let mut cipher = spool.cipher();
        let mut chunk = Zeroizing::new(vec![0; CHUNK_LEN]);
        loop {
            match source.read(&mut chunk) {
                Ok(0) => return Ok(spool),
                Ok(read) => {
                    cipher.try_apply_keystream(&mut chunk[..read]).map_err(io::Error::other)?;
                    spool.file.write_all(&chunk[..read])?;
                    spool.len += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Reads it from the beginning.
    pub(crate) fn open(&self) -> io::Result<impl Read + use<'_>> {
        let mut file = &self.file;
        file.rewind()?;
        Ok(SpoolReader { file, cipher: self.cipher() })
    }

    fn cipher(&self) -> ChaCha20 {
        // The key encrypts one message only, so the nonce need not be fresh.
        ChaCha20::new((&*self.key).into(), &[0; 12].into())
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("len", &self.len).finish_non_exhaustive()
    }
}

struct SpoolReader<'s> {
    file: &'s File,
    cipher: ChaCha20,
}

impl Read for SpoolReader<'_> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(octets)?;
        self.cipher.try_apply_keystream(&mut octets[..read]).map_err(io::Error::other)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_it_took_and_stores_something_else() {
        let text: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
        let spool = Spool::fill(&mut &text[..]).unwrap();
        assert_eq!(spool.len(), text.len() as u64);
        for _ in 0..2 {
            let mut again = Vec::new();
            spool.open().unwrap().read_to_end(&mut again).unwrap();
            assert_eq!(again, text);
        }
        let mut stored = Vec::new();
        (&spool.file).rewind().unwrap();
        (&spool.file).read_to_end(&mut stored).unwrap();
        assert_eq!(stored.len(), text.len());
        assert!(!stored.windows(64).any(|window| window == &text[..64]));
    }
}
