//! Whatever the host sends: no panic, and the device answers afterwards.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::host::{Host, configured};

#[derive(Clone, Debug)]
enum Step {
    Packet(Vec<u8>),
    Message { message_type: u8, slot: u8, level: u8, declared: Option<u32>, data: Vec<u8> },
    Fetch,
    Pass(u64),
    Reset,
    Configure(u16),
    Abort(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let message_type = prop_oneof![3 => Just(0x6F), 2 => 0x61..=0x73u8, 1 => any::<u8>()];
    let slot = prop_oneof![9 => Just(0), 1 => any::<u8>()];
    let level = prop_oneof![3 => Just(0), 2 => 0..4u8, 1 => any::<u8>()];
    let declared = prop_oneof![9 => Just(None), 1 => (0..300u32).prop_map(Some), 1 => any::<u32>().prop_map(Some)];
    let data = prop_oneof![
        4 => vec(any::<u8>(), 0..200),
        1 => vec(any::<u8>(), 0..4000),
        2 => (0xA0..=0xA3u8, 0..9u8, any::<u8>()).prop_map(|(command, high, low)| vec![command, high, low]),
    ];
    prop_oneof![
        2 => vec(any::<u8>(), 0..=64).prop_map(Step::Packet),
        8 => (message_type, slot, level, declared, data)
            .prop_map(|(message_type, slot, level, declared, data)| Step::Message { message_type, slot, level, declared, data }),
        6 => Just(Step::Fetch),
        3 => (0..3000u64).prop_map(Step::Pass),
        1 => Just(Step::Reset),
        1 => (0..3u16).prop_map(Step::Configure),
        1 => (0..2u8, 0..20u8).prop_map(|(slot, seq)| Step::Abort(slot, seq)),
    ]
}

impl Step {
    fn run(&self, host: &mut Host<'_>) {
        match self {
            Self::Packet(octets) => host.packet(octets),
            Self::Message { message_type, slot, level, declared, data } => {
                let mut message = host.compose(*message_type, [0, *level, 0], data);
                message[5] = *slot;
                if let Some(declared) = declared {
                    message[1..5].copy_from_slice(&declared.to_le_bytes());
                }
                host.send(&message);
            }
            Self::Fetch => drop(host.fetch()),
            Self::Pass(ms) => host.pass(*ms),
            Self::Reset => host.reset(),
            Self::Configure(value) => {
                host.control_out(0x00, 9, *value, 0);
            }
            Self::Abort(slot, seq) => {
                host.control_out(0x21, 1, u16::from_le_bytes([*slot, *seq]), 0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn device_answers_after_anything(steps in vec(step(), 0..24)) {
        configured(|host| {
            steps.iter().for_each(|step| step.run(host));
            if host.is_configured() {
                host.recovers();
            }
            host.configure(1);
            host.recovers();
            host.power_on();
            prop_assert_eq!(host.transmit(&[1, 2, 3]), [3, 2, 1, 0x90, 0x00]);
            Ok(())
        })?;
    }

    #[test]
    fn device_answers_after_any_packets(packets in vec(vec(any::<u8>(), 0..=64), 0..64)) {
        configured(|host| {
            packets.iter().for_each(|packet| host.packet(packet));
            host.recovers();
        });
    }
}
