//! How much of the stack was used: what lies below the stack pointer is painted, and read back later.

use cortex_m::register::msp;

/// A word that code is not likely to leave behind.
const PAINT: u32 = 0xCCCC_CCCC;

/// Octets of a word.
const WORD: usize = size_of::<u32>();

/// Octets below the stack pointer that are not painted: the frame of [`paint`] itself.
const MARGIN: usize = 128;

unsafe extern "C" {
    /// The lowest word of the stack, from the linker script.
    static mut _stack_end: u32;
    /// The word above the stack.
    static mut _stack_start: u32;
}

fn lowest() -> usize {
    (&raw mut _stack_end).addr()
}

fn pointer() -> usize {
    msp::read() as usize
}

/// Paints everything that is free below the stack pointer.
#[inline(never)]
pub(crate) fn paint() {
    let mut at = lowest();
    let end = pointer() - MARGIN;
    while at < end {
        // SAFETY: between the lowest word of the stack and the stack pointer nothing is in use; there are no interrupts.
        unsafe { (at as *mut u32).write_volatile(PAINT) };
        at += WORD;
    }
}

/// Octets between the top of the stack and the lowest word that was written to since [`paint`].
#[inline(never)]
pub(crate) fn used() -> usize {
    let mut at = lowest();
    let end = pointer();
    // SAFETY: as in `paint`; every word up to the stack pointer is memory.
    while at < end && unsafe { (at as *const u32).read_volatile() } == PAINT {
        at += WORD;
    }
    (&raw mut _stack_start).addr() - at
}
