//! `run`.

use std::fs;
use std::net::TcpListener;

use crate::support::{HOLDER, Sandbox, verify};

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// PSO DECIPHER with a point of secp384r1, its generator; MANAGE SECURITY ENVIRONMENT and SELECT before it.
fn ecdh() -> [Vec<u8>; 4] {
    let select = [&b"\x00\xA4\x04\x0C\x0D"[..], token_proto::aid::ESTEID_AUTHENTICATION].concat();
    let mse = b"\x00\x22\x41\xB8\x09\x80\x04\xFF\x30\x04\x00\x84\x01\x81".to_vec();
    let mut decipher = b"\x00\x2A\x80\x86\x62\x00".to_vec();
    decipher.extend(GENERATOR);
    decipher.push(0x30);
    [select, verify(0x01, "1234"), mse, decipher]
}

/// The generator of secp384r1, uncompressed (SEC 2, 2.5.1).
const GENERATOR: &[u8; 97] = b"\x04\xAA\x87\xCA\x22\xBE\x8B\x05\x37\x8E\xB1\xC7\x1E\xF3\x20\xAD\x74\x6E\x1D\x3B\x62\x8B\xA7\x9B\x98\x59\xF7\x41\
    \xE0\x82\x54\x2A\x38\x55\x02\xF2\x5D\xBF\x55\x29\x6C\x3A\x54\x5E\x38\x72\x76\x0A\xB7\x36\x17\xDE\x4A\x96\x26\x2C\x6F\x5D\x9E\x98\xBF\x92\
    \x92\xDC\x29\xF8\xF4\x1D\xBD\x28\x9A\x14\x7C\xE9\xDA\x31\x13\xB5\xF0\xB8\xC0\x0A\x60\xB1\xCE\x1D\x7E\x81\x9D\x7A\x43\x1D\x7C\x90\xEA\x0E\
    \x5F";

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

#[test]
fn ends_cleanly_on_signals() {
    let sandbox = Sandbox::with_token(&[]);
    for signal in [SIGINT, SIGTERM] {
        assert_eq!(sandbox.insert(&[]).signal(signal), (Some(0), String::new()));
    }
    let token = sandbox.insert(&[]);
    drop(token.signal(SIGINT));
}

#[test]
fn reader_that_goes_away_is_an_error() {
    let (code, said) = Sandbox::with_token(&[]).insert(&[]).close_reader();
    assert_eq!(code, Some(1));
    assert!(said.contains("the reader is gone"), "{said}");
}

#[test]
fn reader_that_is_not_there_is_an_error() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let sandbox = Sandbox::with_token(&[]);
    let said = sandbox.token_sim(&["run", "--state", "t", "--vpcd", &free, "--pcap", "cap"]).failed(1);
    assert!(said.contains("Connection refused") && said.contains("is pcscd running"), "{said}");
    assert_eq!(sandbox.files(), ["t"]);
}

#[test]
fn what_is_no_address_is_refused_at_once() {
    let sandbox = Sandbox::with_token(&[]);
    for option in ["--vpcd", "--usbip"] {
        for address in ["nonsense", ":35963", "localhost:", "localhost:65536"] {
            let said = sandbox.token_sim(&["run", "--state", "t", option, address]).failed(2);
            assert!(said.contains(&format!("invalid value '{address}'")) && said.contains("HOST:PORT"), "{said}");
        }
    }
}

#[test]
fn token_is_in_one_reader_at_a_time_and_can_be_looked_at_there() {
    let sandbox = Sandbox::with_token(&[]);
    let mut token = sandbox.insert(&[]);
    for command in [&["run", "--state", "t", "--vpcd"][..], &[&["new", "--force", "--state", "t"], &HOLDER[..]].concat()] {
        assert_eq!(sandbox.token_sim(command).failed(1), "token-sim: t: another program uses this token; end it first\n");
    }
    assert_eq!(token.ask(&verify(0x01, "9999")), [0x63, 0xC2]);
    assert!(sandbox.token_sim(&["info", "--state", "t"]).succeeded().contains("PIN1                tries left: 2\n"));
    sandbox.token_sim(&["cert", "--state", "t", "auth"]).succeeded();
    assert_eq!(token.ask(&verify(0x01, "1234")), [0x90, 0x00]);
    assert_eq!(token.signal(SIGTERM).0, Some(0));
    assert!(sandbox.token_sim(&["info", "--state", "t"]).succeeded().contains("PIN1                tries left: 3\n"));
}

#[test]
fn two_tokens_are_two_programs() {
    let sandbox = Sandbox::with_token(&[]);
    let other = Sandbox::with_token(&[]);
    let (mut first, mut second) = (sandbox.insert(&[]), other.insert(&[]));
    assert_eq!(first.ask(&verify(0x01, "9999")), [0x63, 0xC2]);
    assert_eq!(second.ask(&verify(0x01, "1234")), [0x90, 0x00]);
}

#[test]
fn trace_and_capture_tell_all_but_the_secrets() {
    let sandbox = Sandbox::with_token(&["--pin1", "90817263"]);
    let mut token = sandbox.insert(&["--trace", "--pcap", "cap"]);
    let [select, _, mse, decipher] = ecdh();
    let mut secret = Vec::new();
    for command in [select, verify(0x01, "11223344"), verify(0x01, "90817263"), mse, decipher] {
        secret = token.ask(&command);
    }
    assert_eq!((secret.len(), &secret[48..]), (50, &[0x90, 0x00][..]));
    let (code, trace) = token.signal(SIGTERM);
    assert_eq!(code, Some(0));
    for line in [
        "<- 3BDB960080B1FE451F830012233F536549440F9000F1  answer to reset\n",
        "-> 00A4040C0DE828BD080FF2504F5420415750  SELECT authentication application\n",
        "-> 002000010C************************  VERIFY 01\n<- 63C2  verification failed, tries left: 2\n",
        "-> 002000010C************************  VERIFY 01\n<- 9000  success\n",
        "PSO DECIPHER\n",
    ] {
        assert!(trace.contains(line), "no {line:?} in:\n{trace}");
    }
    let capture = fs::read(sandbox.path("cap")).unwrap();
    let holds = |octets: &[u8]| capture.windows(octets.len()).any(|window| window == octets);
    assert!(holds(GENERATOR), "the capture has the public point");
    for pin in ["11223344", "90817263"] {
        assert!(!trace.contains(pin) && !trace.contains(&hex(pin.as_bytes())), "{trace}");
        assert!(!holds(pin.as_bytes()));
    }
    assert!(!trace.contains(&hex(&secret[..8])) && !holds(&secret[..8]), "{trace}");

    // what Wireshark makes of it
    let read = sandbox.tool("tshark", "-r cap -T fields -e iso7816.apdu.ins -e iso7816.apdu.body -e iso7816.atr.t0 -E separator=;");
    let lines: Vec<&str> = read.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("0xa4;")), "{read}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("0x20;2a2a2a2a2a2a2a2a2a2a2a2a")).count(), 2, "{read}");
    assert!(lines.iter().any(|line| line.ends_with("0xdb")), "{read}");
}

#[test]
fn capture_replaces_no_file_but_fills_a_pipe() {
    let sandbox = Sandbox::with_token(&[]);
    fs::write(sandbox.path("letter"), "Dear Jaak").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let said = sandbox.token_sim(&["run", "--state", "t", "--vpcd", &address, "--pcap", "letter"]).failed(1);
    assert!(said.starts_with("token-sim: letter: File exists"), "{said}");
    assert_eq!(fs::read(sandbox.path("letter")).unwrap(), b"Dear Jaak");

    sandbox.tool("mkfifo", "pipe");
    let reading = std::thread::spawn({
        let pipe = sandbox.path("pipe");
        move || fs::read(pipe).unwrap()
    });
    let mut token = sandbox.insert(&["--pcap", "pipe"]);
    token.ask(b"\x00\xA4\x00\x0C");
    assert_eq!(token.signal(SIGTERM).0, Some(0));
    assert!(reading.join().unwrap().ends_with(b"\x90\x00"));
}

#[test]
fn usb_reader_is_there_until_it_is_interrupted() {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpStream;
    use std::process::Stdio;

    let sandbox = Sandbox::with_token(&[]);
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_token-sim"));
    let mut program = command.args(["run", "--state", "t", "--usbip", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address =
        line.strip_prefix("ready usbip ").and_then(|line| line.strip_suffix(" 1-1\n")).expect("the ready line").to_owned();
    TcpStream::connect(&address).expect("it listens");
    sandbox.tool("kill", &format!("-TERM {}", program.id()));
    assert_eq!(program.wait().unwrap().code(), Some(0));
    TcpStream::connect(&address).unwrap_err();
}
