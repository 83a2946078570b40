//! What ends the program when something is wrong. QEMU then exits with 1.

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};
use cortex_m_semihosting::debug;

/// Says nothing of the reason: formatting it would be most of the program.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    fail()
}

// SAFETY: it touches nothing that the interrupted code may hold.
#[exception]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    fail()
}

fn fail() -> ! {
    loop {
        debug::exit(debug::EXIT_FAILURE);
    }
}
