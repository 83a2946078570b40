//! The light.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use embedded_hal::digital::{ErrorType, OutputPin};

/// A light. Clones are the same light.
#[derive(Clone, Debug, Default)]
pub struct Led(Arc<Lamp>);

#[derive(Debug, Default)]
struct Lamp {
    is_on: AtomicBool,
    times_lit: AtomicU32,
}

impl Led {
    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_on.load(Ordering::SeqCst)
    }

    /// How many times it went on.
    #[must_use]
    pub fn times_lit(&self) -> u32 {
        self.0.times_lit.load(Ordering::SeqCst)
    }
}

impl ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.is_on.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        if !self.0.is_on.swap(true, Ordering::SeqCst) {
            self.0.times_lit.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_seen_from_outside() {
        let mut led = Led::default();
        let seen = led.clone();
        let Ok(()) = led.set_high();
        let Ok(()) = led.set_high();
        assert!(seen.is_on());
        let Ok(()) = led.set_low();
        assert!(!seen.is_on());
        let Ok(()) = led.set_high();
        assert_eq!(seen.times_lit(), 2);
    }
}
