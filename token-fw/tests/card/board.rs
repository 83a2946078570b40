//! A board in memory whose flash tells what a real one would not forgive, and whose power can be cut.

use std::convert::Infallible;

use embedded_hal::digital::{ErrorType as PinErrorType, InputPin, OutputPin};
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write};
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};
use token_fw::Platform;
use token_fw::platform::ROOT_KEY_LEN;

/// Octets of a page.
pub(crate) const PAGE_LEN: usize = 1024;

/// What a write or an erasing leaves behind when the power goes off in it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tear {
    /// Nothing of it is done.
    Nothing,
    /// The first half of the words, or of the page.
    Half,
    /// In each word, some of the bits.
    Bits,
}

impl Tear {
    pub(crate) const ALL: [Self; 3] = [Self::Nothing, Self::Half, Self::Bits];
}

/// Flash with words of `WORD` octets. A step is one call to write, or one page erased.
#[derive(Clone)]
pub(crate) struct Flash<const WORD: usize> {
    pub(crate) cells: Vec<u8>,
    /// Words that were written since they were erased.
    written: Vec<bool>,
    cut: Option<(usize, Tear)>,
    off: bool,
    /// Steps so far.
    pub(crate) steps: usize,
    /// Pages erased so far.
    pub(crate) erasings: usize,
}

impl<const WORD: usize> Flash<WORD> {
    pub(crate) fn of(cells: Vec<u8>) -> Self {
        let written = cells.chunks(WORD).map(|word| word.iter().any(|octet| *octet != 0xFF)).collect();
        Self { cells, written, cut: None, off: false, steps: 0, erasings: 0 }
    }

    pub(crate) fn blank(len: usize) -> Self {
        Self::of(vec![0xFF; len])
    }

    /// The power goes off in the step after `steps` more.
    pub(crate) fn cut_after(&mut self, steps: usize, tear: Tear) {
        self.cut = Some((steps, tear));
    }

    /// Gives the power back and answers whether it was off.
    pub(crate) fn restore(&mut self) -> bool {
        self.cut = None;
        std::mem::take(&mut self.off)
    }

    fn step(&mut self, at: usize, octets: &[u8]) -> Result<(), NorFlashErrorKind> {
        if self.off {
            return Err(NorFlashErrorKind::Other);
        }
        self.steps += 1;
        let mut done = octets.to_vec();
        if let Some((steps, tear)) = &mut self.cut {
            if *steps == 0 {
                self.off = true;
                let old = &self.cells[at..at + octets.len()];
                match tear {
                    Tear::Nothing => done.copy_from_slice(old),
                    Tear::Half => {
                        let half = (octets.len() / WORD / 2) * WORD;
                        done[half..].copy_from_slice(&old[half..]);
                    }
                    Tear::Bits => {
                        for (index, (done, old)) in done.iter_mut().zip(old).enumerate() {
                            let mask = Sha256::digest(index.to_be_bytes())[0];
                            *done = *done & mask | old & !mask;
                        }
                    }
                }
            } else {
                *steps -= 1;
            }
        }
        self.cells[at..at + octets.len()].copy_from_slice(&done);
        if self.off { Err(NorFlashErrorKind::Other) } else { Ok(()) }
    }
}

impl<const WORD: usize> ErrorType for Flash<WORD> {
    type Error = NorFlashErrorKind;
}

impl<const WORD: usize> ReadNorFlash for Flash<WORD> {
    const READ_SIZE: usize = WORD;

    fn read(&mut self, offset: u32, octets: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, octets.len())?;
        if self.off {
            return Err(NorFlashErrorKind::Other);
        }
        octets.copy_from_slice(&self.cells[offset as usize..][..octets.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.cells.len()
    }
}

impl<const WORD: usize> NorFlash for Flash<WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE_LEN;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        for page in (from as usize..to as usize).step_by(PAGE_LEN) {
            self.step(page, &[0xFF; PAGE_LEN])?;
            self.erasings += 1;
            self.written[page / WORD..][..PAGE_LEN / WORD].fill(false);
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, octets: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, octets.len())?;
        let at = offset as usize;
        let words = &mut self.written[at / WORD..][..octets.len() / WORD];
        assert!(words.iter().all(|written| !written), "a word is written twice, at {at}");
        // in a step that is cut before it begins, none is
        let untouched = self.off || matches!(self.cut, Some((0, Tear::Nothing)));
        words.fill(!untouched);
        assert!(untouched || self.cells[at..][..octets.len()].iter().all(|octet| *octet == 0xFF), "not erased, at {at}");
        self.step(at, octets)
    }
}

/// Octets that repeat themselves from the same seed.
#[derive(Clone)]
pub(crate) struct Rng {
    seed: u64,
    count: u64,
    /// No octets any more.
    pub(crate) broken: bool,
}

impl TryRng for Rng {
    type Error = std::fmt::Error;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets)?;
        Ok(u32::from_be_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets)?;
        Ok(u64::from_be_bytes(octets))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        if self.broken {
            return Err(std::fmt::Error);
        }
        for part in out.chunks_mut(32) {
            self.count += 1;
            let octets = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(self.count.to_be_bytes()).finalize();
            part.copy_from_slice(&octets[..part.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Rng {}

/// A pin that nothing is connected to.
#[derive(Clone)]
pub(crate) struct Unconnected;

impl PinErrorType for Unconnected {
    type Error = Infallible;
}

impl InputPin for Unconnected {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(false)
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(true)
    }
}

impl OutputPin for Unconnected {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The board.
#[derive(Clone)]
pub(crate) struct Board<const WORD: usize = 4> {
    pub(crate) flash: Flash<WORD>,
    pub(crate) rng: Rng,
    pub(crate) root_key: [u8; ROOT_KEY_LEN],
    button: Unconnected,
    led: Unconnected,
}

impl<const WORD: usize> Board<WORD> {
    pub(crate) fn new(flash: Flash<WORD>) -> Self {
        Self { flash, rng: Rng { seed: 0, count: 0, broken: false }, root_key: ROOT_KEY, button: Unconnected, led: Unconnected }
    }

    /// A board as new with `pages` pages of flash.
    pub(crate) fn blank(pages: usize) -> Self {
        Self::new(Flash::blank(pages * PAGE_LEN))
    }
}

/// The root key of every board here.
pub(crate) const ROOT_KEY: [u8; ROOT_KEY_LEN] = *b"the root key of the tests' board";

impl<const WORD: usize> Platform for Board<WORD> {
    type Rng = Rng;
    type Flash = Flash<WORD>;
    type Button = Unconnected;
    type Led = Unconnected;

    fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    fn flash(&mut self) -> &mut Flash<WORD> {
        &mut self.flash
    }

    fn button(&mut self) -> &mut Unconnected {
        &mut self.button
    }

    fn led(&mut self) -> &mut Unconnected {
        &mut self.led
    }

    fn root_key(&self) -> &[u8; ROOT_KEY_LEN] {
        &self.root_key
    }
}

/// So that a card that does not open gives its board back.
impl<const WORD: usize> Platform for &mut Board<WORD> {
    type Rng = Rng;
    type Flash = Flash<WORD>;
    type Button = Unconnected;
    type Led = Unconnected;

    fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    fn flash(&mut self) -> &mut Flash<WORD> {
        &mut self.flash
    }

    fn button(&mut self) -> &mut Unconnected {
        &mut self.button
    }

    fn led(&mut self) -> &mut Unconnected {
        &mut self.led
    }

    fn root_key(&self) -> &[u8; ROOT_KEY_LEN] {
        &self.root_key
    }
}
