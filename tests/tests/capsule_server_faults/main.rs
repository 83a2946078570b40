//! The program `cdoc2-server` when things go wrong: killed, out of room, without its database, with too many or malicious clients, told to stop or
//! to reload, misconfigured. What was acknowledged is never lost, and one client never stops another.

mod clients;
mod signals;
mod start;
mod stores;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One test of many connections or much load at a time: these are what the machine would run out of.
fn alone() -> MutexGuard<'static, ()> {
    static HEAVY: Mutex<()> = Mutex::new(());
    HEAVY.lock().unwrap_or_else(PoisonError::into_inner)
}
