//! The whole path: PC/SC client, pcscd, libccid, this library, USB/IP, the firmware's CCID class, and a card that says what it was asked, or
//! the token itself.

mod card;

use std::ffi::CString;
use std::fs;
use std::time::{Duration, Instant};

use card::{ATR, ECHO, IS_VERIFIED, READ, VERIFY, WAIT};
use cdoc2_tests::pcscd::{Namespace, Pcscd};
use cdoc2_tests::token::Token;
use pcsc::{Card, Context, Disposition, Protocols, ReaderState, Scope, ShareMode, State};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use simulator::hw::RealClock;
use simulator::reader::usbip::protocol::BusId;
use simulator::reader::usbip::{Server, ccid_device};
use token_proto::{MAX_COMMAND_LEN, MAX_DATA_LEN, MAX_RESPONSE_LEN, aid, cdoc2, ins};

/// Longest that a reader takes to notice anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// pcscd with readers whose cards are in this process.
struct Readers {
    context: Context,
    pcscd: Pcscd,
    server: Server,
    bus_ids: Vec<BusId>,
}

impl Readers {
    fn new(namespace: &Namespace, count: usize) -> Self {
        let mut server = Server::bind("127.0.0.1:0").unwrap();
        let plug_in =
            |number| server.plug_in(ccid_device(card::Card::default(), RealClock::default(), format!("TEST{number}"))).unwrap();
        let bus_ids = (1..=count).map(plug_in).collect();
        let pcscd = Pcscd::with_libccid_readers(namespace, &server.address().to_string(), count);
        Self { context: Context::establish(Scope::User).unwrap(), pcscd, server, bus_ids }
    }

    /// The card in the reader with this number, as soon as it is there.
    fn card(&self, number: usize) -> Card {
        self.wait_for(number, State::PRESENT);
        self.context.connect(&reader(number), ShareMode::Exclusive, Protocols::T1).unwrap()
    }

    fn wait_for(&self, number: usize, wanted: State) {
        wait_for(&self.context, number, wanted);
    }
}

/// Waits until the state of a reader has `wanted`.
fn wait_for(context: &Context, number: usize, wanted: State) {
    let deadline = Instant::now() + PATIENCE;
    let mut states = [ReaderState::new(reader(number), State::UNAWARE)];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let change = context.get_status_change(Some(left), &mut states);
        change.unwrap_or_else(|error| panic!("reader {number} does not become {wanted:?}: {error}"));
        if states[0].event_state().contains(wanted) {
            return;
        }
        states[0].sync_current_state();
    }
}

/// Name of a reader.
fn reader(number: usize) -> CString {
    CString::new(format!("Token {number:02} 00")).unwrap()
}

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
    Namespace::with_test_inside("apdus_of_all_lengths_go_through", |namespace| {
        let readers = Readers::new(namespace, 1);
        let maps = fs::read_to_string(format!("/proc/{}/maps", readers.pcscd.id())).unwrap();
        let mapped: Vec<&str> = maps.lines().filter(|line| line.contains("libusb-1.0")).collect();
        assert!(
            !mapped.is_empty() && mapped.iter().all(|line| line.ends_with("/lib/libusb-1.0.so.0") && !line.contains("/usr/")),
            "{mapped:?}"
        );
        let card = readers.card(0);
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
    Namespace::with_test_inside("card_sees_that_it_is_reset", |namespace| {
        let readers = Readers::new(namespace, 1);
        let mut card = readers.card(0);
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
    Namespace::with_test_inside("host_waits_as_long_as_the_card_does", |namespace| {
        let readers = Readers::new(namespace, 1);
        let card = readers.card(0);
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
    Namespace::with_test_inside("token_is_pulled_out_and_comes_back", |namespace| {
        let readers = Readers::new(namespace, 1);
        for _ in 0..3 {
            let card = readers.card(0);
            assert_eq!(status(&card, VERIFY, 0), b"\x90\x00");
            readers.server.unplug(readers.bus_ids[0]);
            readers.wait_for(0, State::EMPTY);
            let lost = card.transmit(&command(IS_VERIFIED, 0, b""), &mut [0; 16]).map(<[u8]>::to_vec);
            assert!(lost.is_err(), "{lost:?}");
            drop(card);
            readers.server.replug(readers.bus_ids[0]);
            let card = readers.card(0);
            assert_eq!(status(&card, IS_VERIFIED, 0), b"\x69\x82");
        }
    });
}

#[test]
fn two_tokens_have_two_readers() {
    Namespace::with_test_inside("two_tokens_have_two_readers", |namespace| {
        let readers = Readers::new(namespace, 2);
        let cards = [readers.card(0), readers.card(1)];
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

/// GET CERTIFICATE with an extended Le, and PUT CERTIFICATE of 2048 octets, which an administrator may, and nobody else.
#[test]
fn token_takes_extended_commands_and_gives_extended_responses() {
    Namespace::with_test_inside("token_takes_extended_commands_and_gives_extended_responses", |namespace| {
        let address = "127.0.0.1:3240";
        let token = Token::new(&namespace.folder().join("token"), &[]);
        let _plugged = token.plug(namespace, address);
        let _pcscd = Pcscd::with_libccid(namespace, address);
        let certificate = CertificateDer::from_pem_file(token.certificate("auth")).unwrap();
        assert!(certificate.len() > 256, "too short to say anything");

        let context = Context::establish(Scope::User).unwrap();
        wait_for(&context, 0, State::PRESENT);
        let card = context.connect(&reader(0), ShareMode::Exclusive, Protocols::T1).unwrap();
        let select = [&[0x00, ins::SELECT, 0x04, 0x0C, aid::CDOC2.len() as u8], aid::CDOC2].concat();
        assert_eq!(transmit(&card, &select), b"\x90\x00");
        let get = command(cdoc2::instruction::GET_CERTIFICATE, 0x0081, b"");
        assert_eq!(transmit(&card, &get), [&certificate, &b"\x90\x00"[..]].concat());
        let put = command(cdoc2::instruction::PUT_CERTIFICATE, 0x0081, &[0x30; MAX_DATA_LEN]);
        assert_eq!(transmit(&card, &put), b"\x69\x82");
    });
}
