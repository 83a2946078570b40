//! The dongle's peripherals as a [`Platform`].

use core::convert::Infallible;

use embedded_hal::digital::{InputPin, OutputPin};
use nrf52840_hal::gpio::{Input, Level, Output, Pin, PullUp, PushPull, p0, p1};
use nrf52840_hal::nvmc::Nvmc;
use nrf52840_hal::pac::{NVMC, P0, P1, RNG, UICR};
use nrf52840_hal::rng::Rng;
use rand_core::{TryCryptoRng, TryRng};
use token_fw::Platform;
use token_fw::platform::ROOT_KEY_LEN;

/// Where the card's state begins: just below the boot loader (memory.x).
const STATE_ADDRESS: usize = 0x000D_0000;

/// Octets of the card's state: 16 pages of 4 KiB.
const STATE_LEN: usize = 0x1_0000;

/// The dongle: SW1 is the touch button, LD1 the light, the customer's registers of UICR hold the root key.
pub(crate) struct Dongle {
    rng: TrueRng,
    flash: Nvmc<NVMC>,
    button: Button,
    led: Led,
    root_key: [u8; ROOT_KEY_LEN],
}

impl Dongle {
    /// `None` if nobody has written a root key: a token without one has no secrets.
    pub(crate) fn new(rng: RNG, nvmc: NVMC, port0: P0, port1: P1, uicr: &UICR) -> Option<Self> {
        let root_key = root_key(uicr)?;
        let port0 = p0::Parts::new(port0);
        let port1 = p1::Parts::new(port1);
        // SAFETY: memory.x leaves these octets to nobody else, they lie in flash, and this is the only reference: the peripherals that this
        // function takes exist once.
        #[allow(unsafe_code, reason = "flash that the linker does not know can only be reached by its address")]
        let state = unsafe { core::slice::from_raw_parts_mut(STATE_ADDRESS as *mut u8, STATE_LEN) };
        Some(Self {
            rng: TrueRng(Rng::new(rng)),
            flash: Nvmc::new(nvmc, state),
            button: Button(port1.p1_06.into_pullup_input().degrade()),
            led: Led(port0.p0_06.into_push_pull_output(Level::High).degrade()),
            root_key,
        })
    }
}

impl Platform for Dongle {
    type Rng = TrueRng;
    type Flash = Nvmc<NVMC>;
    type Button = Button;
    type Led = Led;

    fn rng(&mut self) -> &mut TrueRng {
        &mut self.rng
    }

    fn flash(&mut self) -> &mut Nvmc<NVMC> {
        &mut self.flash
    }

    fn button(&mut self) -> &mut Button {
        &mut self.button
    }

    fn led(&mut self) -> &mut Led {
        &mut self.led
    }

    fn root_key(&self) -> &[u8; ROOT_KEY_LEN] {
        &self.root_key
    }
}

/// The first eight of UICR's customer registers (nRF52840 Product Specification, "UICR": CUSTOMER), unless they are as they left the factory.
/// The chip's access port protection keeps a debugger from reading them.
fn root_key(uicr: &UICR) -> Option<[u8; ROOT_KEY_LEN]> {
    let mut key = [0; ROOT_KEY_LEN];
    for (octets, register) in key.chunks_exact_mut(4).zip(&uicr.customer) {
        octets.copy_from_slice(&register.read().bits().to_le_bytes());
    }
    if key.iter().all(|octet| *octet == 0xFF) { None } else { Some(key) }
}

/// The chip's generator, with bias correction.
pub(crate) struct TrueRng(Rng);

impl TryRng for TrueRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.random_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.random_u64())
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        self.0.random(octets);
        Ok(())
    }
}

impl TryCryptoRng for TrueRng {}

/// SW1 draws its pin low.
pub(crate) struct Button(Pin<Input<PullUp>>);

impl embedded_hal::digital::ErrorType for Button {
    type Error = Infallible;
}

impl InputPin for Button {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        self.0.is_low()
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        self.0.is_high()
    }
}

/// LD1 is lit when its pin is low.
pub(crate) struct Led(Pin<Output<PushPull>>);

impl embedded_hal::digital::ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.set_low()
    }

    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.set_high()
    }
}
