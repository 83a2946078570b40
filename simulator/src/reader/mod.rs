//! Virtual readers, and what wraps any reader: one a file.

mod fault;
mod in_process;
mod mask;
mod pcap;
#[cfg(test)]
pub(crate) mod test_card;
mod tracer;
pub mod usbip;
mod vpcd;
mod watch;

pub use fault::{Failed, Fault, Faulty};
pub use in_process::{InProcess, Refused};
pub use mask::Masked;
pub use pcap::Pcap;
pub use tracer::Tracer;
pub use vpcd::{End, Remover, VPCD_ADDRESS, Vpcd};
pub use watch::{Observer, Watched};

use heapless::{Vec, VecView};
use token_fw::{Icc, Progress};
use token_proto::MAX_RESPONSE_LEN;

use crate::hw::Clock;

/// How often a card that waits for its person is asked again.
const POLL_MS: u64 = 10;

/// Room for the longest response.
type Response = Vec<u8, MAX_RESPONSE_LEN>;

/// Carries out a command to its end, however long the card waits for its person; `while_waiting` is called in between, and ends the command
/// by `false`. Whether it came to its end.
fn carry_out<I: Icc, C: Clock>(
    icc: &mut I,
    clock: &C,
    command: &[u8],
    response: &mut VecView<u8>,
    mut while_waiting: impl FnMut() -> bool,
) -> bool {
    let mut progress = icc.command(clock.now(), command, response);
    while progress == Progress::Waiting {
        if !while_waiting() {
            return false;
        }
        clock.wait_ms(POLL_MS);
        progress = icc.resume(clock.now(), response);
    }
    true
}
