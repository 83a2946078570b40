//! The whole path: PC/SC client, pcscd, libccid, this library, USB/IP, the firmware's CCID class, and a card.

mod bench;
mod card;

use std::fs;
use std::time::Instant;

use bench::{Bench, in_namespace, reader, wait_for};
use card::{ATR, ECHO, IS_VERIFIED, READ, VERIFY, WAIT};
use pcsc::{Card, Disposition, Protocols, ShareMode, State};
use token_proto::{MAX_COMMAND_LEN, MAX_DATA_LEN, MAX_RESPONSE_LEN};

/// A command with extended length, with data if there are any, and for any answer.
fn command(ins: u8, parameter: u16, data: &[u8]) -> Vec<u8> {
    let mut command = vec![0x80, ins];
    command.extend(parameter.to_be_bytes());
    command.push(0);
    if !data.is_empty() {
        command.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        command.extend(data);
    }
    command.extend([0, 0]);
    command
}

fn transmit(card: &Card, command: &[u8]) -> Vec<u8> {
    let mut room = vec![0; MAX_RESPONSE_LEN];
    card.transmit(command, &mut room).unwrap_or_else(|error| panic!("{} octets: {error}", command.len())).to_vec()
}

fn status(card: &Card, ins: u8, parameter: u16) -> Vec<u8> {
    transmit(card, &command(ins, parameter, b""))
}

/// xorshift64: lengths that look random and are the same each time.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn apdus_of_all_lengths_go_through() {
    in_namespace("apdus_of_all_lengths_go_through", |bench| {
        let (server, _) = Bench::server(1);
        let pcscd = bench.pcscd(&server, 1);
        let maps = fs::read_to_string(format!("/proc/{}/maps", pcscd.id())).unwrap();
        let mapped: Vec<&str> = maps.lines().filter(|line| line.contains("libusb-1.0")).collect();
        assert!(
            !mapped.is_empty() && mapped.iter().all(|line| line.ends_with("/lib/libusb-1.0.so.0") && !line.contains("/usr/")),
            "{mapped:?}"
        );
        let context = pcscd.context();
        wait_for(&context, &reader(0), State::PRESENT);
        let card = context.connect(&reader(0), ShareMode::Exclusive, Protocols::T1).unwrap();
        let mut names = [0; 64];
        let mut atr = [0; 33];
        assert_eq!(card.status2(&mut names, &mut atr).unwrap().atr(), ATR);

        let longest = vec![0xA5; MAX_DATA_LEN];
        assert_eq!(command(ECHO, 0, &longest).len(), MAX_COMMAND_LEN);
        assert_eq!(transmit(&card, &command(ECHO, 0, &longest)), [&longest[..], b"\x90\x00"].concat());
        assert_eq!(transmit(&card, &command(READ, MAX_DATA_LEN as u16, b"")).len(), MAX_RESPONSE_LEN);
        assert_eq!(transmit(&card, b"\x00\xA4\x00\x0C"), b"\x6E\x00");

        let mut seed = 0x9E37_79B9_7F4A_7C15;
        // Around every multiple of the packet's length, where a packet too few or too many would show.
        let edges = (1..=6).flat_map(|packets| packets * 64 - 20..packets * 64);
        let anything = (0..200).map(|_| 1 + (random(&mut seed) % MAX_DATA_LEN as u64) as usize);
        let lengths: Vec<usize> = edges.chain(anything).collect();
        let begun = Instant::now();
        for len in &lengths {
            let data: Vec<u8> = (0..*len).map(|at| (at * 7 + len) as u8).collect();
            assert_eq!(transmit(&card, &command(ECHO, 0, &data)), [&data[..], b"\x90\x00"].concat(), "{len}");
        }
        let each = begun.elapsed().as_secs_f64() * 1000.0 / lengths.len() as f64;
        println!("{} exchanges of 1 to {MAX_DATA_LEN} octets and back: {each:.2} ms each", lengths.len());
    });
}

#[test]
fn card_sees_that_it_is_reset() {
    in_namespace("card_sees_that_it_is_reset", |bench| {
        let (server, _) = Bench::server(1);
        let pcscd = bench.pcscd(&server, 1);
        let context = pcscd.context();
        wait_for(&context, &reader(0), State::PRESENT);
        let mut card = context.connect(&reader(0), ShareMode::Exclusive, Protocols::T1).unwrap();
        for disposition in [Disposition::ResetCard, Disposition::UnpowerCard] {
            assert_eq!(status(&card, VERIFY, 0), b"\x90\x00");
            card.reconnect(ShareMode::Exclusive, Protocols::T1, Disposition::LeaveCard).unwrap();
            assert_eq!(status(&card, IS_VERIFIED, 0), b"\x90\x00");
            card.reconnect(ShareMode::Exclusive, Protocols::T1, disposition).unwrap();
            assert_eq!(status(&card, IS_VERIFIED, 0), b"\x69\x82", "{disposition:?}");
        }
    });
}

#[test]
fn host_waits_as_long_as_the_card_does() {
    in_namespace("host_waits_as_long_as_the_card_does", |bench| {
        let (server, _) = Bench::server(1);
        let pcscd = bench.pcscd(&server, 1);
        let context = pcscd.context();
        wait_for(&context, &reader(0), State::PRESENT);
        let card = context.connect(&reader(0), ShareMode::Exclusive, Protocols::T1).unwrap();
        // Twice the block waiting time.
        let begun = Instant::now();
        assert_eq!(status(&card, WAIT, 3200), b"\x90\x00");
        // The card's clock and this one round differently.
        assert!(begun.elapsed().as_secs() >= 3);
        assert_eq!(status(&card, IS_VERIFIED, 0), b"\x69\x82");
    });
}

#[test]
fn token_is_pulled_out_and_comes_back() {
    in_namespace("token_is_pulled_out_and_comes_back", |bench| {
        let (server, bus_ids) = Bench::server(1);
        let pcscd = bench.pcscd(&server, 1);
        let context = pcscd.context();
        wait_for(&context, &reader(0), State::PRESENT);
        for _ in 0..3 {
            let card = context.connect(&reader(0), ShareMode::Exclusive, Protocols::T1).unwrap();
            assert_eq!(status(&card, VERIFY, 0), b"\x90\x00");
            server.unplug(bus_ids[0]);
            wait_for(&context, &reader(0), State::EMPTY);
            let lost = card.transmit(&command(IS_VERIFIED, 0, b""), &mut [0; 16]).map(<[u8]>::to_vec);
            assert!(lost.is_err(), "{lost:?}");
            drop(card);
            server.replug(bus_ids[0]);
            wait_for(&context, &reader(0), State::PRESENT);
            let card = context.connect(&reader(0), ShareMode::Exclusive, Protocols::T1).unwrap();
            assert_eq!(status(&card, IS_VERIFIED, 0), b"\x69\x82");
        }
    });
}

#[test]
fn two_tokens_have_two_readers() {
    in_namespace("two_tokens_have_two_readers", |bench| {
        let (server, _) = Bench::server(2);
        let pcscd = bench.pcscd(&server, 2);
        let context = pcscd.context();
        let connect = |number| {
            wait_for(&context, &reader(number), State::PRESENT);
            context.connect(&reader(number), ShareMode::Exclusive, Protocols::T1).unwrap()
        };
        let cards = [connect(0), connect(1)];
        assert_eq!(status(&cards[0], VERIFY, 0), b"\x90\x00");
        assert_eq!(status(&cards[0], IS_VERIFIED, 0), b"\x90\x00");
        assert_eq!(status(&cards[1], IS_VERIFIED, 0), b"\x69\x82");
        for len in 1..100 {
            for (card, octet) in cards.iter().zip([1, 2]) {
                let data = vec![octet; len];
                assert_eq!(transmit(card, &command(ECHO, 0, &data)), [&data[..], b"\x90\x00"].concat());
            }
        }
    });
}
