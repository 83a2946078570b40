//! Clocks, from which the firmware's [`Instant`]s come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{self, Duration};

use token_fw::Instant;

/// A clock that can be waited on.
pub trait Clock {
    /// The time.
    fn now(&self) -> Instant;

    /// Comes back when `ms` milliseconds have gone by on this clock.
    fn wait_ms(&self, ms: u64);
}

/// A clock that moves only when it is told to, or waited on. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Moves on by `ms` milliseconds.
    pub fn advance_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Instant::from_ms(self.0.load(Ordering::SeqCst))
    }

    fn wait_ms(&self, ms: u64) {
        self.advance_ms(ms);
    }
}

/// The machine's clock, from when it was made.
#[derive(Clone, Copy, Debug)]
pub struct RealClock(time::Instant);

impl Default for RealClock {
    fn default() -> Self {
        Self(time::Instant::now())
    }
}

impl Clock for RealClock {
    fn now(&self) -> Instant {
        Instant::from_ms(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn wait_ms(&self, ms: u64) {
        thread::sleep(Duration::from_millis(ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_moves_when_told_or_waited_on() {
        let clock = ManualClock::default();
        let same = clock.clone();
        assert_eq!(clock.now(), Instant::from_ms(0));
        same.advance_ms(15_000);
        clock.wait_ms(10);
        assert_eq!(same.now(), Instant::from_ms(15_010));
    }

    #[test]
    fn real_clock_moves_by_itself() {
        let clock = RealClock::default();
        let before = clock.now();
        clock.wait_ms(2);
        assert!(clock.now().ms_since(before) >= 1);
    }
}
