//! Whatever a host does on the bus, in any order and at any time, the reader in the device neither panics nor falls silent; and its card, which checks
//! it, is treated as a card may expect.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../../token-fw/tests/ccid/host/mod.rs"]
mod host;

/// Steps of a host, each a tag and what it needs. Octets that are missing count as 0.
struct Steps<'a>(&'a [u8]);

impl<'a> Steps<'a> {
    fn octets(&mut self, len: usize) -> &'a [u8] {
        let (octets, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        octets
    }

    fn octet(&mut self) -> u8 {
        self.octets(1).first().copied().unwrap_or(0)
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }
}

fuzz_target!(|octets: &[u8]| {
    host::configured(|host| {
        let mut steps = Steps(octets);
        while !steps.0.is_empty() {
            match steps.octet() % 8 {
                0 => {
                    let len = steps.octet() % 65;
                    host.packet(steps.octets(len.into()));
                }
                tag @ 1..=2 => {
                    let message_type = steps.octet();
                    let level = steps.octet();
                    let len = steps.u16() % 4096;
                    let mut data = steps.octets(len.into()).to_vec();
                    if tag == 2 {
                        // a message of any length takes little input
                        data.resize(len.into(), 0);
                    }
                    let message = host.compose(message_type, [0, level, 0], &data);
                    host.send(&message);
                }
                3 => drop(host.fetch()),
                4 => host.pass(steps.u16().into()),
                5 => host.reset(),
                6 => drop(host.control_out(0x00, 9, steps.octet().into(), 0)),
                _ => drop(host.control_out(0x21, 1, steps.u16(), 0)),
            }
        }
        if host.is_configured() {
            host.recovers();
        }
        host.configure(1);
        host.recovers();
        host.power_on();
        assert_eq!(host.transmit(&[1, 2, 3]), [3, 2, 1, 0x90, 0x00]);
    });
});
