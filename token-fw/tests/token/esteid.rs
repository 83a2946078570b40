//! The ID-card of 2018 and of 2025: files, sessions, what keys do.

use p384::ecdsa::signature::hazmat::PrehashVerifier as _;
use p384::ecdsa::{Signature, VerifyingKey};
use token_proto::{KeyRef, Profile};

use crate::client::{
    AUTHENTICATION_SCALAR, Answer, Client, PERSONAL_DATA, PIN1, PIN2, PUK, SIGNATURE_SCALAR, block, certificate, octets, padded,
    peer, point, shared_with, with_data,
};

const SELECT_MAIN: &str = "00A4040C 10 A000000077010800070000FE00000100";
const SELECT_AWP: &str = "00A4040C 0D E828BD080FF2504F5420415750";
const SELECT_QSCD: &str = "00A4040C 10 51534344204170706C69636174696F6E";
const SELECT_2025: &str = "00A4040C 0C A000000063504B43532D3135";
const SET_AUTHENTICATE: &str = "00 22 41 A4 06 800104 840181";
const SET_SIGN: &str = "00 22 41 B6 06 800154 84019F";
const SET_AGREE: &str = "00 22 41 B8 09 80 04 FF300400 84 01 81";

/// PSO: DECIPHER with the peer's point.
fn agree() -> Vec<u8> {
    let mut command = with_data("00 2A 80 86", &[&[0][..], &peer().1].concat());
    command.push(0x30);
    command
}

fn is_signature_of(scalar: &[u8; 48], hash: &[u8; 48], signature: &[u8]) -> bool {
    let key = VerifyingKey::from_sec1_bytes(&point(scalar)).unwrap();
    signature.len() == 96 && key.verify_prehash(hash, &Signature::from_slice(signature).unwrap()).is_ok()
}

fn read(client: &mut Client, le: u8) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let offset = u16::try_from(all.len()).unwrap();
        let answer = client.hex(&format!("00B0 {offset:04X} {le:02X}"));
        if answer.sw == 0x6B00 {
            return all;
        }
        all.extend(answer.ok());
    }
}

#[test]
fn each_profile_has_its_answer_to_reset() {
    let atrs = [
        (Profile::Esteid2018V1, "3BDB960080B1FE451F830012233F536549440F9000F1"),
        (Profile::Esteid2025, "3BFF9600008031FE438031B85365494464B085051012233F1D"),
    ];
    for (profile, atr) in atrs {
        assert_eq!(Client::with(profile, None).reset(), octets(atr));
    }
}

/// What OpenSC 0.23 sends for one key agreement, in its order.
#[test]
fn typical_session_of_opensc() {
    let mut client = Client::esteid2018();
    assert_eq!(client.hex(SELECT_MAIN).ok(), []);
    assert_eq!(client.hex("00A4000C").ok(), []);
    assert_eq!(client.hex("00A4020C").sw, 0x6A86);
    client.hex("00A4000C").ok();
    client.hex("00A4020C 02 D003").ok();
    assert_eq!(client.hex("00B00000 0B").ok(), b"\x04\x09AS0000001");
    client.hex("00A4000C").ok();
    client.hex("00A4010C 02 ADF1").ok();
    client.hex("00A4020C 02 3401").ok();
    assert_eq!(read(&mut client, 0xE9), certificate(KeyRef::Authentication));
    client.hex("00A4000C").ok();
    let tries = client.hex("00CB3FFF 0A 4D08 7006 BF8101 02 A080 00").ok();
    assert_eq!(tries, octets("701EBF81011AA0189A01039B0103A1108C06F300007343009C06F30000734300"));
    client.hex("00A4000C").ok();
    client.hex("00A4010C 02 ADF2").ok();
    client.hex("00A4020C 02 341F").ok();
    assert_eq!(read(&mut client, 0xE9), certificate(KeyRef::Signature));
    client.hex("00A4000C").ok();
    assert_eq!(client.verify(0x01, PIN1), 0x9000);
    client.hex("00A4000C").ok();
    client.hex("00A4010C 02 ADF1").ok();
    client.hex(SET_AGREE).ok();
    assert_eq!(client.send(&agree()).ok(), shared_with(&AUTHENTICATION_SCALAR));
}

/// Web eID's order: the environment before the PIN, the short spellings, Le 00.
#[test]
fn session_of_web_eid() {
    let mut client = Client::esteid2018();
    client.hex(SELECT_MAIN).ok();
    assert_eq!(client.hex("00A40904 04 ADF13401 00").ok(), octets("620E 8002051B 820101 83023401 8A0105"));
    assert_eq!(read(&mut client, 0xC0), certificate(KeyRef::Authentication));
    client.hex(SELECT_AWP).ok();
    client.hex(SET_AUTHENTICATE).ok();
    assert_eq!(client.verify(0x01, PIN1), 0x9000);
    let hash = std::array::from_fn(|at| at as u8);
    let signature = client.exchange("00 88 00 00", &hash).ok();
    assert!(is_signature_of(&AUTHENTICATION_SCALAR, &hash, &signature));
    client.hex(SELECT_QSCD).ok();
    client.hex(SET_SIGN).ok();
    assert_eq!(client.verify(0x85, PIN2), 0x9000);
    // a short hash, padded on its left
    let mut hash = [0; 48];
    hash[16..].fill(0xA5);
    let signature = client.exchange("00 2A 9E 9A", &hash).ok();
    assert!(is_signature_of(&SIGNATURE_SCALAR, &hash, &signature));
    assert_eq!(client.exchange("00 2A 9E 9A", &hash).sw, 0x6982, "one signature for one PIN2");
    // PIN1 is still verified
    client.hex(SELECT_AWP).ok();
    client.hex(SET_AGREE).ok();
    assert_eq!(client.send(&agree()).ok(), shared_with(&AUTHENTICATION_SCALAR));
    assert_eq!(client.send(&agree()).ok(), shared_with(&AUTHENTICATION_SCALAR));
}

/// DigiDoc4: personal data in order, each with READ BINARY of all.
#[test]
fn personal_data_is_read_field_by_field() {
    let mut client = Client::esteid2018();
    client.hex("00A4090C 04 3F005000").ok();
    for (field, text) in (1_u8..=15).zip(PERSONAL_DATA.into_iter().chain([""; 6])) {
        client.hex(&format!("00A4020C 02 50{field:02X}")).ok();
        let expected = if text.is_empty() { &[0] } else { text.as_bytes() };
        assert_eq!(client.hex("00B00000 00").ok(), expected);
    }
    assert_eq!(client.hex("00A4020C 02 5010").sw, 0x6A82);
    assert_eq!(client.hex("00A4020C 02 5000").sw, 0x6A82);
    client.hex("00A4000C").ok();
    client.hex("00A4090C 04 50005006").ok();
    assert_eq!(client.hex("00B00000 00").ok(), b"38001085718");
}

#[test]
fn select_finds_what_is_there() {
    let mut client = Client::esteid2018();
    let main = "00A4000C";
    for (command, sw) in [
        ("00A4000C00", 0x9000),
        ("00A4000C 02 3F00", 0x9000),
        ("00A4020C 02 3F00", 0x9000),
        ("00A4010C 02 5000", 0x9000),
        ("00A4020C 02 D003", 0x9000),
        ("00A4010C 02 D003", 0x6A82),
        ("00A4020C 02 ADF1", 0x6A82),
        ("00A4020C 02 3401", 0x6A82),
        ("00A4010C", 0x6A86),
        ("00A4020C", 0x6A86),
        ("00A4090C", 0x6A86),
        ("00A4030C", 0x6A86),
        ("00A4050C 02 3F00", 0x6A86),
        ("00A4FF0C 02 3F00", 0x6A86),
        ("00A4000D", 0x6A86),
        ("00A40001 02 3F00", 0x6A86),
        ("00A4020C 01 D0", 0x6700),
        ("00A4020C 03 D00300", 0x6700),
        ("00A4090C 03 3F00D0", 0x6700),
        ("00A4090C 06 3F00ADF13401", 0x9000),
        ("00A4020C 06 3F00ADF2341F", 0x9000),
        ("00A4080C 04 ADF13401", 0x9000),
        ("00A4090C 06 3F00ADF1341F", 0x6A82),
        ("00A4090C 06 3F00D0033401", 0x6A82),
        ("00A4090C 04 3F003F00", 0x6A82),
        ("00A4090C 04 3F002F00", 0x6A82),
        ("00A40904 04 3F002F00 00", 0x6A82),
        ("00A4020C 02 2F00", 0x6A82),
        ("00A4040C 10 A000000077010800070000FE00000101", 0x6A82),
        ("00A4040C 0F A000000077010800070000FE000001", 0x9000),
        ("00A4040C 05 A000000077", 0x9000),
        ("00A4040C 04 A0000000", 0x6A82),
        ("00A4040C", 0x6A82),
        ("00A4040C 0C A000000063504B43532D3135", 0x6A82),
        ("00A4040D 05 A000000077", 0x6A86),
        ("10A4000C", 0x6884),
        ("80A4000C", 0x6E00),
        ("0CA4000C", 0x6E00),
        ("01A4000C", 0x6E00),
    ] {
        client.hex(main).ok();
        assert_eq!(client.hex(command).sw, sw, "{command}");
    }
    // what is not found changes nothing
    client.hex("00A4090C 04 3F00D003").ok();
    client.hex("00A4020C 02 9999");
    client.hex("00A4040C 07 A0000000770199");
    assert_eq!(client.hex("00B00000 0B").ok(), b"\x04\x09AS0000001");
}

#[test]
fn control_parameters_tell_sizes() {
    let mut client = Client::esteid2018();
    for (path, expected) in [
        ("04 3F00D003", "620E 8002000B 820101 8302D003 8A0105"),
        ("06 3F00ADF13401", "620E 8002051B 820101 83023401 8A0105"),
        ("06 3F00ADF2341F", "620E 8002057E 820101 8302341F 8A0105"),
        ("04 3F00ADF1", "620A 820138 8302ADF1 8A0105"),
        ("04 3F00ADF2", "620A 820138 8302ADF2 8A0105"),
        ("04 3F005000", "620A 820138 83025000 8A0105"),
        ("02 3F00", "620A 820138 83023F00 8A0105"),
    ] {
        assert_eq!(client.hex(&format!("00A40904 {path} 00")).ok(), octets(expected));
    }
    // a DF becomes the current one
    client.hex("00A40904 04 3F00ADF1 00").ok();
    client.hex("00A4020C 02 3401").ok();
    client.hex("00A4040C 05 A000000077").ok();
    assert_eq!(client.hex("00A40404 05 A000000077 00").ok(), octets("620A 820138 83023F00 8A0105"));
}

#[test]
fn reading_ends_where_the_file_does() {
    let mut client = Client::esteid2018();
    assert_eq!(client.hex("00B00000 00").sw, 0x6986);
    client.hex("00A4090C 06 3F00ADF13401").ok();
    let all = certificate(KeyRef::Authentication);
    assert_eq!(client.hex("00B00000 00").ok(), all[..256]);
    assert_eq!(client.hex("00B00001 01").ok(), all[1..2]);
    assert_eq!(client.hex("00B00000 000000").ok(), all, "extended Le");
    assert_eq!(client.hex("00B00000 000400").ok(), all[..1024]);
    let last = all.len() - 1;
    assert_eq!(client.hex(&format!("00B0{last:04X} 00")).ok(), all[last..]);
    assert_eq!(client.hex(&format!("00B0{:04X} 00", all.len())).sw, 0x6B00);
    assert_eq!(client.hex("00B07FFF 00").sw, 0x6B00);
    assert_eq!(client.hex("00B08000 00").sw, 0x6A86, "a short file identifier");
    assert_eq!(client.hex("00B00000 01 00").sw, 0x6700);
    client.hex("00A4000C").ok();
    assert_eq!(client.hex("00B00000 00").sw, 0x6986);
}

/// T=0 has no Le beside data, and the card says with 61xx how much there is.
#[test]
fn answers_without_le_wait_for_get_response() {
    let mut client = Client::esteid2018();
    let answer = client.hex("00CB3FFF 0A 4D087006BF810102A080");
    assert_eq!(answer, Answer { data: vec![], sw: 0x6120 });
    let whole = client.hex("00C0000020").ok();
    assert_eq!(whole.len(), 32);
    client.hex("00CB3FFF 0A 4D087006BF810102A080");
    assert_eq!(client.hex("00C0000008"), Answer { data: whole[..8].to_vec(), sw: 0x6118 });
    assert_eq!(client.hex("00C00000").ok(), whole[8..], "as much as there is");
    assert_eq!(client.hex("00C0000020").sw, 0x6985);
    for between in ["00A4000C", "00C0010020", "10C0000020", "80C0000020", "00C00000 01 00", "00", "00FF0000"] {
        client.hex("00CB3FFF 0A 4D087006BF810102A080");
        client.hex(between);
        assert_eq!(client.hex("00C0000020").sw, 0x6985, "{between}");
    }
    client.hex("00CB3FFF 0A 4D087006BF810102A080");
    client.reset();
    assert_eq!(client.hex("00C0000020").sw, 0x6985);
    client.hex(SELECT_AWP).ok();
    client.hex(SET_AGREE).ok();
    assert_eq!(client.verify(0x01, PIN1), 0x9000);
    let command = agree();
    assert_eq!(client.send(&command[..command.len() - 1]).sw, 0x6130);
    assert_eq!(client.hex("00C0000030").ok(), shared_with(&AUTHENTICATION_SCALAR));
    // a longer Le is no fault, a shorter one leaves the rest
    let mut other = command;
    *other.last_mut().unwrap() = 0xFF;
    assert_eq!(client.send(&other).ok(), shared_with(&AUTHENTICATION_SCALAR));
    *other.last_mut().unwrap() = 0x10;
    assert_eq!(client.send(&other), Answer { data: shared_with(&AUTHENTICATION_SCALAR)[..16].to_vec(), sw: 0x6120 });
}

#[test]
fn only_points_of_the_curve_are_agreed_with() {
    let mut client = Client::esteid2018();
    client.hex(SELECT_AWP).ok();
    client.hex(SET_AGREE).ok();
    assert_eq!(client.verify(0x01, PIN1), 0x9000);
    let good = [&[0][..], &peer().1].concat();
    for (at, octet) in [(0, 1), (1, 2), (1, 6), (1, 0), (97, good[97] ^ 1), (2, good[2] ^ 0x80)] {
        let mut bad = good.clone();
        bad[at] = octet;
        assert_eq!(client.exchange("00 2A 80 86", &bad), Answer { data: vec![], sw: 0x6A80 }, "{at}");
    }
    for len in [1, 2, 49, 97] {
        assert_eq!(client.exchange("00 2A 80 86", &good[..len]).sw, 0x6A80);
    }
    assert_eq!(client.exchange("00 2A 80 86", &[&good[..], &[0]].concat()).sw, 0x6A80);
    assert_eq!(client.exchange("00 2A 80 86", &[&[0, 4][..], &[0; 96]].concat()).sw, 0x6A80);
    assert_eq!(client.exchange("00 2A 80 86", &good).ok(), shared_with(&AUTHENTICATION_SCALAR));
}

/// Section by section of the rules about verified PINs.
#[test]
fn pins_stay_verified_where_hosts_rely_on_it() {
    let mut client = Client::esteid2018();
    let verified = |client: &mut Client, reference: &str| client.hex(&format!("002000{reference}")).sw == 0x9000;
    client.hex(SELECT_QSCD).ok();
    for (reference, digits) in [(0x01, PIN1), (0x85, PIN2), (0x02, PUK)] {
        assert_eq!(client.verify(reference, digits), 0x9000);
    }
    for select in ["00A4000C", "00A4010C 02 ADF1", SELECT_AWP, "00A4090C 04 3F00D003", "00A4040C 05 A000000099", SELECT_QSCD] {
        client.hex(select);
        assert!(verified(&mut client, "01") && verified(&mut client, "02"), "{select}");
    }
    client.hex("00A4000C").ok();
    client.hex("00A4010C 02 ADF2").ok();
    assert!(verified(&mut client, "85"));
    // CHANGE and RESET RETRY COUNTER neither set nor end it
    assert_eq!(client.command("00 24 00 01", &[block(PIN1), block("4321")].concat()).sw, 0x9000);
    assert!(verified(&mut client, "01"));
    assert_eq!(client.command("00 2C 02 85", &block(PIN2)).sw, 0x9000);
    assert!(verified(&mut client, "85"));
    // a wrong one ends its own alone
    assert_eq!(client.command("00 24 00 01", &[block(PIN1), block("4321")].concat()).sw, 0x63C2);
    assert!(!verified(&mut client, "01") && verified(&mut client, "85") && verified(&mut client, "02"));
    client.hex(SELECT_MAIN).ok();
    assert!(!verified(&mut client, "01") && !verified(&mut client, "02"));
    client.hex(SELECT_QSCD).ok();
    assert!(!verified(&mut client, "85"));
    // a new PIN by CHANGE or by the PUK is not verified
    assert_eq!(client.command("00 24 00 01", &[block("4321"), block(PIN1)].concat()).sw, 0x9000);
    assert!(!verified(&mut client, "01"));
    assert_eq!(client.verify(0x02, PUK), 0x9000);
    assert_eq!(client.command("00 2C 02 01", &block(PIN1)).sw, 0x9000);
    assert!(!verified(&mut client, "01"));
}

#[test]
fn blocked_pins_are_unblocked_by_the_puk() {
    let mut client = Client::esteid2018();
    client.hex(SELECT_QSCD).ok();
    for (reference, wrong, new) in [(0x01, "9999", "4444"), (0x85, "99999", "55555")] {
        for left in [2, 1, 0] {
            client.reset();
            client.hex(SELECT_QSCD).ok();
            assert_eq!(client.verify(reference, wrong), 0x63C0 + left, "tries outlive a reset");
        }
        assert_eq!(client.verify(reference, new), 0x6983);
        client.hex(SELECT_MAIN).ok();
        assert_eq!(client.verify(0x02, PUK), 0x9000);
        // the PUK stays verified on the way to the signature application
        client.hex(SELECT_QSCD).ok();
        assert_eq!(client.command(&format!("00 2C 02 {reference:02X}"), &block(new)).sw, 0x9000);
        assert_eq!(client.verify(reference, new), 0x9000);
    }
    let tries = client.hex("00CB3FFF 0A 4D087006BF810502A080 00").ok();
    assert_eq!(tries, octets("701EBF81051AA0189A01039B0103A1108C06F3000073FF009C06F3000073FF00"));
    for left in [2, 1, 0] {
        assert_eq!(client.verify(0x02, "99999999"), 0x63C0 + left);
    }
    assert_eq!(client.verify(0x02, PUK), 0x6983);
    assert_eq!(client.hex("00CB3FFF 0A 4D087006BF810202A080 00").ok()[13], 0);
}

/// What its clients send to the card of 2025.
#[test]
fn session_of_2025() {
    let mut client = Client::with(Profile::Esteid2025, None);
    client.hex(SELECT_2025).ok();
    for absent in ["3F002F00", "3F005015", "3F005031", "3F00D003", "3F00ADF13401"] {
        let len = absent.len() / 2;
        assert_eq!(client.hex(&format!("00A40804 {len:02X} {absent} 00")).sw, 0x6A82, "{absent}");
    }
    assert_eq!(client.hex("00A40804 06 3F00ADF13411 00").ok(), octets("620E 8102051B 820101 83023411 8A0105"));
    assert_eq!(read(&mut client, 0xC0), certificate(KeyRef::Authentication));
    client.hex("00A40804 04 ADF23421 00").ok();
    assert_eq!(read(&mut client, 0x00), certificate(KeyRef::Signature));
    client.hex("00A4080C 02 DFDD").ok();
    client.hex("00A4020C 02 5007").ok();
    assert_eq!(client.hex("00B0000000").ok(), b"AS0000001");
    for (reference, left) in [("81", 3), ("82", 3), ("83", 3)] {
        let expected = octets(&format!("A00B 8301{reference} DF2101{left:02X} DF2F0101"));
        assert_eq!(client.hex(&format!("00CB00FF 05 A0038301{reference} 00")).ok(), expected);
    }
    let verify =
        |client: &mut Client, reference: &str, digits: &str| client.command(&format!("002000{reference}"), &padded(digits, 0)).sw;
    assert_eq!(verify(&mut client, "81", "9999"), 0x63C2);
    assert_eq!(client.hex("00CB00FF 05 A003830181 00").ok()[8], 2);
    assert_eq!(verify(&mut client, "81", PIN1), 0x9000);
    client.hex("00 22 41 B8 03 840101").ok();
    assert_eq!(client.send(&agree()).ok(), shared_with(&AUTHENTICATION_SCALAR));
    for (hash_len, algorithm) in [(32, "34"), (48, "44"), (64, "64"), (48, "54")] {
        let hash: Vec<u8> = (1..=hash_len).collect();
        let mut number = [0; 48];
        let used = hash.len().min(48);
        number[48 - used..].copy_from_slice(&hash[..used]);
        for (key, pin, scalar) in [("01", "81", AUTHENTICATION_SCALAR), ("05", "82", SIGNATURE_SCALAR)] {
            client.hex(&format!("00 22 41 B6 06 8001{algorithm} 8401{key}")).ok();
            assert_eq!(verify(&mut client, pin, if pin == "81" { PIN1 } else { PIN2 }), 0x9000);
            client.command("002A90A0", &[&[0x90, hash_len][..], &hash].concat()).ok();
            let signature = client.hex("002A9E9A 00").ok();
            assert!(is_signature_of(&scalar, &number, &signature), "{hash_len} {key}");
            let again = client.hex("002A9E9A 00").sw;
            assert_eq!(again, if pin == "81" { 0x6985 } else { 0x6982 }, "one signature for one hash");
        }
    }
    for hash in ["9000", "9141", "90", "9002AA", "8001AA", ""] {
        let data = octets(hash);
        assert_eq!(client.command("002A90A0", &data).sw, 0x6A80, "{hash}");
    }
    assert_eq!(client.command("002A90A0", &[&[0x90, 65][..], &[1; 65]].concat()).sw, 0x6A80);
    client.hex(SELECT_2025).ok();
    assert_eq!(client.hex("00200081").sw, 0x63C3, "selecting the application is logging out");
}
