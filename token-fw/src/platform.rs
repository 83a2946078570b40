//! What the firmware needs from a board.

use embedded_hal::digital::{InputPin, OutputPin};
use embedded_storage::nor_flash::NorFlash;
use rand_core::TryCryptoRng;

/// Octets of a device's root key.
pub const ROOT_KEY_LEN: usize = 32;

/// A board: its peripherals under the traits of `embedded-hal`, `embedded-storage` and `rand_core`. Nothing in the firmware names one.
///
/// Time is not among them: it comes as an argument, as an [`Instant`].
pub trait Platform {
    /// True random numbers, or a generator seeded by them.
    type Rng: TryCryptoRng;
    /// NOR flash, all of which belongs to the card's state.
    type Flash: NorFlash;
    /// A touch button, high while it is touched.
    type Button: InputPin;
    /// A light, on while the card waits for a touch.
    type Led: OutputPin;

    /// The random generator.
    fn rng(&mut self) -> &mut Self::Rng;

    /// The flash.
    fn flash(&mut self) -> &mut Self::Flash;

    /// The button.
    fn button(&mut self) -> &mut Self::Button;

    /// The light.
    fn led(&mut self) -> &mut Self::Led;

    /// The device's root key, from its fuses: secret, different on every device, the same for the device's life.
    fn root_key(&self) -> &[u8; ROOT_KEY_LEN];
}

/// Milliseconds since the token was powered. A board's counter may start anywhere but must not run backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// `ms` milliseconds after the beginning.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// The milliseconds.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// `ms` milliseconds later.
    #[must_use]
    pub const fn after_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`; 0 if that is later.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
