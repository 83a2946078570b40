//! Each message and its answer (CCID Rev 1.1, 6.1 and 6.2).

use crate::host::card::{Card, RESPONSE_OF, TRIES, VERIFY};
use crate::host::{configured, powered};
use token_proto::{MAX_COMMAND_LEN, MAX_RESPONSE_LEN};

/// `abProtocolDataStructure` for T=1.
const T1_PARAMETERS: [u8; 7] = [0x11, 0x10, 0x00, 0x4D, 0x00, 0xFE, 0x00];

/// `bStatus`, `bError` and the octet after.
#[track_caller]
fn status(answer: &[u8], message_type: u8, status: u8, error: u8) {
    assert_eq!((answer[0], answer[7], answer[8]), (message_type, status, error), "{answer:02X?}");
}

#[test]
fn power_on_answers_the_atr_and_power_off_the_status() {
    configured(|host| {
        status(&host.slot_status(), 0x81, 1, 0);
        assert!(!host.card.is_powered());
        let answer = host.power_on();
        status(&answer, 0x80, 0, 0);
        assert_eq!(answer[10..], Card::ATR);
        assert!(host.card.is_powered());
        status(&host.slot_status(), 0x81, 0, 0);
        status(&host.power_off(), 0x81, 1, 0);
        assert!(!host.card.is_powered());
        status(&host.slot_status(), 0x81, 1, 0);
    });
}

#[test]
fn power_reaches_the_card() {
    powered(|host| {
        let again = |host: &mut crate::host::Host<'_>| {
            assert_eq!(host.transmit(&[TRIES]), [0x69, 0x82]);
            assert_eq!(host.transmit(&[VERIFY]), [0x90, 0x00]);
            assert_eq!(host.transmit(&[TRIES]), [0x90, 0x00]);
        };
        again(host);
        host.power_on();
        again(host);
        host.power_off();
        host.power_on();
        again(host);
    });
}

#[test]
fn power_select_is_one_that_is_announced() {
    configured(|host| {
        status(&host.exchange(0x62, [0, 0, 0], &[]), 0x80, 0, 0);
        status(&host.exchange(0x62, [2, 0, 0], &[]), 0x80, 0x40, 7);
        status(&host.exchange(0x62, [3, 0, 0], &[]), 0x80, 0x40, 7);
    });
}

#[test]
fn command_without_power_is_mute() {
    configured(|host| {
        status(&host.apdu(&[1, 2]), 0x80, 0x41, 0xFE);
        host.power_on();
        host.power_off();
        status(&host.apdu(&[1, 2]), 0x80, 0x41, 0xFE);
        assert_eq!(host.card.commands, 0);
    });
}

#[test]
fn every_length_of_command() {
    powered(|host| {
        for len in (0..200).chain(MAX_COMMAND_LEN - 70..=MAX_COMMAND_LEN) {
            let command: Vec<_> = (0..len).map(|i| i as u8).collect();
            let expected: Vec<_> = command.iter().rev().copied().chain([0x90, 0x00]).take(MAX_RESPONSE_LEN).collect();
            assert_eq!(host.transmit(&command), expected);
        }
    });
}

#[test]
fn every_length_of_response() {
    powered(|host| {
        for len in 2..=MAX_RESPONSE_LEN {
            let [high, low] = u16::try_from(len).unwrap().to_be_bytes();
            let expected: Vec<_> = (0..len).map(|i| i as u8).collect();
            assert_eq!(host.transmit(&[RESPONSE_OF, high, low]), expected);
        }
    });
}

#[test]
fn empty_packets_are_nothing() {
    powered(|host| {
        for len in [54, 54 + 64, 1] {
            host.packet(&[]);
            let message = host.compose(0x6F, [0; 3], &vec![7; len]);
            host.send(&message);
            host.packet(&[]);
            assert_eq!(host.message().unwrap()[10..], [vec![7; len], vec![0x90, 0x00]].concat());
            host.packet(&[]);
            assert_eq!(host.fetch(), None);
        }
    });
}

#[test]
fn chained_command() {
    powered(|host| {
        let command: Vec<_> = (0..MAX_COMMAND_LEN).map(|i| i as u8).collect();
        for block_len in [1, 54, 500, 1500] {
            let blocks: Vec<_> = command.chunks(block_len).collect();
            let (first, rest) = blocks.split_first().unwrap();
            let (last, middle) = rest.split_last().unwrap();
            for (level, block) in std::iter::once((1, first)).chain(middle.iter().map(|block| (3, block))) {
                let answer = host.exchange(0x6F, [0, level, 0], block);
                assert_eq!((answer.len(), answer[7], answer[8], answer[9]), (10, 0, 0, 0x10));
            }
            // the host may ask between two blocks
            status(&host.slot_status(), 0x81, 0, 0);
            let answer = host.exchange(0x6F, [0, 2, 0], last);
            let expected: Vec<_> = command.iter().rev().copied().chain([0x90, 0x00]).take(MAX_RESPONSE_LEN).collect();
            assert_eq!((answer[7], answer[8], answer[9]), (0, 0, 0));
            assert_eq!(answer[10..], expected);
        }
    });
}

#[test]
fn blocks_out_of_order() {
    powered(|host| {
        for level in [2, 3] {
            status(&host.exchange(0x6F, [0, level, 0], &[1]), 0x80, 0x40, 8);
        }
        // a new beginning forgets the old one
        host.exchange(0x6F, [0, 1, 0], &[1, 2, 3]);
        host.exchange(0x6F, [0, 1, 0], &[4]);
        assert_eq!(host.exchange(0x6F, [0, 2, 0], &[5])[10..], [5, 4, 0x90, 0x00]);
        host.exchange(0x6F, [0, 1, 0], &[1, 2, 3]);
        assert_eq!(host.transmit(&[6]), [6, 0x90, 0x00]);
        status(&host.exchange(0x6F, [0, 2, 0], &[1]), 0x80, 0x40, 8);
        // a block that fails ends the chain
        host.exchange(0x6F, [0, 1, 0], &[1, 2, 3]);
        let mut message = host.compose(0x6F, [0, 3, 0], &[4]);
        message[5] = 1;
        host.send(&message);
        status(&host.message().unwrap(), 0x80, 0x42, 5);
        status(&host.exchange(0x6F, [0, 2, 0], &[5]), 0x80, 0x40, 8);
        // so does power
        host.exchange(0x6F, [0, 1, 0], &[1, 2, 3]);
        host.power_on();
        status(&host.exchange(0x6F, [0, 2, 0], &[5]), 0x80, 0x40, 8);
    });
}

#[test]
fn other_level_parameters_are_refused() {
    powered(|host| {
        for (low, high) in [(4, 0), (0x10, 0), (0, 1), (0xFF, 0xFF)] {
            status(&host.exchange(0x6F, [0, low, high], &[]), 0x80, 0x40, 8);
        }
        assert_eq!(host.card.commands, 0);
    });
}

#[test]
fn command_too_long_is_answered_and_the_next_one_works() {
    powered(|host| {
        for len in [MAX_COMMAND_LEN + 1, MAX_COMMAND_LEN + 64, 4096, 65_544] {
            status(&host.apdu(&vec![0; len]), 0x80, 0x40, 1);
            assert_eq!(host.transmit(&[1]), [1, 0x90, 0x00]);
        }
        assert_eq!(host.card.commands, 4);
        // the same in blocks
        host.exchange(0x6F, [0, 1, 0], &vec![0; MAX_COMMAND_LEN]);
        status(&host.exchange(0x6F, [0, 3, 0], &[0]), 0x80, 0x40, 1);
        status(&host.exchange(0x6F, [0, 2, 0], &[0]), 0x80, 0x40, 8);
        assert_eq!(host.transmit(&[1]), [1, 0x90, 0x00]);
    });
}

#[test]
fn parameters_are_those_of_t1() {
    configured(|host| {
        for (message_type, specific, data) in [(0x6C, 0, &[][..]), (0x6D, 0, &[]), (0x61, 1, &[0x96, 0x10, 0, 0x45, 0, 0x20, 0])] {
            let answer = host.exchange(message_type, [specific, 0, 0], data);
            status(&answer, 0x82, 1, 0);
            assert_eq!(answer[9], 1);
            assert_eq!(answer[10..], T1_PARAMETERS);
        }
        // T=0, and T=1 of a wrong length
        status(&host.exchange(0x61, [0, 0, 0], &[0; 5]), 0x82, 0x41, 7);
        status(&host.exchange(0x61, [1, 0, 0], &[0; 5]), 0x82, 0x41, 1);
    });
}

#[test]
fn other_messages_are_not_supported() {
    configured(|host| {
        let supported = [0x61, 0x62, 0x63, 0x65, 0x6C, 0x6D, 0x6F, 0x72];
        for message_type in (0..=0xFF).filter(|message_type| !supported.contains(message_type)) {
            for len in [0, 3, 200] {
                let answer = host.exchange(message_type, [0; 3], &vec![0; len]);
                let expected = match message_type {
                    0x69 => 0x80,
                    0x6B => 0x83,
                    0x73 => 0x84,
                    _ => 0x81,
                };
                status(&answer, expected, 0x41, 0);
                assert_eq!(answer.len(), 10);
            }
        }
    });
}

#[test]
fn messages_without_data_have_none() {
    configured(|host| {
        for (message_type, answer_type) in [(0x62, 0x80), (0x63, 0x81), (0x65, 0x81), (0x6C, 0x82), (0x6D, 0x82), (0x72, 0x81)] {
            status(&host.exchange(message_type, [0; 3], &[0]), answer_type, 0x41, 1);
            status(&host.exchange(message_type, [0; 3], &[0; 54]), answer_type, 0x41, 1);
        }
        assert!(!host.card.is_powered());
    });
}

#[test]
fn other_slots_are_not_there() {
    powered(|host| {
        for message_type in [0x61, 0x62, 0x63, 0x65, 0x6C, 0x6D, 0x6F, 0x72] {
            for slot in [1, 0xFF] {
                let mut message = host.compose(message_type, [0; 3], &[]);
                message[5] = slot;
                host.send(&message);
                let answer = host.message().unwrap();
                assert_eq!(answer[5..9], [slot, message[6], 0x42, 5]);
            }
        }
        assert!(host.card.is_powered());
        assert_eq!(host.card.commands, 0);
    });
}

#[test]
fn answers_repeat_the_sequence_number() {
    powered(|host| {
        for seq in [0, 0x7F, 0xFF, 0] {
            host.send(&[0x65, 0, 0, 0, 0, 0, seq, 0, 0, 0]);
            assert_eq!(host.message().unwrap()[6], seq);
        }
    });
}
