//! Every command cut at every octet, with wrong Lc and Le, in its extended form, and with each class and instruction that nobody has.

use cdoc2_nostd::Curve;
use token_proto::{PinRef, Profile};

use crate::cdoc2;
use crate::client::{
    AUTHENTICATION_SCALAR, Client, PIN1, PIN2, PUK, block, hmac, octets, padded, peer, personalised, point, with_data,
};
use crate::common::Board;
use crate::sealed::Sealed;

/// A command that succeeds after these, and what its header alone gets.
struct Case {
    before: &'static [&'static str],
    command: Vec<u8>,
    /// Whether it has data and Le after its header.
    form: Form,
    /// Without its data.
    bare: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Header,
    Le,
    Data,
    DataLe,
}

use Form::{Data, DataLe, Header, Le};

fn case(before: &'static [&'static str], command: impl Into<Vec<u8>>, form: Form, bare: u16) -> Case {
    Case { before, command: command.into(), form, bare }
}

fn le(mut command: Vec<u8>, le: u8) -> Vec<u8> {
    command.push(le);
    command
}

const VERIFY1: &str = "00 20 00 01 0C 31323334FFFFFFFFFFFFFFFF";
const VERIFY2: &str = "00 20 00 85 0C 3132333435FFFFFFFFFFFFFF";
const VERIFY_PUK: &str = "00 20 00 02 0C 3132333435363738FFFFFFFF";
const MAIN: &str = "00A4040C 10 A000000077010800070000FE00000100";
const MAIN_2025: &str = "00A4040C 0C A000000063504B43532D3135";
const AWP: &str = "00A4040C 0D E828BD080FF2504F5420415750";
const QSCD: &str = "00A4040C 10 51534344204170706C69636174696F6E";

fn esteid2018() -> Vec<Case> {
    let hash = [0x5A; 48];
    let agree = with_data("00 2A 80 86", &[&[0][..], &peer().1].concat());
    vec![
        case(&[MAIN], octets(AWP), Data, 0x6A82),
        case(&[MAIN], octets("00A4000C"), Header, 0x9000),
        case(&[MAIN], octets("00A4010C 02 ADF1"), Data, 0x6A86),
        case(&[MAIN], octets("00A40904 06 3F00ADF13401 00"), DataLe, 0x6A86),
        case(&[MAIN, "00A4020C 02 D003"], octets("00B00000 0B"), Le, 0x610B),
        case(&[MAIN], octets(VERIFY1), Data, 0x63C3),
        case(&[QSCD], octets(VERIFY2), Data, 0x63C3),
        case(&[MAIN, VERIFY1], octets("00200001"), Header, 0x9000),
        case(&[MAIN], with_data("00240001", &[block(PIN1), block("4321")].concat()), Data, 0x6700),
        case(&[QSCD], with_data("00240085", &[block(PIN2), block("54321")].concat()), Data, 0x6700),
        case(&[MAIN, VERIFY_PUK], with_data("002C0201", &block("4321")), Data, 0x6700),
        case(&[MAIN], octets("00CB3FFF 0A 4D087006BF810102A080 00"), DataLe, 0x6700),
        case(&[MAIN], octets("002241B8 09 8004FF300400 840181"), Data, 0x6700),
        case(&[AWP, "002241A4 06 800104 840181", VERIFY1], le(with_data("00880000", &hash), 0x60), DataLe, 0x6700),
        case(&[QSCD, "002241B6 06 800154 84019F", VERIFY2], le(with_data("002A9E9A", &hash), 0), DataLe, 0x6700),
        case(&[AWP, "002241B8 06 80010B 840181", VERIFY1], le(agree, 0x30), DataLe, 0x6A80),
        case(&[MAIN], octets("00840000 08"), Le, 0x6700),
    ]
}

fn esteid2025() -> Vec<Case> {
    const VERIFY: &str = "00200081 0C 313233340000000000000000";
    let two = |header: &str, one: &str, other: &str| with_data(header, &[padded(one, 0), padded(other, 0)].concat());
    vec![
        case(&[MAIN_2025], octets(VERIFY), Data, 0x63C3),
        case(&[MAIN_2025], two("00240081", PIN1, "4321"), Data, 0x6700),
        case(&[MAIN_2025], two("002C0081", PUK, "4321"), Data, 0x6700),
        case(&[MAIN_2025], octets("00CB00FF 05 A003830181 00"), DataLe, 0x6700),
        case(&[MAIN_2025], octets("002241B8 03 840101"), Data, 0x6700),
        case(&[MAIN_2025], octets("002A90A0 04 9002ABCD"), Data, 0x6A80),
        case(&[MAIN_2025, "002241B6 06 800154 840101", VERIFY, "002A90A0 04 9002ABCD"], octets("002A9E9A 60"), Le, 0x6160),
    ]
}

fn cdoc2_application() -> Vec<Case> {
    let sealed = Sealed::new(Curve::Secp384r1, &point(&AUTHENTICATION_SCALAR), b"");
    let certificate = [&[0x30, 97][..], &point(&AUTHENTICATION_SCALAR)].concat();
    vec![
        case(&[cdoc2::SELECT], octets("80100000 00"), Le, 0x6131),
        case(&[cdoc2::SELECT], octets("80120081 00"), Le, 0x6162),
        case(&[cdoc2::SELECT], octets(VERIFY1), Data, 0x63C3),
        case(&[cdoc2::SELECT], with_data("00240001", &[block(PIN1), block("4321")].concat()), Data, 0x6700),
        case(&[cdoc2::SELECT, VERIFY_PUK], with_data("002C0201", &block("4321")), Data, 0x6700),
        case(&[cdoc2::SELECT], octets("00840000 20"), Le, 0x6120),
        case(&[cdoc2::SELECT, VERIFY1], le(with_data("802A0081", &sealed.data()), 0x20), DataLe, 0x6700),
        case(&[cdoc2::SELECT, "administrator"], octets("00478083 02 0200 00"), DataLe, 0x6700),
        case(&[cdoc2::SELECT, "administrator"], with_data("80160081", &certificate), Data, 0x6700),
        case(&[cdoc2::SELECT, "administrator"], octets("801E0000"), Header, 0x9000),
    ]
}

/// Every case with a card of its own, brought to where the command succeeds.
fn each(check: impl Fn(&Case, &dyn Fn() -> Client)) {
    for (profile, cases) in
        [(Profile::Esteid2018V1, esteid2018()), (Profile::Esteid2025, esteid2025()), (Profile::Esteid2018V1, cdoc2_application())]
    {
        let board = personalised(profile, Some((Curve::Secp256r1, false)));
        for case in cases {
            check(&case, &|| ready(board.clone(), &case));
        }
    }
}

fn ready(board: Board, case: &Case) -> Client {
    let mut client = Client::of(board);
    for step in case.before {
        match *step {
            "administrator" => assert_eq!(cdoc2::authenticate(&mut client), 0x9000),
            step => drop(client.hex(step).ok()),
        }
    }
    client
}

#[test]
fn whole_commands_succeed_in_short_and_in_extended_form() {
    each(|case, card| {
        let name = format!("{:02X?}", case.command);
        assert_eq!(card().send(&case.command).sw, 0x9000, "{name}");
        let (header, body) = case.command.split_at(4);
        let extended = match (case.form, body) {
            (Header, _) => return,
            (Le, [le]) => vec![0, u8::from(*le == 0), *le],
            (Data, [lc, data @ ..]) => [&[0, 0, *lc][..], data].concat(),
            (DataLe, [lc, data @ .., le]) => [&[0, 0, *lc][..], data, &[u8::from(*le == 0), *le]].concat(),
            _ => unreachable!("{name}"),
        };
        assert_eq!(card().send(&[header, &extended].concat()).sw, 0x9000, "{name}, extended");
    });
}

#[test]
fn every_truncation_is_refused_and_changes_nothing() {
    each(|case, card| {
        let mut client = card();
        let tries = PinRef::ALL.map(|pin| client.card().tries(pin).unwrap());
        for cut in 0..case.command.len() {
            let answer = client.send(&case.command[..cut]);
            let expected = match (case.form, cut) {
                (_, 0..4) => 0x6700,
                (_, 4) => case.bare,
                // what would be Lc is an Le
                (Data | DataLe, 5) => case.bare,
                // all but Le
                (DataLe, _) if cut == case.command.len() - 1 => break,
                _ => 0x6700,
            };
            assert_eq!(answer.sw, expected, "{:02X?} cut to {cut}", case.command);
            assert!(answer.data.is_empty());
        }
        if case.form != Header {
            assert_eq!(PinRef::ALL.map(|pin| client.card().tries(pin).unwrap()), tries);
            assert_eq!(card().send(&case.command).sw, 0x9000);
        }
    });
}

#[test]
fn every_wrong_lc_is_refused() {
    each(|case, card| {
        if !matches!(case.form, Data | DataLe) {
            return;
        }
        let lc = usize::from(case.command[4]);
        let data = &case.command[5..5 + lc];
        let mut client = card();
        let tries = PinRef::ALL.map(|pin| client.card().tries(pin).unwrap());
        // Lc says another length than there is
        // (one less makes the last octet an Le, and 00 before two octets an extended Le)
        for wrong in (usize::from(lc == 2)..=255).filter(|wrong| !(lc - 1..=lc).contains(wrong)) {
            let command = [&case.command[..4], &[wrong as u8][..], data].concat();
            assert_eq!(client.send(&command).sw, 0x6700, "{command:02X?}");
        }
        // both say one more
        let longer = [&case.command[..4], &[lc as u8 + 1][..], data, &[0xFF]].concat();
        let sw = client.send(&longer).sw;
        assert!(sw >> 8 == 0x67 || sw >> 8 == 0x6A || sw == 0x6300, "{longer:02X?}: {sw:04X}");
        assert_eq!(PinRef::ALL.map(|pin| client.card().tries(pin).unwrap()), tries);
    });
}

#[test]
fn data_where_there_is_none_is_refused() {
    each(|case, card| {
        if matches!(case.form, Header | Le) && case.command[1] != 0x20 && case.command[1] != 0xA4 {
            let command = with_data("00000000", &[0xAA; 3]);
            let command = [&case.command[..4], &command[4..]].concat();
            assert_eq!(card().send(&command).sw, 0x6700, "{command:02X?}");
        }
    });
}

#[test]
fn classes_and_instructions_that_nobody_has() {
    let main = [(MAIN, Profile::Esteid2018V1), (MAIN_2025, Profile::Esteid2025), (cdoc2::SELECT, Profile::Esteid2018V1)];
    for (select, profile) in main {
        let mut client = Client::with(profile, None);
        for cla in (0..=255_u8).filter(|cla| ![0x00, 0x10, 0x80, 0x90].contains(cla)) {
            for ins in [0x10, 0x20, 0x2A, 0xA4, 0xC0] {
                client.hex(select).ok();
                assert_eq!(client.send(&[cla, ins, 0, 0]).sw, 0x6E00, "{cla:02X} {ins:02X}");
            }
        }
        let known: &[u8] = match (select, profile) {
            (cdoc2::SELECT, _) => &[0x10, 0x12, 0x14, 0x16, 0x1E, 0x20, 0x24, 0x2A, 0x2C, 0x47, 0x82, 0x84, 0xA4, 0xC0],
            (_, Profile::Esteid2018V1) => &[0x20, 0x22, 0x24, 0x2A, 0x2C, 0x84, 0x88, 0xA4, 0xB0, 0xC0, 0xCB],
            (_, Profile::Esteid2025) => &[0x20, 0x22, 0x24, 0x2A, 0x2C, 0x84, 0xA4, 0xB0, 0xC0, 0xCB],
        };
        for ins in (0..=255_u8).filter(|ins| !known.contains(ins)) {
            assert_eq!(client.send(&[0x00, ins, 0, 0]).sw, 0x6D00, "{ins:02X}");
        }
    }
}

/// Commands of the ID-card are never chained, and of the CDOC2 application two are.
#[test]
fn chaining_is_for_two_commands() {
    each(|case, card| {
        let streamed = case.command[..2] == [0x80, 0x2A] || case.command[..2] == [0x80, 0x16];
        let mut command = case.command.clone();
        command[0] |= 0x10;
        let expected = if streamed { 0x9000 } else { 0x6884 };
        assert_eq!(card().send(&command).sw, expected, "{command:02X?}");
    });
}

#[test]
fn parameters_that_nobody_has() {
    each(|case, card| {
        for (at, octet) in [(2, 0x7E), (3, 0x7E)] {
            let mut command = case.command.clone();
            command[at] = octet;
            let sw = card().send(&command).sw;
            // READ BINARY has an offset there
            let offset = command[1] == 0xB0;
            assert!(matches!(sw, 0x6A86 | 0x6A88) || offset && sw == 0x6B00 || offset && sw == 0x9000, "{command:02X?}: {sw:04X}");
        }
    });
}

#[test]
fn more_than_a_command_may_have_is_refused() {
    let mut client = Client::with(Profile::Esteid2018V1, None);
    client.hex(cdoc2::SELECT).ok();
    assert_eq!(cdoc2::authenticate(&mut client), 0x9000);
    assert_eq!(client.command("80160081", &[0x30; 2049]).sw, 0x6700);
    assert_eq!(client.command("80160081", &[0x30; 2048]).sw, 0x6A80);
    // a challenge is used up by a wrong length as little as by anything else that is no answer
    let challenge = client.hex("0084000020").ok();
    assert_eq!(client.command("00820000", &[0; 31]).sw, 0x6700);
    let answer = hmac(&crate::client::ADMINISTRATOR_KEY, &challenge);
    assert_eq!(client.command("00820000", &answer).sw, 0x9000);
}
