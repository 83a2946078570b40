//! What a command takes on the simulated token: in the same process, over vpcd and pcscd, and as a USB device over libccid and pcscd.
//!
//! `cargo bench -p cdoc2-benches --bench token` prints a table of medians. The card computes on this machine's processor, so the differences between
//! the columns are what counts: they are the transport's. Under `cargo test` each command is sent once.

use std::process::Command as Program;
use std::time::{Duration, Instant};

use cdoc2_benches::Fixed;
use cdoc2_client::token::{PcscSlot, Slot as _};
use cdoc2_nostd::derive;
use cdoc2_nostd::ecdh::SoftKey;
use cdoc2_nostd::key::Fmk;
use cdoc2_tests::desk::Desk;
use cdoc2_tests::process::succeeds;
use cdoc2_tests::token::{PIN1, Token};
use simulator::hw::{RealClock, Rng};
use simulator::reader::InProcess;
use simulator::state::State;
use token_fw::card::Card;
use token_proto::apdu::Command;
use token_proto::cdoc2::{self, Curve, Prefix};
use token_proto::esteid::{self, Environment, file};
use token_proto::{KeyRef, MAX_COMMAND_LEN, MAX_DATA_LEN, MAX_RESPONSE_LEN, PinBlock, PinRef, Profile, Reader, aid, ins};

/// The argument with which this program measures over PC/SC, as a client of a pcscd that another run of it has started.
const OVER_PCSC: &str = "--over-pcsc";

/// How the table calls the paths.
const PATHS: [&str; 3] = ["in process", "vpcd", "USB/IP"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let repeats = if arguments.iter().any(|argument| argument == "--bench") { 100 } else { 1 };
    if let [argument, reader, repeats] = &arguments[..]
        && argument == OVER_PCSC
    {
        let mut slot = PcscSlot::connect(reader).expect("the token is in its reader");
        let mut conversation = slot.begin().expect("nobody else uses it");
        for (_, median) in measure(&mut conversation, repeats.parse().expect("a number")) {
            println!("{}", median.as_nanos());
        }
        return;
    }

    let options = ["--cdoc2-key", "p384"];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let token = Token::new(&folder.path().join("token"), &options);
    let board = State::open(token.state()).expect("the state was just made").board(Rng::system());
    let card = Card::new(board).expect("the state is sound");
    let mut reader = InProcess::new(token_fw::Token::new(card), RealClock::default());
    reader.reset().expect("a card in this process has power");
    let in_process = measure(&mut reader, repeats);

    let vpcd = over_pcsc(&Desk::over_vpcd(&options), repeats);
    let usb = over_pcsc(&Desk::over_usb(&options), repeats);

    println!("| median of {repeats} | {} | {} | {} |\n|---|--:|--:|--:|", PATHS[0], PATHS[1], PATHS[2]);
    for (((what, in_process), vpcd), usb) in in_process.iter().zip(vpcd).zip(usb) {
        println!("| {what} | {} | {} | {} |", ms(*in_process), ms(vpcd), ms(usb));
    }
}

fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

fn over_pcsc(desk: &Desk, repeats: usize) -> Vec<Duration> {
    let mut program: Program = desk.client(std::env::current_exe().expect("this program has a path"));
    program.args([OVER_PCSC, desk.reader(), &repeats.to_string()]);
    let said = succeeds(&mut program);
    said.lines().map(|line| Duration::from_nanos(line.parse().expect("the measuring run prints numbers only"))).collect()
}

/// A reader, and buffers for what goes through it.
struct Card2018<'r, R: Reader> {
    reader: &'r mut R,
    response: [u8; MAX_RESPONSE_LEN],
}

impl<R: Reader> Card2018<'_, R> {
    /// Sends `command`, which must succeed, and answers the data of the response.
    fn send(&mut self, command: Command<'_>) -> &[u8] {
        let mut octets = [0; MAX_COMMAND_LEN];
        let octets = command.emit(&mut octets).expect("it fits the longest command");
        let len = self.reader.transmit(octets, &mut self.response).expect("the reader works");
        let (data, status) = self.response[..len].split_last_chunk().expect("a response has a status");
        assert_eq!(status, &[0x90, 0x00], "{command:?}");
        data
    }

    /// Octets of the authentication certificate.
    fn read_certificate(&mut self) -> usize {
        let mut read = 0;
        // the length that DER gives itself: a sequence with two octets of length
        let mut len = 4;
        while read < len {
            let part = self.send(esteid::read_binary(u16::try_from(read).expect("a short file"), (len - read).clamp(4, 256)));
            if read == 0 {
                len = 4 + usize::from(u16::from_be_bytes([part[2], part[3]]));
            }
            read += part.len();
        }
        read
    }

    fn decapsulate(&mut self, data: &[u8]) -> usize {
        let chunks = data.chunks(MAX_DATA_LEN);
        let last = chunks.len() - 1;
        for (index, chunk) in chunks.enumerate() {
            let command = cdoc2::decapsulate(KeyRef::Cdoc2, chunk);
            if index == last {
                return self.send(command.with_le(cdoc2::KEY_LEN)).len();
            }
            self.send(command.chained());
        }
        0
    }
}

fn measure<R: Reader>(reader: &mut R, repeats: usize) -> Vec<(&'static str, Duration)> {
    let mut card = Card2018 { reader, response: [0; MAX_RESPONSE_LEN] };
    let pin = PinBlock::new(PIN1.as_bytes()).expect("digits");
    let mut block = [0; PinRef::BLOCK_LEN];
    pin.emit(&mut block, Profile::Esteid2018V1);
    let verify = || esteid::verify(PinRef::Pin1, &block, Profile::Esteid2018V1);
    let mut table =
        vec![("SELECT (application)", median(repeats, || card.send(esteid::select_application(aid::ESTEID_MAIN)).len()))];
    card.send(esteid::select_application(aid::ESTEID_AUTHENTICATION));
    let id = file::EF_AUTHENTICATION_CERTIFICATE.to_be_bytes();
    card.send(Command::new(0x00, ins::SELECT, 0x02, 0x0C).with_data(&id));
    table.push(("READ BINARY (a whole certificate)", median(repeats, || card.read_certificate())));
    table.push(("VERIFY", median(repeats, || card.send(verify()).len())));

    card.send(Environment::Agree.set(Profile::Esteid2018V1));
    let sender = SoftKey::<p384::NistP384>::generate(&mut Fixed(1)).expect("this generator does not fail");
    let mut data = [0; esteid::AGREE_LEN];
    data[1..].copy_from_slice(sender.public_key().octets());
    table.push(("PSO: DECIPHER (ECDH, P-384)", median(repeats, || card.send(esteid::agree(&data)).len())));

    card.send(esteid::select_application(aid::CDOC2));
    let answer = card.send(cdoc2::get_public_key(KeyRef::Cdoc2));
    assert_eq!(answer[0], Curve::Secp384r1.octet());
    let recipient = answer[1..].to_vec();
    card.send(verify());
    for (what, header_len) in [("DECAPSULATE, header of 1 KiB", 1 << 10), ("DECAPSULATE, header of 100 KiB", 100 << 10)] {
        let data = decapsulation(&sender, &recipient, header_len);
        table.push((what, median(repeats, || card.decapsulate(&data))));
    }
    table
}

/// The data of DECAPSULATE with a header of `header_len` octets. The card does not look into the header.
fn decapsulation(sender: &SoftKey<p384::NistP384>, recipient: &[u8], header_len: usize) -> Vec<u8> {
    let kek = sender.encapsulate(recipient).expect("the card's key is a point");
    let fmk = Fmk::generate(&mut Fixed(2)).expect("this generator does not fail");
    let header = vec![0x5A; header_len];
    let header_mac = derive::hhk(&fmk).and_then(|hhk| hhk.mac(&header)).expect("a key of 32 octets");
    let mut data = vec![0; cdoc2::MAX_PREFIX_LEN];
    let prefix =
        Prefix { sender_public_key: sender.public_key().octets(), encrypted_fmk: &kek.encrypt_fmk(&fmk), header_mac: &header_mac };
    let len = prefix.emit(&mut data).expect("it fits the longest prefix");
    data.truncate(len);
    data.extend(header);
    data
}

fn median<T>(repeats: usize, mut run: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..repeats)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(run());
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}
