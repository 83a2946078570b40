//! A card that waits for its person: time extensions, a busy slot, and aborts.

use crate::host::card::{VERIFY, WAIT};
use crate::host::{Host, powered};
use token_fw::ccid::EXTENSION_MS;

/// The response to [`WAIT`] of `ms`.
fn waited(ms: u16) -> Vec<u8> {
    let [high, low] = ms.to_be_bytes();
    vec![low, high, WAIT, 0x90, 0x00]
}

/// Sends a command that waits for `ms` milliseconds; its `bSeq`.
fn wait(host: &mut Host<'_>, ms: u16) -> u8 {
    let [high, low] = ms.to_be_bytes();
    let message = host.compose(0x6F, [0; 3], &[WAIT, high, low]);
    host.send(&message);
    assert_eq!(host.fetch(), None);
    message[6]
}

/// The request ABORT.
fn abort_request(host: &mut Host<'_>, slot: u8, seq: u8) -> bool {
    host.control_out(0x21, 1, u16::from_le_bytes([slot, seq]), 0)
}

/// The message of an abort.
fn abort_message(host: &mut Host<'_>, seq: u8) {
    host.send(&[0x72, 0, 0, 0, 0, 0, seq, 0, 0, 0]);
}

#[test]
fn time_extensions_come_until_the_response() {
    powered(|host| {
        let seq = wait(host, 5500);
        for _ in 0..5 {
            host.pass(EXTENSION_MS - 1);
            assert_eq!(host.fetch(), None);
            host.pass(1);
            assert_eq!(host.message().unwrap(), [0x80, 0, 0, 0, 0, 0, seq, 0x80, 1, 0]);
        }
        host.pass(490);
        assert_eq!(host.fetch(), None);
        host.pass(10);
        assert_eq!(host.message().unwrap()[10..], waited(5500));
        host.pass(10_000);
        assert_eq!(host.fetch(), None);
    });
}

#[test]
fn host_that_fetches_no_time_extension_gets_the_response_after_it() {
    powered(|host| {
        wait(host, 8000);
        host.pass(8000);
        assert!(!host.card.is_waiting());
        assert_eq!(host.message().unwrap()[7], 0x80);
        assert_eq!(host.message().unwrap()[10..], waited(8000));
        assert_eq!(host.fetch(), None);
    });
}

#[test]
fn device_asks_to_be_called_only_while_something_is_due() {
    powered(|host| {
        assert_eq!(host.due, None);
        wait(host, 100);
        assert!(host.due.is_some());
        host.pass(100);
        host.message().unwrap();
        assert_eq!(host.due, None);
    });
}

#[test]
fn slot_is_busy_while_the_card_waits() {
    powered(|host| {
        wait(host, 3000);
        for (message_type, data) in [(0x62, &[][..]), (0x63, &[]), (0x65, &[]), (0x6C, &[]), (0x6F, &[1, 2]), (0x6B, &[])] {
            let answer = host.exchange(message_type, [0; 3], data);
            assert_eq!((answer[7], answer[8]), (0x40, 0xE0));
        }
        let long = host.exchange(0x6F, [0; 3], &[9; 500]);
        assert_eq!((long[7], long[8]), (0x40, 0xE0));
        assert!(host.card.is_waiting());
        host.pass(990);
        assert_eq!(host.fetch(), None);
        host.pass(10);
        assert_eq!(host.message().unwrap()[7], 0x80);
        host.pass(2000);
        host.message().unwrap();
        assert_eq!(host.message().unwrap()[10..], waited(3000));
        assert_eq!(host.card.commands, 1);
    });
}

#[test]
fn abort_stops_the_command_in_either_order() {
    powered(|host| {
        for request_first in [true, false] {
            host.power_on();
            host.transmit(&[VERIFY]);
            wait(host, 60_000);
            if request_first {
                assert!(abort_request(host, 0, 0xAB));
                assert!(host.card.is_waiting());
                abort_message(host, 0xAB);
            } else {
                abort_message(host, 0xAB);
                assert_eq!(host.fetch(), None);
                assert!(host.card.is_waiting());
                assert!(abort_request(host, 0, 0xAB));
            }
            // a card at work is stopped by taking its power
            assert!(!host.card.is_powered());
            assert_eq!(host.message().unwrap(), [0x81, 0, 0, 0, 0, 0, 0xAB, 1, 0, 0]);
            host.pass(60_000);
            assert_eq!(host.fetch(), None);
        }
        host.power_on();
        assert_eq!(host.transmit(&[1]), [1, 0x90, 0x00]);
    });
}

#[test]
fn abort_of_nothing_leaves_the_card_its_power() {
    powered(|host| {
        assert!(abort_request(host, 0, 1));
        abort_message(host, 1);
        assert_eq!(host.message().unwrap(), [0x81, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert!(host.card.is_powered());
        host.recovers();
    });
}

#[test]
fn after_the_request_everything_but_its_message_is_aborted() {
    powered(|host| {
        assert!(abort_request(host, 0, 0xAB));
        for message_type in [0x62, 0x65, 0x6F, 0x72] {
            let answer = host.exchange(message_type, [0; 3], &[]);
            assert_eq!((answer[7], answer[8]), (0x40, 0xFF));
        }
        assert_eq!(host.card.commands, 0);
        abort_message(host, 0xAB);
        assert_eq!(host.message().unwrap()[7], 0);
        assert_eq!(host.transmit(&[1]), [1, 0x90, 0x00]);
    });
}

#[test]
fn abort_without_a_request_is_forgotten_by_the_next_message() {
    powered(|host| {
        abort_message(host, 0xAB);
        assert_eq!(host.fetch(), None);
        assert_eq!(host.transmit(&[1]), [1, 0x90, 0x00]);
        assert!(abort_request(host, 0, 0xAB));
        assert_eq!(host.fetch(), None);
        abort_message(host, 0xAB);
        assert_eq!(host.message().unwrap()[7], 0);
    });
}

#[test]
fn abort_of_another_slot_or_interface_stalls() {
    powered(|host| {
        assert!(!abort_request(host, 1, 0));
        assert!(!host.control_out(0x21, 1, 0, 1));
        assert!(!host.control_out(0x21, 2, 0, 0));
        host.recovers();
    });
}
