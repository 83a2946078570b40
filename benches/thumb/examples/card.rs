//! What the token's card takes for the commands that compute, on a Cortex-M4, in instructions and stack: a line for each, as `main.rs` has them.
//!
//! The flash is an array, so that what a real one takes to be written and erased is not in it.
#![no_std]
#![no_main]

#[path = "../src/meter.rs"]
mod meter;
#[path = "../src/runtime.rs"]
mod runtime;
#[path = "../src/stack.rs"]
mod stack;

use core::convert::Infallible;

use cortex_m::singleton;
use cortex_m_semihosting::debug;
use embedded_hal::digital::{InputPin, OutputPin};
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write};
use meter::Meter;
use rand_core::{TryCryptoRng, TryRng};
use token_fw::Platform;
use token_fw::card::{Card, Curve, KeySource, MAX_POINT_LEN, Personalisation, PinBlock};
use token_fw::platform::ROOT_KEY_LEN;
use token_proto::{KeyRef, PinRef, Profile};

/// Octets of flash: enough for a card, and what RAM allows.
const FLASH_LEN: usize = 32 * 1024;

/// Octets that are erased at a time.
const PAGE_LEN: usize = 4096;

#[cortex_m_rt::entry]
fn main() -> ! {
    debug::exit(match measure() {
        Some(()) => debug::EXIT_SUCCESS,
        None => debug::EXIT_FAILURE,
    });
    unreachable!("semihosting has ended the program")
}

/// `None` if the card fails.
fn measure() -> Option<()> {
    let meter = Meter::new()?;
    let flash = singleton!(: [u8; FLASH_LEN] = [0xFF; FLASH_LEN])?;
    let board = Board { rng: Counter(1), flash: Flash(flash), wire: Wire };
    let card = singleton!(: Card<Board> = Card::new(board).ok()?)?;
    let [pin1, pin2, puk] = [&b"1234"[..], b"12345", b"12345678"].map(PinBlock::new);
    let generated = |curve| Some(KeySource::Generate { curve, touch: false });
    let personalisation = Personalisation {
        profile: Profile::Esteid2018V1,
        pin1: &pin1?,
        pin2: &pin2?,
        puk: &puk?,
        administrator_key: &[0xAD; 32],
        document_number: b"AS0000001",
        personal_data: &[],
        authentication_key: generated(Curve::Secp384r1),
        signature_key: None,
        cdoc2_key: generated(Curve::Secp384r1),
    };
    card.personalise(&personalisation).ok()?;
    let pin1 = PinBlock::new(b"1234")?;
    meter.step("verify a PIN", || card.verify(PinRef::Pin1, &pin1)).ok()?;
    let mut signature = [0; 96];
    meter.step("sign with a key on P-384", || card.sign(KeyRef::Authentication, &[0x77; 48], &mut signature)).ok()?;
    for (curve, generate, agree) in [
        (Curve::Secp256r1, "generate a key on P-256", "agree with a key on P-256"),
        (Curve::Secp384r1, "generate a key on P-384", "agree with a key on P-384"),
        (Curve::Secp521r1, "generate a key on P-521", "agree with a key on P-521"),
    ] {
        meter.step(generate, || card.generate_key(KeyRef::Cdoc2, curve, false)).ok()?;
        let mut point = [0; MAX_POINT_LEN];
        let len = card.public_key(KeyRef::Cdoc2, &mut point).ok()?;
        let point = point.get(..len)?;
        meter.step(agree, || card.agree(KeyRef::Cdoc2, point)).ok()?;
    }
    Some(())
}

/// A board without hardware.
struct Board {
    rng: Counter,
    flash: Flash,
    wire: Wire,
}

impl Platform for Board {
    type Rng = Counter;
    type Flash = Flash;
    type Button = Wire;
    type Led = Wire;

    fn rng(&mut self) -> &mut Counter {
        &mut self.rng
    }

    fn flash(&mut self) -> &mut Flash {
        &mut self.flash
    }

    fn button(&mut self) -> &mut Wire {
        &mut self.wire
    }

    fn led(&mut self) -> &mut Wire {
        &mut self.wire
    }

    fn root_key(&self) -> &[u8; ROOT_KEY_LEN] {
        b"the root key of an emulated card"
    }
}

/// Numbers that anybody can foretell: a linear congruential generator (Knuth, "The Art of Computer Programming", 3.3.4, MMIX).
struct Counter(u64);

impl TryRng for Counter {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Ok((self.0 >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.try_next_u32()?) << 32 | u64::from(self.try_next_u32()?))
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        for part in octets.chunks_mut(4) {
            let number = self.try_next_u32()?.to_be_bytes();
            part.copy_from_slice(&number[..part.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}

/// NOR flash: erasing sets bits, programming clears them.
struct Flash(&'static mut [u8; FLASH_LEN]);

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, octets: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, octets.len())?;
        octets.copy_from_slice(&self.0[offset as usize..][..octets.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        FLASH_LEN
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
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

/// A pin that nothing is connected to.
struct Wire;

impl embedded_hal::digital::ErrorType for Wire {
    type Error = Infallible;
}

impl InputPin for Wire {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(false)
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(true)
    }
}

impl OutputPin for Wire {
    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
