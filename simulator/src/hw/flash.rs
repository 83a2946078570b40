//! NOR flash, in memory or in a file, whose power can be cut.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex};

use chacha20::ChaCha20Rng;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};
use rand_core::{Rng as _, SeedableRng as _};

use super::lock;

/// NOR flash. Erasing a page sets all its bits; programming clears bits, of each word once between two erasures; both in whole units only.
/// Clones are the same flash.
///
/// What it holds outlives a power cut, and, in a file, the program.
#[derive(Clone)]
pub struct Flash(Arc<Mutex<Chip>>);

struct Chip {
    cells: Vec<u8>,
    file: Option<Backing>,
    power: Power,
    /// Words programmed and pages erased so far.
    steps: u64,
}

/// Where in a file the cells are.
struct Backing {
    file: File,
    offset: u64,
}

enum Power {
    On,
    /// Goes off instead of the step after so many more.
    CutAfter {
        steps: u64,
        tear: Tear,
    },
    Off,
}

/// When the power goes off: after how many more steps, and what becomes of the step in hand. A step is one programmed word or one erased page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerCut {
    /// So many steps are done in full.
    pub after: u64,
    /// What the step after them leaves behind.
    pub tear: Tear,
}

/// What a step leaves behind when the power goes off in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tear {
    /// Nothing: the power went off just before.
    Clean,
    /// Some of its bits, picked at random from this seed: a word half programmed, a page half erased.
    Torn(u64),
}

impl Flash {
    /// Octets of a word, which is the unit of reading and programming. As on an nRF52840.
    pub const WORD_LEN: usize = 4;
    /// Octets of a page, which is the unit of erasing.
    pub const PAGE_LEN: usize = 4096;
    /// Octets of the flash that a token has: 32 pages.
    pub const CAPACITY: usize = 32 * Self::PAGE_LEN;

    /// Erased flash in memory.
    #[must_use]
    pub fn in_ram() -> Self {
        Self::with_image(vec![0xFF; Self::CAPACITY])
    }

    /// Flash in memory that holds `image`, which is lengthened by erased cells to whole pages, one at least.
    #[must_use]
    pub fn with_image(mut image: Vec<u8>) -> Self {
        image.resize(image.len().max(1).next_multiple_of(Self::PAGE_LEN), 0xFF);
        Self::of(image, None)
    }

    /// Flash of `len` octets, whole pages, that begins at `offset` of `file` and is written there step by step: what the firmware has
    /// written is in the file however the program ends.
    ///
    /// # Errors
    /// `file` cannot be read, or is shorter.
    pub fn in_file(file: File, offset: u64, len: usize) -> io::Result<Self> {
        let mut cells = vec![0; len];
        file.read_exact_at(&mut cells, offset)?;
        Ok(Self::of(cells, Some(Backing { file, offset })))
    }

    fn of(cells: Vec<u8>, file: Option<Backing>) -> Self {
        Self(Arc::new(Mutex::new(Chip { cells, file, power: Power::On, steps: 0 })))
    }

    /// All that it holds, with or without power.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        lock(&self.0).cells.clone()
    }

    /// Words programmed and pages erased so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        lock(&self.0).steps
    }

    /// Sees to it that the power goes off at `cut`. From then on everything fails until [`restore_power`](Self::restore_power).
    pub fn cut_power(&self, PowerCut { after, tear }: PowerCut) {
        lock(&self.0).power = Power::CutAfter { steps: after, tear };
    }

    /// Gives the power back, and takes back a cut that has not come.
    pub fn restore_power(&self) {
        lock(&self.0).power = Power::On;
    }

    /// Whether the power is on.
    #[must_use]
    pub fn has_power(&self) -> bool {
        !matches!(lock(&self.0).power, Power::Off)
    }
}

impl fmt::Debug for Flash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chip = lock(&self.0);
        f.debug_struct("Flash").field("len", &chip.cells.len()).field("steps", &chip.steps).finish_non_exhaustive()
    }
}

impl Chip {
    /// Sets the cells from `start` on to `octets`, which is one step.
    fn step(&mut self, start: usize, octets: &[u8]) -> Result<(), FlashError> {
        match self.power {
            Power::On => {}
            Power::Off => return Err(FlashError::PowerLost),
            Power::CutAfter { steps: 0, tear } => {
                self.power = Power::Off;
                if let Tear::Torn(seed) = tear {
                    let torn = self.torn(start, octets, seed);
                    self.set(start, &torn)?;
                }
                return Err(FlashError::PowerLost);
            }
            Power::CutAfter { ref mut steps, .. } => *steps -= 1,
        }
        self.set(start, octets)?;
        self.steps += 1;
        Ok(())
    }

    /// Writes the file first: if that fails, nothing has happened.
    fn set(&mut self, start: usize, octets: &[u8]) -> Result<(), FlashError> {
        if let Some(Backing { file, offset }) = &self.file {
            file.write_all_at(octets, offset + start as u64).map_err(|error| FlashError::File(error.kind()))?;
        }
        self.cells[start..start + octets.len()].copy_from_slice(octets);
        Ok(())
    }

    /// Between what is there and `octets`: each bit that would change has changed or has not.
    fn torn(&self, start: usize, octets: &[u8], seed: u64) -> Vec<u8> {
        let mut mask = vec![0; octets.len()];
        ChaCha20Rng::seed_from_u64(seed).fill_bytes(&mut mask);
        let old = &self.cells[start..start + octets.len()];
        old.iter().zip(octets).zip(mask).map(|((old, new), mask)| old & !mask | new & mask).collect()
    }

    fn readable(&self) -> Result<&[u8], FlashError> {
        match self.power {
            Power::Off => Err(FlashError::PowerLost),
            Power::On | Power::CutAfter { .. } => Ok(&self.cells),
        }
    }
}

/// What can go wrong with the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlashError {
    /// Not whole words, or not whole pages.
    #[error("flash: not at the bounds of words or pages")]
    NotAligned,
    /// Beyond the end.
    #[error("flash: beyond its end")]
    OutOfBounds,
    /// A word was programmed a second time without being erased in between.
    #[error("flash: word programmed twice")]
    NotErased,
    /// There is no power.
    #[error("flash: no power")]
    PowerLost,
    /// The file that it lives in could not be written.
    #[error("flash: its file cannot be written: {0}")]
    File(io::ErrorKind),
}

impl FlashError {
    fn of(kind: NorFlashErrorKind) -> Self {
        match kind {
            NorFlashErrorKind::NotAligned => Self::NotAligned,
            _ => Self::OutOfBounds,
        }
    }
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::NotErased | Self::PowerLost | Self::File(_) => NorFlashErrorKind::Other,
        }
    }
}

impl ErrorType for Flash {
    type Error = FlashError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = Self::WORD_LEN;

    fn read(&mut self, offset: u32, octets: &mut [u8]) -> Result<(), FlashError> {
        check_read(self, offset, octets.len()).map_err(FlashError::of)?;
        let chip = lock(&self.0);
        octets.copy_from_slice(&chip.readable()?[offset as usize..][..octets.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        lock(&self.0).cells.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = Self::WORD_LEN;
    const ERASE_SIZE: usize = Self::PAGE_LEN;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        check_erase(self, from, to).map_err(FlashError::of)?;
        let mut chip = lock(&self.0);
        chip.readable()?;
        (from as usize..to as usize).step_by(Self::PAGE_LEN).try_for_each(|page| chip.step(page, &[0xFF; Self::PAGE_LEN]))
    }

    fn write(&mut self, offset: u32, octets: &[u8]) -> Result<(), FlashError> {
        check_write(self, offset, octets.len()).map_err(FlashError::of)?;
        let mut chip = lock(&self.0);
        let start = offset as usize;
        if chip.readable()?[start..start + octets.len()].iter().any(|&cell| cell != 0xFF) {
            return Err(FlashError::NotErased);
        }
        octets.chunks(Self::WORD_LEN).zip((start..).step_by(Self::WORD_LEN)).try_for_each(|(word, start)| chip.step(start, word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(flash: &mut Flash, offset: u32) -> Result<[u8; N], FlashError> {
        let mut octets = [0; N];
        flash.read(offset, &mut octets).map(|()| octets)
    }

    #[test]
    fn holds_what_was_programmed_until_it_is_erased() {
        let mut flash = Flash::in_ram();
        flash.write(8, b"12345678").unwrap();
        assert_eq!(read(&mut flash, 4), Ok(*b"\xFF\xFF\xFF\xFF12345678\xFF\xFF\xFF\xFF"));
        flash.erase(0, 4096).unwrap();
        assert_eq!(read(&mut flash, 8), Ok([0xFF; 8]));
        assert_eq!(flash.steps(), 3);
    }

    #[test]
    fn clones_are_the_same_flash() {
        let mut flash = Flash::in_ram();
        flash.clone().write(0, b"word").unwrap();
        assert_eq!(read(&mut flash, 0), Ok(*b"word"));
    }

    #[test]
    fn word_is_programmed_once() {
        let mut flash = Flash::in_ram();
        flash.write(0, b"word").unwrap();
        assert_eq!(flash.write(0, b"word"), Err(FlashError::NotErased));
        assert_eq!(flash.write(0, &[0; 4]), Err(FlashError::NotErased));
    }

    #[test]
    fn only_whole_words_and_pages_within_its_bounds() {
        let mut flash = Flash::with_image(vec![0; 5000]);
        assert_eq!(flash.capacity(), 8192);
        assert_eq!(flash.write(2, b"word"), Err(FlashError::NotAligned));
        assert_eq!(flash.write(0, b"wor"), Err(FlashError::NotAligned));
        assert_eq!(flash.write(8192, b"word"), Err(FlashError::OutOfBounds));
        assert_eq!(flash.erase(0, 4), Err(FlashError::NotAligned));
        assert_eq!(flash.erase(4096, 12288), Err(FlashError::OutOfBounds));
        assert_eq!(flash.erase(4096, 0), Err(FlashError::OutOfBounds));
        assert_eq!(read::<4>(&mut flash, 8192), Err(FlashError::OutOfBounds));
        assert_eq!(read::<2>(&mut flash, 0), Err(FlashError::NotAligned));
    }

    #[test]
    fn power_goes_off_after_any_step() {
        for after in 0..3 {
            let mut flash = Flash::in_ram();
            flash.cut_power(PowerCut { after, tear: Tear::Clean });
            assert_eq!(flash.write(0, b"onceuponatime..."), Err(FlashError::PowerLost));
            assert!(!flash.has_power());
            assert_eq!(read::<4>(&mut flash, 0), Err(FlashError::PowerLost));
            assert_eq!(flash.write(32, b"word"), Err(FlashError::PowerLost));
            assert_eq!(flash.erase(0, 4096), Err(FlashError::PowerLost));
            flash.restore_power();
            let done = 4 * usize::try_from(after).unwrap();
            let mut expected = [0xFF; 16];
            expected[..done].copy_from_slice(&b"onceuponatime..."[..done]);
            assert_eq!(read(&mut flash, 0), Ok(expected));
        }
    }

    #[test]
    fn power_cut_after_the_last_step_is_not_noticed_until_the_next() {
        let mut flash = Flash::in_ram();
        flash.cut_power(PowerCut { after: 1, tear: Tear::Clean });
        flash.write(0, b"word").unwrap();
        assert_eq!(flash.write(4, b"word"), Err(FlashError::PowerLost));
    }

    #[test]
    fn torn_word_has_some_of_its_bits_and_its_neighbours_are_whole() {
        let mut shapes = std::collections::HashSet::new();
        for seed in 0..16 {
            let mut flash = Flash::in_ram();
            flash.cut_power(PowerCut { after: 1, tear: Tear::Torn(seed) });
            assert_eq!(flash.write(0, &[0; 12]), Err(FlashError::PowerLost));
            flash.restore_power();
            assert_eq!(read(&mut flash, 0), Ok([0; 4]));
            assert_eq!(read(&mut flash, 8), Ok([0xFF; 4]));
            shapes.insert(read::<4>(&mut flash, 4).unwrap());
        }
        assert!(shapes.len() > 8 && !shapes.contains(&[0; 4]), "{shapes:?}");
    }

    #[test]
    fn torn_erasure_sets_some_bits_and_clears_none() {
        let mut flash = Flash::with_image(vec![0x0F; Flash::PAGE_LEN]);
        flash.cut_power(PowerCut { after: 0, tear: Tear::Torn(1) });
        assert_eq!(flash.erase(0, 4096), Err(FlashError::PowerLost));
        let image = flash.image();
        assert!(image.iter().all(|cell| cell & 0x0F == 0x0F));
        assert!(image.contains(&0x0F) && image.contains(&0xFF));
    }

    #[test]
    fn file_has_every_step_at_once() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[0xFF; 10 + Flash::PAGE_LEN], 0).unwrap();
        let mut flash = Flash::in_file(file.try_clone().unwrap(), 10, Flash::PAGE_LEN).unwrap();
        flash.write(4, b"word").unwrap();
        let mut found = [0; 4];
        file.read_exact_at(&mut found, 14).unwrap();
        assert_eq!(&found, b"word");
        flash.erase(0, 4096).unwrap();
        file.read_exact_at(&mut found, 14).unwrap();
        assert_eq!(found, [0xFF; 4]);
    }

    #[test]
    fn file_that_cannot_be_written_is_an_error_and_changes_nothing() {
        let path = tempfile::NamedTempFile::new().unwrap();
        path.as_file().write_all_at(&[0xFF; Flash::PAGE_LEN], 0).unwrap();
        let mut flash = Flash::in_file(File::open(path.path()).unwrap(), 0, Flash::PAGE_LEN).unwrap();
        assert!(matches!(flash.write(0, b"word"), Err(FlashError::File(_))));
        assert_eq!(read(&mut flash, 0), Ok([0xFF; 4]));
    }
}
