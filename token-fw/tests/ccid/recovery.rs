//! What no host should do, or does when it goes away in the middle: the device answers, and the next message finds it as new.

use crate::host::card::{TRIES, VERIFY, WAIT};
use crate::host::{Host, configured, powered};
use token_fw::ccid::{PACKET_LEN, SILENCE_MS};
use token_proto::MAX_COMMAND_LEN;

/// Messages of every type, and of every number of packets up to four.
fn messages(host: &mut Host<'_>) -> Vec<Vec<u8>> {
    let mut messages: Vec<_> = (0..5).map(|i| host.compose(0x6F, [0; 3], &vec![i; 60 * usize::from(i)])).collect();
    messages.push(host.compose(0x6F, [0; 3], &[1; 54]));
    messages.push(host.compose(0x6F, [0; 3], &[1; 54 + 64]));
    messages.push(host.compose(0x61, [1, 0, 0], &[0; 7]));
    messages.push(host.compose(0x6B, [0; 3], &[0; 100]));
    for message_type in [0x62, 0x63, 0x65, 0x6C, 0x6D, 0x72] {
        messages.push(host.compose(message_type, [0; 3], &[]));
    }
    messages
}

#[test]
fn message_cut_short_is_answered_as_one() {
    powered(|host| {
        for message in messages(host) {
            for len in 1..message.len() {
                host.send(&message[..len]);
                if len.is_multiple_of(PACKET_LEN) {
                    // it may still go on
                    assert_eq!(host.fetch(), None);
                    host.pass(SILENCE_MS - 1);
                    assert_eq!(host.fetch(), None);
                    host.pass(1);
                }
                let answer = host.message().expect("an answer");
                assert_eq!(answer[6], if len > 6 { message[6] } else { 0 }, "bSeq");
                assert_eq!((answer[7], answer[8]), (0x40, 1), "{len} of {}", message.len());
                assert_eq!(host.transmit(&[1]), [1, 0x90, 0x00]);
            }
        }
    });
}

#[test]
fn message_cut_short_by_an_empty_packet_is_answered_at_once() {
    powered(|host| {
        let message = host.compose(0x6F, [0; 3], &[0; 300]);
        host.send(&message[..128]);
        host.packet(&[]);
        let answer = host.message().unwrap();
        assert_eq!((answer[0], answer[7], answer[8]), (0x80, 0x40, 1));
        host.recovers();
    });
}

#[test]
fn message_that_declares_more_than_there_is_can_never_be_finished() {
    powered(|host| {
        for length in [1, 55, 0x0001_0000, u32::MAX - 9, u32::MAX] {
            let mut message = host.compose(0x6F, [0; 3], &[]);
            message[1..5].copy_from_slice(&length.to_le_bytes());
            host.packet(&message);
            assert_eq!(host.message().unwrap()[8], 1);
            message.resize(PACKET_LEN, 0);
            host.packet(&message);
            // full, so that more may follow
            assert_eq!(host.fetch(), None);
            host.pass(SILENCE_MS);
            assert_eq!(host.message().unwrap()[8], 1);
            host.recovers();
        }
        assert_eq!(host.card.commands, 0);
    });
}

#[test]
fn octets_after_the_end_are_a_wrong_length() {
    powered(|host| {
        for message in messages(host) {
            let room = PACKET_LEN - message.len() % PACKET_LEN;
            if room == PACKET_LEN {
                // what follows is a message of its own
                continue;
            }
            for excess in [1, room, room + 1, room + 64, 2000] {
                host.send(&[&message[..], &vec![0xFF; excess]].concat());
                host.pass(SILENCE_MS);
                let answer = host.message().unwrap();
                assert_eq!((answer[6], answer[7], answer[8]), (message[6], 0x40, 1), "{excess} after {}", message.len());
                assert_eq!(host.fetch(), None);
                assert_eq!(host.transmit(&[1]), [1, 0x90, 0x00]);
            }
        }
    });
}

#[test]
fn octets_after_the_end_of_a_command_too_long_are_swallowed_with_it() {
    powered(|host| {
        let mut message = host.compose(0x6F, [0; 3], &vec![0x65; 4096]);
        message[1..5].copy_from_slice(&3000u32.to_le_bytes());
        host.send(&message);
        let answer = host.message().unwrap();
        assert_eq!((answer[6], answer[7], answer[8]), (message[6], 0x40, 1));
        assert_eq!(host.fetch(), None);
        host.recovers();
    });
}

/// Goes away while the device is anywhere in its work, and lets `begin` be the next host.
fn host_goes_away(begin: impl Fn(&mut Host<'_>)) {
    powered(|host| {
        let long = host.compose(0x6F, [0; 3], &[0; 300]);
        let first_block = host.compose(0x6F, [0, 1, 0], &[1, 2]);
        let wait = host.compose(0x6F, [0; 3], &[WAIT, 0x20, 0]);
        let abort = host.compose(0x72, [0; 3], &[]);
        type Leave<'a> = Box<dyn Fn(&mut Host<'_>) + 'a>;
        let leave: [Leave<'_>; 8] = [
            Box::new(|_| {}),
            Box::new(|host| host.send(&long[..128])),
            Box::new(|host| host.send(&long)),
            Box::new(|host| {
                host.send(&long);
                host.fetch().unwrap();
            }),
            Box::new(|host| {
                host.send(&long);
                // stays in the endpoint while the answer before it is not fetched
                host.send(&first_block);
            }),
            Box::new(|host| host.send(&first_block)),
            Box::new(|host| {
                host.send(&wait);
                assert!(host.card.is_waiting());
            }),
            Box::new(|host| {
                host.send(&wait);
                host.send(&abort);
            }),
        ];
        for (i, leave) in leave.iter().enumerate() {
            host.transmit(&[VERIFY]);
            leave(host);
            begin(host);
            assert!(!host.card.is_powered(), "{i}");
            host.pass(20_000);
            assert_eq!(host.fetch(), None, "{i}: an answer to the host before");
            assert_eq!(host.exchange(0x6F, [0, 2, 0], &[5])[8], 0xFE);
            assert_eq!(host.slot_status()[7], 1);
            host.power_on();
            assert_eq!(host.transmit(&[TRIES]), [0x69, 0x82]);
            assert_eq!(host.exchange(0x6F, [0, 2, 0], &[5])[8], 8);
        }
    });
}

#[test]
fn reset_leaves_nothing_of_the_host_before() {
    host_goes_away(|host| {
        host.reset();
        assert!(!host.card.is_powered());
        host.configure(1);
    });
}

#[test]
fn new_configuration_leaves_nothing_but_a_packet_in_the_endpoint() {
    host_goes_away(|host| {
        host.configure(1);
        host.fetch();
    });
    host_goes_away(|host| {
        host.configure(0);
        assert!(!host.card.is_powered());
        host.configure(1);
        host.fetch();
    });
}

#[test]
fn configuration_that_there_is_not_changes_nothing() {
    powered(|host| {
        assert!(!host.control_out(0x00, 9, 2, 0));
        assert!(host.is_configured());
        assert_eq!(host.transmit(&[1]), [1, 0x90, 0x00]);
    });
}

#[test]
fn host_that_fetches_no_answer_is_not_served_further() {
    powered(|host| {
        for seq in 0..10 {
            host.send(&[0x6F, 2, 0, 0, 0, 0, seq, 0, 0, 0, 1, 2]);
        }
        // an answer is in the endpoint, the next waits for it
        assert_eq!(host.card.commands, 2);
        for seq in 0..10 {
            assert_eq!(host.message().unwrap()[6], seq);
        }
        assert_eq!(host.card.commands, 10);
        host.recovers();
    });
}

#[test]
fn device_asks_to_be_called_again_until_all_packets_are_read() {
    powered(|host| {
        let message = host.compose(0x6F, [0; 3], &[0; 20_000]);
        host.burst(&message);
        assert_eq!(host.message().unwrap()[8], 1);
    });
}

#[test]
fn answers_to_a_host_that_sends_ahead_are_whole() {
    powered(|host| {
        let data = vec![3; MAX_COMMAND_LEN];
        let messages: Vec<_> = (0..3).map(|_| host.compose(0x6F, [0; 3], &data)).collect();
        messages.iter().for_each(|message| host.send(message));
        for message in messages {
            assert_eq!(host.message().unwrap()[6], message[6]);
        }
        host.recovers();
    });
}

#[test]
fn halted_endpoints_go_on_when_the_halt_is_cleared() {
    configured(|host| {
        for endpoint in [0x01, 0x81] {
            assert!(host.control_out(0x02, 3, 0, endpoint));
            assert_eq!(host.control_in(0x82, 0, 0, endpoint, 2), Some(vec![1, 0]));
            assert!(host.control_out(0x02, 1, 0, endpoint));
            assert_eq!(host.control_in(0x82, 0, 0, endpoint, 2), Some(vec![0, 0]));
            host.recovers();
        }
    });
}
