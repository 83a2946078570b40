//! A board in memory, and a person at its button.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

use embedded_hal::digital::{ErrorType as PinErrorType, InputPin, OutputPin};
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write};
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};
use token_fw::Platform;
use token_fw::platform::ROOT_KEY_LEN;

const PAGE_LEN: usize = 4096;
const PAGES: usize = 16;
const WORD_LEN: usize = 4;

/// NOR flash: erasing sets bits, programming clears them.
#[derive(Clone)]
pub(crate) struct Flash(Vec<u8>);

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = WORD_LEN;

    fn read(&mut self, offset: u32, octets: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, octets.len())?;
        octets.copy_from_slice(&self.0[offset as usize..][..octets.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD_LEN;
    const ERASE_SIZE: usize = PAGE_LEN;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        self.0[from as usize..to as usize].fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, octets: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, octets.len())?;
        for (cell, octet) in self.0[offset as usize..].iter_mut().zip(octets) {
            *cell &= octet;
        }
        Ok(())
    }
}

/// Octets that come again with the same seed.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets)?;
        Ok(u32::from_be_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets)?;
        Ok(u64::from_be_bytes(octets))
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        for part in octets.chunks_mut(32) {
            self.0 += 1;
            part.copy_from_slice(&Sha256::digest(self.0.to_be_bytes())[..part.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Rng {}

/// A wire between the board and a test: the button's from the test, the light's to it. Clones are the same wire.
#[derive(Clone, Default)]
pub(crate) struct Wire(Rc<Cell<bool>>);

impl Wire {
    pub(crate) fn is_on(&self) -> bool {
        self.0.get()
    }

    pub(crate) fn set(&self, on: bool) {
        self.0.set(on);
    }
}

impl PinErrorType for Wire {
    type Error = Infallible;
}

impl InputPin for Wire {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(self.is_on())
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(!self.is_on())
    }
}

impl OutputPin for Wire {
    fn set_high(&mut self) -> Result<(), Infallible> {
        self.set(true);
        Ok(())
    }

    fn set_low(&mut self) -> Result<(), Infallible> {
        self.set(false);
        Ok(())
    }
}

/// The board.
#[derive(Clone)]
pub(crate) struct Board {
    flash: Flash,
    rng: Rng,
    pub(crate) button: Wire,
    pub(crate) led: Wire,
}

impl Board {
    /// A board as new, whose random octets come from `seed`.
    pub(crate) fn blank(seed: u64) -> Self {
        Self::of(vec![0xFF; PAGES * PAGE_LEN], seed)
    }

    /// A board with this in its flash.
    pub(crate) fn of(flash: Vec<u8>, seed: u64) -> Self {
        Self { flash: Flash(flash), rng: Rng(seed << 32), button: Wire::default(), led: Wire::default() }
    }
}

impl Platform for Board {
    type Rng = Rng;
    type Flash = Flash;
    type Button = Wire;
    type Led = Wire;

    fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    fn flash(&mut self) -> &mut Flash {
        &mut self.flash
    }

    fn button(&mut self) -> &mut Wire {
        &mut self.button
    }

    fn led(&mut self) -> &mut Wire {
        &mut self.led
    }

    fn root_key(&self) -> &[u8; ROOT_KEY_LEN] {
        b"the root key of the tests' board"
    }
}
