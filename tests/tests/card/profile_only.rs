//! A token without its CDOC2 applet: an ID-card as the state hands it out.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use cdoc2_tests::pcscd::Namespace;
use cdoc2_tests::token::{Inserted, Token};

/// How SELECT by name begins (ISO 7816-4, 11.2.2), and VERIFY (11.6.6).
const SELECT: &[u8] = b"\x00\xA4\x04";
const VERIFY: &[u8] = b"\x00\x20";

/// The applet's identifier.
const APPLET: &[u8] = b"\xF0CDOC2\x01";

/// File or application not found (ISO 7816-4, 5.6).
const NOT_FOUND: &[u8] = b"\x6A\x82";

/// A token in a reader of vpcd, with somebody between the two who lets nothing through to the applet.
#[derive(Debug)]
pub(super) struct ProfileOnly {
    line: Child,
    is_removed_at_verify: Arc<AtomicBool>,
    _token: Inserted,
}

impl ProfileOnly {
    /// Puts `token` into the reader that listens on `port` in `namespace`.
    pub(super) fn insert(token: &Token, namespace: &Namespace, port: u16) -> Self {
        let mut line = line(namespace, port).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("nsenter runs");
        let mut reader = line.stdout.take().expect("its output is a pipe");
        let to_reader = Arc::new(Mutex::new(line.stdin.take().expect("its input is a pipe")));
        let is_removed_at_verify = Arc::new(AtomicBool::new(false));
        let is_removed = Arc::clone(&is_removed_at_verify);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        // Both threads end with either side's end, and that of both is the line's.
        thread::spawn(move || -> io::Result<()> {
            let (mut card, _) = listener.accept()?;
            card.set_nodelay(true)?;
            let mut answers = card.try_clone()?;
            let answered = Arc::clone(&to_reader);
            thread::spawn(move || -> io::Result<()> {
                loop {
                    let answer = receive(&mut answers)?;
                    send(&mut *answered.lock().expect("nobody panics"), &answer)?;
                }
            });
            while let Ok(message) = receive(&mut reader) {
                if message.starts_with(SELECT) && message[SELECT.len()..].windows(APPLET.len()).any(|octets| octets == APPLET) {
                    send(&mut *to_reader.lock().expect("nobody panics"), NOT_FOUND)?;
                } else if is_pin(&message) && is_removed.load(Ordering::SeqCst) {
                    break;
                } else {
                    send(&mut card, &message)?;
                }
            }
            card.shutdown(Shutdown::Both)
        });
        Self { line, is_removed_at_verify, _token: token.insert_outside(address) }
    }

    /// Pulls it out when the next PIN comes.
    pub(super) fn remove_at_verify(&self) {
        self.is_removed_at_verify.store(true, Ordering::SeqCst);
    }
}

impl Drop for ProfileOnly {
    fn drop(&mut self) {
        let _ = self.line.kill();
        let _ = self.line.wait();
    }
}

/// Input and output of a program that carries them to and from vpcd, whose network the test is not in.
fn line(namespace: &Namespace, port: u16) -> Command {
    let mut command = namespace.command("bash");
    command.args(["-c", "exec 3<>/dev/tcp/127.0.0.1/$0 && { cat <&3 & } && cat >&3; kill $!"]).arg(port.to_string());
    command
}

/// Without data it only asks for the tries that are left.
fn is_pin(command: &[u8]) -> bool {
    command.starts_with(VERIFY) && command.len() > 5
}

/// A message of vpcd's: a length of two octets, big-endian, and so many octets.
fn receive(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut len = [0; 2];
    from.read_exact(&mut len)?;
    let mut message = vec![0; u16::from_be_bytes(len).into()];
    from.read_exact(&mut message)?;
    Ok(message)
}

fn send(to: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let len = u16::try_from(message.len()).expect("an APDU is short");
    to.write_all(&[&len.to_be_bytes()[..], message].concat())?;
    to.flush()
}
