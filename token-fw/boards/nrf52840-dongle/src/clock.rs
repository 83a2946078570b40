//! Time from a hardware timer.

use nrf52840_hal::pac::TIMER0;
use token_fw::Instant;

/// Ticks of the timer in a millisecond: 16 MHz divided by 2^4.
const TICKS_PER_MS: u64 = 1000;

/// Counts from the start on. [`Clock::now`] must be called once in 71 minutes at least, lest a turn of the 32-bit counter is missed; the main loop
/// calls it all the time.
pub(crate) struct Clock {
    timer: TIMER0,
    ticks: u64,
}

impl Clock {
    pub(crate) fn new(timer: TIMER0) -> Self {
        timer.bitmode.write(|w| w.bitmode()._32bit());
        timer.prescaler.write(|w| w.prescaler().variant(4));
        timer.tasks_start.write(|w| w.tasks_start().set_bit());
        Self { timer, ticks: 0 }
    }

    pub(crate) fn now(&mut self) -> Instant {
        self.timer.tasks_capture[0].write(|w| w.tasks_capture().set_bit());
        let ticks = self.timer.cc[0].read().bits();
        let last = self.ticks as u32;
        self.ticks += u64::from(ticks.wrapping_sub(last));
        Instant::from_ms(self.ticks / TICKS_PER_MS)
    }
}
