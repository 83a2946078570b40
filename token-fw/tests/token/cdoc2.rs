//! The CDOC2 application.

use cdoc2_nostd::Curve;
use token_proto::{KeyRef, Profile};

use crate::client::{
    ADMINISTRATOR_KEY, AUTHENTICATION_SCALAR, Answer, Client, PIN1, PUK, block, certificate, hmac, octets, point, with_data,
};
use crate::sealed::Sealed;

pub(crate) const SELECT: &str = "00 A4 04 0C 07 F043444F433201";

const CURVES: [(Curve, u8); 3] = [(Curve::Secp384r1, 1), (Curve::Secp256r1, 2), (Curve::Secp521r1, 3)];

/// A card with a CDOC2 key, the application selected.
pub(crate) fn card(curve: Curve, touch: bool) -> Client {
    let mut client = Client::with(Profile::Esteid2018V1, Some((curve, touch)));
    client.hex(SELECT).ok();
    client
}

fn cdoc2_point(client: &mut Client) -> Vec<u8> {
    client.hex("80 12 00 83 00").ok()[1..].to_vec()
}

/// Sends DECAPSULATE in commands of `chunk` octets, and answers the last; all before must succeed.
fn decapsulate(client: &mut Client, key: u8, data: &[u8], chunk: usize) -> Answer {
    let chunks: Vec<&[u8]> = data.chunks(chunk).collect();
    let (last, chained) = chunks.split_last().unwrap();
    for chunk in chained {
        let answer = client.send(&decapsulate_command(0x90, key, chunk, None));
        if answer.sw != 0x9000 {
            return answer;
        }
        assert_eq!(answer.data, []);
    }
    client.send(&decapsulate_command(0x80, key, last, Some(0x20)))
}

pub(crate) fn decapsulate_command(cla: u8, key: u8, data: &[u8], le: Option<u8>) -> Vec<u8> {
    let mut command = with_data(&format!("{cla:02X} 2A 00 {key:02X}"), data);
    match le {
        Some(le) if data.len() > 255 => command.extend([0, le]),
        Some(le) => command.push(le),
        None => {}
    }
    command
}

/// Makes the host the administrator.
pub(crate) fn authenticate(client: &mut Client) -> u16 {
    let challenge = client.hex("00 84 00 00 20").ok();
    assert_eq!(challenge.len(), 32);
    client.command("00 82 00 00", &hmac(&ADMINISTRATOR_KEY, &challenge)).sw
}

#[test]
fn info_tells_curves_limits_and_keys() {
    let mut client = card(Curve::Secp521r1, true);
    let expected =
        octets("E02F 80020100 8103010203 82020800 83020800 840400100000 850101 8603810100 8603830301 8709 415330303030303031");
    assert_eq!(client.hex("80 10 00 00 00").ok(), expected);
    assert_eq!(client.hex("00 A4 04 00 07 F043444F433201 00").ok(), expected);
    // the first five octets of the identifier, and no fewer
    assert_eq!(client.hex("00 A4 04 00 05 F043444F43 00").ok(), expected);
    assert_eq!(client.hex("00 A4 04 00 04 F043444F 00").sw, 0x6A82);
    assert_eq!(client.hex("00 A4 04 00 08 F043444F43320100 00").sw, 0x6A82);
}

#[test]
fn blank_card_tells_so_and_does_nothing_else() {
    let mut client = Client::blank();
    assert_eq!(client.hex("00A4040C 10 A000000077010800070000FE00000100").sw, 0x6A82);
    assert_eq!(client.hex("00A4000C").sw, 0x6A82);
    assert_eq!(client.hex("80 10 00 00 00").sw, 0x6985, "nothing is selected");
    let expected = octets("E01C 80020100 8103010203 82020800 83020800 840400100000 850100 8700");
    assert_eq!(client.hex("00 A4 04 00 07 F043444F433201 00").ok(), expected);
    assert_eq!(client.hex("80 10 00 00 00").ok(), expected);
    for command in [
        "80 12 00 81 00",
        "80 14 00 81 00",
        "00 20 00 01",
        "00 20 00 01 0C 31323334FFFFFFFFFFFFFFFF",
        "00 84 00 00 20",
        "80 1E 00 00",
        "00 47 80 83 02 0100 00",
        "80 2A 00 81 01 04",
    ] {
        assert_eq!(client.hex(command).sw, 0x6985, "{command}");
    }
}

#[test]
fn keys_and_certificates_are_public() {
    for (curve, octet) in CURVES {
        let mut client = card(curve, false);
        let key = client.hex("80 12 00 83 00").ok();
        assert_eq!((key[0], key[1], key.len()), (octet, 4, 1 + curve.point_len()));
        assert_eq!(client.hex("80 12 00 81 00").ok(), [&[1][..], &point(&AUTHENTICATION_SCALAR)].concat());
        assert_eq!(client.hex("80 14 00 83 00").sw, 0x6A82, "a key without a certificate");
        assert_eq!(client.hex("80 14 00 81 000000").ok(), certificate(KeyRef::Authentication));
        for reference in ["80", "82", "9F", "00"] {
            assert_eq!(client.hex(&format!("80 12 00 {reference} 00")).sw, 0x6A88);
            assert_eq!(client.hex(&format!("80 14 00 {reference} 00")).sw, 0x6A88);
        }
    }
    let mut client = Client::esteid2018();
    client.hex(SELECT).ok();
    assert_eq!(client.hex("80 12 00 83 00").sw, 0x6A88, "no such key on this card");
    assert_eq!(client.hex("80 14 00 83 00").sw, 0x6A88);
}

/// A short Le: 61xx and GET RESPONSE, each octet once.
#[test]
fn certificate_comes_in_pieces() {
    let mut client = card(Curve::Secp384r1, false);
    for le in [0x01, 0x07, 0xE9, 0xFF, 0x00] {
        let mut read = client.hex(&format!("80 14 00 81 {le:02X}"));
        let mut whole = read.data.clone();
        while read.sw >> 8 == 0x61 {
            let left = certificate(KeyRef::Authentication).len() - whole.len();
            assert_eq!(read.sw & 0xFF, u16::try_from(left).unwrap().min(256) % 256 * u16::from(left < 256));
            read = client.hex(&format!("00 C0 00 00 {:02X}", if left < 256 { left } else { le }));
            whole.extend(&read.data);
        }
        assert_eq!(read.sw, 0x9000);
        assert_eq!(whole, certificate(KeyRef::Authentication));
        assert_eq!(client.hex("00 C0 00 00 00").sw, 0x6985, "nothing is left");
    }
    // any other command in between
    assert_eq!(client.hex("80 14 00 81 10").sw >> 8, 0x61);
    client.hex("80 10 00 00 00").ok();
    assert_eq!(client.hex("00 C0 00 00 00").sw, 0x6985);
}

#[test]
fn decapsulation_gives_the_cek_on_every_curve_and_in_any_pieces() {
    for (curve, _) in CURVES {
        let mut client = card(curve, false);
        assert_eq!(client.verify(0x01, PIN1), 0x9000);
        let own = cdoc2_point(&mut client);
        let header: Vec<u8> = (0..3000_u32).map(|at| at as u8).collect();
        for header in [&header[..0], &header[..1], &header[..64], &header[..1000], &header] {
            let sealed = Sealed::new(curve, &own, header);
            for chunk in [31, 97, 133, 255, 1024, 2048] {
                assert_eq!(decapsulate(&mut client, 0x83, &sealed.data(), chunk).ok(), sealed.cek, "{curve:?} {chunk}");
            }
        }
    }
}

#[test]
fn authentication_key_decapsulates_as_well() {
    let mut client = card(Curve::Secp256r1, true);
    assert_eq!(client.verify(0x01, PIN1), 0x9000);
    let sealed = Sealed::new(Curve::Secp384r1, &point(&AUTHENTICATION_SCALAR), b"header");
    assert_eq!(decapsulate(&mut client, 0x81, &sealed.data(), 100).ok(), sealed.cek);
    // all in one command, an octet at a time, and with empty ones among them
    assert_eq!(decapsulate(&mut client, 0x81, &sealed.data(), 1).ok(), sealed.cek);
    assert_eq!(client.send(&decapsulate_command(0x90, 0x81, &sealed.data(), None)).sw, 0x9000);
    assert_eq!(client.send(&decapsulate_command(0x90, 0x81, &[], None)).sw, 0x9000);
    assert_eq!(client.send(&decapsulate_command(0x80, 0x81, &[], Some(0x20))).ok(), sealed.cek);
    // without Le, as over T=0
    assert_eq!(client.send(&decapsulate_command(0x80, 0x81, &sealed.data(), None)), Answer { data: vec![], sw: 0x6120 });
    assert_eq!(client.hex("00 C0 00 00 20").ok(), sealed.cek);
    assert_eq!(client.hex("00 C0 00 00 20").sw, 0x6985);
}

#[test]
fn every_altered_octet_is_refused_and_gives_nothing() {
    let mut client = card(Curve::Secp256r1, false);
    assert_eq!(client.verify(0x01, PIN1), 0x9000);
    let own = cdoc2_point(&mut client);
    let sealed = Sealed::new(Curve::Secp256r1, &own, b"a header");
    let data = sealed.data();
    for at in 0..data.len() {
        let mut altered = data.clone();
        altered[at] ^= 0x01;
        let answer = client.send(&decapsulate_command(0x80, 0x83, &altered, Some(0x20)));
        let expected = if at < sealed.sender.len() { 0x6A80 } else { 0x6300 };
        assert_eq!(answer, Answer { data: vec![], sw: expected }, "{at}");
        assert_eq!(client.hex("00 C0 00 00 20").sw, 0x6985);
    }
    for cut in 0..data.len() {
        let answer = client.send(&decapsulate_command(0x80, 0x83, &data[..cut], Some(0x20)));
        assert_eq!(answer.sw, if cut < 129 { 0x6700 } else { 0x6300 }, "{cut}");
    }
    // for another key: another point in the KEK
    let other = Sealed::new(Curve::Secp384r1, &point(&AUTHENTICATION_SCALAR), b"a header");
    assert_eq!(client.send(&decapsulate_command(0x80, 0x83, &other.data(), Some(0x20))).sw, 0x6A80);
    assert_eq!(decapsulate(&mut client, 0x83, &data, 50).ok(), sealed.cek);
}

#[test]
fn header_ends_at_a_mebibyte() {
    const MEBIBYTE: usize = 1 << 20;
    let mut client = card(Curve::Secp256r1, false);
    assert_eq!(client.verify(0x01, PIN1), 0x9000);
    let own = cdoc2_point(&mut client);
    let sealed = Sealed::new(Curve::Secp256r1, &own, &vec![0xAB; MEBIBYTE]);
    assert_eq!(decapsulate(&mut client, 0x83, &sealed.data(), 2048).ok(), sealed.cek);
    let longer = Sealed::new(Curve::Secp256r1, &own, &vec![0xAB; MEBIBYTE + 1]);
    assert_eq!(decapsulate(&mut client, 0x83, &longer.data(), 2048).sw, 0x6700);
    assert_eq!(client.send(&decapsulate_command(0x80, 0x83, &[], Some(0x20))).sw, 0x6700, "nothing is left of it");
}

/// Whatever comes between two commands of a chain ends it.
#[test]
fn interrupted_decapsulation_is_forgotten() {
    let mut client = card(Curve::Secp256r1, false);
    let own = cdoc2_point(&mut client);
    let sealed = Sealed::new(Curve::Secp256r1, &own, b"a header");
    let data = sealed.data();
    let (first, last) = data.split_at(130);
    for between in [
        "80 10 00 00 00",
        "00 20 00 01",
        "00 20 00 01 0C 31323334FFFFFFFFFFFFFFFF",
        "00 20 00 02",
        "00 C0 00 00 20",
        "80 2A 00 81 01 04",
        "90 2A 00 81 01 04",
        "90 16 00 83 01 30",
        "80 FF 00 00",
        "C0 00 00 00",
        "00",
        "",
        "80 2A 00 83 05 00",
        "00 A4 04 00 07 F043444F433299 00",
    ] {
        assert_eq!(client.verify(0x01, PIN1), 0x9000);
        assert_eq!(client.send(&decapsulate_command(0x90, 0x83, first, None)).sw, 0x9000);
        client.hex(between);
        let answer = client.send(&decapsulate_command(0x80, 0x83, last, Some(0x20)));
        assert_eq!(answer, Answer { data: vec![], sw: 0x6700 }, "{between}");
        assert_eq!(client.send(&decapsulate_command(0x80, 0x83, &data, Some(0x20))).ok(), sealed.cek, "{between}");
    }
    // a chain that is complete is not continued
    let answer = client.send(&decapsulate_command(0x80, 0x83, last, Some(0x20)));
    assert_eq!(answer.sw, 0x6700);
    // power and selection end PIN1 as well
    for end in [Client::reset, Client::warm_reset, |client: &mut Client| client.hex(SELECT).data] {
        client.hex(SELECT).ok();
        assert_eq!(client.verify(0x01, PIN1), 0x9000);
        assert_eq!(client.send(&decapsulate_command(0x90, 0x83, first, None)).sw, 0x9000);
        end(&mut client);
        client.hex(SELECT).ok();
        assert_eq!(client.send(&decapsulate_command(0x80, 0x83, last, Some(0x20))).sw, 0x6982);
    }
}

#[test]
fn cek_waits_for_a_touch() {
    let mut client = card(Curve::Secp256r1, true);
    assert_eq!(client.verify(0x01, PIN1), 0x9000);
    let own = cdoc2_point(&mut client);
    let sealed = Sealed::new(Curve::Secp256r1, &own, b"a header");
    let command = decapsulate_command(0x80, 0x83, &sealed.data(), Some(0x20));
    assert!(!client.led.is_on());
    client.send_waiting(&command);
    assert!(client.led.is_on());
    assert_eq!(client.wait(1), None);
    assert_eq!(client.wait(14_998), None);
    client.button.set(true);
    assert_eq!(client.wait(0).unwrap().ok(), sealed.cek);
    assert!(!client.led.is_on());
    // nobody is there
    client.button.set(false);
    client.send_waiting(&command);
    assert_eq!(client.wait(14_999), None);
    assert_eq!(client.wait(1), Some(Answer { data: vec![], sw: 0x6985 }));
    assert!(!client.led.is_on());
    assert_eq!(client.hex("00 C0 00 00 20").sw, 0x6985);
    // without Le
    client.send_waiting(&decapsulate_command(0x80, 0x83, &sealed.data(), None));
    client.button.set(true);
    assert_eq!(client.wait(10), Some(Answer { data: vec![], sw: 0x6120 }));
    assert_eq!(client.hex("00 C0 00 00 20").ok(), sealed.cek);
    // the MAC is wrong: nobody is asked
    let mut altered = command;
    let last = altered.len() - 2;
    altered[last] ^= 1;
    assert_eq!(client.send(&altered).sw, 0x6300);
}

/// A finger that lies on the button all the time, or a button that is stuck.
#[test]
fn touch_begins_after_the_light() {
    let mut client = card(Curve::Secp256r1, true);
    assert_eq!(client.verify(0x01, PIN1), 0x9000);
    let own = cdoc2_point(&mut client);
    let sealed = Sealed::new(Curve::Secp256r1, &own, b"a header");
    let command = decapsulate_command(0x80, 0x83, &sealed.data(), Some(0x20));
    client.button.set(true);
    client.send_waiting(&command);
    assert_eq!(client.wait(100), None);
    assert_eq!(client.wait(14_900).unwrap().sw, 0x6985);
    client.send_waiting(&command);
    assert_eq!(client.wait(100), None);
    client.button.set(false);
    assert_eq!(client.wait(100), None);
    client.button.set(true);
    assert_eq!(client.wait(100).unwrap().ok(), sealed.cek);
}

#[test]
fn power_ends_the_wait() {
    let mut client = card(Curve::Secp256r1, true);
    let own = cdoc2_point(&mut client);
    let sealed = Sealed::new(Curve::Secp256r1, &own, b"a header");
    for end in [Client::reset, Client::warm_reset] {
        client.hex(SELECT).ok();
        assert_eq!(client.verify(0x01, PIN1), 0x9000);
        client.send_waiting(&decapsulate_command(0x80, 0x83, &sealed.data(), Some(0x20)));
        end(&mut client);
        assert!(!client.led.is_on());
        client.button.set(true);
        assert_eq!(client.wait(10).unwrap(), Answer { data: vec![], sw: 0x6985 }, "nobody waits any more");
        client.button.set(false);
        assert_eq!(client.hex("00 C0 00 00 20").sw, 0x6985);
    }
}

#[test]
fn administrator_answers_each_challenge_once() {
    let mut client = card(Curve::Secp256r1, false);
    assert_eq!(client.command("00 82 00 00", &[0; 32]).sw, 0x6985, "no challenge");
    let challenge = client.hex("00 84 00 00 20").ok();
    let answer = hmac(&ADMINISTRATOR_KEY, &challenge);
    let mut wrong = answer.clone();
    wrong[31] ^= 1;
    assert_eq!(client.command("00 82 00 00", &wrong).sw, 0x6300);
    assert_eq!(client.command("00 82 00 00", &answer).sw, 0x6985, "the challenge is used up");
    assert_eq!(client.hex("80 1E 00 00").sw, 0x6982);
    // the one before does not count any more
    let first = client.hex("00 84 00 00 20").ok();
    let second = client.hex("00 84 00 00 20").ok();
    assert_ne!(first, second);
    assert_eq!(client.command("00 82 00 00", &hmac(&ADMINISTRATOR_KEY, &first)).sw, 0x6300);
    assert_eq!(authenticate(&mut client), 0x9000);
    // a wrong answer ends what a right one gave
    client.hex("00 84 00 00 20").ok();
    assert_eq!(client.command("00 82 00 00", &wrong).sw, 0x6300);
    assert_eq!(client.hex("80 1E 00 00").sw, 0x6982);
    // and a reset does
    assert_eq!(authenticate(&mut client), 0x9000);
    let challenge = client.hex("00 84 00 00 20").ok();
    client.reset();
    client.hex(SELECT).ok();
    assert_eq!(client.hex("80 1E 00 00").sw, 0x6982);
    assert_eq!(client.command("00 82 00 00", &hmac(&ADMINISTRATOR_KEY, &challenge)).sw, 0x6985);
}

#[test]
fn generated_key_replaces_the_old_one() {
    for (curve, octet) in CURVES {
        let mut client = card(Curve::Secp256r1, true);
        let old = cdoc2_point(&mut client);
        assert_eq!(authenticate(&mut client), 0x9000);
        let made = client.hex(&format!("00 47 80 83 02 {octet:02X} 00 00")).ok();
        assert_eq!(made[0], octet);
        assert_ne!(made[1..], old);
        assert_eq!(client.hex("80 12 00 83 00").ok(), made);
        assert_eq!(client.verify(0x01, PIN1), 0x9000);
        let sealed = Sealed::new(curve, &made[1..], b"a header");
        assert_eq!(decapsulate(&mut client, 0x83, &sealed.data(), 255).ok(), sealed.cek);
    }
    let mut client = card(Curve::Secp256r1, false);
    assert_eq!(authenticate(&mut client), 0x9000);
    for (parameters, sw) in
        [("02 0000", 0x6A80), ("02 0400", 0x6A80), ("02 0102", 0x6A80), ("01 01", 0x6700), ("03 010000", 0x6700)]
    {
        assert_eq!(client.hex(&format!("00 47 80 83 {parameters}")).sw, sw, "{parameters}");
    }
    assert_eq!(client.hex("00 47 80 81 02 0200 00").sw, 0x6A80, "the ID-card's key is on secp384r1");
    assert_eq!(client.hex("00 47 00 83 02 0200 00").sw, 0x6A86);
    assert_eq!(client.hex("00 47 80 9F 02 0100 00").sw, 0x6A88);
}

#[test]
fn certificate_is_put_in_one_command_or_a_chain() {
    let mut client = card(Curve::Secp256r1, false);
    let own = cdoc2_point(&mut client);
    for len in [200, 254, 1000, 2044] {
        let der = holding(&own, len);
        for chunk in [90, 255, 2048] {
            assert_eq!(authenticate(&mut client), 0x9000);
            assert_eq!(put(&mut client, &der, chunk), 0x9000, "{len} {chunk}");
            client.reset();
            client.hex(SELECT).ok();
            assert_eq!(client.hex("80 14 00 83 000000").ok(), der);
        }
    }
    assert_eq!(authenticate(&mut client), 0x9000);
    let kept = client.hex("80 14 00 83 000000").ok();
    let longer = holding(&own, 2045);
    assert_eq!(put(&mut client, &longer, 255), 0x6700);
    assert_eq!(put(&mut client, &longer, 2049), 0x6700);
    let mut trailing = holding(&own, 1000);
    trailing.push(0);
    assert_eq!(put(&mut client, &trailing, 255), 0x6A80);
    assert_eq!(put(&mut client, &holding(&own[1..], 1000), 255), 0x6A80, "not this key's");
    assert_eq!(put(&mut client, b"\x30\x00", 255), 0x6A80);
    assert_eq!(client.hex("80 16 00 83").sw, 0x6700);
    // interrupted
    let der = holding(&own, 500);
    assert_eq!(client.command("90 16 00 83", &der[..200]).sw, 0x9000);
    client.hex("80 10 00 00 00").ok();
    assert_eq!(client.command("80 16 00 83", &der[200..]).sw, 0x6A80);
    assert_eq!(client.hex("80 14 00 83 000000").ok(), kept);
}

fn put(client: &mut Client, der: &[u8], chunk: usize) -> u16 {
    let chunks: Vec<&[u8]> = der.chunks(chunk).collect();
    let (last, chained) = chunks.split_last().unwrap();
    for chunk in chained {
        let sw = client.command("90 16 00 83", chunk).sw;
        if sw != 0x9000 {
            return sw;
        }
    }
    client.command("80 16 00 83", last).sw
}

/// One DER object of `len` octets of content that has `point` in it.
fn holding(point: &[u8], len: usize) -> Vec<u8> {
    let mut der = vec![0x30, 0x82];
    der.extend(u16::try_from(len).unwrap().to_be_bytes());
    der.extend((0..len - point.len()).map(|at| at as u8));
    der.extend(point);
    der
}

#[test]
fn factory_reset_leaves_a_blank_card() {
    let mut client = card(Curve::Secp256r1, false);
    assert_eq!(client.verify(0x01, PIN1), 0x9000);
    assert_eq!(authenticate(&mut client), 0x9000);
    client.hex("80 1E 00 00").ok();
    assert!(!client.card().is_personalised());
    assert_eq!(client.hex("80 10 00 00 00").ok()[27], 0);
    assert_eq!(client.hex("80 1E 00 00").sw, 0x6985);
    assert_eq!(client.hex("00A4040C 10 A000000077010800070000FE00000100").sw, 0x6A82);
    assert_eq!(client.reset(), octets("3BD7960080B1FE451F83805543444F4332BB"));
}

#[test]
fn pin_commands_are_those_of_the_id_card() {
    let mut client = card(Curve::Secp256r1, false);
    assert_eq!(client.hex("00 20 00 01").sw, 0x63C3);
    assert_eq!(client.verify(0x01, "9999"), 0x63C2);
    assert_eq!(client.verify(0x01, PIN1), 0x9000);
    assert_eq!(client.hex("00 20 00 01").sw, 0x9000);
    assert_eq!(client.verify(0x01, "9999"), 0x63C2);
    assert_eq!(client.hex("00 20 00 01").sw, 0x63C2, "a wrong PIN ends what the right one gave");
    assert_eq!(client.command("00 24 00 01", &[block(PIN1), block("4321")].concat()).sw, 0x9000);
    assert_eq!(client.verify(0x01, "4321"), 0x9000);
    for left in [2, 1, 0] {
        assert_eq!(client.verify(0x01, PIN1), 0x63C0 + left);
    }
    assert_eq!(client.verify(0x01, "4321"), 0x6983);
    assert_eq!(client.hex("00 20 00 01").sw, 0x63C0);
    assert_eq!(client.command("00 2C 02 01", &block(PIN1)).sw, 0x6982);
    assert_eq!(client.verify(0x02, PUK), 0x9000);
    assert_eq!(client.command("00 2C 02 01", &block("123")).sw, 0x6A80);
    assert_eq!(client.command("00 2C 02 01", &block(PIN1)).sw, 0x9000);
    assert_eq!(client.hex("00 20 00 01").sw, 0x63C3, "unblocked, and not verified");
    assert_eq!(client.verify(0x01, PIN1), 0x9000);
    for reference in ["85", "00", "81", "83"] {
        assert_eq!(client.hex(&format!("00 20 00 {reference}")).sw, 0x6A88);
    }
    assert_eq!(client.command("00 2C 02 02", &block(PUK)).sw, 0x6A88);
}

/// The PINs of a card of 2025 are the same, as this application carries them.
#[test]
fn pins_look_the_same_whatever_the_profile() {
    let mut client = Client::with(Profile::Esteid2025, Some((Curve::Secp256r1, false)));
    client.hex(SELECT).ok();
    assert_eq!(client.verify(0x01, PIN1), 0x9000);
    assert_eq!(client.verify(0x02, PUK), 0x9000);
    assert_eq!(client.hex("00 20 00 81").sw, 0x6A88);
}
