//! The board: all parts together, as the firmware sees them.

use std::fmt;

use sha2::{Digest as _, Sha256};
use token_fw::Platform;
use token_fw::platform::ROOT_KEY_LEN;
use zeroize::Zeroizing;

use super::{Button, Flash, Led, Person, Rng};

/// A board of virtual parts. Clones are the same board: what is there again when a token has lost its power.
#[derive(Clone)]
pub struct Board {
    flash: Flash,
    rng: Rng,
    button: Button,
    led: Led,
    root_key: Zeroizing<[u8; ROOT_KEY_LEN]>,
}

impl Board {
    /// A board with the flash `flash` and the fuses `root_key`, whose button is touched as soon as the light goes on.
    #[must_use]
    pub fn new(flash: Flash, rng: Rng, root_key: Zeroizing<[u8; ROOT_KEY_LEN]>) -> Self {
        let led = Led::default();
        Self { flash, rng, button: Button::new(Person::Eager, &led), led, root_key }
    }

    /// A blank board for tests: flash in RAM, everything random made from `seed`, the root key too.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::new(Flash::in_ram(), Rng::seeded(seed), Zeroizing::new(Sha256::digest(seed.to_be_bytes()).into()))
    }

    /// The same board with somebody else at the button.
    #[must_use]
    pub fn with_person(self, person: Person) -> Self {
        self.button.set_person(person);
        self
    }

    /// A handle to the flash.
    #[must_use]
    pub fn flash_handle(&self) -> Flash {
        self.flash.clone()
    }

    /// A handle to the button.
    #[must_use]
    pub fn button_handle(&self) -> Button {
        self.button.clone()
    }

    /// A handle to the light.
    #[must_use]
    pub fn led_handle(&self) -> Led {
        self.led.clone()
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board")
            .field("flash", &self.flash)
            .field("button", &self.button)
            .field("led", &self.led)
            .finish_non_exhaustive()
    }
}

impl Platform for Board {
    type Rng = Rng;
    type Flash = Flash;
    type Button = Button;
    type Led = Led;

    fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    fn flash(&mut self) -> &mut Flash {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_makes_the_board() {
        assert_eq!(Board::seeded(1).root_key(), Board::seeded(1).root_key());
        assert_ne!(Board::seeded(1).root_key(), Board::seeded(2).root_key());
    }

    #[test]
    fn root_key_is_not_shown() {
        let mut board = Board::seeded(1);
        board.root_key = Zeroizing::new([0x5A; ROOT_KEY_LEN]);
        let shown = format!("{board:?}");
        assert!(!shown.contains("90, 90") && !shown.to_lowercase().contains("5a5a"), "{shown}");
    }
}
