//! Virtual hardware. Every part is a handle: its clones are the same part, so that a test can reach it after the firmware took the board.

mod board;
mod button;
mod clock;
mod flash;
mod led;
mod rng;

pub use board::Board;
pub use button::{Button, Person};
pub use clock::{Clock, ManualClock, RealClock};
pub use flash::{Flash, FlashError, PowerCut, Tear};
pub use led::Led;
pub use rng::Rng;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a part. One that panicked halfway has been a test's, and its parts stay readable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
