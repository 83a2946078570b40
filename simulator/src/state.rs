//! The file that a simulated token lives in.
//!
//! ```text
//! offset  octets
//!      0       8  "TOKENSIM"
//!      8       2  version of this format: 1
//!     10       2  zero
//!     12       4  octets of the flash: whole pages of 4096
//!     16      32  root key: the fuses of the board
//!     48      32  administrator key, which a real card's issuer keeps
//!     80      32  SHA-256 of all before
//!    112    3984  zero
//!   4096          the flash
//! ```
//! Numbers are big-endian. The keys stand in the file in the clear: whoever reads it has the token, as whoever opens a chip has its fuses.
//! It is made with mode 0600.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use token_fw::platform::ROOT_KEY_LEN;
use zeroize::Zeroizing;

use crate::hw::{Board, Flash, Rng};
use crate::whole_file;

const MAGIC: &[u8; 8] = b"TOKENSIM";
const VERSION: u16 = 1;
/// Octets before the flash.
const HEADER_LEN: usize = 4096;
/// Octets of the header before its digest.
const DIGESTED_LEN: usize = 80;
/// More flash than any token has: a file that asks for it is damaged.
const MAX_FLASH_LEN: usize = 16 << 20;
/// Octets of an administrator key.
pub const ADMINISTRATOR_KEY_LEN: usize = 32;

/// What a token has besides its flash.
pub struct Fuses {
    /// The board's root key.
    pub root_key: Zeroizing<[u8; ROOT_KEY_LEN]>,
    /// The key that authenticates the card's administrator; the card itself keeps it sealed in its flash.
    pub administrator_key: Zeroizing<[u8; ADMINISTRATOR_KEY_LEN]>,
}

impl fmt::Debug for Fuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fuses")
    }
}

/// A token, out of its file.
#[derive(Debug)]
pub struct State {
    /// Its fuses.
    pub fuses: Fuses,
    /// Its flash.
    pub flash: Flash,
}

/// Why a state file cannot be had. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file, or its folder, cannot be read or written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    /// There is a file of that name.
    #[error("{}: exists already; use --force to throw the token in it away", .0.display())]
    Exists(PathBuf),
    /// It may be read only.
    #[error("{}: may not be written by you, and a token that is used counts its tries there; token-sim info only reads it", .0.display())]
    ReadOnly(PathBuf),
    /// Another program runs the token.
    #[error("{}: another program uses this token; end it first", .0.display())]
    InUse(PathBuf),
    /// It is some other file.
    #[error("{}: not the state file of a simulated token", .0.display())]
    Foreign(PathBuf),
    /// A later token-sim has made it.
    #[error("{}: state file of version {version}; this program knows version {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// It is cut short, too long, or changed.
    #[error("{}: damaged state file: {fault}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: &'static str,
    },
}

impl State {
    /// The board that it makes, with random numbers from `rng`.
    #[must_use]
    pub fn board(self, rng: Rng) -> Board {
        Board::new(self.flash, rng, self.fuses.root_key)
    }

    /// Writes the token into a new file at `path`; the whole of it, or nothing. With `replace` it may take the place of another token.
    ///
    /// # Errors
    /// [`Error::Exists`] without `replace`; with it, [`Error::InUse`], and [`Error::Foreign`] for a file that is no token's.
    pub fn create(&self, path: &Path, replace: bool) -> Result<(), Error> {
        // Held until the new file is in place, so that nobody starts the old token meanwhile.
        let _old = match replace.then(|| locked(path)).transpose() {
            Err(Error::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => None,
            Err(Error::Version { .. } | Error::Damaged { .. }) => None,
            old => old?,
        };
        let octets = Zeroizing::new([&self.header()[..], &self.flash.image()].concat());
        whole_file::write(path, &octets, replace).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists(path.into()),
            _ => Error::Io { path: path.into(), cause },
        })
    }

    /// Takes the token out of the file at `path` to run it: its flash is that file, which nobody else can open this way until the last
    /// handle to the flash is gone.
    ///
    /// # Errors
    /// [`Error::InUse`]: another program runs it. [`Error::ReadOnly`]: it may not be written. Any other: the file is not there, or not a token's.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (file, header) = locked(path)?;
        let flash =
            Flash::in_file(file, HEADER_LEN as u64, header.flash_len).map_err(|cause| Error::Io { path: path.into(), cause })?;
        Ok(Self { fuses: header.fuses, flash })
    }

    /// Copies the token out of the file at `path` to look at it, whether or not somebody runs it; nothing done to the copy reaches the file.
    ///
    /// # Errors
    /// The file is not there, or not a token's.
    pub fn copy(path: &Path) -> Result<Self, Error> {
        let failed = |cause| Error::Io { path: path.into(), cause };
        let file = File::open(path).map_err(failed)?;
        let header = header(path, &file)?;
        let read = || {
            let mut image = vec![0; header.flash_len];
            file.read_exact_at(&mut image, HEADER_LEN as u64).map(|()| image)
        };
        // The token may be writing: two equal readings in a row are one state of it.
        let mut image = read().map_err(failed)?;
        loop {
            let again = read().map_err(failed)?;
            if again == image {
                return Ok(Self { fuses: header.fuses, flash: Flash::with_image(image) });
            }
            image = again;
        }
    }

    fn header(&self) -> Zeroizing<[u8; HEADER_LEN]> {
        let flash_len = u32::try_from(self.flash.image().len()).unwrap_or(u32::MAX);
        let mut header = Zeroizing::new([0; HEADER_LEN]);
        header[..8].copy_from_slice(MAGIC);
        header[8..10].copy_from_slice(&VERSION.to_be_bytes());
        header[12..16].copy_from_slice(&flash_len.to_be_bytes());
        header[16..48].copy_from_slice(&*self.fuses.root_key);
        header[48..80].copy_from_slice(&*self.fuses.administrator_key);
        let digest = Sha256::digest(&header[..DIGESTED_LEN]);
        header[DIGESTED_LEN..DIGESTED_LEN + 32].copy_from_slice(&digest);
        header
    }
}

struct Header {
    fuses: Fuses,
    flash_len: usize,
}

/// Opens and locks the file at `path`.
fn locked(path: &Path) -> Result<(File, Header), Error> {
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Error::ReadOnly(path.into()),
        _ => Error::Io { path: path.into(), cause },
    };
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::InUse(path.into())),
        Err(TryLockError::Error(cause)) => return Err(failed(cause)),
    }
    let header = header(path, &file)?;
    Ok((file, header))
}

fn header(path: &Path, file: &File) -> Result<Header, Error> {
    let failed = |cause| Error::Io { path: path.into(), cause };
    let damaged = |fault| Err(Error::Damaged { path: path.into(), fault });
    let file_len = file.metadata().map_err(failed)?.len();
    let mut header = Zeroizing::new(Vec::with_capacity(HEADER_LEN));
    file.take(HEADER_LEN as u64).read_to_end(&mut header).map_err(failed)?;
    let Some(rest) = header.strip_prefix(MAGIC) else { return Err(Error::Foreign(path.into())) };
    match rest.first_chunk().map(|octets| u16::from_be_bytes(*octets)) {
        Some(VERSION) => {}
        Some(version) => return Err(Error::Version { path: path.into(), version }),
        None => return damaged("it is cut short"),
    }
    let Some(header) = header.get(..HEADER_LEN) else { return damaged("it is cut short") };
    if header[DIGESTED_LEN..DIGESTED_LEN + 32] != *Sha256::digest(&header[..DIGESTED_LEN]) {
        return damaged("its header does not match its checksum");
    }
    let array = |at: usize| header[at..].first_chunk().copied().map(Zeroizing::new).unwrap_or_default();
    let fuses = Fuses { root_key: array(16), administrator_key: array(48) };
    let flash_len = u32::from_be_bytes([header[12], header[13], header[14], header[15]]) as usize;
    if flash_len == 0 || flash_len > MAX_FLASH_LEN || !flash_len.is_multiple_of(Flash::PAGE_LEN) {
        return damaged("the length of its flash is impossible");
    }
    match file_len.cmp(&((HEADER_LEN + flash_len) as u64)) {
        std::cmp::Ordering::Less => damaged("it is cut short"),
        std::cmp::Ordering::Greater => damaged("something is appended to it"),
        std::cmp::Ordering::Equal => Ok(Header { fuses, flash_len }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use embedded_storage::nor_flash::{NorFlash as _, ReadNorFlash as _};
    use tempfile::TempDir;
    use token_fw::Platform as _;

    use super::*;

    fn state() -> State {
        let fuses = Fuses { root_key: Zeroizing::new([1; 32]), administrator_key: Zeroizing::new([2; 32]) };
        State { fuses, flash: Flash::in_ram() }
    }

    fn created() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.state");
        state().create(&path, false).unwrap();
        (folder, path)
    }

    #[test]
    fn comes_back_as_it_was_and_keeps_what_is_written() {
        let (_folder, path) = created();
        let mut board = State::open(&path).unwrap().board(Rng::system());
        assert_eq!(board.root_key(), &[1; 32]);
        board.flash().write(64, b"kept").unwrap();
        drop(board);
        let mut again = State::open(&path).unwrap();
        assert_eq!(*again.fuses.administrator_key, [2; 32]);
        let mut octets = [0; 4];
        again.flash.read(64, &mut octets).unwrap();
        assert_eq!(&octets, b"kept");
    }

    #[test]
    fn is_for_its_owner_only_and_alone_in_its_folder() {
        let (folder, path) = created();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_one_runs_it_but_others_may_look() {
        let (_folder, path) = created();
        let mut running = State::open(&path).unwrap();
        assert!(matches!(State::open(&path), Err(Error::InUse(_))));
        assert!(matches!(state().create(&path, true), Err(Error::InUse(_))));
        running.flash.write(0, b"seen").unwrap();
        let mut copy = State::copy(&path).unwrap();
        assert_eq!(&copy.flash.image()[..4], b"seen");
        copy.flash.write(4, b"mine").unwrap();
        assert_eq!(&running.flash.image()[4..8], &[0xFF; 4]);
        let handle = running.flash.clone();
        drop(running);
        assert!(matches!(State::open(&path), Err(Error::InUse(_))));
        drop(handle);
        State::open(&path).unwrap();
    }

    #[test]
    fn replaces_a_token_only_when_told_and_another_file_never() {
        let (folder, path) = created();
        assert!(matches!(state().create(&path, false), Err(Error::Exists(_))));
        state().create(&path, true).unwrap();
        let letter = folder.path().join("letter.txt");
        fs::write(&letter, "Dear Jaak").unwrap();
        assert!(matches!(state().create(&letter, true), Err(Error::Foreign(_))));
        assert!(matches!(state().create(&letter, false), Err(Error::Exists(_))));
        assert_eq!(fs::read(&letter).unwrap(), b"Dear Jaak");
        state().create(&folder.path().join("new.state"), true).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn bad_files_are_told_apart() {
        let (folder, path) = created();
        let good = fs::read(&path).unwrap();
        let bad = folder.path().join("bad");
        let fault = |octets: &[u8]| {
            fs::write(&bad, octets).unwrap();
            let error = State::open(&bad).unwrap_err();
            assert_eq!(error.to_string(), State::copy(&bad).unwrap_err().to_string());
            error
        };
        assert!(matches!(fault(b""), Error::Foreign(_)));
        assert!(matches!(fault(&good[1..]), Error::Foreign(_)));
        for len in [8, 9, 10, 111, 4095, 4096, good.len() - 1] {
            assert!(matches!(fault(&good[..len]), Error::Damaged { fault: "it is cut short", .. }), "{len}");
        }
        assert!(matches!(fault(&[good.as_slice(), b"x"].concat()), Error::Damaged { fault: "something is appended to it", .. }));
        let changed = |at: usize| {
            let mut octets = good.clone();
            octets[at] ^= 1;
            octets
        };
        assert!(matches!(fault(&changed(9)), Error::Version { version: 0, .. }));
        for at in [10, 15, 16, 79, 80, 111] {
            assert!(matches!(fault(&changed(at)), Error::Damaged { fault: "its header does not match its checksum", .. }), "{at}");
        }
        fs::remove_file(&bad).unwrap();
        assert!(matches!(State::open(&bad), Err(Error::Io { .. })));
    }

    /// A file of the kernel's that not even root may write.
    #[test]
    fn file_that_cannot_be_written_is_no_token_to_use() {
        let error = State::open(Path::new("/sys/kernel/uevent_seqnum")).unwrap_err();
        assert!(matches!(error, Error::ReadOnly(_)), "{error}");
    }

    #[test]
    fn impossible_flash_is_not_reserved() {
        let (folder, path) = created();
        let mut octets = fs::read(&path).unwrap();
        for len in [0u32, 1, 5000, u32::MAX, 0xFFFF_F000] {
            octets[12..16].copy_from_slice(&len.to_be_bytes());
            let digest = Sha256::digest(&octets[..80]);
            octets[80..112].copy_from_slice(&digest);
            let bad = folder.path().join("bad");
            fs::write(&bad, &octets).unwrap();
            assert!(
                matches!(State::open(&bad), Err(Error::Damaged { fault: "the length of its flash is impossible", .. })),
                "{len}"
            );
        }
    }
}
