//! The touch that a key may want before what it did may leave the card.

use embedded_hal::digital::{InputPin as _, OutputPin as _};

use crate::platform::{Instant, Platform};

/// How long the card waits.
const PATIENCE_MS: u64 = 1000 * token_proto::cdoc2::TOUCH_SECONDS as u64;

/// A touch that is waited for. The light is on as long.
pub(crate) struct Touch {
    since: Instant,
    /// The button was seen untouched: a finger that lay on it before, or a stuck button, is no consent.
    released: bool,
}

/// How it went.
pub(crate) enum Answer {
    NotYet,
    Touched,
    NobodyThere,
}

impl Touch {
    /// Turns the light on. Looks at the button before: whoever sees the light may be quick.
    pub(crate) fn wait_for<P: Platform>(platform: &mut P, now: Instant) -> Self {
        let released = !is_touched(platform);
        // a light that fails leaves the touch as safe as it was
        let _ = platform.led().set_high();
        Self { since: now, released }
    }

    /// Looks at the button and the clock.
    pub(crate) fn poll<P: Platform>(&mut self, platform: &mut P, now: Instant) -> Answer {
        match (is_touched(platform), self.released) {
            (true, true) => return Answer::Touched,
            (true, false) => {}
            (false, _) => self.released = true,
        }
        if now.ms_since(self.since) >= PATIENCE_MS { Answer::NobodyThere } else { Answer::NotYet }
    }

    /// Turns the light off.
    pub(crate) fn end<P: Platform>(self, platform: &mut P) {
        let _ = platform.led().set_low();
    }
}

/// A button that cannot be read is not touched.
fn is_touched<P: Platform>(platform: &mut P) -> bool {
    platform.button().is_high().unwrap_or(false)
}
