//! Every command with every security status, in its place and elsewhere. The tables here say again, in octets, what the tables of the
//! applications say.

use cdoc2_nostd::Curve;
use token_proto::Profile;

use crate::cdoc2::{self, authenticate, decapsulate_command};
use crate::client::{AUTHENTICATION_SCALAR, Client, PIN1, PIN2, PUK, block, octets, padded, peer, personalised, point, with_data};
use crate::common::Board;
use crate::sealed::Sealed;

/// What has been before the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Nothing,
    Pin1,
    Pin2,
    Puk,
    Administrator,
    Everything,
    /// Everything, then a reset.
    Reset,
    /// Everything, then the application is selected again.
    LoggedOut,
    /// Everything, then another application and back.
    OtherApplication,
    /// Everything, then each PIN wrong three times.
    Blocked,
}

use Status::{Administrator, Blocked, Everything, LoggedOut, Nothing, OtherApplication, Pin1, Pin2, Puk, Reset};

impl Status {
    const ALL: [Self; 10] = [Nothing, Pin1, Pin2, Puk, Administrator, Everything, Reset, LoggedOut, OtherApplication, Blocked];

    fn after(self, step: Self) -> bool {
        self == step || matches!(self, Everything | Reset | LoggedOut | OtherApplication | Blocked)
    }
}

const MAIN: &str = "00 A4 04 0C 10 A000000077010800070000FE00000100";
const MAIN_2025: &str = "00 A4 04 0C 0C A000000063504B43532D3135";
const MF: &[&str] = &["00A4000C"];
const ADF1: &[&str] = &["00A4000C", "00A4010C 02 ADF1"];
const ADF2: &[&str] = &["00A4000C", "00A4010C 02 ADF2"];

/// A command, the way to its place, and its status word with each security status.
struct Row {
    name: &'static str,
    way: Vec<&'static str>,
    command: Vec<u8>,
    expected: fn(Status) -> u16,
}

fn row(name: &'static str, way: &[&[&'static str]], command: impl Into<Vec<u8>>, expected: fn(Status) -> u16) -> Row {
    Row { name, way: way.concat(), command: command.into(), expected }
}

fn always(_: Status) -> u16 {
    0x9000
}

fn unless_blocked(status: Status) -> u16 {
    if status == Blocked { 0x6983 } else { 0x9000 }
}

fn wrong(status: Status) -> u16 {
    if status == Blocked { 0x6983 } else { 0x63C2 }
}

fn unknown(_: Status) -> u16 {
    0x6A88
}

fn out_of_place(_: Status) -> u16 {
    0x6985
}

fn only(status: Status, allowed: &[Status]) -> u16 {
    if allowed.contains(&status) { 0x9000 } else { 0x6982 }
}

fn after_pin1(status: Status) -> u16 {
    only(status, &[Pin1, Everything])
}

fn after_pin2(status: Status) -> u16 {
    only(status, &[Pin2, Everything])
}

fn after_puk(status: Status) -> u16 {
    only(status, &[Puk, Everything])
}

fn after_administrator(status: Status) -> u16 {
    only(status, &[Administrator, Everything, Blocked])
}

fn query(status: Status, met: u16) -> u16 {
    match (status, met) {
        (Blocked, _) => 0x63C0,
        (_, 0x9000) => 0x9000,
        _ => 0x63C3,
    }
}

fn hex(text: &str) -> Vec<u8> {
    octets(text)
}

fn le(mut command: Vec<u8>, le: u8) -> Vec<u8> {
    command.push(le);
    command
}

/// Brings a card of `profile` to `status`, with `select` as the application's selection. What the application has no command for is left out.
fn prepare(board: Board, profile: Profile, select: &str, cdoc2: bool, status: Status) -> Client {
    let mut client = Client::of(board);
    client.hex(select).ok();
    let references = match (profile, cdoc2) {
        (Profile::Esteid2025, false) => [0x81, 0x82, 0x83],
        _ => [0x01, 0x85, 0x02],
    };
    let padding = if cdoc2 { 0xFF } else { profile.pin_padding() };
    let verify = |client: &mut Client, reference: u8, digits: &str| {
        if reference == 0x85 {
            ADF2.iter().for_each(|step| drop(client.hex(step).ok()));
        }
        client.command(&format!("00 20 00 {reference:02X}"), &padded(digits, padding)).sw
    };
    for ((step, reference), digits) in [Pin1, Pin2, Puk].into_iter().zip(references).zip([PIN1, PIN2, PUK]) {
        if status.after(step) && !(cdoc2 && step == Pin2) {
            assert_eq!(verify(&mut client, reference, digits), 0x9000);
        }
    }
    if cdoc2 && status.after(Administrator) {
        assert_eq!(authenticate(&mut client), 0x9000);
    }
    match status {
        Nothing | Pin1 | Pin2 | Puk | Administrator | Everything => {}
        Reset => {
            client.reset();
            client.hex(select).ok();
        }
        LoggedOut => drop(client.hex(select).ok()),
        OtherApplication => {
            let other = if cdoc2 { if profile == Profile::Esteid2025 { MAIN_2025 } else { MAIN } } else { cdoc2::SELECT };
            client.hex(other).ok();
            client.hex(select).ok();
        }
        Blocked => {
            for (reference, digits) in references.into_iter().zip(["9999", "99999", "99999999"]) {
                if !(cdoc2 && reference == 0x85) {
                    for left in [2, 1, 0] {
                        assert_eq!(verify(&mut client, reference, digits), 0x63C0 + left);
                    }
                }
            }
        }
    }
    client
}

/// A row may change the card: each has one of its own.
fn check(profile: Profile, select: &str, cdoc2: bool, rows: &[Row]) {
    let board = personalised(profile, Some((Curve::Secp256r1, false)));
    for status in Status::ALL {
        for Row { name, way, command, expected } in rows {
            let mut client = prepare(board.clone(), profile, select, cdoc2, status);
            for step in way {
                client.hex(step).ok();
            }
            let answer = client.send(command);
            assert_eq!(answer.sw, expected(status), "{name} with {status:?}");
            assert!(answer.sw == 0x9000 || answer.data.is_empty(), "{name} with {status:?}");
        }
    }
}

#[test]
fn esteid_of_2018() {
    const SET_AUTHENTICATE: &[&str] = &["00 22 41 A4 09 80 04 FF200800 84 01 81"];
    const SET_SIGN: &[&str] = &["00 22 41 B6 09 80 04 FF150800 84 01 9F"];
    const SET_AGREE: &[&str] = &["00 22 41 B8 09 80 04 FF300400 84 01 81"];
    check(Profile::Esteid2018V1, MAIN, false, &{
        let hash = [0x5A; 48];
        let authenticate = || le(with_data("00 88 00 00", &hash), 0x60);
        let sign = || le(with_data("00 2A 9E 9A", &hash), 0x60);
        let agree = || le(with_data("00 2A 80 86", &[&[0][..], &peer().1].concat()), 0x30);
        let change =
            |reference: &str, old: &str, new: &str| with_data(&format!("00 24 00 {reference}"), &[block(old), block(new)].concat());
        let reset = |reference: &str, new: &str| with_data(&format!("00 2C 02 {reference}"), &block(new));
        let verify = |reference: &str, digits: &str| with_data(&format!("00 20 00 {reference}"), &block(digits));
        vec![
            row("SELECT MF", &[], hex("00A4000C"), always),
            row("SELECT certificate", &[], hex("00A40904 06 3F00ADF13401 00"), always),
            row("READ BINARY", &[&["00A4090C 04 3F00D003"]], hex("00B00000 0B"), always),
            row("VERIFY PIN1", &[MF], verify("01", PIN1), unless_blocked),
            row("VERIFY PIN1", &[ADF2], verify("01", PIN1), unless_blocked),
            row("VERIFY PIN1, wrong", &[MF], verify("01", "9999"), wrong),
            row("VERIFY PIN2", &[ADF2], verify("85", PIN2), unless_blocked),
            row("VERIFY PIN2, wrong", &[ADF2], verify("85", "99999"), wrong),
            row("VERIFY PIN2 elsewhere", &[MF], verify("85", PIN2), unknown),
            row("VERIFY PIN2 elsewhere", &[ADF1], verify("85", PIN2), unknown),
            row("VERIFY PUK", &[MF], verify("02", PUK), unless_blocked),
            row("VERIFY PUK, wrong", &[ADF1], verify("02", "99999999"), wrong),
            row("VERIFY 03", &[MF], verify("03", PUK), unknown),
            row("query PIN1", &[MF], hex("00200001"), |status| query(status, after_pin1(status))),
            row("query PIN2", &[ADF2], hex("00200085"), |status| query(status, after_pin2(status))),
            row("query PIN2 elsewhere", &[ADF1], hex("00200085"), unknown),
            row("query PUK, T=0", &[MF], hex("0020000200"), |status| query(status, after_puk(status))),
            row("CHANGE PIN1", &[MF], change("01", PIN1, "4321"), unless_blocked),
            row("CHANGE PIN1, wrong", &[MF], change("01", "9999", "4321"), wrong),
            row("CHANGE PIN1 to a short one", &[MF], change("01", PIN1, "432"), |_| 0x6A80),
            row("CHANGE PIN2", &[ADF2], change("85", PIN2, "54321"), unless_blocked),
            row("CHANGE PIN2 elsewhere", &[ADF1], change("85", PIN2, "54321"), unknown),
            row("CHANGE PUK", &[MF], change("02", PUK, "87654321"), unless_blocked),
            row("RESET PIN1", &[MF], reset("01", "4321"), after_puk),
            row("RESET PIN2", &[ADF2], reset("85", "54321"), after_puk),
            row("RESET PIN2 elsewhere", &[MF], reset("85", "54321"), unknown),
            row("RESET PUK", &[MF], reset("02", "87654321"), unknown),
            row("GET DATA PIN1", &[MF], hex("00CB3FFF 0A 4D087006BF810102A080 00"), always),
            row("GET DATA PUK", &[MF], hex("00CB3FFF 0A 4D087006BF810202A080 00"), always),
            row("GET DATA PIN2", &[ADF2], hex("00CB3FFF 0A 4D087006BF810502A080 00"), always),
            row("GET DATA PIN2 elsewhere", &[MF], hex("00CB3FFF 0A 4D087006BF810502A080 00"), unknown),
            row("GET DATA 03", &[MF], hex("00CB3FFF 0A 4D087006BF810302A080 00"), unknown),
            row("SET environment", &[MF], hex(SET_AGREE[0]), always),
            row("INTERNAL AUTHENTICATE", &[ADF1, SET_AUTHENTICATE], authenticate(), after_pin1),
            row("INTERNAL AUTHENTICATE, no environment", &[ADF1], authenticate(), out_of_place),
            row("INTERNAL AUTHENTICATE, another environment", &[ADF1, SET_AGREE], authenticate(), out_of_place),
            row("INTERNAL AUTHENTICATE elsewhere", &[ADF2, SET_AUTHENTICATE], authenticate(), out_of_place),
            row("INTERNAL AUTHENTICATE elsewhere", &[SET_AUTHENTICATE, MF], authenticate(), out_of_place),
            row("PSO CDS", &[ADF2, SET_SIGN], sign(), after_pin2),
            row("PSO CDS, no environment", &[ADF2], sign(), out_of_place),
            row("PSO CDS, another environment", &[ADF2, SET_AUTHENTICATE], sign(), out_of_place),
            row("PSO CDS elsewhere", &[ADF1, SET_SIGN], sign(), out_of_place),
            row("PSO DECIPHER", &[ADF1, SET_AGREE], agree(), after_pin1),
            row("PSO DECIPHER, environment first", &[SET_AGREE, ADF1], agree(), after_pin1),
            row("PSO DECIPHER, no environment", &[ADF1], agree(), out_of_place),
            row("PSO DECIPHER, another environment", &[ADF1, SET_AUTHENTICATE], agree(), out_of_place),
            row("PSO DECIPHER elsewhere", &[SET_AGREE, ADF2], agree(), out_of_place),
            row("GET CHALLENGE", &[], hex("0084000008"), always),
            row("EXTERNAL AUTHENTICATE", &[], with_data("00 82 00 00", &[0; 32]), |_| 0x6D00),
            row("GENERATE KEY", &[], hex("00 47 80 81 02 0100"), |_| 0x6D00),
            row("FACTORY RESET", &[], hex("80 1E 00 00"), |_| 0x6E00),
            row("DECAPSULATE", &[], hex("80 2A 00 81 01 04"), |_| 0x6E00),
        ]
    });
}

#[test]
fn esteid_of_2025() {
    const SET_AUTHENTICATE: &[&str] = &["00 22 41 B6 06 800154 840101"];
    const SET_SIGN: &[&str] = &["00 22 41 B6 06 800154 840105"];
    const SET_AGREE: &[&str] = &["00 22 41 B8 03 840101"];
    const HASH: &[&str] =
        &["00 2A 90 A0 32 9030 5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A"];
    check(Profile::Esteid2025, MAIN_2025, false, &{
        let block = |digits: &str| padded(digits, 0);
        let sign = || hex("00 2A 9E 9A 60");
        let agree = || le(with_data("00 2A 80 86", &[&[0][..], &peer().1].concat()), 0x30);
        let two = |header: &str, one: &str, other: &str| with_data(header, &[block(one), block(other)].concat());
        let verify = |reference: &str, digits: &str| with_data(&format!("00 20 00 {reference}"), &block(digits));
        vec![
            row("SELECT file", &[], hex("00A40804 04 ADF13411 00"), always),
            row("VERIFY PIN1", &[], verify("81", PIN1), unless_blocked),
            row("VERIFY PIN2", &[], verify("82", PIN2), unless_blocked),
            row("VERIFY PUK", &[], verify("83", PUK), unless_blocked),
            row("VERIFY 01", &[], verify("01", PIN1), unknown),
            row("VERIFY, padded as in 2018", &[], with_data("00 20 00 81", &padded(PIN1, 0xFF)), wrong),
            row("query PIN1", &[], hex("00200081"), |status| query(status, after_pin1(status))),
            row("query PIN2", &[], hex("00200082"), |status| query(status, after_pin2(status))),
            row("query PUK", &[], hex("00200083"), |status| query(status, after_puk(status))),
            row("CHANGE PIN1", &[], two("00 24 00 81", PIN1, "4321"), unless_blocked),
            row("CHANGE PIN2, wrong", &[], two("00 24 00 82", "99999", "54321"), wrong),
            row("RESET PIN1", &[], two("00 2C 00 81", PUK, "4321"), unless_blocked),
            row("RESET PIN2", &[], two("00 2C 00 82", PUK, "54321"), unless_blocked),
            row("RESET PIN2, wrong PUK", &[], two("00 2C 00 82", "99999999", "54321"), wrong),
            row("RESET PUK", &[], two("00 2C 00 83", PUK, "54321678"), unknown),
            row("RESET as in 2018", &[], with_data("00 2C 02 81", &block("4321")), |_| 0x6A86),
            row("GET DATA PIN1", &[], hex("00CB00FF 05 A003830181 00"), always),
            row("GET DATA PIN2", &[], hex("00CB00FF 05 A003830182 00"), always),
            row("GET DATA 84", &[], hex("00CB00FF 05 A003830184 00"), unknown),
            row("signature of authentication", &[SET_AUTHENTICATE, HASH], sign(), after_pin1),
            row("signature", &[SET_SIGN, HASH], sign(), after_pin2),
            row("signature, hash first", &[HASH, SET_SIGN], sign(), after_pin2),
            row("signature, no environment", &[HASH], sign(), out_of_place),
            row("signature, another environment", &[HASH, SET_AGREE], sign(), out_of_place),
            row(
                "signature, no hash",
                &[SET_AUTHENTICATE],
                sign(),
                |status| if after_pin1(status) == 0x9000 { 0x6985 } else { 0x6982 },
            ),
            row("PSO DECIPHER", &[SET_AGREE], agree(), after_pin1),
            row("PSO DECIPHER, another environment", &[SET_SIGN], agree(), out_of_place),
            row("INTERNAL AUTHENTICATE", &[], with_data("00 88 00 00", &[0; 48]), |_| 0x6D00),
            row("GET CHALLENGE", &[], hex("0084000008"), always),
        ]
    });
}

#[test]
fn cdoc2_application() {
    for profile in Profile::ALL {
        check(profile, cdoc2::SELECT, true, &{
            let sealed = Sealed::new(Curve::Secp384r1, &point(&AUTHENTICATION_SCALAR), b"a header");
            let certificate = [&[0x30, 97][..], &point(&AUTHENTICATION_SCALAR)].concat();
            let change = |reference: &str, old: &str, new: &str| {
                with_data(&format!("00 24 00 {reference}"), &[block(old), block(new)].concat())
            };
            vec![
                row("SELECT", &[], hex("00 A4 04 00 07 F043444F433201 00"), always),
                row("GET INFO", &[], hex("80 10 00 00 00"), always),
                row("GET PUBLIC KEY", &[], hex("80 12 00 83 00"), always),
                row("GET CERTIFICATE", &[], hex("80 14 00 81 000000"), always),
                row("VERIFY PIN1", &[], with_data("00 20 00 01", &block(PIN1)), unless_blocked),
                row("VERIFY PUK", &[], with_data("00 20 00 02", &block(PUK)), unless_blocked),
                row("VERIFY PUK, wrong", &[], with_data("00 20 00 02", &block("99999999")), wrong),
                row("VERIFY PIN2", &[], with_data("00 20 00 85", &block(PIN2)), unknown),
                row("query PIN1", &[], hex("00200001"), |status| query(status, after_pin1(status))),
                row("query PUK", &[], hex("00200002"), |status| query(status, after_puk(status))),
                row("CHANGE PIN1", &[], change("01", PIN1, "4321"), unless_blocked),
                row("CHANGE PUK, wrong", &[], change("02", "99999999", "87654321"), wrong),
                row("RESET PIN1", &[], with_data("00 2C 02 01", &block("4321")), after_puk),
                row("GET CHALLENGE", &[], hex("0084000020"), always),
                row("EXTERNAL AUTHENTICATE", &[&["0084000020"]], with_data("00 82 00 00", &[0; 32]), |_| 0x6300),
                row("DECAPSULATE", &[], decapsulate_command(0x80, 0x81, &sealed.data(), Some(0x20)), after_pin1),
                row("DECAPSULATE, its beginning", &[], hex("90 2A 00 83 01 04"), after_pin1),
                row("GENERATE KEY", &[], hex("00 47 80 83 02 0201 00"), after_administrator),
                row("PUT CERTIFICATE", &[], with_data("80 16 00 81", &certificate), after_administrator),
                row("PUT CERTIFICATE, its beginning", &[], hex("90 16 00 81 01 30"), after_administrator),
                row("FACTORY RESET", &[], hex("80 1E 00 00"), after_administrator),
                row("MANAGE SECURITY ENVIRONMENT", &[], hex("00 22 41 B8 03 840101"), |_| 0x6D00),
                row("PSO", &[], hex("00 2A 9E 9A 01 00"), |_| 0x6E00),
            ]
        });
    }
}
